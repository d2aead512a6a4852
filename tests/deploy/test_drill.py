"""The last step as it is deployed: everything is real, and everything goes wrong once.

nginx with TLS, two Gunicorn masters with two processes each, PostgreSQL, a mail worker
and a mail server run on this machine, from the files that are shipped.
"""

import json
import re
import signal
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextlib import closing
from contextlib import contextmanager
from http.client import HTTPConnection
from http.client import HTTPResponse
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
import requests

from tests.concurrency import races
from tests.deploy.drill import network
from tests.deploy.drill.postgres import PostgreSQL
from tests.deploy.drill.site import TOTP_KEY
from tests.deploy.drill.site import Site
from tests.deploy.drill.traffic import Enrolments
from tests.deploy.drill.traffic import Traffic
from tests.kit import real_browser
from tests.kit.clock import RealClock
from tests.kit.journey import found_in
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.phone import Authenticator
from tests.kit.real_browser import Screen
from tests.kit.real_browser import launch
from tests.kit.servers import PASSWORD
from tests.kit.servers import need_gunicorn
from tests.kit.smtp_server import MailServer
from tests.kit.stage import ROOT
from tests.kit.stage import Account
from tests.kit.stage import make_app

ROUNDS = 20
DUMPS = ROOT / "tests" / "dumps"
CHEAP = {"PASSWORD_HASH_METHOD": "pbkdf2:sha256:1"}
NEW_PASSWORD = "seven kettles on a quiet roof"

pytestmark = [
    pytest.mark.drill,
    since("06"),
    never_red("the step before has no files to deploy it with"),
]


@pytest.fixture(scope="module")
def machine(request):
    """Return a database server and a mail server; our name leads to this machine."""
    need_gunicorn(request.config)
    with pytest.MonkeyPatch.context() as patch, PostgreSQL() as postgres:
        resolve = network.name_resolved_here(socket.getaddrinfo)
        patch.setattr(socket, "getaddrinfo", resolve)
        with MailServer() as mail:
            yield postgres, mail


@pytest.fixture(scope="module")
def sites(machine):
    """Return a function that starts a site, or hands out the one that runs."""
    postgres, mail = machine
    running = {}
    with ExitStack() as stack:

        def site_of(stage, name, **config):
            if name not in running:
                site = Site(stage, postgres.create(name), mail, **config)
                running[name] = stack.enter_context(site)
            return running[name]

        yield site_of


@pytest.fixture
def site(step, sites):
    """Return the site as it is shipped."""
    return sites(step, "shipped")


@pytest.fixture
def quick_site(step, sites):
    """Return the site with passwords that are hashed quickly."""
    return sites(step, "quick", **CHEAP)


@contextmanager
def browser_of(site):
    """Start a browser that knows the way to the site, and its certificate."""
    ours = (
        f"--host-resolver-rules=MAP {network.NAME} 127.0.0.1, MAP * ~NOTFOUND",
        f"--ignore-certificate-errors-spki-list={network.fingerprint(site.certificate)}",
    )
    usual = [a for a in real_browser.ARGUMENTS if "host-resolver-rules" not in a]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(real_browser, "ARGUMENTS", (*usual, *ours))
        with launch() as browser, browser.new_context() as context:
            yield Screen(site, site.url, context)


# The whole way


class Person:
    """A user with a browser, a mailbox and an authenticator, who notes all secrets."""

    def __init__(self, site, screen, name):
        self.site = site
        self.screen = screen
        self.account = Account(name, PASSWORD)
        self.address = f"{name}@example.org"
        self.secrets = {PASSWORD, NEW_PASSWORD, self.address}

    def type(self, **values):
        """Fill in the form that is open, and remember what nobody may read."""
        self.site.mails_to(self.address)  # one that is still queued would count twice
        self.secrets.update(values.values())
        self.screen.fill_in(**values)
        self.secrets.update(cookie["value"] for cookie in self.screen.context.cookies())

    def register(self):
        """Create an account, and verify the address."""
        self.screen.open("/").follow("Create an account")
        names = {"username": self.account.username, "email": self.address}
        self.screen.fill_in(**names, password=PASSWORD, confirm=PASSWORD)
        self.type(email_code=self.site.mails_to(self.address)[-1].code)
        assert self.screen.path == "/enrol", self.screen.text

    def scan(self):
        """Return an authenticator that has scanned the page."""
        fields = parse_qs(urlsplit(self.screen.scan()).query)
        self.secrets.update(fields["secret"])
        return Authenticator(fields["secret"][0], RealClock())

    def enrol(self):
        """Enrol the authenticator, and save the recovery codes."""
        self.account.authenticator = self.scan()
        self.type(code=self.account.authenticator.code_from(0))
        codes = real_browser.recovery_codes_on(self.screen)
        assert len(set(codes)) == 10, self.screen.text
        self.account.recovery_codes = codes
        self.secrets.update(codes)
        self.screen.follow("I've saved them")

    def reset_password(self):
        """Forget the password, and set another one by the link in the email."""
        self.screen.open("/login").follow("Forgot your password?")
        self.screen.fill_in(email=self.address)
        link = urlsplit(self.site.mails_to(self.address)[-1].link)
        self.secrets.update(link.path.split("/")[2:])
        self.screen.open(link.path)
        assert self.screen.path == "/reset/new"
        values = {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
        self.type(**values, code=self.account.recovery_code())
        assert self.screen.path == "/login", self.screen.text
        self.account.password = NEW_PASSWORD

    def log_in_without_authenticator(self):
        """Log in with a recovery code."""
        self.screen.give_password(self.account).follow("Use a recovery code instead")
        self.type(recovery_code=self.account.recovery_code())

    def change_authenticator(self):
        """Move to a new authenticator app."""
        self.screen.open("/account").follow("Move to a new authenticator app")
        code = self.account.recovery_code()
        self.type(current_password=self.account.password, code=code)
        self.account.authenticator = self.scan()
        self.type(code=self.account.authenticator.code_from(0))
        assert self.screen.path == "/account", self.screen.text

    def assert_at_home(self):
        """Check that the protected page is open, and leave."""
        assert self.screen.path == "/", self.screen.text
        assert self.account.username in self.screen.text
        self.screen.log_out()


@attack(52, 82, 106, 108)
def test_a_user_goes_the_whole_way_and_no_log_tells_a_secret(site):
    with browser_of(site) as screen:
        person = Person(site, screen, "kim")
        person.register()
        person.enrol()
        person.assert_at_home()
        screen.give_password(person.account)
        person.type(code=person.account.authenticator.code_from(1))
        person.assert_at_home()
        person.reset_password()
        person.log_in_without_authenticator()
        person.change_authenticator()
        screen.log_out().give_password(person.account)
        person.type(code=person.account.authenticator.code_from(1))
        person.assert_at_home()
        assert not screen.complaints()
        assert not screen.requests_to_others()

    subjects = [mail.subject for mail in site.mails_to(person.address)]
    assert sorted(subjects) == [
        "A new authenticator app was set up for your Door account",
        "A recovery code for your Door account was used",
        "A recovery code for your Door account was used",
        "A recovery code for your Door account was used",
        "Reset your Door password",
        "Your Door code",
        "Your Door password was changed",
    ]
    assert found_in(site.log, person.secrets) == []
    assert not site.complaints()


@attack(106)
def test_both_logs_tell_what_a_visitor_did_and_from_which_network(site):
    account, visitor = site.account(), site.visitor()
    visitor.log_in(account)
    page = visitor.ask("GET", "/nothing?asked=by-somebody")
    site.wait_for(lambda: access_lines(site, page))  # written after the answer
    [line] = access_lines(site, page)

    assert (line["method"], line["path"], line["status"]) == ("GET", "/nothing", "404")
    assert line["network"] == visitor.browser.network
    assert "by-somebody" not in site.log
    events = [line for line in audit_lines(site) if line["event"] == "logged_in"]
    assert events[-1]["network"] == visitor.browser.network


def access_lines(site, page):
    """Return what nginx wrote about an answer of the app."""
    name, lines = page.headers["X-Request-ID"], site.log_of("access").splitlines()
    return [json.loads(line) for line in lines if name in line]


def audit_lines(site):
    """Return what the processes wrote about events, each a line of JSON."""
    lines = (
        site.log_of("gunicorn0").splitlines() + site.log_of("gunicorn1").splitlines()
    )
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return sorted(found, key=lambda line: line["time"])


# What is in front of the app


@attack(65)
def test_a_client_cannot_choose_the_network_that_is_counted(site):
    account, visitor = site.account(), site.visitor()
    statuses = []
    for number in range(6):
        page = visitor.open("/login")
        target, data = page.filled_in(username=account.username, password="a lamp")
        headers = {
            "X-Forwarded-For": f"10.0.0.{number}",
            "Forwarded": f"for=10.0.0.{number}",
        }
        statuses.append(visitor.send(target, data, headers=headers).status)

    assert statuses == [422, 422, 422, 422, 422, 429]
    assert audit_lines(site)[-1]["network"] == visitor.browser.network


BALANCER = """
    set_real_ip_from 127.0.0.0/8;
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
"""


@contextmanager
def behind_a_balancer(site):
    """Let nginx believe what stands in front of it, as the recipe says."""
    file = site.scratch / "door.conf"
    shipped = file.read_text()
    place = "    client_max_body_size"
    file.write_text(shipped.replace(place, f"{BALANCER}{place}"))
    site.nginx.tell(signal.SIGHUP)
    try:
        yield
    finally:
        file.write_text(shipped)
        site.nginx.tell(signal.SIGHUP)


@attack(65)
def test_behind_a_balancer_the_network_is_that_of_the_visitor(site):
    def network_of_a_visitor():
        headers = {"X-Forwarded-For": "10.9.9.9, 203.0.113.77"}
        visitor = site.visitor()
        target, data = visitor.open("/login").filled_in(username="a", password="a lamp")
        visitor.send(target, data, headers=headers)
        return audit_lines(site)[-1]["network"]

    with behind_a_balancer(site):
        site.wait_for(lambda: network_of_a_visitor() == "203.0.113.77")
    site.wait_for(lambda: network_of_a_visitor() != "203.0.113.77")


SECURITY_HEADERS = (
    "Cache-Control",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Referrer-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
)


def assert_has_headers(headers, status):
    """Check that each header is there once, and says the same as everywhere."""
    for name in SECURITY_HEADERS:
        assert headers.get(name), (status, name)
    assert "includeSubDomains" in headers["Strict-Transport-Security"]
    assert "'unsafe" not in headers["Content-Security-Policy"]
    assert not re.search(r"\d", headers["Server"])


def test_every_answer_has_the_headers_those_of_nginx_too(site):
    visitor = site.visitor()
    style = visitor.ask("GET", "/static/style.css")
    pages = [
        style,
        visitor.ask("GET", "/login"),
        visitor.ask("GET", "/"),
        visitor.ask("GET", "/nothing"),
        visitor.ask("GET", "/logout"),
        visitor.ask("POST", "/login", data={}),
        visitor.ask("POST", "/login", data={"username": "x" * 20_000}),
        visitor.ask("POST", "/login", data={"username": "x" * 80_000}),
        visitor.ask("GET", "/" + "x" * 9_000),
        visitor.ask("GET", "/login?" + "x" * 5_000),
        visitor.ask("GET", "/reset/" + "x" * 5_000),
        visitor.ask("GET", "/account?" + "&" * 3_900),
        visitor.ask(
            "GET",
            "/static/style.css",
            headers={"If-None-Match": style.headers["ETag"]},
        ),
    ]

    for page in pages:
        assert_has_headers(page.headers, page.status)
    statuses = [page.status for page in pages]
    assert statuses == [200, 200, 302, 404, 405, 400, 413, 413, *[414] * 3, 302, 304]


def answer_to(site, request):
    """Send a request as it is written, through nginx; return the answer's headers."""
    with network.tls_connection(site) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers


MANY_FIELDS = "".join(f"X-Field-{number}: a\n" for number in range(150))
NOT_FOR_THE_APP = {
    f"TRACE / HTTP/1.1\nHost: {network.NAME}\n\n": 405,
    f"GET / HTTP/1.1\nHost: {network.NAME}\n{MANY_FIELDS}\n": 431,
    f"POST / HTTP/1.1\nHost: {network.NAME}\nTransfer-Encoding: gzip\n\n": 501,
    f"GET / HTTP/3.0\nHost: {network.NAME}\n\n": 505,
    f"GET / HTTP/1.1\nHost: {network.NAME}\nContent-Length: one\n\n": 400,
    f"POST / HTTP/1.1\nHost: {network.NAME}\nTransfer-Encoding: chunked\n\nZ\n\n": 400,
}


@attack(159)
@pytest.mark.parametrize(("request_", "status"), NOT_FOR_THE_APP.items())
def test_an_answer_that_the_app_does_not_give_has_the_headers(site, request_, status):
    found, headers = answer_to(site, request_)

    assert found == status
    assert_has_headers(headers, status)


def is_silent(port):
    """Tell whether a backend does not say within three seconds that it is alive."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=3)) as probe:
        probe.request("GET", "/healthz", headers={"Host": network.NAME})
        try:
            probe.getresponse()
        except TimeoutError:
            return True
    return False


@attack(150)
def test_slow_bodies_are_noticed_without_nginx_and_not_behind_it(site):
    head = f"POST /login HTTP/1.1\r\nHost: {network.NAME}\r\nContent-Length: 9\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(24):
            connection = stack.enter_context(network.tls_connection(site))
            connection.sendall(head.encode() + b"user")
        assert site.visitor().ask("GET", "/healthz").status == 200

    where = ("127.0.0.1", site.backends[0])
    with ExitStack() as stack:
        for _ in range(5):  # whichever worker is awake takes them, and one may be free
            for _ in range(24):
                connection = stack.enter_context(socket.create_connection(where))
                connection.sendall(head.encode() + b"user")
            if is_silent(site.backends[0]):
                break
        else:
            pytest.fail("a thread is always free")
    site.wait_for(lambda: site.ask_master(site.backends[0], "/healthz") == 200)


def test_a_request_without_tls_is_led_to_the_name_that_is_ours(site):
    address = f"http://127.0.0.1:{site.plain_port}/login?next=/account"

    def ask(host):
        return requests.get(
            address, headers={"Host": host}, allow_redirects=False, timeout=30
        )

    assert ask(network.NAME).status_code == 301
    target = f"https://{network.NAME}/login?next=/account"
    assert ask(network.NAME).headers["Location"] == target
    with pytest.raises(requests.ConnectionError):
        ask("example.com")


def test_another_name_and_an_old_protocol_get_no_answer(site):
    for options in ({"name": "example.com"}, {"is_old": True}):
        with pytest.raises(OSError):  # noqa: PT011  ssl.SSLError has no fixed text
            network.tls_connection(site, **options)
    with network.tls_connection(site) as connection:
        assert connection.version() == "TLSv1.3"
    with pytest.raises(requests.ConnectionError):
        site.visitor().ask("GET", "/login", headers={"Host": "example.com"})


# At the same time


@attack(13)
def test_a_code_sent_to_both_servers_at_once_logs_in_once(quick_site):
    races.assert_every_round(quick_site, races.same_code)


@attack(56)
def test_a_recovery_code_sent_to_both_servers_at_once_logs_in_once(quick_site):
    races.assert_every_round(quick_site, races.same_recovery_code)


@attack(69)
def test_of_wrong_codes_sent_to_both_servers_at_once_five_are_verified(quick_site):
    races.assert_every_round(quick_site, races.wrong_codes)


@attack(85)
def test_a_reset_link_sent_to_both_servers_at_once_works_once(quick_site):
    races.assert_every_round(quick_site, races.same_reset_link)


def test_all_four_processes_took_part_in_the_races(quick_site):
    page, seen = quick_site.visitor().open("/login"), set()
    for _ in range(ROUNDS):
        shots = [races.Shot.of(page, username="", password="")] * races.MANY
        pages = races.fire(quick_site, shots)
        seen |= {page.headers["X-Worker"] for page in pages}
    assert len(seen) == 4
    assert not quick_site.complaints()


# Restarts


def booted(site, number):
    """Return how many processes a Gunicorn has started, and how many have ended."""
    log = site.log_of(f"gunicorn{number}")
    return log.count("Booting worker"), log.count("Worker exiting")


def test_no_visitor_notices_that_all_processes_are_replaced(site):
    with Traffic(site).flowing() as traffic:
        for number in (0, 1, 0, 1):
            started, ended = booted(site, number)
            site.masters[number].tell(signal.SIGHUP)
            expected = (started + 2, ended + 2)
            site.wait_for(lambda n=number, e=expected: booted(site, n) == e)
            traffic.wait_for_more()

    traffic.assert_nobody_noticed()
    assert not site.complaints()


def test_no_visitor_notices_that_one_server_after_the_other_restarts(site):
    with Traffic(site).flowing() as traffic:
        for number in (0, 1, 0, 1):
            site.restart_master(number)
            traffic.wait_for_more()

    traffic.assert_nobody_noticed()


@attack(115)
def test_while_no_server_runs_nginx_says_so_and_keeps_links_to_itself(site):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-AndMore"
    visitor = site.visitor()
    for master in site.masters:
        master.end()
    site.stop_listening()
    try:
        pages = [
            visitor.ask("GET", path)
            for path in ("/login", f"/reset/{token}", f"/%72eset/{token}?a")
        ]
    finally:
        site.listen()
        site.start_masters()

    for page in pages:
        assert page.status == 502
        assert_has_headers(page.headers, page.status)
        assert page.headers["Retry-After"] == "10"
        assert "down for a moment" in page.text
    site.wait_for(lambda: visitor.ask("GET", "/login").status == 200)
    assert token not in site.log
    assert '"path": "/login", "status": "502"' in site.log_of("access")


# The database


@attack(137)
def test_without_its_database_the_site_answers_503_and_then_goes_on(site, machine):
    postgres, _ = machine
    account = site.account()
    visitor, guest = site.logged_in(account), site.visitor()
    form = guest.open("/login")
    site.wait_for_mails()  # otherwise one would be sent again later
    postgres.stop()
    try:
        pages = [
            visitor.ask("GET", "/"),
            visitor.ask("GET", "/account"),
            form.fill_in(username=account.username, password=account.password),
            guest.ask("GET", "/readyz"),
        ] * 5
        assert guest.ask("GET", "/healthz").status == 200
    finally:
        postgres.start()

    for page in pages:
        assert page.status == 503, page
        assert int(page.headers["Retry-After"]) > 0, page
        assert_has_headers(page.headers, page.status)
        assert "Set-Cookie" not in page.headers, page
    assert "Traceback" not in site.log
    site.wait_for(lambda: guest.ask("GET", "/readyz").status == 200)
    for _ in range(20):
        assert visitor.ask("GET", "/").status == 200
    site.visitor().log_in(account)


# The emails


def queued(site):
    """Return how many emails are queued, and how often one was tried at most."""
    question = "SELECT count(*), coalesce(max(delivery_attempts), 0) FROM outbox_emails"
    return site.ask_database(question)[0]


@attack(109, 126)
def test_while_the_mail_server_is_away_no_email_is_lost_or_sent_twice(site, machine):
    _, mail = machine
    accounts = [site.account() for _ in range(10)]
    site.wait_for_mails()
    mail.go_away()
    try:
        for account in accounts:
            site.visitor().open("/reset").fill_in(email=races.address_of(account))
        site.wait_for(lambda: queued(site) == (len(accounts), 1))
        site.restart_worker()
    finally:
        mail.come_back()
    assert queued(site) == (len(accounts), 1)
    site.ask_database("UPDATE outbox_emails SET next_attempt_at = 0")  # now it is due
    second = site.start_another_worker()
    try:
        mails = [site.mails_to(races.address_of(account)) for account in accounts]
    finally:
        assert second.end() == 0

    assert [len(found) for found in mails] == [1] * len(accounts)
    for account, [email] in zip(accounts, mails, strict=True):
        page = site.visitor().open(urlsplit(email.link).path)
        assert page.path == "/reset/new", account


@attack(109)
def test_a_worker_that_is_told_to_end_finishes_the_email_that_is_on_its_way(
    site, machine
):
    _, mail = machine
    address = races.address_of(site.account())
    mail.hold()
    site.visitor().open("/reset").fill_in(email=address)
    assert mail.is_waiting.wait(timeout=30)
    site.worker.tell(signal.SIGTERM)
    mail.may_go_on.set()
    assert site.worker.wait() == 0
    site.start_worker()

    assert len(site.mails_to(address)) == 1


# The keys


def change_keys(traffic, *keys):
    """Give other keys to one server, and after a while to the other."""
    traffic.site.settings["TOTP_KEYS"] = ",".join(keys)
    for number in (0, 1):
        traffic.site.restart_master(number)
        traffic.wait_for_more()


@attack(100)
def test_keys_are_changed_while_users_enrol_and_log_in(step, sites):
    site = sites(step, "keys", **CHEAP)
    accounts = [site.account() for _ in range(120)]  # more than one batch
    secrets = "SELECT encrypted_secret FROM second_factors"
    before = {secret for [secret] in site.ask_database(secrets)}
    new_key = "another key that nobody has used before the drill"

    with Enrolments(site).flowing() as enrolments:
        change_keys(enrolments, TOTP_KEY, new_key)  # first every server can read it
        change_keys(enrolments, new_key, TOTP_KEY)  # then they write with it
        site.run("keys", "rotate")
        change_keys(enrolments, new_key)
    enrolments.assert_nobody_noticed()

    with ThreadPoolExecutor(4) as threads:
        logged_in = list(
            threads.map(lambda a: races.is_let_in(site, a, a.authenticator), accounts)
        )
    assert all(logged_in), f"{logged_in.count(False)} of {len(accounts)} are locked out"
    rows = site.ask_database("SELECT user_id, encrypted_secret FROM second_factors")
    assert len(rows) == len(accounts) + len(enrolments.accounts)
    assert not before & {secret for _, secret in rows}
    new_app = make_app(site.door, site.config | {"TOTP_KEYS": new_key})
    with new_app.app_context():
        assert all(site.door.crypto.decrypt_for(*row) for row in rows)
    assert not site.complaints()


# The database of somebody who comes from the step with the first one


def start_together(site, *command):
    """Run a command in two processes at once; return their exit statuses."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda _: site.run(*command), range(2)))


@attack(9, 119)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_earlier_days_is_migrated_by_two_at_once(
    step, machine, tmp_path, kind
):
    postgres, mail = machine
    dump = (DUMPS / f"door.{kind}.sql").read_text()
    if kind == "postgresql":
        database = postgres.create("earlier", dump)
    else:
        database = f"sqlite:///{tmp_path / 'door.db'}"
        with closing(sqlite3.connect(tmp_path / "door.db")) as connection:
            connection.executescript(dump)
    site = Site(step, database, mail)
    start_together(site, "db", "upgrade")

    with site:
        for user in json.loads((DUMPS / "users.json").read_text()):
            account = Account(user["username"], user["password"])
            account.authenticator = Authenticator(user["secret"], RealClock())
            page = site.visitor().give_password(account)
            assert page.fill_in(code=account.authenticator.code_from(0)).path == "/", (
                user
            )
            account.recovery_codes = [user["recovery_code"]]
            assert site.logged_in(account).is_logged_in()
        hashes = site.ask_database("SELECT password_hash FROM users")
    assert {row[0].partition("$")[0] for row in hashes} == {"scrypt:32768:8:3"}

"""What protects every answer: headers, cookie, hosts, proxies; and its health."""

import re

import pytest
from sqlalchemy import event

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.browser import InProcessBrowser
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.production import HOST
from tests.kit.production import ORIGIN
from tests.kit.production import https_visitor
from tests.kit.production import in_production
from tests.kit.real_browser import Screen
from tests.kit.real_browser import launch
from tests.kit.real_browser import serve
from tests.kit.stage import add_second_factor
from tests.kit.stage import register
from tests.kit.visitor import Visitor

pytestmark = since("06")

A_YEAR = 365 * 24 * 60 * 60  # seconds
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
FOREIGN_HOSTS = [
    "evil.example",
    f"{HOST}.evil.example",
    f"evil.{HOST}",
    f"evil-{HOST}",
    f"{HOST}@evil.example",
    f"{HOST}, evil.example",
    f"{HOST}/evil",
    f"{HOST}:evil",
    f"{HOST}.",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "[::1",
    "",
    "?",
    "evil\u00e9.example",
]
NOWHERE = dict.fromkeys(
    ["DATABASE_URL", "SQLALCHEMY_DATABASE_URI"], "sqlite:////nowhere/at/all/door.db"
)
HEALTH = ["/healthz", "/readyz"]
OTHER_KEY = "5d1f0b7a9c3e86425d1f0b7a9c3e86421f5d0b7a9c3e8642"


@pytest.fixture
def site(step, clock):
    """Return the app as it runs in production."""
    return in_production(step, clock, TESTING=False)


def policy_of(page):
    """Return the content security policy of an answer, by directive."""
    text = page.headers.get("Content-Security-Policy", "")
    parts = [part.split(None, 1) for part in text.split(";")]
    return dict(filter(None, parts))


def assert_has_policy(page):
    """Check the policy, which may say more as long as it allows no other site."""
    policy = policy_of(page)
    assert policy.items() >= POLICY.items(), page
    assert set(policy.values()) <= {"'self'", "'none'"}, page


def assert_protected(page):
    """Check all the headers that each answer has."""
    assert_has_policy(page)
    for name, value in HEADERS.items():
        assert page.headers.get_all(name) == [value], page
    hsts = page.headers.get("Strict-Transport-Security", "max-age=0")
    assert int(re.match(r"max-age=(\d+)(;|$)", hsts)[1]) >= A_YEAR, page
    assert "includeSubDomains" in hsts
    for name in ("Server", "X-Powered-By"):
        assert name not in page.headers


# Headers


@attack(104, 115)
@pytest.mark.parametrize(
    ("method", "path", "status", "how"),
    [
        ("GET", "/login", 200, {}),
        ("HEAD", "/login", 200, {}),
        ("GET", "/", 302, {}),
        ("POST", "/login", 400, {}),
        ("GET", "/login", 400, {"headers": {"Host": "evil.example"}}),
        ("GET", "/nothing", 404, {}),
        ("GET", "/logout", 405, {}),
        ("OPTIONS", "/login", 200, {}),
        ("TRACE", "/login", 405, {}),
        ("POST", "/nothing", 413, {"data": b"x" * 17_000}),
        ("GET", "/static/style.css", 200, {}),
        ("GET", "/static/nothing", 404, {}),
        ("GET", "/healthz", 200, {}),
        ("GET", "/readyz", 200, {}),
        ("GET", "/.well-known/change-password", 302, {}),
    ],
)
def test_every_answer_is_protected(site, method, path, status, how):
    page = site.visitor().ask(method, path, **how)

    assert_protected(page)
    assert page.status == status


@attack(104)
@pytest.mark.parametrize("file", ["style.css", "reveal.js", "icon.svg"])
def test_an_answer_without_a_body_is_protected(site, file):
    visitor = site.visitor()
    known = visitor.ask("GET", f"/static/{file}").headers
    header = {"If-None-Match": known["ETag"]}
    page = visitor.ask("GET", f"/static/{file}", headers=header)

    assert_protected(page)
    assert page.status == 304


@attack(104, 115)
@rate_limited
def test_the_page_that_asks_for_patience_is_protected(site):
    visitor = site.visitor()
    for _ in range(6):
        page = visitor.open("/login")
        page = page.fill_in(username="nobody", password="not this one")

    assert_protected(page)
    assert page.status == 429


@since("06d")
@attack(104, 115)
def test_a_failure_of_ours_can_be_found_in_the_log_by_its_name(site, log):
    site.app.add_url_rule("/broken", view_func=lambda: 1 / 0)
    page = site.visitor().ask("GET", "/broken")
    name = page.headers.get("X-Request-ID", "no name")

    assert_protected(page)
    assert page.status == 500
    assert f"Reference: {name}" in page.text
    assert name in log.text
    assert "Reference" not in site.visitor().ask("GET", "/nothing").text


@attack(104, 115)
def test_the_page_that_is_shown_while_the_database_is_away_is_protected(step, clock):
    page = in_production(step, clock, **NOWHERE).visitor().open("/login")
    page = page.fill_in(username="nobody", password="not this one")

    assert_protected(page)
    assert page.status == 503
    assert page.headers["Retry-After"]


@since("06b")
@attack(137)
def test_a_visitor_for_whom_no_connection_is_left_may_come_back(step, clock):
    one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0}
    values = {"TESTING": False, "SQLALCHEMY_ENGINE_OPTIONS": one}
    site = step.start(clock, **values)
    account, visitor = site.account(), site.visitor()
    with site.engine.connect():
        page = visitor.give_password(account)
    assert page.status == 503
    assert page.headers["Retry-After"]

    visitor.log_in(account)


@since("06d")
@attack(104)
def test_the_pages_behind_the_login_are_protected(site):
    account = site.account()
    visitor = logged_in(site, account)
    for path in ("/", "/account", "/account/password", "/account/phone"):
        assert_protected(visitor.ask("GET", path))
    page = prove(visitor, account, "/account/recovery-codes")
    assert page.find_all(".recovery-code")
    assert_protected(page)
    page = visitor.log_out()
    assert_protected(page)


@attack(104)
def test_in_development_only_https_is_not_asked_for(step, clock):
    visitor = step.start(clock).visitor()
    for path in ("/login", "/nothing", "/static/style.css", "/"):
        page = visitor.ask("GET", path)
        assert_has_policy(page)
        assert "Strict-Transport-Security" not in page.headers


@since("01")
@never_red("there was no script and no style in a page before either")
@attack(104)
def test_no_page_has_a_script_or_a_style_of_its_own(step, clock):
    site = step.start(clock)
    visitor, account = site.visitor(), site.account_without_factor()
    pages = [visitor.open("/login"), visitor.give_password(account)]
    pages.append(visitor.open("/nothing"))
    for page in pages:
        assert not page.find_all("style, [style], script:not([src]), [onclick]")
        assert "javascript:" not in page.html


# The debugger, versions


@since("01")
@never_red("the debugger never runs in the tests of a step")
@attack(102)
@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/login?__debugger__=yes&cmd=resource&f=debugger.js",
        "/login?__debugger__=yes&cmd=pinauth&pin=000-000-000&s=x",
    ],
)
def test_there_is_no_debugger(step, clock, path):
    page = step.start(clock).visitor().ask("GET", path)

    assert "debugger" not in page.html.lower()
    assert page.status in (200, 404)


# The cookie


@since("06d")
@attack(103)
def test_the_cookie_is_as_strict_as_a_cookie_can_be(site):
    account = site.account()
    visitor = site.visitor()
    answers = [visitor.ask("GET", "/login")]
    answers.append(visitor.give_password(account))
    path, data = visitor.page.filled_in(code=account.authenticator.code())
    answers.append(visitor.ask("POST", path, data=data))
    cookies = [c for a in answers for c in a.headers.get_all("Set-Cookie")]

    assert len(cookies) >= 2
    for cookie in cookies:
        pair, *attributes = [part.strip() for part in cookie.split(";")]
        assert pair.startswith(("__Host-session=", "__Host-device="))
        if pair.startswith("__Host-device="):  # the one that is kept
            attributes = [a for a in attributes if not a.startswith(("Exp", "Max-Age"))]
        wanted = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
        assert sorted(attributes) == wanted


@attack(103)
def test_over_http_in_development_the_cookie_has_its_plain_name(step, clock):
    site = step.start(clock)
    [plain] = site.visitor().ask("GET", "/login").headers.get_all("Set-Cookie")
    tunnel = step.start(clock, BASE_URL=ORIGIN)
    [strict] = tunnel.visitor().ask("GET", "/login").headers.get_all("Set-Cookie")

    assert plain.startswith("session")
    assert "Secure" not in plain
    assert strict.startswith("__Host-session=")
    assert "Secure" in strict


@since("06d")
@attack(103, 29)
def test_a_cookie_that_a_neighbour_could_plant_is_not_read(site):
    owner = logged_in(site, site.account())
    assert "__Host-session" in owner.browser.cookies
    value = owner.browser.cookies["__Host-session"].value
    for name in ("session-06-deploy", "session", "__Secure-session", "__host-session"):
        visitor = site.visitor()
        visitor.browser.client.set_cookie(name, value, domain=HOST)
        assert not visitor.is_logged_in(), name


# Names by which the site is reached


@since("06d")
@attack(89)
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/login", "/", "/nothing", "/static/style.css"])
def test_a_host_that_is_not_ours_gets_the_page_for_bad_requests(site, host, path):
    for method in ("GET", "POST"):
        headers = {"Host": host}
        page = site.visitor().ask(method, path, headers=headers)

        assert page.status == 400, page
        assert "We could not read that" in page.title
        assert page.headers["Cache-Control"] == "no-store"
        assert "evil" not in page.html
        assert not page.headers.get_all("Set-Cookie")
        assert_protected(page)


@attack(89)
def test_further_names_can_be_trusted(step, clock):
    site = in_production(step, clock, TRUSTED_HOSTS=["10.0.0.7", "door.internal"])
    for host, status in (
        ("10.0.0.7", 200),
        ("10.0.0.7:8000", 200),
        ("door.internal", 200),
        (HOST, 200),
        ("x.door.internal", 400),
        ("10.0.0.70", 400),
    ):
        page = site.visitor().ask("GET", "/healthz", headers={"Host": host})
        assert page.status == status, host


@attack(89)
@pytest.mark.parametrize("proxies", [0, 1])
def test_no_header_names_the_host_of_the_link_in_the_mail(step, clock, proxies):
    site = in_production(step, clock, PROXIES=proxies)
    add_second_factor(site, register(site.visitor(), username="kim", email=ADDRESS))
    for name in ("X-Forwarded-Host", "X-Host", "X-Original-Host", "Forwarded"):
        page = site.visitor().open("/reset")
        target, data = page.filled_in(email=ADDRESS)
        value = "host=evil.example" if name == "Forwarded" else "evil.example"
        answer = page.visitor.ask("POST", target, data=data, headers={name: value})
        assert answer.status == 302
        assert "evil" not in answer.headers["Location"]
    headers = {"Host": "evil.example"}
    page = site.visitor().ask("POST", target, data=data, headers=headers)
    assert page.status == 400
    assert "We could not read that" in page.title
    [mail] = [mail for mail in site.mails() if "/reset/" in mail.text]

    assert mail.link.startswith(f"{ORIGIN}/reset/")
    assert "evil" not in str(mail)


# Proxies


def guess(site, network, **headers):
    """Give a wrong password; return the status of the answer."""
    visitor = site.visitor(network)
    page = visitor.open("/login")
    target, data = page.filled_in(username="nobody", password="not this one")
    return visitor.ask("POST", target, data=data, headers=headers).status


def forwarded(*addresses):
    """Return the header to which each proxy has added an address."""
    return {"X-Forwarded-For": ", ".join(addresses)}


@attack(63, 65)
@rate_limited
@pytest.mark.parametrize(
    ("proxies", "addresses"),
    [
        (0, ["203.0.113.{n}"]),
        (0, ["203.0.113.{n}", "203.0.113.{n}"]),
        (1, ["203.0.113.{n}", "192.0.2.9"]),
        (1, ["203.0.113.{n}", "203.0.113.{n}", "192.0.2.9"]),
        (2, ["203.0.113.{n}", "192.0.2.9", "10.0.0.{n}"]),
    ],
)
def test_an_address_that_visitors_choose_is_not_believed(
    step, clock, proxies, addresses
):
    site = in_production(step, clock, PROXIES=proxies)
    answers = []
    for n in range(6):
        chosen = [address.format(n=n) for address in addresses]
        answers.append(guess(site, "10.1.1.1", **forwarded(*chosen)))

    assert answers == [422] * 5 + [429]
    assert "X-Request-ID" in site.visitor().ask("GET", "/login").headers


@attack(63, 65)
@rate_limited
@pytest.mark.parametrize(
    ("proxies", "addresses"),
    [
        (1, ["192.0.2.9", "203.0.113.{n}"]),
        (2, ["192.0.2.9", "203.0.113.{n}", "10.0.0.1"]),
    ],
)
def test_the_address_that_our_proxy_adds_is_believed(step, clock, proxies, addresses):
    site = in_production(step, clock, PROXIES=proxies)
    for n in range(7):
        chosen = [address.format(n=n) for address in addresses]
        assert guess(site, "10.1.1.1", **forwarded(*chosen)) == 422


@since("06d")
@attack(63)
@rate_limited
@pytest.mark.parametrize(
    "address",
    ["203.0.113.9:{port}", "[2001:db8::7]:{port}", "10.0.0.1, 192.0.2.9:{port}"],
)
def test_a_port_behind_the_address_makes_no_other_network(step, clock, capfd, address):
    site = in_production(step, clock, PROXIES=1)
    answers = [
        guess(site, "10.1.1.1", **forwarded(address.format(port=50_000 + number)))
        for number in range(6)
    ]
    other = guess(site, "10.1.1.1", **forwarded("198.51.100.1:50000"))

    assert answers == [422] * 5 + [429]
    assert other == 422
    assert ":50000" not in capfd.readouterr().out


@since("06d")
@attack(63, 7)
@rate_limited
@pytest.mark.parametrize("proxies", [1, 2])
@pytest.mark.parametrize(
    "invented",
    [
        *'",\\ \t',
        '"{n}',
        '\\"',
        '"a, b',
        '"a", "b',
        '"\\',
        ", ,",
        '=";',
        '"""',
        "[",
        '"[',
    ],
)
def test_no_text_before_its_address_hides_a_client_behind_the_proxy(
    step, clock, proxies, invented
):
    site = in_production(step, clock, PROXIES=proxies)
    added = ["10.0.0.1"] * (proxies - 1)
    answers = []
    for number in range(6):
        chosen = invented.format(n=number), "203.0.113.9", *added
        answers.append(guess(site, "10.1.1.1", **forwarded(*chosen)))
    other = guess(site, "10.1.1.1", **forwarded(invented, "198.51.100.1", *added))

    assert answers == [422] * 5 + [429]
    assert other == 422


@attack(63)
@pytest.mark.parametrize("address", ["2001:db8:1:2:3:4:5:7", "2001:db8::5:7"])
def test_an_address_without_a_port_is_left_as_it_is(step, clock, capfd, address):
    site = in_production(step, clock, PROXIES=1)
    guess(site, "10.1.1.1", **forwarded(address))

    assert f'"network": "{address}"' in capfd.readouterr().out


@attack(104)
@never_red("the step before sends no HSTS at all")
def test_no_browser_is_told_that_localhost_speaks_https_alone(step, clock):
    site = in_production(step, clock, BASE_URL="https://localhost")
    page = site.visitor().ask("GET", "/login", base_url="https://localhost")

    assert page.status == 200
    assert "Strict-Transport-Security" not in page.headers


@attack(7, 63)
@pytest.mark.parametrize("proxies", [0, 1, 3])
@pytest.mark.parametrize(
    "value", ["", ",", "nobody", "::1", "[::1]:80", "1.2.3.4:5", "\u00e9", "x" * 9_000]
)
def test_odd_addresses_are_no_failure(step, clock, proxies, value):
    site = in_production(step, clock, PROXIES=proxies)

    assert guess(site, "10.1.1.1", **{"X-Forwarded-For": value}) == 422
    assert_has_policy(site.visitor().ask("GET", "/login"))


@attack(93)
@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize("told", [{}, {"X-Forwarded-Proto": "http"}])
def test_the_referer_is_checked_whatever_a_proxy_says_of_the_scheme(
    step, clock, proxies, told
):
    site = in_production(step, clock, PROXIES=proxies)
    visitor = Visitor(InProcessBrowser(site.app), site)
    how = {"base_url": f"http://{HOST}"}
    visitor.browser.client.set_cookie("x", "y", domain=HOST)
    asked = visitor.ask("GET", "/login", **how)
    target, data = asked.filled_in(username="nobody", password="not this one")
    headers = told | {"Referer": "https://evil.example/"}
    page = visitor.ask("POST", target, data=data, headers=headers, **how)

    assert page.status == 400
    assert_has_policy(page)


# Health


@since("06b")
@attack(112)
def test_the_process_says_that_it_answers_and_no_more(step, clock):
    page = in_production(step, clock, **NOWHERE).visitor().ask("GET", "/healthz")

    assert page.status == 200
    assert page.html == "ok\n"
    assert not page.headers.get_all("Set-Cookie")


@attack(112)
def test_health_is_asked_without_a_statement_a_cookie_or_a_pause(site):
    statements = []
    event.listen(site.engine, "before_cursor_execute", lambda *a: statements.append(a))
    visitor = site.visitor()
    for _ in range(150):
        page = visitor.ask("GET", "/healthz")
        assert page.status == 200
        assert not page.headers.get_all("Set-Cookie")

    assert statements == []


@attack(112)
@pytest.mark.parametrize("path", HEALTH)
def test_health_does_not_change_a_session(site, clock, path):
    visitor = logged_in(site, site.account())
    clock.move(10 * 60)
    page = visitor.ask("GET", path)

    assert page.status == 200
    assert not page.headers.get_all("Set-Cookie")


@attack(112)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE alembic_version SET version_num = '0002'",
        "DELETE FROM alembic_version",
        "DROP TABLE alembic_version",
    ],
)
def test_the_app_is_not_ready_before_all_migrations(site, statement):
    site.sql(statement)
    page = site.visitor().ask("GET", "/readyz")

    assert page.status == 503
    told = page.text.partition("Reference:")[0]  # which is random
    assert "000" not in told
    assert "alembic" not in page.html
    assert_protected(page)


@since("06b")
@attack(112, 137)
def test_the_app_is_not_ready_without_its_database_and_comes_back(site):
    away = site.database.with_suffix(".away")
    visitor = site.visitor()
    ready = visitor.ask("GET", "/readyz")
    assert (ready.status, ready.html) == (200, "ready\n")
    assert not ready.headers.get_all("Set-Cookie")
    site.engine.dispose()
    site.database.rename(away)
    site.database.mkdir()
    page = visitor.ask("GET", "/readyz")
    assert page.status == 503
    assert str(site.database) not in page.html
    assert visitor.ask("GET", "/healthz").status == 200
    site.database.rmdir()
    away.rename(site.database)

    assert visitor.ask("GET", "/readyz").status == 200


def with_keys(site, keys):
    """Start the app once more with other keys; return a visitor."""
    return https_visitor(site.start_again(TOTP_KEYS=keys))


def enrol_with_keys(site, keys):
    """Start the app once more with other keys; enrol a new user there."""
    other = site.start_again(TOTP_KEYS=keys)
    other.app.config["MAIL_SERVER"] = ""
    other.visitor = lambda network="127.0.0.1": https_visitor(other, network)
    other.account()


@attack(112, 160)
def test_the_app_is_not_ready_with_keys_that_do_not_open_its_secrets(site, log):
    old, new = site.config["TOTP_KEYS"], OTHER_KEY
    assert with_keys(site, new).ask("GET", "/readyz").status == 200  # none is there yet
    account = site.account()
    log.clear()
    page = with_keys(site, new).ask("GET", "/readyz")

    assert page.status == 503
    assert_protected(page)
    assert account.authenticator.secret not in page.html + log.text
    assert with_keys(site, new).ask("GET", "/healthz").status == 200
    for keys in (old, f"{old},{new}", f"{new},{old}"):
        assert with_keys(site, keys).ask("GET", "/readyz").status == 200, keys


@attack(112, 160)
def test_wrong_keys_do_not_become_the_right_ones_by_another_enrolment(site):
    old, new = site.config["TOTP_KEYS"], OTHER_KEY
    site.account()
    enrol_with_keys(site, new)

    assert with_keys(site, new).ask("GET", "/readyz").status == 503
    assert with_keys(site, old).ask("GET", "/readyz").status == 200


@since("06b")
@attack(112, 160)
def test_wrong_keys_are_found_in_a_database_from_before_the_check(site):
    old, new = site.config["TOTP_KEYS"], OTHER_KEY
    site.account()
    assert with_keys(site, new).ask("GET", "/readyz").status == 503
    site.sql("DELETE FROM key_checks")
    assert with_keys(site, new).ask("GET", "/readyz").status == 503
    assert with_keys(site, old).ask("GET", "/readyz").status == 200
    enrol_with_keys(site, new)

    assert with_keys(site, new).ask("GET", "/readyz").status == 503
    assert with_keys(site, old).ask("GET", "/readyz").status == 200
    site.account()
    assert with_keys(site, new).ask("GET", "/readyz").status == 503
    assert with_keys(site, old).ask("GET", "/readyz").status == 200


# The address for password managers


@since("06d")
@attack(79)
def test_a_password_manager_is_shown_the_way(site):
    account = site.account()
    address = "/.well-known/change-password"
    assert site.visitor().ask("GET", address).status == 302
    stranger = site.visitor()
    page = stranger.open(address)
    assert page.path.startswith("/login")
    page = page.fill_in(username=account.username, password=account.password)
    page = page.fill_in(code=account.authenticator.code())

    assert page.path == "/account/password"
    assert page.form("current_password", "password", "confirm", "code")


@since("01")
@never_red("an address that is not there was never there")
@attack(115)
def test_an_address_that_is_not_there_is_not_there(step, clock):
    name = "resource-that-should-not-exist-whose-status-code-should-not-be-200"
    page = step.start(clock).visitor().ask("GET", f"/.well-known/{name}")

    assert page.status == 404


# A whole life in production


@attack(104, 51)
@pytest.mark.browser
def test_the_browser_complains_about_nothing_on_any_page(step, clock, request):
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test serves the app itself")
    site = step.start(clock)
    account = site.account_without_factor()
    with launch() as browser, serve(site.app) as address, browser.new_context() as tabs:
        screen = Screen(site, address, tabs)
        policy = site.visitor().ask("GET", "/login").headers
        assert "Content-Security-Policy" in policy
        screen.open("/register").open("/reset").open("/nothing")
        screen.give_password(account)
        assert screen.path == "/enrol"
        secret = screen.find("#secret").inner_text().replace("\n", "").replace(" ", "")
        assert f"secret={secret}" in screen.scan()
        assert screen.find("svg").bounding_box()["width"] > 100
        assert screen.find("button[type=submit], form button").is_visible()
        account.authenticator = type(site.account().authenticator)(secret, clock)
        screen.fill_in(code=account.authenticator.code())
        screen.open("/").open("/account").open("/account/phone").log_out()
        styles = "getComputedStyle(document.body).maxWidth"
        assert screen.tab.evaluate(styles)
        screen.find("button[type=button]").click()
        assert screen.find("[name=password]").get_attribute("type") == "text"

        assert screen.complaints() == []
        assert screen.requests_to_others() == []


@attack(89)
@pytest.mark.parametrize("spelling", [HOST, HOST.title(), f"{HOST}:8443"])
def test_our_host_is_ours_however_the_settings_spell_it(step, clock, spelling):
    site = in_production(step, clock, BASE_URL=f"https://{spelling}")
    statuses = {HOST: 200, f"{HOST}:443": 200, f"{HOST}:8443": 200, "evil.example": 400}
    for host, status in statuses.items():
        page = site.visitor().ask("GET", "/login", headers={"Host": host})
        assert page.status == status, host

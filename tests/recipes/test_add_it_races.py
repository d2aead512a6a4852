"""The package on four processes at once, on SQLite and on PostgreSQL."""

import socket

import pytest

from tests.concurrency.races import logged_in
from tests.concurrency.races import statuses
from tests.kit.clock import RealClock
from tests.kit.phone import scan
from tests.kit.servers import NetworkedBrowser
from tests.kit.servers import Server
from tests.kit.servers import Shot
from tests.kit.servers import fire
from tests.kit.servers import need_gunicorn
from tests.kit.servers import new_network
from tests.kit.visitor import Visitor
from tests.recipes.hosts import Running
from tests.recipes.hosts import build

MANY = 50  # requests at once
ROUNDS = 8  # with one code: a race is not lost each time
LIMIT = 5  # of them are verified, where it is a guess

pytestmark = pytest.mark.races


class HostServer(Server):
    """Gunicorn with four processes in front of a host."""

    def __init__(self, running):
        self.running = running
        self.folder = build(running.host.name)
        self.workers = 4
        self.database = self.folder / "race"
        self.log_file = self.folder / "race.log"
        self.config = running.host.config(running.database)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __exit__(self, *failure):
        try:
            self.stop()
        finally:
            self.socket.close()

    def visitor(self, network=None):
        """Return a visitor with a new browser, from a network of their own."""
        browser = NetworkedBrowser(self.url, network or new_network())
        return Visitor(browser, self, self.running.host.names)


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def server(request):
    """Serve the ordinary app with four processes, on either database."""
    need_gunicorn(request.config)
    is_on_postgres = request.param == "PostgreSQL"
    postgres = request.getfixturevalue("postgres") if is_on_postgres else None
    running = Running("shop", RealClock(), postgres)
    with HostServer(running) as server:
        yield server
        assert not server.complaints(), server.log
    running.close()


@pytest.fixture
def account(server):
    """Return a user who has just set up a phone."""
    running = server.running
    for table in ("users", "recovery_codes", "rate_limit_counters"):
        running.sql(f"DELETE FROM two_factor_{table}")
    account = running.account("ann")
    running.enrol(server.visitor(), account)
    return account


def give_password(server, account):
    """Give the password in a new browser; return the page that follows."""
    return server.running.password(server.visitor(), account)


def shots(page, **values):
    """Return the same form many times, as it leaves the browser."""
    shot = Shot.of(page, **values)
    there, _ = page.visitor.names.to_app(shot.target, {})
    return [shot._replace(target=there)] * MANY


def test_of_fifty_requests_with_one_code_one_logs_in(server, account):
    page = give_password(server, account)
    fired = shots(page, code=account.authenticator.code())

    for _ in range(ROUNDS):
        server.running.sql("UPDATE two_factor_users SET last_time_step = 0")
        server.running.sql("DELETE FROM two_factor_rate_limit_counters")
        pages = fire(server, fired)

        assert logged_in(server, pages) == 1
        assert statuses(pages)[302] == 1


def test_of_fifty_requests_with_one_recovery_code_one_logs_in(server, account):
    give = server.visitor()
    server.running.password(give, account)
    page = give.open("/login/recovery")

    pages = fire(server, shots(page, recovery_code=account.recovery_code()))

    assert logged_in(server, pages) == 1
    query = "SELECT count(*) FROM two_factor_recovery_codes"
    assert server.running.sql(query) == [(9,)]


def test_of_fifty_wrong_codes_five_are_verified(server, account):
    page = give_password(server, account)

    pages = fire(server, shots(page, code=account.authenticator.wrong_code()))

    assert statuses(pages) == {422: LIMIT, 429: MANY - LIMIT}


def test_of_fifty_wrong_passwords_five_are_verified(server, account):
    page = server.visitor().open("/login")

    fired = shots(page, username=account.username, password="wrong")
    pages = fire(server, fired)

    assert statuses(pages)[429] == MANY - LIMIT


def test_of_fifty_enrolments_one_is_stored(server, account):
    server.running.command("reset", account.username, "--reason", "a race")
    server.running.sql("DELETE FROM two_factor_recovery_codes")
    page = give_password(server, account)
    phone = scan(page, RealClock())

    pages = fire(server, shots(page, code=phone.code()))

    codes = [page for page in pages if page.find_all(".recovery-code")]
    assert len(codes) == 1
    query = "SELECT count(*) FROM two_factor_recovery_codes"
    assert server.running.sql(query) == [(10,)]

"""How many statements and commits each kind of request costs: counted, not timed.

A statement more is a decision: change the number here, and say why in the commit.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlsplit

import pytest
from sqlalchemy import event
from sqlalchemy import text

from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.stage import DATABASE
from tests.kit.stage import upgrade_database

NOT_COUNTED = "the step before has other numbers, which are right there"


numbers = count()


@contextmanager
def counting(site):
    """Count the statements and the commits that are sent to the database."""
    counted = {"statements": 0, "commits": 0}

    def count_statement(*details):
        counted["statements"] += 1

    def count_commit(connection):
        counted["commits"] += 1

    listeners = {"before_cursor_execute": count_statement, "commit": count_commit}
    for name, listener in listeners.items():
        event.listen(site.engine, name, listener)
    yield counted
    for name, listener in listeners.items():
        event.remove(site.engine, name, listener)


def send(page, **values):
    """Return what sends the form of a page, without following a redirect."""
    target, data = page.filled_in(**values)
    return lambda: page.visitor.ask("POST", target, data=data)


# Each of these goes as far as the request that is counted, and returns it


def open_login_page(site):
    """Open the page that asks for the password."""
    visitor = site.visitor()
    return lambda: visitor.ask("GET", "/login")


def give_password(site):
    """Send the right password."""
    account = site.account()
    page = site.visitor().open("/login")
    return send(page, username=account.username, password=account.password)


def give_code(site):
    """Send the right code."""
    account = site.account()
    page = site.visitor().give_password(account)
    return send(page, code=account.authenticator.code())


def give_recovery_code(site):
    """Send a recovery code."""
    account, visitor = site.account(), site.visitor()
    visitor.give_password(account)
    page = visitor.open("/login/recovery")
    return send(page, recovery_code=account.recovery_code())


def open_home_page(site):
    """Open the page that the login protects."""
    visitor = site.visitor()
    visitor.log_in(site.account())
    return lambda: visitor.ask("GET", "/")


def give_first_code(site):
    """Send the first code of a new authenticator app."""
    site.account()  # the very first one also stores the check of the keys
    account = site.account_without_factor()
    page = site.visitor().give_password(account)
    return send(page, code=scan(page, site.clock).code())


def ask_for_link(site):
    """Ask for a reset link."""
    account = site.account()
    page = site.visitor().open("/reset")
    return send(page, email=f"{account.username}@example.org")


def set_password(site):
    """Set a new password behind a reset link."""
    account = site.account()
    site.visitor().open("/reset").fill_in(email=f"{account.username}@example.org")
    [mail] = site.mails()
    page = site.visitor().open(urlsplit(mail.link).path)
    code, password = account.authenticator.code(), NEW_PASSWORD
    return send(page, password=password, confirm=password, code=code)


# (statements, commits) in steps 04, 05 and 06
COSTS = [
    (open_login_page, [(0, 0), (0, 0), (0, 0)]),
    (give_password, [(4, 2), (5, 2), (6, 2)]),
    (give_code, [(6, 2), (7, 2), (9, 2)]),
    (give_recovery_code, [(7, 2), (9, 2), (11, 2)]),
    (open_home_page, [(2, 1), (2, 1), (1, 1)]),
    (give_first_code, [(10, 2), (12, 2), (15, 2)]),
    (ask_for_link, [None, (2, 2), (2, 2)]),
    (set_password, [None, (14, 2), (15, 2)]),
]


def cost_of(act, site):
    """Return how many statements and commits a request costs."""
    request = act(site)
    with counting(site) as counted:
        assert request().status in (200, 302)
    return counted["statements"], counted["commits"]


@since("04d")
@never_red(NOT_COUNTED)
@pytest.mark.parametrize(("act", "costs"), COSTS, ids=[a.__name__ for a, _ in COSTS])
def test_a_request_costs_no_more_statements_than_it_needs(site, act, costs):
    expected = costs[int(site.stage.number) - 4]
    if expected:
        assert cost_of(act, site) == expected


# On PostgreSQL


@pytest.fixture(scope="module")
def postgres():
    """Start a PostgreSQL of our own."""
    with PostgreSQL() as postgres:
        yield postgres


@pytest.fixture
def site_on_postgres(step, clock, postgres):
    """Return the app with an empty database on PostgreSQL."""
    url = postgres.create(f"statements_{next(numbers)}").replace(
        "postgres:", "postgresql+psycopg:"
    )
    site = step.start(clock, **{DATABASE: url})
    upgrade_database(site.app)
    return site


@since("06")
@pytest.mark.drill
@never_red(NOT_COUNTED)
def test_postgresql_is_asked_no_more_than_sqlite(site_on_postgres):
    for act, costs in COSTS:
        assert cost_of(act, site_on_postgres) == costs[2], act.__name__


@since("06")
@attack(151)
@pytest.mark.drill
@never_red("the step before has no PostgreSQL")
def test_a_login_and_a_guess_of_one_account_do_not_wait_for_each_other(
    site_on_postgres,
):
    site, network = site_on_postgres, "192.0.2.1/32"
    rate_limit, db = site.module("rate_limit"), site.module("db").db
    with site.app.app_context():
        rate_limit.count_attempt_now("login_password", "kim", network)
        buckets = [b for _, b in rate_limit.limits("login_password", "kim", network)]

    def complete_login():
        with site.app.app_context():
            rate_limit.reset_after_login("kim", network)
            db.session.commit()

    now = int(site.clock.now())
    values = [{"bucket": b, "now": now, "oldest": now - 800} for b in buckets]
    with (
        ThreadPoolExecutor() as threads,
        site.app.app_context(),
        site.engine.connect() as guess,
    ):
        guess.execute(rate_limit.UPSERT_COUNTER, values[0])  # the network's
        login = threads.submit(complete_login)
        wait_until_someone_waits(site.engine)
        for value in values[1:]:
            guess.execute(rate_limit.UPSERT_COUNTER, value)
        guess.commit()
        login.result()


def wait_until_someone_waits(engine):
    """Ask PostgreSQL until one of its connections waits for a lock."""
    question = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type='Lock'"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as observer:
        for _ in range(10_000):
            if observer.execute(question).scalar():
                return
    pytest.fail("nobody waits: nothing is locked")

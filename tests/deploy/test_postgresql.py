"""PostgreSQL as it is in the wild: its roles, and how it fails."""

import itertools
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
import time_machine

from tests.deploy.drill.pgbouncer import pgbouncer
from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.clock import MovableClock
from tests.kit.fixtures import NOON
from tests.kit.locks import do_in_order
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.production import in_production

pytestmark = [
    pytest.mark.drill,
    since("06"),
    never_red("the step before knows nothing of PostgreSQL"),
]

NUMBERS = itertools.count()
NOT_POSSIBLE = [
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/door'",
    "SELECT pg_read_file('PG_VERSION')",
    "CREATE ROLE friend",
    "CREATE DATABASE other",
    "CREATE SCHEMA other",
    "CREATE TABLE public.other (id int)",
    "ALTER ROLE postgres PASSWORD 'known'",
    "SET ROLE postgres",
]


@pytest.fixture
def clock():
    """Return a clock that can be moved, and goes on: the driver waits by it."""
    with time_machine.travel(NOON, tick=True) as traveller:
        yield MovableClock(traveller)


@pytest.fixture(scope="module")
def postgres():
    """Return a database server of our own."""
    with PostgreSQL() as postgres:
        yield postgres


@pytest.fixture
def role(step, postgres):
    """Return the address of the database by the role that compose.yaml gives us."""
    script = step.folder / "deploy" / "database.sql"  # run as PostgreSQL's image does
    with postgres.connect("postgres") as connection:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'door'")
        if not found.fetchone():
            connection.execute("ALTER ROLE postgres PASSWORD 'it''s secret'")
            psql = [postgres.programs / "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc"]
            subprocess.run(
                [*psql, "--dbname", postgres.url("postgres"), "-f", script],
                env=os.environ | {"POSTGRES_PASSWORD": "it's secret"},
                check=True,
                stdout=subprocess.DEVNULL,
            )
    return postgres.url("door").replace("//postgres@", "//door@")


def migrated(step, clock, url, **config):
    """Return the site in production with a database on PostgreSQL, and its tables."""
    url = url.replace("postgres://", "postgresql+psycopg://")
    database = {"DATABASE_URL": url, "SQLALCHEMY_DATABASE_URI": url}
    site = in_production(step, clock, **database | config)
    done = site.app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert done.exit_code == 0, done.output
    site.app.config.from_mapping(config)  # the command was patient, another process
    disconnect(site)
    return site


def disconnect(site):
    """Close the connections that the app keeps, so that it makes new ones."""
    with site.app.app_context():
        site.app.extensions["sqlalchemy"].engine.dispose()


# The role of the app in compose.yaml


@attack(157)
@pytest.mark.parametrize("statement", NOT_POSSIBLE)
def test_the_role_of_the_app_can_do_nothing_but_its_work(role, statement):
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(role, autocommit=True) as connection, refused:
        connection.execute(statement)


@attack(157)
def test_the_role_of_the_app_owns_its_schema_and_nothing_else(
    step, clock, role, postgres
):
    site = migrated(step, clock, role)
    account = site.account()
    site.visitor().log_in(account)

    with postgres.connect("door") as connection:

        def owned(what, table, owner):
            question = f"SELECT DISTINCT {what} FROM {table} WHERE {owner} = "
            return connection.execute(f"{question} 'door'::regrole").fetchall()

        assert owned("nspname", "pg_namespace", "nspowner") == [("door",)]
        assert owned("datname", "pg_database", "datdba") == []
        places = owned("relnamespace::regnamespace::text", "pg_class", "relowner")
    assert sorted(places) == [("door",), ("pg_toast",)]


@attack(157)
def test_the_superuser_has_no_password_that_the_app_knows(role, postgres):
    question = "SELECT rolname, rolpassword IS NULL FROM pg_authid WHERE rolcanlogin"
    with postgres.connect("postgres") as connection:
        found = dict(connection.execute(question).fetchall())
    assert found == {"postgres": True, "door": False}


# A database that hangs


BRIEF = {"DATABASE_TIMEOUT_SECONDS": 1}


@pytest.fixture
def url(postgres):
    """Return the address of a new and empty database."""
    return postgres.create(f"door_{next(NUMBERS)}")


def timed(visitor, path):
    """Open a page; return its status and the seconds that it took."""
    began = time.monotonic()
    page = visitor.ask("GET", path)
    return page.status, time.monotonic() - began


@attack(158)
def test_a_request_that_waits_for_a_lock_ends(step, clock, postgres, url):
    site = migrated(step, clock, url, **BRIEF)
    account = site.account()
    visitor = site.visitor()
    visitor.log_in(account)
    with psycopg.connect(url) as another:
        another.execute("LOCK users IN ACCESS EXCLUSIVE MODE")
        status, seconds = timed(visitor, "/")
        assert timed(site.visitor(), "/healthz")[0] == 200
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        assert another.execute(waiting).fetchone() == (0,)

    assert (status, seconds < 4) == (503, True)
    assert visitor.open("/").status == 200


@contextmanager
def frozen(postgres):
    """Stop all processes of a database server, whose machine goes on, for a while."""
    pid = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    processes = [pid, *map(int, listed)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@attack(158)
def test_a_request_to_a_frozen_database_ends(step, clock, postgres, url):
    site = migrated(step, clock, url, **BRIEF)
    account = site.account()
    visitor = site.visitor()
    visitor.log_in(account)
    with frozen(postgres):
        seen = [timed(visitor, path) for path in ("/", "/account", "/readyz")]

    assert [status for status, _ in seen] == [503, 503, 503]
    assert max(seconds for _, seconds in seen) < 12, seen
    assert visitor.open("/").status == 200


@attack(158)
@pytest.mark.parametrize(
    ("command", "lock"),
    [
        ("db upgrade", "SELECT pg_advisory_xact_lock(6238)"),
        ("keys rotate", "LOCK second_factors"),
    ],
)
def test_a_command_waits_for_another_as_long_as_it_takes(
    step, clock, url, command, lock
):
    site = migrated(step, clock, url, **BRIEF)
    site.account()
    disconnect(site)
    with psycopg.connect(url) as another, ThreadPoolExecutor(1) as threads:
        another.execute(lock)
        run = site.app.test_cli_runner().invoke
        done = threads.submit(run, args=command.split())
        with pytest.raises(TimeoutError):
            done.result(timeout=3)
        another.rollback()
        assert done.result(timeout=30).exit_code == 0


# A standby


@attack(137)
def test_a_database_that_takes_no_changes_is_away(step, clock, postgres, url):
    site = migrated(step, clock, url)
    account = site.account()
    name = url.rpartition("/")[2]
    with postgres.connect("postgres") as connection:
        connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_read_only = on"
        )
    disconnect(site)
    visitor = site.visitor()
    page = visitor.open("/login").fill_in(username=account.username, password="a lamp")

    assert page.status == 503
    assert visitor.ask("GET", "/readyz").status == 503
    assert visitor.ask("GET", "/healthz").status == 200


# PgBouncer


@attack(137)
def test_many_at_once_get_through_a_pool_of_transactions(step, clock, postgres, url):
    with pgbouncer(postgres) as port:
        pooled = url.replace(f":{postgres.port}/", f":{port}/")
        site = migrated(step, clock, pooled)

        def try_passwords(number):
            visitor = site.visitor(f"192.0.2.{number}")
            form = {"username": "nobody", "password": "a lamp"}
            return [visitor.open("/login").fill_in(**form).status for _ in range(9)]

        with ThreadPoolExecutor(8) as threads:
            seen = list(threads.map(try_passwords, range(8)))
        disconnect(site)

    assert {status for statuses in seen for status in statuses} == {422, 429}


# Requests of one user, side by side


def test_two_changes_of_one_user_do_not_wait_for_each_other(step, clock, url):
    site = migrated(step, clock, url)
    account = site.account()
    shots = []
    for _ in range(2):
        visitor = site.visitor()
        visitor.log_in(account)
        page = visitor.open("/account/recovery-codes")
        proof = {"current_password": account.password, "code": account.recovery_code()}
        shots.append(partial(page.fill_in, **proof))
        clock.move(30)
    lock = "SELECT 1 FROM users WHERE username = %s FOR UPDATE"
    pages = do_in_order(shots, url, lock, account.username)

    assert sorted(page.status for page in pages) == [200, 422]  # its code is replaced
    assert sorted(len(page.find_all(".recovery-code")) for page in pages) == [0, 10]

"""PostgreSQL as it is in the wild: its roles, and how it fails."""

import os
import subprocess

import psycopg
import pytest

from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.production import in_production

pytestmark = [pytest.mark.drill, pytest.mark.ours]

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


@pytest.fixture(scope="module")
def postgres():
    """Return a database server of our own."""
    with PostgreSQL() as postgres:
        yield postgres


def run_script(postgres, file):
    """Run a file of SQL as the superuser, as PostgreSQL's image does."""
    command = [postgres.programs / "psql", "-v", "ON_ERROR_STOP=1", "--no-psqlrc"]
    subprocess.run(
        [*command, "--dbname", postgres.url("postgres"), "-f", file],
        env=os.environ | {"POSTGRES_PASSWORD": "it's secret"},
        check=True,
        stdout=subprocess.DEVNULL,
    )


@pytest.fixture
def role(step, postgres):
    """Return the address of the database by the role that compose.yaml gives us."""
    with postgres.connect("postgres") as connection:
        found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'door'")
        if not found.fetchone():
            run_script(postgres, step.folder / "deploy" / "database.sql")
    return postgres.url("door").replace("//postgres@", "//door@")


def migrated(step, clock, url, **config):
    """Return the site in production with a database on PostgreSQL, and its tables."""
    url = url.replace("postgres://", "postgresql+psycopg://")
    database = {"DATABASE_URL": url, "SQLALCHEMY_DATABASE_URI": url}
    site = in_production(step, clock, **database | config)
    done = site.app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert done.exit_code == 0, done.output
    return site


# The role of the app in compose.yaml


@since("06")
@attack(157)
@never_red("the step before knows nothing of PostgreSQL")
@pytest.mark.parametrize("statement", NOT_POSSIBLE)
def test_the_role_of_the_app_can_do_nothing_but_its_work(role, statement):
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(role, autocommit=True) as connection, refused:
        connection.execute(statement)


@since("06")
@attack(157)
@never_red("the step before knows nothing of PostgreSQL")
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


@since("06")
@attack(157)
@never_red("the step before knows nothing of PostgreSQL")
def test_the_superuser_has_no_password_that_the_app_knows(role, postgres):
    question = "SELECT rolname, rolpassword IS NULL FROM pg_authid WHERE rolcanlogin"
    with postgres.connect("postgres") as connection:
        found = dict(connection.execute(question).fetchall())
    assert found == {"postgres": True, "door": False}

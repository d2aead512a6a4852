"""The migrations: after each way through them the tables are those of the models."""

import itertools

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.stage import DATABASE

pytestmark = [since("04"), never_red("the step before has no tables")]

NUMBERS = itertools.count()
WAYS = {
    "up": [("upgrade", "head")],
    "up, down and up": [
        ("upgrade", "head"),
        ("downgrade", "base"),
        ("upgrade", "head"),
    ],
}


@pytest.fixture(scope="module")
def postgres():
    """Return a database server of our own."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.drill)])
def address(request, tmp_path):
    """Return the address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'door.db'}"
    server = request.getfixturevalue("postgres")
    url = server.create(f"door_{next(NUMBERS)}")
    return url.replace("postgres://", "postgresql+psycopg://")


def differences(app):
    """Return where the tables are not those of the models."""
    database = app.extensions["sqlalchemy"]
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        return compare_metadata(context, database.metadata)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_tables_are_those_of_the_models(step, clock, address, way):
    app = step.start(clock, **{DATABASE: address}).app
    with app.app_context():
        for direction, revision in way:
            getattr(flask_migrate, direction)(revision=revision)
        assert differences(app) == []
        app.extensions["sqlalchemy"].engine.dispose()

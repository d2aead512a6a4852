"""The database: one transaction per request."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from click import ClickException
from flask import session
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite

# The syntax is the same, but SQLAlchemy has one class per dialect.
INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}

MIN_SQLITE_VERSION = (3, 35)  # the first that knows RETURNING

# count_attempt_now commits during the request. Objects must keep the values that were
# read before: otherwise a session_token that a logout rotated meanwhile would be
# reloaded, and log_in would store the new one.
db = SQLAlchemy(session_options={"expire_on_commit": False})
# Alembic takes the path for a template in which a percent sign is written twice.
MIGRATIONS = str(Path(__file__).parents[1] / "migrations").replace("%", "%%")
migrate = Migrate(directory=MIGRATIONS)


def init_app(app):
    db.init_app(app)
    migrate.init_app(app, db)
    app.after_request(commit_or_rollback)
    with app.app_context():
        event.listen(db.engine, "connect", configure_sqlite)
        require_sqlite_version()


def require_sqlite_version():
    """Raise ClickException if the database is an SQLite that is too old for us."""
    is_old = sqlite3.sqlite_version_info < MIN_SQLITE_VERSION
    if is_old and db.engine.dialect.name == "sqlite":
        raise ClickException(
            "SQLite 3.35 or newer is needed, and this Python has "
            f"{sqlite3.sqlite_version}: install a newer Python."
        )


def configure_sqlite(connection, record):
    """Make SQLite read while it writes, wait for locks, and check foreign keys."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA busy_timeout = 15000")  # milliseconds
        with suppress(sqlite3.OperationalError):  # another process is setting it
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")


def commit_or_rollback(response):
    """Commit before the cookie is sent; with a 5xx roll back and leave the cookie."""
    if response.status_code < 500:
        db.session.commit()  # if this fails, Flask calls us again for the error page
    else:
        db.session.rollback()
        session.modified = False  # otherwise the error page would log the user in
    return response


def insert_if_absent(model, **values):
    """Insert a row and return it; return None if a unique key is taken."""
    statement = INSERT[db.engine.dialect.name](model).values(values)
    return db.session.scalar(statement.on_conflict_do_nothing().returning(model))

"""The database: one transaction per request."""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path

from click import ClickException
from flask import current_app
from flask import session
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import delete
from sqlalchemy import event
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import InternalError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import ServiceUnavailable

from . import errors

# The syntax is the same, but SQLAlchemy has one class per dialect.
INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}

MIN_SQLITE_VERSION = (3, 35)  # the first that knows RETURNING

# How long each answer of PostgreSQL may take. While all threads wait for it, nothing
# else is answered.
TIMEOUT_SECONDS = 5

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
    app.register_error_handler(OperationalError, render_database_unavailable)
    app.register_error_handler(InternalError, render_database_unavailable)
    app.register_error_handler(PoolTimeoutError, render_database_unavailable)
    with app.app_context():
        event.listen(db.engine, "connect", configure_sqlite)
        event.listen(db.engine, "do_connect", connect_to_postgresql)
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


def connect_to_postgresql(dialect, record, arguments, options):
    """Connect to PostgreSQL with time-outs, unless this process may wait forever.

    What the address says comes first.
    """
    if dialect.name != "postgresql":
        return None  # SQLAlchemy connects
    seconds = current_app.config["DATABASE_TIMEOUT_SECONDS"]
    # A prepared statement is unknown to the next connection behind PgBouncer.
    ours = {"connect_timeout": TIMEOUT_SECONDS, "prepare_threshold": None}
    if not seconds:
        return dialect.connect(*arguments, **ours | options)
    ours["options"] = f"-c statement_timeout={seconds * 1000}"
    ours["tcp_user_timeout"] = seconds * 1000
    connection = dialect.connect(*arguments, **ours | options)
    connection.wait = partial(wait_or_close, connection, connection.wait, seconds + 1)
    return connection


def wait_or_close(connection, wait, seconds, statement, **options):
    """Wait for an answer of PostgreSQL; close the connection if none comes in time.

    A server that is frozen cannot end the statement itself.
    """
    try:
        return wait(statement, timeout=seconds, **options)
    except Exception:
        if connection.info.transaction_status.name == "ACTIVE":
            connection.close()
        raise


def is_read_only(connection):
    """Return whether the database takes no changes, as a standby of PostgreSQL does."""
    if connection.dialect.name != "postgresql":
        return False
    return connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"


def render_database_unavailable(error):
    """Render a 503 page when the database cannot be reached."""
    reason = getattr(error, "orig", error)  # the driver's error, if it was asked
    current_app.logger.error("Database: %s", type(reason).__name__)
    db.session.remove()
    return errors.render_error(ServiceUnavailable(retry_after=5))


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


def delete_unlocked(key, condition):
    """Delete rows by a condition, except those that another request has locked."""
    unlocked = select(key).where(condition).with_for_update(skip_locked=True)
    db.session.execute(delete(key.class_).where(key.in_(unlocked)))

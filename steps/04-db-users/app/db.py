"""The database: one request is one transaction."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from flask import session
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

# What was read before a commit stays as it was: a session that was ended stays ended.
db = SQLAlchemy(session_options={"expire_on_commit": False})
migrate = Migrate(directory=Path(__file__).parents[1] / "migrations")


def init_app(app):
    db.init_app(app)
    migrate.init_app(app, db)
    app.after_request(end_transaction)
    with app.app_context():
        event.listen(db.engine, "connect", set_up_sqlite)


def set_up_sqlite(connection, record):
    """Let SQLite read while it writes, wait for its turn, and check foreign keys."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA busy_timeout = 15000")  # milliseconds
        with suppress(sqlite3.OperationalError):  # another process is just doing it
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")


def end_transaction(response):
    """Commit before the cookie is decided; after a failure leave both as they were."""
    if response.status_code < 500:
        db.session.commit()  # if this fails we are called again, for the error page
    else:
        db.session.rollback()
        session.modified = False  # or the page that says 500 logs somebody in
    return response


def is_new(row):
    """Add a row; False if another request was faster with the same one."""
    db.session.add(row)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        return False
    return True


def changes_one_row(statement):
    """Run a conditional change, and tell whether it found its row."""
    return db.session.execute(statement).rowcount == 1

"""The four tables, and each change of them in a short transaction of its own."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from flask import current_app
from sqlalchemy import BigInteger
from sqlalchemy import Column
from sqlalchemy import ForeignKey
from sqlalchemy import Integer
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

from . import crypto
from . import recovery_codes
from . import totp
from .sessions import PENDING_LOGIN_SECONDS

SET_UP_CODE_SECONDS = 24 * 60 * 60  # from an operator's reset to its use

# The syntax is the same, but SQLAlchemy has one class per dialect.
INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}

# Two tabs may insert at once, and both must show the same secret: one statement keeps
# the row, or replaces an expired one, and returns what is there then.
UPSERT_PENDING_SECRET = text("""
    INSERT INTO two_factor_pending_secrets AS pending
        (session_id, encrypted_secret, created_at)
    VALUES (:session_id, :encrypted_secret, :now)
    ON CONFLICT (session_id) DO UPDATE SET
        encrypted_secret = CASE WHEN pending.created_at < :oldest
            THEN excluded.encrypted_secret ELSE pending.encrypted_secret END,
        created_at = CASE WHEN pending.created_at < :oldest
            THEN excluded.created_at ELSE pending.created_at END
    RETURNING encrypted_secret
""")

# A user of whom there is no row yet.
NO_ROW = SimpleNamespace(
    session_token="",
    device_salt="",
    encrypted_secret=None,
    last_time_step=0,
    reset_at=0,
)


def make_tables(metadata, user_id):
    """Add the tables to those of the app; `user_id` is its users' key, or None."""

    def owner(**options):
        if user_id is None:
            return Column("user_id", Integer, nullable=False, **options)
        key = ForeignKey(user_id, ondelete="CASCADE")
        return Column("user_id", user_id.type, key, nullable=False, **options)

    return SimpleNamespace(
        users=Table(
            "two_factor_users",
            metadata,
            owner(primary_key=True, autoincrement=False),
            Column("session_token", String(43), nullable=False),
            Column("device_salt", String(43), nullable=False),
            Column("encrypted_secret", String(255)),  # bound to user_id
            # in units of 30 seconds since 1970
            Column("last_time_step", BigInteger, nullable=False, default=0),
            # epoch seconds; 0 unless an operator's reset is to be followed by enrolment
            Column("reset_at", BigInteger, nullable=False, default=0),
        ),
        recovery_codes=Table(
            "two_factor_recovery_codes",
            metadata,
            Column("code_hash", String(64), primary_key=True),  # SHA-256, hex
            owner(index=True),
        ),
        pending_secrets=Table(
            "two_factor_pending_secrets",
            metadata,
            Column("session_id", String(22), primary_key=True),
            Column("encrypted_secret", String(255), nullable=False),
            Column("created_at", BigInteger, nullable=False, index=True),
        ),
        rate_limit_counters=Table(
            "two_factor_rate_limit_counters",
            metadata,
            Column("bucket", String(64), primary_key=True),  # HMAC, hex
            Column("window_started_at", BigInteger, nullable=False, index=True),
            Column("count", Integer, nullable=False),
        ),
    )


@contextmanager
def transaction() -> Iterator[Connection]:
    """Run a transaction of our own: nothing of the app's is committed with it."""
    with current_app.extensions["two_factor"].engine.begin() as connection:
        yield connection


@contextmanager
def reading() -> Iterator[Connection]:
    """Lend a connection for one query, which needs no transaction."""
    with current_app.extensions["two_factor"].engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def tables():
    """Return our tables."""
    return current_app.extensions["two_factor"].tables


def new_token():
    """Return 256 random bits, as text."""
    return secrets.token_urlsafe()


def parse_user_id(text):
    """Return a user id as the database has it; in a session it is text."""
    python_type = tables().users.c.user_id.type.python_type
    return text if isinstance(text, python_type) else python_type(text)


# Users


def find(user_id):
    """Return the row of a user, or NO_ROW."""
    users = tables().users
    with reading() as connection:
        query = select(users).where(users.c.user_id == user_id)
        return connection.execute(query).one_or_none() or NO_ROW


def get_or_create(user_id):
    """Return the row of a user; insert one if there is none."""
    insert_row = INSERT[current_app.extensions["two_factor"].engine.dialect.name]
    values = {"session_token": new_token(), "device_salt": new_token()}
    new = insert_row(tables().users).values(user_id=user_id, **values)
    with transaction() as connection:
        connection.execute(new.on_conflict_do_nothing())
    return find(user_id)


def end_sessions(user_id, **values):
    """Rotate the session token, which ends all logins; return the new one."""
    with transaction() as connection:
        return rotate_token(connection, user_id, **values)


def rotate_token(connection, user_id, **values):
    """Rotate a user's session token, and set other values; insert a missing row."""
    values |= {"session_token": new_token()}
    row = {"user_id": user_id, "device_salt": new_token()} | values
    new = INSERT[connection.dialect.name](tables().users).values(row)
    connection.execute(
        new.on_conflict_do_update(index_elements=["user_id"], set_=values)
    )
    return values["session_token"]


def end_session(user_id, session_token):
    """End all logins of a user, unless this one has ended; return whether it did."""
    with transaction() as connection:
        return replace_token(connection, user_id, session_token) is not None


def replace_token(connection, user_id, session_token, **values):
    """Rotate the session token of a login that is still valid; return it, or None."""
    values |= {"session_token": new_token()}
    same = update(tables().users).filter_by(
        user_id=user_id, session_token=session_token
    )
    is_valid = connection.execute(same.values(values)).rowcount == 1
    return values["session_token"] if is_valid else None


def delete_rows(connection, tables, user_id):
    """Delete all rows of a user."""
    for table in (tables.recovery_codes, tables.users):
        connection.execute(delete(table).where(table.c.user_id == user_id))


# Second factors


def get_secret(user_id, row):
    """Return a user's secret; log an error and return None if it is unreadable."""
    try:
        return crypto.decrypt_for(user_id, row.encrypted_secret)
    except ValueError as error:
        current_app.logger.error("Second factor of user %s: %s", user_id, error)
        return None


def activate(user_id, session_token, secret, time_step, set_up_hash=None):
    """Store a first second factor, and consume the time step of its first code.

    After an operator's reset the hash of the set-up code has to be given. Return a new
    session token and recovery codes, or None and None if the pending login has ended or
    another request was faster.
    """
    users = tables().users
    values = {
        "encrypted_secret": crypto.encrypt_for(user_id, secret),
        "last_time_step": time_step,
        "reset_at": 0,
        "session_token": new_token(),
    }
    same = update(users).filter_by(user_id=user_id, session_token=session_token)
    unset = same.where(users.c.encrypted_secret.is_(None))
    with transaction() as connection:
        is_first = connection.execute(unset.values(values)).rowcount == 1
        hashes = code_hashes(connection, user_id)
        if not is_first or (hashes and set_up_hash not in hashes):
            connection.rollback()
            return None, None
        return values["session_token"], regenerate_codes(connection, user_id)


def consume_time_step(user_id, row, time_step):
    """Consume a time step; return whether it is later than the last one consumed."""
    users = tables().users
    same = update(users).filter_by(
        user_id=user_id, encrypted_secret=row.encrypted_secret
    )
    unused = same.where(users.c.last_time_step < time_step)
    with transaction() as connection:
        consumed = connection.execute(unused.values(last_time_step=time_step))
        return consumed.rowcount == 1


def verify_and_consume_code(user_id, row, code):
    """Verify a TOTP code and consume its time step (RFC 6238 section 5.2).

    Return whether the code was valid and unused.
    """
    secret = get_secret(user_id, row)
    time_step = totp.matching_time_step(secret, code) if secret else None
    return time_step is not None and consume_time_step(user_id, row, time_step)


def is_used_code(user_id, row, code):
    """Return whether a code that was not accepted is right, and was used before."""
    if not crypto.can_decrypt_for(user_id, row.encrypted_secret):
        return False
    return totp.matching_time_step(get_secret(user_id, row), code) is not None


def is_wrong_code(user_id, row, code):
    """Return whether a code is wrong: not one that was used, nor unverifiable."""
    is_readable = crypto.can_decrypt_for(user_id, row.encrypted_secret)
    return is_readable and not is_used_code(user_id, row, code)


def replace_secret(user_id, session_token, secret, time_step):
    """Replace the secret; return a new session token, or None if this login ended."""
    values = {
        "encrypted_secret": crypto.encrypt_for(user_id, secret),
        "last_time_step": time_step,
    }
    with transaction() as connection:
        return replace_token(connection, user_id, session_token, **values)


def reset(user_id):
    """Delete the second factor and end all logins; return a new set-up code."""
    values = {"encrypted_secret": None, "last_time_step": 0}
    values["reset_at"] = int(time.time())
    with transaction() as connection:
        rotate_token(connection, user_id, device_salt=new_token(), **values)
        return regenerate_codes(connection, user_id, count=1)[0]


# Recovery codes


def code_hashes(connection, user_id):
    """Return the hashes of a user's recovery codes, or of the set-up code."""
    codes = tables().recovery_codes
    query = select(codes.c.code_hash).where(codes.c.user_id == user_id)
    return set(connection.scalars(query))


def find_code_hashes(user_id):
    """Return the hashes of a user's recovery codes, or of the set-up code."""
    with reading() as connection:
        return code_hashes(connection, user_id)


def regenerate_codes(connection, user_id, count=recovery_codes.CODE_COUNT):
    """Delete the user's recovery codes, store new ones and return them."""
    table = tables().recovery_codes
    codes = [recovery_codes.generate_code() for _ in range(count)]
    connection.execute(delete(table).where(table.c.user_id == user_id))
    hashes = [recovery_codes.hash_code(code) for code in codes]
    rows = [{"code_hash": code_hash, "user_id": user_id} for code_hash in hashes]
    connection.execute(insert(table), rows)
    return codes


def replace_codes(user_id, session_token):
    """Replace the recovery codes; return a new session token and them.

    Return None and None if this login has ended meanwhile.
    """
    with transaction() as connection:
        new = replace_token(connection, user_id, session_token)
        return (new, regenerate_codes(connection, user_id)) if new else (None, None)


def consume_code(user_id, code):
    """Consume a recovery code; return whether it was valid."""
    same = {"code_hash": recovery_codes.hash_code(code), "user_id": user_id}
    with transaction() as connection:
        consumed = connection.execute(delete(tables().recovery_codes).filter_by(**same))
        return consumed.rowcount == 1


# Pending secrets


def get_or_create_pending_secret(session_id):
    """Return the secret that a session is enrolling; store a new one if needed."""
    now = int(time.time())
    values = {
        "session_id": session_id,
        "encrypted_secret": crypto.encrypt_for(session_id, totp.generate_secret()),
        "now": now,
        "oldest": now - PENDING_LOGIN_SECONDS,
    }
    with transaction() as connection:
        encrypted_secret = connection.scalar(UPSERT_PENDING_SECRET, values)
        if not crypto.can_decrypt_for(session_id, encrypted_secret):
            # TOTP_KEYS were changed meanwhile
            own = tables().pending_secrets.c.session_id == session_id
            connection.execute(delete(tables().pending_secrets).where(own))
            encrypted_secret = connection.scalar(UPSERT_PENDING_SECRET, values)
    return crypto.decrypt_for(session_id, encrypted_secret)


def has_pending_secret(session_id):
    """Return whether a session has a pending secret that is not expired."""
    table, oldest = tables().pending_secrets, time.time() - PENDING_LOGIN_SECONDS
    query = select(table.c.created_at).where(table.c.session_id == session_id)
    with reading() as connection:
        return (connection.scalar(query) or 0) >= oldest


def delete_pending_secret(session_id):
    """Delete a pending secret, so that it is not shown again."""
    own = delete(tables().pending_secrets).filter_by(session_id=session_id)
    with transaction() as connection:
        connection.execute(own)

"""Lockout after wrong codes in a row."""

import time

from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import outbox
from . import rate_limit
from .db import db
from .db import delete_unlocked
from .users import normalise_identifier

MAX_WRONG_CODES_IN_A_ROW = 20  # NIST 800-63B-4 section 3.2.2 allows up to 100
MAX_WRONG_PASSWORDS_IN_A_ROW = 100
UNKNOWN_NAME_SECONDS = 24 * 60 * 60

UPSERT_LOCKOUT = text("""
    INSERT INTO lockouts (bucket, attempts, updated_at, user_id)
    VALUES (:bucket, 1, :now, :user_id)
    ON CONFLICT (bucket) DO UPDATE SET
        attempts = lockouts.attempts + 1, updated_at = :now
    RETURNING attempts
""")


class Lockout(db.Model):
    """How many wrong codes, or passwords, in a row were typed in one flow."""

    __tablename__ = "lockouts"

    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)  # HMAC, hex
    attempts: Mapped[int]
    updated_at: Mapped[int] = mapped_column(BigInteger)  # epoch seconds
    user_id: Mapped[int | None]  # none for an unknown name


def _bucket(flow, account):
    return rate_limit.bucket("lockout", flow, normalise_identifier(account))


def count_wrong_code(flow, user):
    """Count a wrong code; return whether the flow is locked now."""
    return _count(flow, user.username, user) >= MAX_WRONG_CODES_IN_A_ROW


def count_wrong_password(username, user):
    """Count a wrong password for a typed name; return whether this was the last one."""
    return _count("password", username, user) == MAX_WRONG_PASSWORDS_IN_A_ROW


def _count(flow, account, user):
    values = {
        "bucket": _bucket(flow, account),
        "now": int(time.time()),
        "user_id": user.id if user else None,
    }
    return db.session.execute(UPSERT_LOCKOUT, values).scalar_one()


def is_locked(flow, account):
    """Return whether there were too many wrong codes, or passwords, in a row."""
    query = select(Lockout.attempts).filter_by(bucket=_bucket(flow, account))
    of_passwords = flow == "password"
    limit = MAX_WRONG_PASSWORDS_IN_A_ROW if of_passwords else MAX_WRONG_CODES_IN_A_ROW
    return (db.session.scalar(query) or 0) >= limit


def reset(account, *flows):
    """Delete the account's counts of wrong codes in a row."""
    buckets = [_bucket(flow, account) for flow in flows]
    db.session.execute(delete(Lockout).where(Lockout.bucket.in_(buckets)))


@outbox.hourly
def delete_unknown_names():
    """Delete the counts of unknown names, a day after the last attempt."""
    old = Lockout.updated_at < int(time.time()) - UNKNOWN_NAME_SECONDS
    delete_unlocked(Lockout.bucket, Lockout.user_id.is_(None) & old)

"""Lockout after wrong codes in a row."""

import time

from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import rate_limit
from .db import db
from .users import normalise_identifier

MAX_WRONG_CODES_IN_A_ROW = 20  # NIST 800-63B-4 section 3.2.2 allows up to 100

UPSERT_LOCKOUT = text("""
    INSERT INTO lockouts (bucket, attempts, updated_at) VALUES (:bucket, 1, :now)
    ON CONFLICT (bucket) DO UPDATE SET
        attempts = lockouts.attempts + 1, updated_at = :now
    RETURNING attempts
""")


class Lockout(db.Model):
    """How many wrong codes in a row were typed in one flow of an account."""

    __tablename__ = "lockouts"

    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)  # HMAC, hex
    attempts: Mapped[int]
    updated_at: Mapped[int] = mapped_column(BigInteger)  # epoch seconds


def _bucket(flow, account):
    return rate_limit.bucket("lockout", flow, normalise_identifier(account))


def count_wrong_code(flow, user):
    """Count a wrong code; return whether the flow is locked now."""
    values = {"bucket": _bucket(flow, user.username), "now": int(time.time())}
    attempts = db.session.execute(UPSERT_LOCKOUT, values).scalar_one()
    return attempts >= MAX_WRONG_CODES_IN_A_ROW


def is_locked(flow, account):
    """Return whether there were too many wrong codes in a row."""
    query = select(Lockout.attempts).filter_by(bucket=_bucket(flow, account))
    return (db.session.scalar(query) or 0) >= MAX_WRONG_CODES_IN_A_ROW


def reset(account, *flows):
    """Delete the account's counts of wrong codes in a row."""
    buckets = [_bucket(flow, account) for flow in flows]
    db.session.execute(delete(Lockout).where(Lockout.bucket.in_(buckets)))

"""Rate limits: attempts per account and network."""

import hmac
import time
from ipaddress import ip_address
from ipaddress import ip_network

from flask import request
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from werkzeug.exceptions import TooManyRequests

from . import audit
from .crypto import derive_key
from .db import db
from .db import delete_unlocked
from .users import find_by_username
from .users import normalise_identifier

LIMIT_PER_ACCOUNT = 5  # attempts in a window
LIMIT_PER_NETWORK = 20
LIMIT_PER_ACCOUNT_FROM_ALL_NETWORKS = 50
LIMIT_PER_IPV6_48 = 100
LIMIT_PER_ACCOUNT_IN_IPV6_48 = 10
WINDOW_SECONDS = 15 * 60
EMAIL_LIMIT = 3  # emails in EMAIL_WINDOW_SECONDS
EMAIL_WINDOW_SECONDS = 60 * 60

# A complete login deletes the account's counters of these actions.
LOGIN_ACTIONS = (
    "login_password",
    "login_code",
    "login_recovery_code",
    "enrolment_code",
    "account_password",
)

# One statement counts and returns the count, so that no other request comes in between.
# A window that starts up to a minute in the future is still open: clocks may differ.
UPSERT_COUNTER = text("""
    INSERT INTO rate_limit_counters AS counter (bucket, window_started_at, count)
    VALUES (:bucket, :now, 1)
    ON CONFLICT (bucket) DO UPDATE SET
        count = CASE WHEN counter.window_started_at BETWEEN :oldest AND :now + 60
            THEN counter.count ELSE 0 END + 1,
        window_started_at = CASE
            WHEN counter.window_started_at BETWEEN :oldest AND :now + 60
            THEN counter.window_started_at ELSE :now END
    RETURNING count, window_started_at
""")


class RateLimitCounter(db.Model):
    """How many attempts were counted in a bucket since its window started."""

    __tablename__ = "rate_limit_counters"

    bucket: Mapped[str] = mapped_column(String(64), primary_key=True)  # HMAC, hex
    # epoch seconds
    window_started_at: Mapped[int] = mapped_column(BigInteger, index=True)
    count: Mapped[int]


# The table itself: a login changes counters, and does not need them as objects.
counters = RateLimitCounter.__table__


def client_network():
    """Return the client's network: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:  # a unix socket has no address
        return "unknown"
    address = getattr(address, "ipv4_mapped", None) or address
    prefix = 64 if address.version == 6 else 32
    return str(ip_network((address.packed, prefix), strict=False))


def find_network_48(network):
    """Return the /48 around an IPv6 network, because one customer may have it all."""
    if network is None or "/64" not in network:
        return None
    return str(ip_network(network).supernet(new_prefix=48))


def bucket(*parts):
    """Return the id of a bucket: an HMAC, so that nothing that was typed is stored."""
    message = "\0".join(parts).encode()
    return hmac.digest(derive_key("rate limit"), message, "sha256").hex()


def limits(action, account, network, device_id=None):
    """Yield the limit and the id of each bucket in which an attempt is counted.

    A browser with a device cookie has a bucket of its own, which strangers cannot fill.
    """
    if device_id:
        yield LIMIT_PER_ACCOUNT, bucket(action, "device", device_id)
        return
    name = normalise_identifier(account) if account else None
    network_48 = find_network_48(network)
    if network:
        yield LIMIT_PER_NETWORK, bucket(action, "network", network)
    if network_48:
        yield LIMIT_PER_IPV6_48, bucket(action, "network_48", network_48)
    if network and name:
        yield LIMIT_PER_ACCOUNT, bucket(action, "account_in_network", name, network)
    if network_48 and name:
        bucket_id = bucket(action, "account_in_network_48", name, network_48)
        yield LIMIT_PER_ACCOUNT_IN_IPV6_48, bucket_id
    if name:
        limit = LIMIT_PER_ACCOUNT_FROM_ALL_NETWORKS if network else LIMIT_PER_ACCOUNT
        yield limit, bucket(action, "account", name)


def count_attempt_now(action, account, network=None, device_id=None):
    """Count an attempt before it is verified and commit; raise 429 after too many."""
    now = int(time.time())
    for limit, bucket_id in limits(action, account, network, device_id):
        values = {"bucket": bucket_id, "now": now, "oldest": now - WINDOW_SECONDS + 1}
        count, window_started_at = db.session.execute(UPSERT_COUNTER, values).one()
        if count > limit:
            break
    db.session.commit()  # the attempt stays counted, even if the request fails
    if count > limit:
        record_rejection("rate_limited", find_by_username(account or ""), action=action)
        remaining = window_started_at + WINDOW_SECONDS - now
        raise TooManyRequests(retry_after=min(remaining, WINDOW_SECONDS))


def record_rejection(event, user=None, **details):
    """Record an event once for each client network in a window, and count it.

    Otherwise a client could fill the audit log with requests that are rejected.
    """
    try:
        first = count_rejection(event, *details.values())
    except SQLAlchemyError:  # the error page needs no database
        db.session.remove()
        first = True
    if first:
        audit.record(event, user, **details)


def count_rejection(*parts):
    """Count a rejection of this kind; return whether it is the first in its window."""
    now = int(time.time())
    bucket_id = bucket("audit", *parts, client_network())
    query = select(RateLimitCounter.window_started_at).filter_by(bucket=bucket_id)
    window_started_at = db.session.scalar(query) or 0
    if now - WINDOW_SECONDS < window_started_at <= now + 60:
        return False  # a flood of rejections writes nothing more
    values = {"bucket": bucket_id, "now": now, "oldest": now - WINDOW_SECONDS + 1}
    return db.session.execute(UPSERT_COUNTER, values).one().count == 1


def reset_after_login(account, network, device_id=None):
    """Delete the account's counters, and refund its attempts to the network."""
    name = normalise_identifier(account)
    account_in_network = bucket("login_password", "account_in_network", name, network)
    own = [bucket(action, "account", name) for action in LOGIN_ACTIONS]
    if network_48 := find_network_48(network):
        own.append(bucket("login_password", "account_in_network_48", name, network_48))
    if device_id:
        own += [bucket(action, "device", device_id) for action in LOGIN_ACTIONS]
    lock_network(network)
    deleted = delete(counters).where(counters.c.bucket.in_([account_in_network, *own]))
    for counter in db.session.execute(deleted.returning(*counters.c)):
        if counter.bucket == account_in_network:
            refund_network(counter.count, counter.window_started_at, network)


def lock_network(network):
    """Lock the network's counters first, as count_attempt_now does.

    In another order a login and a guess could each wait for the other's lock.
    """
    for _, bucket_id in limits("login_password", None, network):
        query = select(RateLimitCounter.count).filter_by(bucket=bucket_id)
        db.session.execute(query.with_for_update())


def refund_network(attempts, window_started_at, network):
    """Subtract a login's attempts from its network, or a class would use it up."""
    limits_of_network = limits("login_password", None, network)
    network_buckets = [bucket_id for _, bucket_id in limits_of_network]
    # A window that started later has not counted these attempts.
    counted = counters.c.window_started_at <= window_started_at
    remaining = counters.c.count - attempts
    db.session.execute(
        update(counters)
        .where(counters.c.bucket.in_(network_buckets), counted, remaining >= 0)
        .values(count=remaining)
    )


def delete_expired_counters():
    """Delete the counters whose windows are over."""
    oldest = int(time.time()) - EMAIL_WINDOW_SECONDS
    expired = RateLimitCounter.window_started_at <= oldest
    delete_unlocked(RateLimitCounter.bucket, expired)


def consume_email_quota(kind, recipient):
    """Count an email of this kind; return whether the recipient may get another one."""
    now = int(time.time())
    values = {
        "bucket": bucket("email", kind, recipient),
        "now": now,
        "oldest": now - EMAIL_WINDOW_SECONDS + 1,
    }
    return db.session.execute(UPSERT_COUNTER, values).one().count <= EMAIL_LIMIT

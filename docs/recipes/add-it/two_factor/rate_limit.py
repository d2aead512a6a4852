"""Rate limits: attempts per account and network; and lockout after wrong codes."""

import hmac
import time
from ipaddress import ip_address
from ipaddress import ip_network

from flask import current_app
from flask import request
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from werkzeug.exceptions import TooManyRequests

from . import store
from .crypto import derive_key

LIMIT_PER_ACCOUNT = 5  # attempts in a window
LIMIT_PER_NETWORK = 20
LIMIT_PER_ACCOUNT_FROM_ALL_NETWORKS = 50
LIMIT_PER_IPV6_48 = 100
LIMIT_PER_ACCOUNT_IN_IPV6_48 = 10
WINDOW_SECONDS = 15 * 60
MAX_WRONG_CODES_IN_A_ROW = 20  # NIST 800-63B-4 section 3.2.2 allows up to 100
NEVER = 2**40  # epoch seconds: a window that starts then does not end

# A complete login deletes the account's counters of these actions, and of these flows.
LOGIN_ACTIONS = (
    "login_password",
    "login_code",
    "login_recovery_code",
    "enrolment_code",
    "account_password",
    "door_code",
)
FLOWS = ("login", "account", "door")

# One statement counts and returns the count, so that no other request comes in between.
# A window that starts up to a minute in the future is still open: clocks may differ.
UPSERT_COUNTER = text("""
    INSERT INTO two_factor_rate_limit_counters AS counter
        (bucket, window_started_at, count)
    VALUES (:bucket, :now, 1)
    ON CONFLICT (bucket) DO UPDATE SET
        count = CASE WHEN counter.window_started_at BETWEEN :oldest AND :now + 60
            THEN counter.count ELSE 0 END + 1,
        window_started_at = CASE
            WHEN counter.window_started_at BETWEEN :oldest AND :now + 60
            THEN counter.window_started_at ELSE :now END
    RETURNING count, window_started_at
""")


def normalise_identifier(identifier):
    """Return an identifier in the spelling in which it is compared."""
    return identifier.strip().lower()


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
    with store.transaction() as connection:
        for limit, bucket_id in limits(action, account, network, device_id):
            values = {"bucket": bucket_id, "now": now}
            values["oldest"] = now - WINDOW_SECONDS + 1
            count, window_started_at = connection.execute(UPSERT_COUNTER, values).one()
            if count > limit:
                break
        if network and not device_id and count <= limit:
            values["bucket"] = spelling_bucket(account, network)
            connection.execute(UPSERT_COUNTER, values)
    if count == limit + 1:  # tell of the first one alone, or a flood of them is told
        current_app.extensions["two_factor"].tell("rate_limited", None, action=action)
    if count > limit:
        remaining = window_started_at + WINDOW_SECONDS - now
        raise TooManyRequests(retry_after=min(remaining, WINDOW_SECONDS))


def spelling_bucket(name, network):
    """Return the bucket of the attempts that a login takes back.

    It has no limit. In your app "Kim" and "kim" may be two users, so a login as the one
    must not take back guesses at the other.
    """
    return bucket("login_password", "spelling_in_network", name, network)


def reset_after_login(user_id, name, network, device_id=None, flows=FLOWS):
    """Delete the account's counters, and take back its attempts at the password.

    `name` is what was typed beside the password, or None if no password was asked for.
    """
    counters = store.tables().rate_limit_counters
    own = [bucket(action, "account", str(user_id)) for action in LOGIN_ACTIONS]
    own += [lockout_bucket(flow, str(user_id)) for flow in flows]
    if device_id:
        own += [bucket(action, "device", device_id) for action in LOGIN_ACTIONS]
    spelling = spelling_bucket(name, network) if name else None
    deleted = delete(counters).where(counters.c.bucket.in_([spelling, *own]))
    with store.transaction() as connection:
        lock_network(connection, network)
        for counter in connection.execute(deleted.returning(*counters.c)).all():
            if counter.bucket == spelling:
                take_back(connection, name, network, counter)


def lock_network(connection, network):
    """Lock the network's counters first, as count_attempt_now does.

    In another order a login and a guess could each wait for the other's lock.
    """
    counters = store.tables().rate_limit_counters
    for _, bucket_id in limits("login_password", None, network):
        query = select(counters.c.count).filter_by(bucket=bucket_id)
        connection.execute(query.with_for_update())


def take_back(connection, name, network, counter):
    """Subtract the attempts of one spelling wherever they were counted.

    Without it, a class that logs in together would use up its network.
    """
    counters = store.tables().rate_limit_counters
    buckets = [bucket_id for _, bucket_id in limits("login_password", name, network)]
    # A window that started later has not counted these attempts.
    counted = counters.c.window_started_at <= counter.window_started_at
    remaining = counters.c.count - counter.count
    connection.execute(
        update(counters)
        .where(counters.c.bucket.in_(buckets), counted, remaining >= 0)
        .values(count=remaining)
    )


# Lockout


def lockout_bucket(flow, account):
    """Return the id of the bucket of wrong codes in a row; it has no window."""
    return bucket("lockout", flow, account)


def count_wrong_code(flow, user_id):
    """Count a wrong code; return whether the flow is locked now."""
    values = {"bucket": lockout_bucket(flow, str(user_id))}
    values |= {"now": NEVER, "oldest": NEVER}
    with store.transaction() as connection:
        count = connection.execute(UPSERT_COUNTER, values).one().count
    return count >= MAX_WRONG_CODES_IN_A_ROW


def is_locked(flow, user_id):
    """Return whether there were too many wrong codes in a row."""
    counters = store.tables().rate_limit_counters
    own = counters.c.bucket == lockout_bucket(flow, str(user_id))
    with store.reading() as connection:
        count = connection.scalar(select(counters.c.count).where(own))
    return (count or 0) >= MAX_WRONG_CODES_IN_A_ROW


def delete_lockouts(connection, tables, user_id):
    """Delete the counts of wrong codes in a row of a user who is gone."""
    buckets = [lockout_bucket(flow, str(user_id)) for flow in FLOWS]
    counters = tables.rate_limit_counters
    connection.execute(delete(counters).where(counters.c.bucket.in_(buckets)))


def reset_lockout(flow, user_id):
    """Delete the count of wrong codes in a row."""
    own = delete(store.tables().rate_limit_counters).filter_by(
        bucket=lockout_bucket(flow, str(user_id))
    )
    with store.transaction() as connection:
        connection.execute(own)

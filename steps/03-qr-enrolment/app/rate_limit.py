"""Rate limits: attempts per account and network."""

import time
from math import ceil

from flask import request
from werkzeug.exceptions import TooManyRequests

from .users import normalise_identifier

LIMIT_PER_ACCOUNT = 5  # attempts in a window
WINDOW_SECONDS = 15 * 60

_counters = {}  # (action, account, network) -> (start of the window, attempts)


def client_network():
    """Return the client's network: its IP address."""
    return request.remote_addr or "unknown"  # a unix socket has no address


def count_attempt_now(action, account, network=None):
    """Count an attempt before it is verified; raise 429 if there were too many."""
    bucket, now = (action, normalise_identifier(account), network), time.time()
    window_started_at, attempts = _counters.get(bucket, (now, 0))
    if now >= window_started_at + WINDOW_SECONDS:
        window_started_at, attempts = now, 0
    _counters[bucket] = (window_started_at, attempts + 1)
    if attempts >= LIMIT_PER_ACCOUNT:
        remaining = window_started_at + WINDOW_SECONDS - now
        raise TooManyRequests(retry_after=ceil(remaining))


def reset_after_login(account, network):
    """Delete the account's counters after a complete login from this network."""
    for bucket in list(_counters):
        if bucket[1] == account and bucket[2] in (None, network):
            _counters.pop(bucket, None)

"""How often one may guess."""

import time
from ipaddress import ip_network
from math import ceil

from flask import request
from werkzeug.exceptions import TooManyRequests

LIMIT = 5  # guesses in a window
WINDOW = 15 * 60  # seconds

_attempts = {}


def network():
    """Return the visitor's network: an IPv4 address, or the /64 of an IPv6 address."""
    address = request.remote_addr or ""
    try:
        return str(ip_network((address, 64 if ":" in address else 32), strict=False))
    except ValueError:  # a server behind a unix socket knows no address
        return address


def spend_attempt(purpose, account, network=None):
    """Count a guess before it is looked at; raise 429 if there were too many."""
    key, now = (purpose, account, network), time.time()
    opened, count = _attempts.get(key, (now, 0))
    if now >= opened + WINDOW:
        opened, count = now, 0
    _attempts[key] = (opened, count + 1)
    if count >= LIMIT:
        raise TooManyRequests(retry_after=ceil(opened + WINDOW - now))


def forget_attempts(account, network):
    """Start counting anew, after a complete login from this network."""
    for key in list(_attempts):
        if key[1] == account and key[2] in (None, network):
            _attempts.pop(key, None)

"""Browsers that are known by a device cookie, and strangers who guess passwords."""

import itertools
from types import SimpleNamespace

from tests.kit.guesses import LIMIT
from tests.kit.guesses import WINDOW

DEVICE = "device"
OWNER, THIEF = "192.0.2.1", "203.0.113.9"
DAY = 24 * 60 * 60
A_YEAR = 365 * DAY
MAX_WRONG_PASSWORDS_IN_A_ROW = 100
REFUSED = "That username and password do not match."
LOCKED = "There were too many wrong passwords for this username."
NUMBERS = itertools.count(1000)  # of strangers who come once


def device_of(visitor):
    """Return the device cookie of a browser."""
    cookie = visitor.browser.cookies.get(DEVICE)
    assert cookie, "this browser has no device cookie"
    return cookie.value


def known(site, account, network=OWNER):
    """Return a browser in which somebody logged in and out."""
    visitor = site.visitor(network=network)
    visitor.log_in(account)
    visitor.log_out()
    return visitor


def with_device(site, value, network=THIEF):
    """Return a new browser with a device cookie of our choice."""
    visitor = site.visitor(network=network)
    visitor.browser.keep({DEVICE: SimpleNamespace(key=DEVICE, value=value)})
    return visitor


def stranger(site, number):
    """Return a new browser in a network of its own."""
    return site.visitor(network=f"198.51.{number // 100}.{number % 100}")


def guess(visitor, name="kim", password="wrong"):
    """Try a password; return the page that answers."""
    return visitor.open("/login").fill_in(username=name, password=password)


def use_up_passwords(site, name="kim"):
    """Let strangers use up all guesses that an account has from everywhere."""
    strangers = [stranger(site, next(NUMBERS)) for _ in range(11)]
    for visitor in strangers[:10]:
        for _ in range(LIMIT):
            assert guess(visitor, name).status == 422
    assert guess(strangers[10], name).status == 429


def guess_in_a_row(site, clock, times, name="kim"):
    """Let strangers guess passwords from everywhere, as fast as the pauses let them."""
    for number in range(times):
        if number % (10 * LIMIT) == 0:
            clock.move(WINDOW)
        visitor = stranger(site, number // LIMIT % 10)
        page = guess(visitor, name)
        assert page.status == 422
    clock.move(WINDOW)
    return page

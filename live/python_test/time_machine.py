"""A stand-in for time-machine: it stops and moves the one clock there is, Date.now."""

import datetime as dt

import page_clock
import pytest

LATEST = 2**63 / 10**9  # a page counts nanoseconds, in 64 bits: until the year 2262


class Traveller:
    """What moves the clock."""

    def __init__(self, moment):
        self.move_to(moment)

    def move_to(self, moment, tick=None):
        """Stop the clock at a moment, in seconds since 1970 or a datetime."""
        self.now = moment.timestamp() if isinstance(moment, dt.datetime) else moment
        if self.now >= LATEST:
            pytest.skip("the clock of a page ends in the year 2262")
        page_clock.stop(self.now * 1000)

    def shift(self, delta):
        """Move the clock by a timedelta, or by seconds."""
        seconds = delta.total_seconds() if isinstance(delta, dt.timedelta) else delta
        self.move_to(self.now + seconds)


class travel:  # noqa: N801  time-machine calls it so
    """Stops the clock for the length of a `with`."""

    def __init__(self, moment, *, tick=True):
        self.moment = moment

    def __enter__(self):
        return Traveller(self.moment)

    def __exit__(self, *error):
        page_clock.run()

"""The clock of a test: one that the test moves, or the real one."""

import time

import pytest


class MovableClock:
    """A clock that stands still until the test moves it."""

    def __init__(self, traveller):
        self.traveller = traveller

    def now(self):
        """Return the seconds since 1970."""
        return int(time.time())

    def move(self, seconds):
        """Let some seconds pass."""
        self.traveller.shift(seconds)

    def move_to(self, moment):
        """Go to a moment, in seconds since 1970."""
        self.traveller.move_to(moment)

    def wait_until(self, moment):
        """Go to a moment unless it has come."""
        self.move(max(0, moment - self.now()))


class BusyClock:
    """A clock that is moved while somebody opens pages: an idle session ends."""

    QUARTER_OF_AN_HOUR = 15 * 60

    def __init__(self, clock, visitor):
        self.clock = clock
        self.visitor = visitor

    def move(self, seconds):
        """Let some seconds pass, and open a page every quarter of an hour."""
        while seconds > 0:
            self.clock.move(min(seconds, self.QUARTER_OF_AN_HOUR))
            self.visitor.ask("GET", "/")
            seconds -= self.QUARTER_OF_AN_HOUR


class RealClock:
    """The clock on the wall, for a server that we did not start."""

    def now(self):
        """Return the seconds since 1970."""
        return int(time.time())

    def move(self, seconds):
        """Refuse: nobody can move this clock."""
        pytest.skip("not run with --url: the test moves the clock")

    move_to = move

    def wait_until(self, moment):
        """Wait for a moment, and say so."""
        seconds = moment - time.time()
        if seconds > 0:
            print(f"waiting {seconds:.0f} seconds for the next code")
            time.sleep(seconds)

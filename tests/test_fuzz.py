"""Anything in any order: visitors whom nobody planned, and forms filled with anything.

`--fuzz=60` goes on for a minute with each step, and tries other things each time.
"""

import random
import sqlite3
import time
from contextlib import closing

import pytest
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import seed
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.marks import never_red
from tests.marks import since
from tests.stage import FIRST_WITH_DATABASE
from tests.visits import MACHINES

CASES = 10  # in a round; after more, Hypothesis repeats what it knows

pytestmark = never_red("rules of several steps at once")
SETTINGS = settings(
    max_examples=CASES,
    stateful_step_count=30,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
)


@pytest.fixture
def rounds(request):
    """Return the seeds of the rounds: a few, always the same, or as many as time is."""
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test starts the app itself, often")
    seconds = request.config.getoption("--fuzz")
    return seeds_for(seconds) if seconds else range(3)


def seeds_for(seconds):
    """Yield seeds of chance until the time is over."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield random.getrandbits(64)


@since("02")
def test_whoever_is_in_has_shown_both_factors(step, clock, rounds):
    machine = MACHINES[max(number for number in MACHINES if number <= step.number)]
    start = Starter(step, clock)
    for number in rounds:
        visits = seed(number)(lambda: machine(*start()))
        run_state_machine_as_test(visits, settings=SETTINGS)


class Starter:
    """Starts a step as often as one likes, always in the same second and the same way."""

    def __init__(self, step, clock):
        self.step = step
        self.clock = clock
        self.now = clock.now()
        self.site = step.start(clock)
        self.accounts = []
        if step.number >= FIRST_WITH_DATABASE:
            self.accounts = [self.site.account(), self.site.newcomer()]
            self.rows = {table: self.rows_of(table) for table in self.tables()}

    def __call__(self):
        """Return a site and the accounts in its database."""
        self.clock.move_to(self.now)
        if self.step.number < FIRST_WITH_DATABASE:
            return self.step.start(self.clock), []
        self.restore()
        return self.site, self.accounts

    def tables(self):
        """Return the names of the tables."""
        rows = self.site.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in rows]

    def rows_of(self, table):
        """Return what is in a table."""
        return self.site.sql(f"SELECT * FROM {table}")

    def restore(self):
        """Put back what was in the database in the beginning."""
        with closing(sqlite3.connect(self.site.database)) as connection, connection:
            for table, rows in self.rows.items():
                connection.execute(f"DELETE FROM {table}")
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)

"""Anything in any order: visitors whom nobody planned, and forms filled with anything.

`--fuzz=1000` tries a thousand cases of each instead of a few, others each time.
"""

import pytest
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.marks import never_red
from tests.marks import since
from tests.stage import FIRST_WITH_DATABASE
from tests.visits import MACHINES

pytestmark = never_red("rules of several steps at once")


@pytest.fixture
def effort(request):
    """Return how much is tried: little and always the same, or as much as one likes."""
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test moves the clock and starts anew")
    many = request.config.getoption("--fuzz")

    def effort(few):
        return settings(
            max_examples=many or few,
            derandomize=not many,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )

    return effort


@since("02")
def test_whoever_is_in_has_shown_both_factors(step, clock, effort):
    machine = MACHINES[max(number for number in MACHINES if number <= step.number)]
    start = Starter(step, clock)
    run_state_machine_as_test(
        lambda: machine(start()), settings=settings(effort(15), stateful_step_count=40)
    )


class Starter:
    """Starts a step as often as one likes, in the same second and with no memory."""

    def __init__(self, step, clock):
        self.step = step
        self.clock = clock
        self.now = clock.now()
        self.site = step.start(clock)

    def __call__(self):
        self.clock.move_to(self.now)
        if self.step.number < FIRST_WITH_DATABASE:
            return self.step.start(self.clock)
        tables = self.site.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in set(tables) - {("alembic_version",)}:
            self.site.sql(f"DELETE FROM {table}")
        return self.site

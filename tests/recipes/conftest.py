"""What the tests of recipes are given: the last step, with recipes applied."""

import shutil
from contextlib import ExitStack
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.real_browser import missing
from tests.kit.stage import SCRATCH
from tests.kit.stage import Stage
from tests.recipes.hosts import Running
from tools import recipes


@cache
def applied(*names):
    """Return the folder of the last step with these recipes; it is made once a run."""
    if not shutil.which("git"):
        missing("git")
    folder = Path(SCRATCH.name, "recipes", "-".join(names) or "none")
    return recipes.apply(folder, names)


@pytest.fixture
def service_with():
    """Return a function that returns the last step with recipes, to be started."""
    return lambda *names: Stage("06", applied(*names))


@pytest.fixture(scope="session")
def postgres():
    """Start a PostgreSQL."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def start_host(clock):
    """Return a function that starts an app of somebody else with the package."""
    with ExitStack() as stack:

        def start(name, postgres=None):
            return stack.enter_context(closing(Running(name, clock, postgres)))

        yield start


@pytest.fixture
def shop(start_host):
    """Start the ordinary app."""
    return start_host("shop")


@pytest.fixture
def clinic(start_host):
    """Start the app with sessions on the server, and a box that it keeps."""
    return start_host("clinic")

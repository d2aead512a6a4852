"""Stops the suite at the first test that sees a misbehaviour, and notes its name.

tools/mutants.py asks for it. A test that stumbles over a typing mistake is no witness:
whoever sees the traceback knows where to look.
"""

from pathlib import Path

import pytest
from jinja2 import TemplateError
from werkzeug.routing import BuildError

from tests.kit.stage import STEPS
from tests.kit.stage import Stage

TYPING_MISTAKES = (
    SyntaxError,
    ImportError,
    NameError,
    AttributeError,
    TypeError,
    TemplateError,
    BuildError,
)


def pytest_addoption(parser):
    parser.addoption("--witness", type=Path, help="the file for the test's name")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Make sure that the step starts and asks for a password."""
    parameters = [getattr(item, "callspec", None) for item in session.items]
    for number in {p.params["step"] for p in parameters if p and "step" in p.params}:
        try:
            site = Stage(number, STEPS[number]).start(clock=None)
            assert site.visitor().open("/login").status == 200
        except Exception as error:
            pytest.exit(f"it does not start: {error!r}", returncode=3)


def pytest_exception_interact(node, call):
    """Note the test that failed, and end the run, if the app did wrong."""
    if not isinstance(node, pytest.Item):
        return
    if isinstance(call.excinfo.value, TYPING_MISTAKES):
        return
    node.config.getoption("--witness").write_text(node.name, "utf-8")
    node.session.shouldstop = "a witness was found"

"""Turns `pytest steps/02` into the tests of that step, and says what they ask for."""

import sys
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from tests.kit import own_app
from tests.kit.marks import holds
from tests.kit.marks import reach
from tests.kit.marks import value
from tests.kit.report import explain
from tests.kit.report import facts
from tests.kit.report import in_chapters
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tools import pages

NUMBERS = pytest.StashKey[list]()
NAMES = pytest.StashKey[set]()
NAMED = pytest.StashKey[bool]()
TESTS = ROOT / "tests"
CONTRACT = ("contract", "fuzz")  # what is asked of a reader's own app
OF_STEPS = (*CONTRACT, "inside", "concurrency", "deploy")  # what runs on a step
RED = "the step before must not do this yet"
# left out unless -m names marks, or an argument names a test or its file
SLOW = ("browser", "races", "drill", "site", "mistakes")


def pytest_addoption(parser):
    group = parser.getgroup("tutorial")
    group.addoption(
        "--app",
        metavar="DIR",
        type=Path,
        help="check your own app: a directory with app.py or a package app",
    )
    group.addoption(
        "--url",
        help="check a server that is running, in any language",
    )
    group.addoption(
        "--map",
        metavar="FILE",
        type=Path,
        help="with --app or --url: the paths and field names of your app, as TOML",
    )
    group.addoption(
        "--mailbox",
        metavar="FILE",
        type=Path,
        help="with --url: the file into which your server prints its mails",
    )
    group.addoption(
        "--all",
        action="store_true",
        help="with --app or --url: show all that fails, not just the next thing",
    )
    group.addoption(
        "--summary",
        metavar="FILE",
        type=Path,
        help="with --app or --url: write one page of HTML about the app",
    )
    group.addoption(
        "--red",
        action="store_true",
        help="prove that each new behaviour fails on the step before",
    )
    group.addoption(
        "--pages",
        action="store_true",
        help="run each test of a page on the app after that page",
    )
    group.addoption(
        "--alone",
        action="store_true",
        help="run the tests that measure time, with nothing else running",
    )
    group.addoption(
        "--fuzz",
        metavar="SECONDS",
        type=int,
        help="let chance try what visitors may do, for so long with each step",
    )


def pytest_configure(config):
    for line in (
        "since(step): the first step that behaves like this",
        "not_on(*pages): pages in the middle of a chapter that do not",
        "until(step): the last step that behaves like this",
        "attack(*numbers): the attacks that the test carries out",
        "gap: the attack works, and a later step closes it, or none",
        "never_red(reason): why the test passes on the step before as well",
        "rate_limited: uses up guesses; not run against a running server",
        "held_email: an email has to wait; not run against a running server",
        "last: rate_limited, but run against a running server, after all others",
        "alone: measures time, so that nothing else may run",
        "browser: drives a real browser",
        "races: real processes, many at once",
        "drill: the last step as it is deployed, with all its real parts",
        "site: builds the documentation, with what requirements/docs.in lists",
        "mistakes: runs tests on a copy with a mistake",
        "once: holds on later steps, but is shown on the first one only",
    ):
        config.addinivalue_line("markers", line)
    numbers, names, others = read_arguments(config)
    check_options(config, numbers)
    if numbers:
        is_own = config.getoption("--app") or config.getoption("--url")
        houses = CONTRACT if is_own else OF_STEPS
        config.args[:] = others or [str(TESTS / name) for name in houses]
    config.stash[NUMBERS] = sorted(set(numbers)) or list(STEPS)
    config.stash[NAMES] = names
    config.stash[NAMED] = bool(names) or any(".py" in path for path in others)
    if config.getoption("--app") or config.getoption("--url"):
        [target] = config.stash[NUMBERS]
        own_app.prepare(config, target, is_whole=not (names or others))


def read_arguments(config):
    """Tell the steps that were named, and the tests in them, from other arguments."""
    numbers, names, others = [], set(), []
    for argument in config.args:
        path, _, name = argument.partition("::")
        if (config.invocation_params.dir / path).resolve() == ROOT / "steps":
            numbers.extend(STEPS)
            continue
        number = find_step(config.invocation_params.dir, path)
        if number is None:
            others.append(argument)
            continue
        numbers.append(number)
        if name:
            names.add((number, name))
    return numbers, names, others


def find_step(folder, path):
    """Return the number of the step in which a path lies, or None."""
    steps = ROOT / "steps"
    path = (folder / path).resolve()
    if not path.is_relative_to(steps):
        return None
    name = path.relative_to(steps).parts[0]
    number = name[:2]
    if number in STEPS and name in (number, STEPS[number].name):
        return number
    if name in pages.names_of_pages():
        return number if pages.is_last(name) else name
    names = sorted({*STEPS, *pages.names_of_pages()}, key=reach)
    known = ", ".join(f"steps/{name}" for name in names)
    raise pytest.UsageError(f"There is no step {name}. The steps are {known}.")


def check_options(config, numbers):
    """Refuse options that cannot be carried out, and say why."""
    app, url = config.getoption("--app"), config.getoption("--url")
    if (app or url) and len(set(numbers)) != 1:
        raise pytest.UsageError(
            "--app and --url need exactly one step: pytest steps/02 --app=my-app"
        )
    if sys.flags.optimize:
        raise pytest.UsageError(
            "Python leaves out every assert here, so that no test could fail: start it "
            "without -O and without PYTHONOPTIMIZE"
        )
    if app and url:
        raise pytest.UsageError("--app and --url exclude each other")
    if app:
        config.option.app = config.invocation_params.dir / app.expanduser()
    if app and not config.option.app.is_dir():
        raise pytest.UsageError(f"--app: there is no directory {app}")
    if not (app or url) and (config.option.map or config.option.mailbox):
        raise pytest.UsageError("--map and --mailbox need --app or --url")
    if url and not url.startswith(("http://", "https://")):
        raise pytest.UsageError(f"--url: {url} does not begin with http://")


def pytest_generate_tests(metafunc):
    if "step" not in metafunc.fixturenames:
        return
    item, config = metafunc.definition, metafunc.config
    since, until = value(item, "since", "01"), value(item, "until", "99")
    chosen = [n for n in config.stash[NUMBERS] if holds(item, n)]
    if item.get_closest_marker("once"):
        chosen = [n for n in chosen if n in (since, since[:2])]
    if config.getoption("--pages"):
        chosen = [since] * is_before_the_step(since, config.stash[NUMBERS])
    if config.getoption("--red"):
        chosen = red_steps(item, since[:2], until, config.stash[NUMBERS])
    names = [STEPS[n].name if n in STEPS else n for n in chosen]
    fails = pytest.mark.xfail(strict=True, raises=AssertionError, reason=RED)
    marks = [fails] * bool(config.getoption("--red"))  # by an assertion, no accident
    cases = [pytest.param(n, marks=marks) for n in chosen]
    metafunc.parametrize("step", cases, ids=names, indirect=True)


def is_before_the_step(page, numbers):
    """Return whether a page ends before its step, and is of one that was named."""
    is_page = page in pages.names_of_pages()
    return is_page and page[:2] in numbers and not pages.is_last(page)


def red_steps(item, since, until, numbers):
    """Return the steps on which a test has to fail: before it holds, and after."""
    before, after = f"{int(since) - 1:02}", f"{int(until) + 1:02}"
    is_new = not item.get_closest_marker("gap") and not value(item, "never_red")
    red = []
    if is_new and since in numbers and before in STEPS:
        red.append(before)
    if after in numbers:
        red.append(after)
    return red


def pytest_collection_modifyitems(config, items):
    """Leave out what was not asked for, and put what throttles at the end."""
    kept, left_out = [], []
    for item in items:
        (kept if is_asked_for(config, item) else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    if own_app.PROGRESS in config.stash:
        kept.sort(key=lambda item: in_chapters(facts(item)))
        config.stash[own_app.PROGRESS].expect(map(facts, kept))
    if config.getoption("--url"):
        kept.sort(key=lambda item: bool(item.get_closest_marker("last")))
        leave_out(kept)
    items[:] = kept


def leave_out(items):
    """Skip what would not work, or lock the account, on a running server."""
    reasons = {
        "rate_limited": "it locks the account for a quarter of an hour",
        "held_email": "a mail has to wait until the test sends it",
    }
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        for name in sorted(reasons.keys() & marks):
            if "last" not in marks:
                reason = f"not run with --url: {reasons[name]}"
                item.add_marker(pytest.mark.skip(reason=reason))


def is_asked_for(config, item):
    """Tell whether a test belongs to this run."""
    is_measured = item.get_closest_marker("alone") is not None
    if is_measured != config.getoption("--alone"):
        return False
    is_own = config.getoption("--app") or config.getoption("--url")
    if is_own and (
        item.get_closest_marker("gap") or item.path.parent.name not in CONTRACT
    ):
        return False
    if are_slow_left_out(config) and any(map(item.get_closest_marker, SLOW)):
        return False
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    number = parameters.get("step")
    if "step" not in item.fixturenames:
        is_for_steps = config.getoption("--red") or config.getoption("--pages")
        return config.stash[NUMBERS] == list(STEPS) and not is_for_steps
    if not isinstance(number, str):  # an empty set: no chosen step has this
        return False
    names = config.stash[NAMES]
    return not names or (number, item.originalname) in names


def are_slow_left_out(config):
    """Tell whether what takes long is left out: nobody has named it."""
    return not config.option.markexpr and not config.stash[NAMED]


def pytest_sessionfinish(session):
    """Tell the one who asked, if this is a worker of xdist, what was collected."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["facts"] = [facts(item) for item in session.items]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Run what fails on an app once more, as the step before asks for it.

    Every test logs in as the step does that was named. What an earlier step asks for
    may fail for no other reason than that this one is half typed.
    """
    target = item.config.stash[NUMBERS][0]
    since = value(item, "since", "01")
    if not item.config.getoption("--app") or since[:2] == target[:2]:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports):
        item.callspec.params["step"] = f"{int(target[:2]) - 1:02}"
        item._initrequest()
        again = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            report.is_kept_before = all(one.passed for one in again)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if own_app.PROGRESS in item.config.stash:
        report.fact = facts(item)
    if report.failed and "step" in getattr(item, "fixturenames", ()):
        text = explain(item, call.excinfo and call.excinfo.value)
        report.sections.insert(0, ("What this step asks for", text))
    return report


def pytest_report_header(config):
    target = config.getoption("--app") or config.getoption("--url") or ""
    lines = [f"tutorial: steps {', '.join(config.stash[NUMBERS])}"]
    lines[0] += f" against {target}" if target else ""
    if are_slow_left_out(config):
        lines.append("left out: " + ", ".join(f"-m {name}" for name in SLOW))
    return lines

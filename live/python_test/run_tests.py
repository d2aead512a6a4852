"""Runs the tests of the repository against the step as the reader has changed it."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest

OPTIONS = ("--capture=sys", "-p", "no:cacheprovider", "-p", "no:faulthandler")
OPTIONS += ("-p", "no:unraisableexception", "-p", "no:threadexception", "--tb=short")
OPTIONS += ("--color=no", "--continue-on-collection-errors", "-q")
OPTIONS += ("--disable-plugin-autoload",)
OURS = ("tests", "conftest", "tutorial", "tools")
LONGEST_MESSAGE = 1200  # characters
REPOSITORY = "/repo"


def take_suite(archive):
    """Put the suite beside the step that runs, whose files stay as they are.

    Python knows by a file's date what was compiled of it: see live/pack.py.
    """
    with ZipFile(archive) as suite:
        for name in suite.namelist():
            if not Path(REPOSITORY, name).exists():
                os.utime(suite.extract(name, REPOSITORY), (0, 0))


class Report:
    """Tells the page about each test as soon as it has ended."""

    def __init__(self, say):
        self.say = say
        self.items = {}
        self.not_run = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Remember the tests, which know their headings."""
        self.items = {item.nodeid: item for item in items}

    def pytest_deselected(self, items):
        """Remember what needs more than a page has, of the step that is tested."""
        slow = {"browser", "races", "drill", "alone"}
        for item in items:
            is_slow = slow & {mark.name for mark in item.iter_markers()}
            if is_slow and item_step(item):
                self.not_run.append(sentence(item))

    def pytest_collectreport(self, report):
        """Remember the files that cannot be imported here."""
        if not report.passed:
            self.not_run.append(f"{report.nodeid}: it needs a library that is not here")

    def pytest_runtest_logreport(self, report):
        """Tell the page how a test ended."""
        is_end = report.when == "call" or report.outcome != "passed"
        if is_end and report.when != "teardown":
            item = self.items[report.nodeid]
            self.say(
                {
                    "outcome": report.outcome,
                    "sentence": sentence(item),
                    "message": message(report),
                    "heading": heading(item),
                }
            )


def sentence(item):
    """Return what a test asks for, with its case in brackets if there are several."""
    words = item.originalname.removeprefix("test_").replace("_", " ")
    case = item.name.partition("[")[2].rstrip("]").removeprefix(item_step(item))
    case = case.strip("-")
    return words[0].upper() + words[1:] + (f" ({case})" if case else "")


def item_step(item):
    """Return the name of the step that a test runs against."""
    number = item.callspec.params.get("step") if hasattr(item, "callspec") else None
    stages = sys.modules["tests.kit.stage"].STEPS
    return stages[number].name if number in stages else ""


def heading(item):
    """Return the heading of the chapter that speaks of a test, as a path."""
    return sys.modules["tests.kit.report"].heading(item)


def message(report):
    """Return what a test says that failed, or why it was skipped."""
    if report.outcome == "skipped":
        return report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message[:LONGEST_MESSAGE] if crash else ""


def skip_what_needs(part):
    """Return what stands in for a part that a page lacks: the test is not run."""

    def skip(*words, **options):
        pytest.skip(f"it needs {part}, which a page does not have")

    return skip


def forget_modules():
    """Forget what an earlier run has imported: the files may have changed."""
    for name in list(sys.modules):
        if name.partition(".")[0] in OURS or name.startswith("step_"):
            del sys.modules[name]


def run(words, say):
    """Run pytest with these words; return its status and what was not run."""
    began = time.perf_counter()
    folder = os.getcwd()
    forget_modules()
    os.chdir(REPOSITORY)
    if REPOSITORY not in sys.path:
        sys.path.insert(0, REPOSITORY)
    report, printed = Report(say), StringIO()
    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, folder)
        stack.enter_context(contextlib.redirect_stdout(printed))
        stack.enter_context(contextlib.redirect_stderr(printed))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(subprocess, "Popen", skip_what_needs("a process"))
        patch.setattr(threading.Thread, "start", skip_what_needs("a thread"))
        patch.setattr(os, "link", skip_what_needs("hard links"), raising=False)
        patch.delenv("ISSUER", raising=False)  # the page's, which numbers the steps
        status = pytest.main([*OPTIONS, *words], plugins=[report])
    return {
        "status": int(status),
        "not_run": report.not_run,
        "seconds": time.perf_counter() - began,
        "printed": printed.getvalue()[-4000:],
    }

"""A reader's own app, checked when a file is saved: it shows the next thing alone.

`tutorial.py watch 02 --app=my-app` and `tutorial.py hint 02 --app=my-app` start this.
A check begins with what failed last, and ends at the first failure. Where the system
can fork, a collector imports and collects the tests once, and each check is a fork of
it; elsewhere each check collects them anew.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import watchfiles

from tests.kit import own_app
from tests.kit import plugin
from tests.kit import stops
from tests.kit.report import facts
from tests.kit.report import in_chapters
from tools import changes
from tools import pages
from tools.steps import ROOT
from tools.steps import TutorialError
from tools.steps import files_of
from tools.steps import find_step

CAN_FORK = hasattr(os, "fork")
STATE = Path(sys.prefix, "tutorial-next.json")  # in .venv: what the last check said
COMPLETE, NOT_YET, STOPPED = 0, 1, 130
HINTS = 3  # the sentence, the heading, the lines


# What the last check said


def read_state(asked):
    """Return what the last check of this app said; nothing if it was another app."""
    try:
        state = json.loads(asked.state.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return state if state.get("app") == str(asked.app) else {}


def write_state(asked, state):
    """Keep what a check said, for the next one and for hints."""
    asked.state.write_text(json.dumps(state | {"app": str(asked.app)}), "utf-8")


def fingerprint(asked):
    """Return what changes when a file of the app does, or what is asked of it."""
    digest = hashlib.sha256(f"{asked.number} {asked.map}".encode())
    for name, lines in sorted(files_of(asked.app).items()):
        digest.update(repr((name, lines)).encode())
    return digest.hexdigest()


# One check


class Check:
    """A pytest plugin that checks an app up to the first failure.

    The app comes into play only after the tests are collected, so that one collection
    serves many checks.
    """

    def __init__(self, asked, target, wait=None):
        self.asked = asked
        self.target = target
        self.wait = wait  # returns when it is time for a check; False if never again
        self.before = self.mark = self.failed = None
        self.problem = None  # why the app cannot be started

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config):
        """Print nothing but the answer."""
        config.pluginmanager.unregister(name="terminalreporter")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        """Prepare the app and the order of its tests, and leave the rest to pytest."""
        if self.wait and not self.wait():
            return True
        # a file that is saved twice in a second would be taken for the one compiled
        sys.dont_write_bytecode = True
        self.before = read_state(self.asked)
        self.mark = fingerprint(self.asked)
        config = session.config
        config.option.app, config.option.map = self.asked.app, self.asked.map
        try:
            own_app.prepare(config, self.target, is_whole=True)
        except pytest.UsageError as problem:
            self.problem = str(problem)
            return True
        self.progress = config.stash[own_app.PROGRESS]
        session.items[:] = self.in_order(config, session.items)
        self.progress.expect(map(facts, session.items))
        return None

    def in_order(self, config, items):
        """Return the tests: first those of the next stop, or what failed last."""
        kept = [item for item in items if plugin.is_asked_for(config, item)]
        kept.sort(key=lambda item: self.place_of(facts(item)))
        failed = self.before.get("test")
        names = [item.nodeid for item in kept]
        if failed in names and self.before.get("gap") == self.gap_heading():
            place = names.index(failed)
            kept = kept[place:] + kept[:place]  # those before it passed
        return sorted(kept, key=lambda item: facts(item)["is_fuzz"])

    def place_of(self, fact):
        """Return what sorts a test."""
        gap = self.gap_heading()
        is_next = fact["heading"] == gap
        is_new = fact["since"][:2] == self.target[:2]
        return bool(gap and not is_next), bool(gap and not is_new), in_chapters(fact)

    def gap_heading(self):
        """Return the heading of the first stop that is not typed, if there is one."""
        return self.progress.gap and self.progress.gap[0]

    def pytest_runtest_logreport(self, report):
        """End at the first failure; what the step before keeps is none."""
        if report.failed and not getattr(report, "is_kept_before", False):
            self.failed = self.failed or report.nodeid
            self.session.shouldfail = "the next thing to do is found"

    def pytest_sessionstart(self, session):
        self.session = session

    def answer(self):
        """Return what to tell: the next thing, where to read, and the lines to type."""
        answer = {"target": self.target, "mark": self.mark, "done": [], "rest": []}
        if self.problem:
            kept = {name: self.before.get(name) for name in ("gap", "test")}
            return answer | kept | {"next": self.problem.splitlines()}
        broken = [p for p in self.progress.in_order() if p.is_broken]
        if not broken:
            return answer | {"next": [], "done": self.progress.lines()}
        return answer | self.next_thing(broken)

    def next_thing(self, broken):
        """Return what an answer says about the promise to keep next."""
        first = self.progress.first_of(broken)
        place, lessons = self.progress.place_to_look(first)
        lines = self.progress.broken_lines(broken)
        start = next(n for n, line in enumerate(lines) if line.startswith("Read: "))
        return {
            "next": lines[:start],
            "rest": lines[start:],
            "done": self.stops_done(place),
            "code": [line for one in lessons for line in lines_of(one, self.asked.app)],
            "read": place,
            "gap": self.gap_heading(),
            "test": self.failed,
        }

    def stops_done(self, place):
        """Return a line for each stop that is complete since the last check."""
        headings = [stop.heading for stop in stops.stops(self.target)]
        last = self.before.get("read")
        if not {place, last} <= set(headings):
            return []
        passed = headings[headings.index(last) : headings.index(place)]
        return [f"Stop complete: {heading}" for heading in passed]


def lines_of(lesson, app):
    """Return the lines that an explanation adds; without those that are typed."""
    typed = {line.strip() for line in files_of(app).get(lesson.path, ())}
    rows = changes.compare(lesson.number, lesson.path)
    added = [rows[n].text for n in sorted(lesson.rows) if rows[n].sign == "+"]
    missing = [line for line in added if line.strip() and line.strip() not in typed]
    return [f"{stops.code_of(lesson)}", *(f"    {line}" for line in missing or added)]


def check(asked, target, wait=None):
    """Check an app and return the answer, which is kept as well.

    With something to wait for, this returns in each fork. In the collector, which has
    waited, it returns None at last.
    """
    one = Check(asked, target, wait)
    folders = [str(ROOT / "tests" / name) for name in plugin.CONTRACT]
    words = ["-p", "no:cacheprovider", str(ROOT / "steps" / target), *folders]
    words += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    status = pytest.main(words, plugins=[one])
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise TutorialError("The tests could not be run: see above.")
    if not one.mark:
        return None
    answer = one.answer()
    is_same = one.before.get("next") == answer["next"]
    hints = one.before.get("hints", 0) if is_same else 0
    write_state(asked, answer | {"hints": hints})
    return answer


def target_of(asked):
    """Return the page to check, or the step: one page after the other, to its end."""
    gap = stops.first_below(asked.number, asked.app, stops.TYPED)
    page = gap and pages.page_of(gap[0].partition("#")[0])
    found = page if page and page[2:] and not pages.is_last(page) else asked.number
    last = read_state(asked)
    is_next = found == following(asked, last.get("target"))
    return last["target"] if is_next and last["next"] else found


def following(asked, target):
    """Return the page, or the step, that comes after a page; None after a step."""
    names = pages.names_of_pages(asked.number)
    if target not in names[:-1]:
        return None
    page = names[names.index(target) + 1]
    return asked.number if pages.is_last(page) else page


# Watching


def saved(asked):
    """Yield at once, and whenever the app is another than before.

    It is looked at each second besides, for what was saved while nobody watched.
    """
    mark = fingerprint(asked)
    yield
    for _ in watchfiles.watch(asked.app, rust_timeout=1000, yield_on_timeout=True):
        before, mark = mark, fingerprint(asked)
        if mark != before:
            yield


def watch(asked):
    """Check an app whenever it is saved, page by page, until the step is complete."""
    target = None
    while target != asked.number:
        target = target_of(asked)
        start_check = collector(asked, target) if CAN_FORK else anew
        for _ in saved(asked):
            if start_check() == COMPLETE:
                break
    return COMPLETE


def anew():
    """Check the app in a process that begins anew; return its exit status."""
    command = [sys.executable, "-P", "-m", "tools.watch", "once", *sys.argv[2:]]
    return subprocess.run(command, check=False).returncode


def collector(asked, target):
    """Start the process that collects the tests; return what has it check the app."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    context.Process(target=collect, args=(asked, target, theirs), daemon=True).start()
    theirs.close()

    def start_check():
        ours.send("check")
        return ours.recv()

    return start_check


def collect(asked, target, pipe):
    """Collect the tests once, and fork whenever a check is asked for."""
    status = STOPPED
    try:
        answer = check(asked, target, lambda: is_fork(pipe))
        status = answer and tell(answer)
    except KeyboardInterrupt:
        pass
    finally:
        os._exit(status or 0)  # what the first process has opened is not ours to close


def is_fork(pipe):
    """Return True in a fork for each check, and at last False in the collector."""
    while True:
        try:
            pipe.recv()
        except EOFError:
            return False
        child = os.fork()
        if not child:
            return True
        pipe.send(os.waitstatus_to_exitcode(wait_for(child)))


def wait_for(child):
    """Wait for a fork, and do not leave it behind; return its status."""
    try:
        return os.waitpid(child, 0)[1]
    except KeyboardInterrupt:
        with suppress(ProcessLookupError):  # it may have ended in this moment
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
        raise


def tell(answer):
    """Print what is complete and the next thing alone; return whether all is done."""
    lines = [*answer["done"], *answer["next"], *answer["rest"]]
    print(f"\n{time.strftime('%H:%M:%S')}", *lines, sep="\n", flush=True)
    return NOT_YET if answer["next"] else COMPLETE


def once(asked):
    """Check an app a single time, and say what is next."""
    return tell(check(asked, target_of(asked)))


# Hints


def hint(asked):
    """Give the next hint: the sentence, then the heading, at last the lines."""
    state = read_state(asked)
    if state.get("mark") != fingerprint(asked):
        check(asked, target_of(asked))
        state = read_state(asked)
    if not state["next"]:
        print(*state["done"], sep="\n")
        return COMPLETE
    number = min(state["hints"] + 1, HINTS)
    write_state(asked, state | {"hints": number})
    print(*hint_lines(state, number), sep="\n")
    return COMPLETE


def hint_lines(state, number):
    """Return the lines of the first, the second or the third hint."""
    if "read" not in state:
        return state["next"]  # an app that cannot be started says all there is
    hints = [state["next"][:1], [f"Read: {state['read']}"], state["code"]]
    more = [] if number == HINTS else ["Ask again for more."]
    return [*(hints[number - 1] or state["rest"]), *more]


def read_words(words):
    """Return what was asked for, with whole paths."""
    parser = argparse.ArgumentParser(prog="tutorial.py")
    parser.add_argument("kind", choices=["watch", "hint", "once"])
    parser.add_argument("step")
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--state", type=Path, default=STATE, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    asked.number = find_step(asked.step).name[:2]
    asked.app = asked.app.expanduser().resolve()
    if not asked.app.is_dir():
        raise TutorialError(f"--app: there is no directory {asked.app}")
    return asked


def main(words):
    """Watch, or give a hint; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asked = read_words(words)
        return {"watch": watch, "hint": hint, "once": once}[asked.kind](asked)
    except KeyboardInterrupt:
        return STOPPED
    except TutorialError as problem:
        print(problem, file=sys.stderr)
        return NOT_YET


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

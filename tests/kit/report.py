"""What the suite tells a reader: what failed, how far the app is, what comes next."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.kit.marks import reach
from tests.kit.marks import value
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.visitor import NotOfferedError
from tools import pages

# where a chapter speaks of what the tests of a file ask for, from a step on
HEADINGS = {
    "test_password_page": {
        "01": "docs/01-basic-login.md#3-ask-refuse-let-in",
        "04": "docs/04b-a-password-worth-keeping.md#1-a-password-that-will-do",
    },
    "test_session": {
        "01": "docs/01-basic-login.md#4-in-and-kept-out",
        "02": "docs/02-totp-verify.md#4-half-logged-in",
        "03": "docs/03-qr-enrolment.md#3-a-pending-secret",
        "04": "docs/04b-a-password-worth-keeping.md#2-logging-out-everywhere",
        "05": "docs/05c-account.md#1-is-it-still-you",
    },
    "test_next": {
        "01": "docs/01-basic-login.md#5-where-to-go-next",
        "03": "docs/03-qr-enrolment.md#8-confirm-then-activate",
    },
    "test_every_page": {"01": "docs/01-basic-login.md#7-every-form-every-page"},
    "test_security": {
        "01": "docs/01-basic-login.md#7-every-form-every-page",
        "06": "docs/06a-refuse-to-start.md#4-headers-for-every-answer",
    },
    "test_configuration": {
        "01": "docs/01-basic-login.md#6-the-key-that-signs",
        "04": "docs/04c-the-secret-encrypted.md#1-encrypted-and-bound-to-its-owner",
    },
    "test_fuzz": {
        "01": "docs/01-basic-login.md#7-every-form-every-page",
        "02": "docs/02-totp-verify.md#4-half-logged-in",
    },
    "test_code_page": {
        "02": "docs/02-totp-verify.md#5-a-code-works-once",
        "03": "docs/03-qr-enrolment.md#1-a-fresh-secret",
    },
    "test_throttle": {
        "02": "docs/02-totp-verify.md#3-few-guesses",
        "04": "docs/04d-counting-in-one-statement.md#3-whose-guesses",
        "05": "docs/05c-account.md#5-twenty-wrong-codes",
        "06": "docs/06a-refuse-to-start.md#8-a-browser-that-was-here-before",
    },
    "test_enrolment": {"03": "docs/03-qr-enrolment.md#8-confirm-then-activate"},
    "test_recovery": {
        "03": "docs/03-qr-enrolment.md#5-the-phone-falls-into-the-lake",
        "05": "docs/05c-account.md#4-other-recovery-codes",
    },
    "test_users": {"04": "docs/04a-users-in-a-database.md#3-who-the-users-are"},
    "test_registration": {"04": "docs/04a-users-in-a-database.md#5-create-an-account"},
    "test_database": {
        "04": "docs/04a-users-in-a-database.md#1-one-request-one-transaction",
        "05": "docs/05b-reset.md#4-both-and-only-once",
    },
    "test_sessions_end": {
        "04": "docs/04b-a-password-worth-keeping.md#2-logging-out-everywhere",
        "05": "docs/05c-account.md#1-is-it-still-you",
        "06": "docs/06c-at-night.md#3-a-session-does-not-live-for-ever",
    },
    "test_mail": {
        "05": "docs/05a-mail.md#2-the-sender",
        "06": "docs/06b-several-of-everything.md#4-the-mail-worker",
    },
    "test_verify": {"05": "docs/05a-mail.md#4-an-address-is-verified"},
    "test_reset": {"05": "docs/05b-reset.md#the-idea"},
    "test_account": {"05": "docs/05c-account.md#1-is-it-still-you"},
    "test_config": {"06": "docs/06a-refuse-to-start.md#2-good-or-no-start"},
    "test_mail_worker": {"06": "docs/06b-several-of-everything.md#4-the-mail-worker"},
    "test_deploy_files": {
        "06": "docs/06b-several-of-everything.md#5-on-your-server-or-on-somebody-elses"
    },
    "test_drill": {"06": "docs/06b-several-of-everything.md#the-idea"},
    "test_audit": {"06": "docs/06c-at-night.md#1-one-line-for-each-event"},
    "test_strangers": {
        "04": "docs/04d-counting-in-one-statement.md#3-whose-guesses",
        "05": "docs/05b-reset.md#2-a-link-that-says-what-it-is-for",
    },
    "test_rejections": {"06": "docs/06c-at-night.md#2-wherever-an-attempt-is-rejected"},
    "test_ops": {"06": "docs/06c-at-night.md#4-commands-with-a-reason"},
}
# and where for all the rest
CHAPTERS = {
    "01": "docs/01-basic-login.md#the-idea",
    "02": "docs/02-totp-verify.md#the-idea",
    "03": "docs/03-qr-enrolment.md#the-idea",
    "04": "docs/04a-users-in-a-database.md#the-idea",
    "05": "docs/05a-mail.md#the-idea",
    "06": "docs/06a-refuse-to-start.md#the-change",
}
MAP_HELP = "Other paths or field names in your app? --map=FILE: docs/your-own-app.md"
NOT_ASKED = "not asked for in this run"


def since(item):
    """Return the first step, or page of a chapter, that asks for what a test does."""
    return value(item, "since", "01")


def in_order(item):
    """Sort tests by what asks for them: the pages of a chapter before its step."""
    return reach(since(item))


def in_words(name):
    """Say whether it is a step or a page."""
    return f"page {name}" if name[2:] else f"step {name}"


def names_in_order():
    """Return all that a reader can complete, in the order of reading."""
    found = pages.names_of_pages()
    whole = [n for n in STEPS if not any(name[:2] == n for name in found)]
    return sorted([*found, *whole], key=reach)


def sentence(item):
    """Return what a test asks for, in words."""
    words = item.originalname.removeprefix("test_").replace("_", " ")
    words = words.replace(" s ", "'s ")  # the owner_s login
    return words[0].upper() + words[1:]


def heading(item):
    """Return the heading of the chapter that speaks of what a test asks for."""
    name = since(item)
    there = HEADINGS.get(item.path.stem, {})
    return there.get(name) or there.get(name[:2]) or chapter(name)


def chapter(name):
    """Return where a chapter begins, or one of its pages."""
    found = sorted((ROOT / "docs").glob(f"{name}-*.md")) if name[2:] else []
    return f"docs/{found[0].name}" if found else CHAPTERS[name[:2]]


def where_to_look(item):
    """Return the lines that lead from a test to the chapter and to the change."""
    lines = [f"Read: {heading(item)}"]
    number = since(item)[:2]
    before = STEPS.get(f"{int(number) - 1:02}")
    if before:
        change = f"steps/{before.name} steps/{STEPS[number].name}"
        lines.append(f"See the change: git diff --no-index {change}")
    return lines


def explain(item, error):
    """Say in words what a test asks for, and where to read about it."""
    lines = [sentence(item), *where_to_look(item)]
    option = item.config.option
    is_own = option.app or option.url
    if is_own and not option.map and isinstance(error, NotOfferedError):
        lines.append(MAP_HELP)
    return "\n".join(lines)


class Promise:
    """What one test asks for, in all its cases."""

    def __init__(self, item):
        self.item = item
        self.cases = {}  # what came of each; a reason if it was not run

    @property
    def is_broken(self):
        """Tell whether one of the cases failed."""
        return "failed" in self.cases.values()

    @property
    def is_kept(self):
        """Tell whether all cases were run, and passed."""
        return set(self.cases.values()) == {"passed"}

    @property
    def reason(self):
        """Return why some case was not run."""
        return next(c for c in self.cases.values() if c not in ("passed", "failed"))


class Progress:
    """How far the reader's own app is: what it keeps, breaks, and was not asked."""

    def __init__(self, is_whole):
        self.is_whole = is_whole  # or some tests were named, and no step is complete
        self.promises = {}
        self.of_case = {}

    def expect(self, items):
        """Note all that could be asked, before some of it is left out."""
        for item in sorted(items, key=by_chapter):
            key = item.path.stem, item.originalname
            promise = self.promises.setdefault(key, Promise(item))
            promise.cases[item.nodeid] = NOT_ASKED
            self.of_case[item.nodeid] = promise

    def pytest_runtest_logreport(self, report):
        """Note what came of one case."""
        cases = self.of_case[report.nodeid].cases
        if report.failed:
            cases[report.nodeid] = "failed"
        elif report.skipped:
            cases[report.nodeid] = report.longrepr[2].removeprefix("Skipped: ")
        elif report.when == "call":
            cases[report.nodeid] = "passed"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter):
        """Say at the very end how far the app is, and what to do next."""
        yield
        terminalreporter.section("your own app")
        lines = [*self.not_run_lines(), *self.step_lines(), *self.next_lines()]
        for line in lines:
            terminalreporter.write_line(line)

    def not_run_lines(self):
        """Return what was not run, by reason, but for what nobody asked for."""
        reasons = {}
        for promise in self.promises.values():
            if not promise.is_kept and not promise.is_broken:
                reasons.setdefault(promise.reason, []).append(promise)
        reasons.pop(NOT_ASKED, None)
        for reason, promises in reasons.items():
            yield reason
            yield from (f"    {sentence(promise.item)}" for promise in promises)

    def step_lines(self):
        """Return a line for each step: how many of its promises are kept."""
        names = {since(promise.item) for promise in self.promises.values()}
        for name in sorted(names, key=reach):
            asked = [p for p in self.promises.values() if since(p.item) == name]
            kept = sum(promise.is_kept for promise in asked)
            missed = sum(not (p.is_kept or p.is_broken) for p in asked)
            if self.is_whole and kept == len(asked):
                yield f"{in_words(name)} complete"
                continue
            line = f"{kept} of {len(asked)} of {in_words(name)}"
            line += f", {missed} not run" if missed else ""
            yield line + ("" if self.is_whole else ", in what was named")

    def next_lines(self):
        """Return what to do next: the first thing that fails, and where to read."""
        broken = [p.item for p in self.promises.values() if p.is_broken]
        if broken:
            return [*begin_with("Next", broken[0]), *newest_lines(broken)]
        if not self.is_whole or not all(p.is_kept for p in self.promises.values()):
            return []
        done = max(in_order(promise.item) for promise in self.promises.values())
        following = [name for name in names_in_order() if reach(name) > done]
        following = following[:1]
        return [
            line
            for name in following
            for line in (f"Next: {in_words(name)}", f"Read: {chapter(name)}")
        ]


def begin_with(word, item):
    """Return the lines that send a reader to one test."""
    return [f"{word}: {sentence(item)}", *where_to_look(item)]


def newest_lines(broken):
    """Return where to begin for somebody who had completed the step before.

    The tests of that step log in as this one does, so they fail until it is typed.
    """
    newest = since(max(broken, key=in_order))
    if newest == since(broken[0]):
        return []
    first = next(item for item in broken if since(item) == newest)
    kind = in_words(newest).partition(" ")[0]
    return begin_with(f"Or, if the {kind} before {newest} was complete", first)


def by_chapter(item):
    """Sort tests in the order of the chapters, whose headings have numbers."""
    return in_order(item), heading(item)


class ReadableJUnit:
    """Puts sentences and steps in the place of names into the file of --junit-xml."""

    def __init__(self, file, progress, title):
        self.file = file
        self.progress = progress
        self.title = title

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self):
        """Change the file that pytest has written."""
        file = Path(self.file).expanduser()  # as pytest does
        tree = ElementTree.parse(file)
        for suite in tree.iter("testsuite"):
            suite.set("name", self.title)
        items = {key(n): p.item for n, p in self.progress.of_case.items()}
        for case in tree.iter("testcase"):
            module, name = case.get("classname").split(".")[-1], case.get("name")
            if (module, name) in items:  # or a file of tests could not be read
                item = items[module, name]
                case.set("classname", in_words(since(item)))
                case.set("name", sentence(item) + which(name))
        tree.write(file, "utf-8", xml_declaration=True)


def key(nodeid):
    """Return the module of a test and its name."""
    path, _, name = nodeid.partition("::")
    return path.rpartition("/")[2].removesuffix(".py"), name


def which(name):
    """Return which case of a test it is, in brackets; nothing if there is only one."""
    case = name.partition("[")[2][:-1]
    for step in STEPS.values():
        case = case.replace(step.name, "").strip("-")
    return f" ({case})" if case else ""

"""What the suite tells a reader: how far the app is, and the one thing to do next."""

from html import escape
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.kit import stops
from tests.kit.marks import reach
from tests.kit.marks import value
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.visitor import NotOfferedError
from tools import pages
from tools.steps import count

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
        "05": "docs/05e-the-account-page.md#1-is-it-still-you",
    },
    "test_next": {
        "01": "docs/01-basic-login.md#5-where-to-go-next",
        "03": "docs/03-qr-enrolment.md#8-confirm-then-activate",
    },
    "test_every_page": {"01": "docs/01-basic-login.md#7-every-form-every-page"},
    "test_security": {
        "01": "docs/01-basic-login.md#7-every-form-every-page",
        "06": "docs/06d-in-front-of-it.md#3-headers-for-every-answer",
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
        "05": "docs/05g-twenty-wrong-codes.md#1-the-lockout",
        "06": "docs/06g-a-stranger-keeps-you-out.md#1-a-browser-that-was-here-before",
    },
    "test_enrolment": {"03": "docs/03-qr-enrolment.md#8-confirm-then-activate"},
    "test_recovery": {
        "03": "docs/03-qr-enrolment.md#5-the-phone-falls-into-the-lake",
        "05": "docs/05f-a-new-authenticator-app.md#2-other-recovery-codes",
    },
    "test_users": {"04": "docs/04a-users-in-a-database.md#3-who-the-users-are"},
    "test_registration": {"04": "docs/04a-users-in-a-database.md#5-create-an-account"},
    "test_database": {
        "04": "docs/04a-users-in-a-database.md#1-one-request-one-transaction",
        "05": "docs/05d-and-still-the-second-factor.md#2-all-or-nothing",
    },
    "test_sessions_end": {
        "04": "docs/04b-a-password-worth-keeping.md#2-logging-out-everywhere",
        "05": "docs/05e-the-account-page.md#1-is-it-still-you",
        "06": "docs/06e-who-did-what.md#3-a-session-doesnt-live-forever",
    },
    "test_mail": {
        "05": "docs/05a-send-email.md#3-the-sender",
        "06": "docs/06c-the-mail-worker.md#1-a-program-next-to-the-web-app",
    },
    "test_verify": {
        "05": "docs/05b-verify-an-email-address.md#1-a-pending-registration"
    },
    "test_reset": {"05": "docs/05c-a-link-by-email.md#the-idea"},
    "test_account": {"05": "docs/05e-the-account-page.md#1-is-it-still-you"},
    "test_config": {"06": "docs/06a-settings-that-refuse.md#3-good-or-no-start"},
    "test_mail_worker": {
        "06": "docs/06c-the-mail-worker.md#1-a-program-next-to-the-web-app"
    },
    "test_deploy_files": {
        "06": "docs/06b-several-of-everything.md#3-gunicorn-and-a-place-to-run"
    },
    "test_drill": {"06": "docs/06b-several-of-everything.md#the-idea"},
    "test_audit": {"06": "docs/06e-who-did-what.md#1-one-line-for-each-event"},
    "test_strangers": {
        "04": "docs/04d-counting-in-one-statement.md#3-whose-guesses",
        "05": "docs/05c-a-link-by-email.md#2-a-link-that-says-what-it-is-for",
    },
    "test_rejections": {
        "06": "docs/06e-who-did-what.md#2-wherever-an-attempt-is-rejected"
    },
    "test_ops": {"06": "docs/06f-phone-and-codes-gone.md#1-commands-with-a-reason"},
}
# and where for all the rest
CHAPTERS = {
    "01": "docs/01-basic-login.md#the-idea",
    "02": "docs/02-totp-verify.md#the-idea",
    "03": "docs/03-qr-enrolment.md#the-idea",
    "04": "docs/04a-users-in-a-database.md#the-change",
    "05": "docs/05a-send-email.md#the-idea",
    "06": "docs/06a-settings-that-refuse.md#the-change",
}
LACKS = "Not found"
MAP_HELP = "Other paths or field names in your app? --map=FILE: docs/your-own-app.md"
NOT_ASKED = "not asked for in this run"
WAITING = "kept as the step before asks for it"


def since(item):
    """Return the first step, or page of a chapter, that asks for what a test does."""
    return value(item, "since", "01")


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


def explain(item, error):
    """Say in words what a test asks for, and where to read about it."""
    lines = [sentence(item), f"Read: {heading(item)}", *change_lines(since(item))]
    option = item.config.option
    is_own = option.app or option.url
    if is_own and not option.map and isinstance(error, NotOfferedError):
        lines.append(MAP_HELP)
    return "\n".join(lines)


def facts(item):
    """Return what the report needs to know about a test, as plain text."""
    return {
        "nodeid": item.nodeid,
        "file": item.path.stem,
        "name": item.originalname,
        "since": since(item),
        "sentence": sentence(item),
        "heading": heading(item),
        "is_fuzz": item.path.parent.name == "fuzz",
    }


class Promise:
    """What one test asks for, in all its cases."""

    def __init__(self, fact):
        self.since = fact["since"]
        self.sentence = fact["sentence"]
        self.heading = fact["heading"]
        self.is_fuzz = fact["is_fuzz"]
        self.cases = {}  # what came of each; a reason if it was not run
        self.complaint = []  # what the app did instead, in the first case that failed

    @property
    def is_broken(self):
        """Tell whether one of the cases failed."""
        return not {"failed", WAITING}.isdisjoint(self.cases.values())

    @property
    def is_waiting(self):
        """Tell whether it is kept as the step before asks for it, but not as this."""
        return self.is_broken and "failed" not in self.cases.values()

    @property
    def is_kept(self):
        """Tell whether all cases were run, and passed."""
        return set(self.cases.values()) == {"passed"}

    @property
    def reason(self):
        """Return why some case was not run."""
        return next(c for c in self.cases.values() if c not in ("passed", "failed"))


class Progress:
    """How far the reader's own app is: what it keeps, breaks, and was not asked.

    With xdist each worker collects the tests and runs some; the reports meet here.
    """

    gap = None  # the heading of the first stop that is not typed, and its lesson
    changed = None  # the lesson that is typed, but not as the chapter has it
    find_later = list  # what returns where to go if the app is that of a later step

    def __init__(self, target, is_whole, shows_all=True):
        self.target = target  # the step, or the page of a chapter, that was named
        self.is_whole = is_whole  # or some tests were named, and no step is complete
        self.shows_all = shows_all
        self.promises = {}
        self.of_case = {}

    def expect(self, found):
        """Note all that could be asked, before some of it is left out."""
        for fact in sorted(found, key=in_chapters):
            key = fact["file"], fact["name"]
            promise = self.promises.setdefault(key, Promise(fact))
            promise.cases.setdefault(fact["nodeid"], NOT_ASKED)
            self.of_case[fact["nodeid"]] = promise

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        """Note what a worker of xdist has collected."""
        self.expect(getattr(node, "workeroutput", {}).get("facts", []))

    def pytest_runtest_logreport(self, report):
        """Note what came of one case."""
        if not hasattr(report, "fact"):
            return
        self.expect([report.fact])
        promise = self.of_case[report.nodeid]
        if report.failed:
            is_waiting = getattr(report, "is_kept_before", False)
            promise.cases[report.nodeid] = WAITING if is_waiting else "failed"
            promise.complaint = promise.complaint or complaint_of(report)
        elif report.skipped:
            reason = report.longrepr[2].removeprefix("Skipped: ")
            promise.cases[report.nodeid] = reason
        elif report.when == "call":
            promise.cases[report.nodeid] = "passed"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter):
        """Say at the very end how far the app is, and what to do next."""
        stats = terminalreporter.stats
        hidden = () if self.shows_all else stats.keys() & {"failed", "error"}
        kept = {kind: stats.pop(kind) for kind in hidden}
        yield
        stats.update(kept)
        terminalreporter.section("your own app")
        for line in self.lines():
            terminalreporter.write_line(line)

    def lines(self):
        """Return all that is said at the end."""
        return [*self.step_lines(), *self.not_run_lines(), *self.next_lines()]

    def in_order(self):
        """Return all promises in the order of the chapters, what chance finds last."""
        return sorted(self.promises.values(), key=self.place_of)

    def place_of(self, promise):
        """Return what sorts a promise; one that waits comes after those of its step."""
        step = reach(self.step_of(promise))
        return promise.is_fuzz, step, promise.is_waiting, promise.heading

    def step_of(self, promise):
        """Return the step, or the page, that a promise counts for."""
        return self.target if promise.is_waiting else promise.since

    def not_run_lines(self):
        """Return what was not run, by reason, but for what nobody asked for."""
        reasons = {}
        for promise in self.in_order():
            if not promise.is_kept and not promise.is_broken:
                reasons.setdefault(promise.reason, []).append(promise)
        reasons.pop(NOT_ASKED, None)
        for reason, promises in reasons.items():
            if not self.shows_all:
                yield f"{count(len(promises), 'promise')} {reason}"
                continue
            yield reason
            yield from (f"    {promise.sentence}" for promise in promises)

    def step_lines(self):
        """Return a line for each step: how many of its promises are kept."""
        promises = self.promises.values()
        for name in sorted({self.step_of(promise) for promise in promises}, key=reach):
            asked = [p for p in promises if self.step_of(p) == name]
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
        broken = [promise for promise in self.in_order() if promise.is_broken]
        if broken:
            return [*self.find_later(), *self.broken_lines(broken)]
        if not self.is_whole or not all(p.is_kept for p in self.promises.values()):
            return []
        done = max(reach(promise.since) for promise in self.promises.values())
        following = [name for name in names_in_order() if reach(name) > done]
        return [
            line
            for name in following[:1]
            for line in (f"Next: {in_words(name)}", f"Read: {chapter(name)}")
        ]

    def broken_lines(self, broken):
        """Return what the first promise asks for, what happened, and where to look."""
        first = self.first_of(broken)
        place, lessons = self.place_to_look(first)
        lines = [f"Next: {first.sentence}"]
        lines += [f"    {line}" for line in first.complaint[:3]]
        lines.append(f"Read: {place}")
        code = "; ".join(dict.fromkeys(map(stops.code_of, lessons)))
        lines += [f"Code: {code}"] if code else []
        lines += change_lines(self.target)
        lines += [MAP_HELP] if first.complaint[0].startswith(LACKS) else []
        if len(broken) > 1 and not self.shows_all:
            lines.append(f"Also not kept yet: {len(broken) - 1} (--all shows them)")
        return lines

    def place_to_look(self, promise):
        """Return the heading to read, and the lessons that show the code."""
        if self.gap:
            heading, lesson = self.gap
            return heading, [lesson]
        place = promise.heading
        if self.changed:
            return place, [self.changed]
        return place, stops.lessons_below(self.target, place)

    def first_of(self, broken):
        """Return the promise to keep next: of the first stop that is not typed."""
        if not self.gap:
            return broken[0]
        heading, _ = self.gap
        own = [promise for promise in broken if promise.heading == heading]
        newest = [p for p in broken if self.step_of(p) == self.target]
        return next(iter(own or newest or broken))


def complaint_of(report):
    """Return the lines that say what an app did in the place of what was asked for."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    text = text.replace(f"{NotOfferedError.__module__}.NotOfferedError", LACKS, 1)
    # pytest goes on with "+ where …", which shows our own objects
    return [line for line in text.splitlines() if not line.strip().startswith("+ ")]


def change_lines(name):
    """Return how to see all that a chapter changes."""
    before = STEPS.get(f"{int(name[:2]) - 1:02}")
    if not before:
        return []
    change = f"steps/{before.name} steps/{STEPS[name[:2]].name}"
    return [f"See the change: git diff --no-index {change}"]


def in_chapters(fact):
    """Sort tests in the order of the chapters; what chance finds comes last."""
    return fact["is_fuzz"], reach(fact["since"]), fact["heading"]


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
        promises = {key(n): p for n, p in self.progress.of_case.items()}
        for case in tree.iter("testcase"):
            module, name = case.get("classname").split(".")[-1], case.get("name")
            if (module, name) in promises:  # or a file of tests could not be read
                promise = promises[module, name]
                case.set("classname", in_words(promise.since))
                case.set("name", promise.sentence + which(name))
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


class Summary:
    """Writes one page of HTML for a teacher: the last lines, and what came of each."""

    def __init__(self, file, progress, title):
        self.file = file
        self.progress = progress
        self.title = title

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        """Write the page; with xdist the workers leave that to the one who asks."""
        if hasattr(session.config, "workerinput"):
            return
        lines = "\n".join(self.progress.lines())
        rows = [self.row(promise) for promise in self.progress.in_order()]
        title = escape(self.title)
        self.file.write_text(
            f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            f"<title>{title}</title>\n<h1>{title}</h1>\n<pre>{escape(lines)}</pre>\n"
            f"<table>\n{chr(10).join(rows)}\n</table>\n</html>\n",
            "utf-8",
        )

    def row(self, promise):
        """Return the row of a promise: its step, its sentence, what came of it."""
        state = "kept" if promise.is_kept else "not run"
        state = "not kept" if promise.is_broken else state
        cells = [in_words(self.progress.step_of(promise)), promise.sentence, state]
        return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"

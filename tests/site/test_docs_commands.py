"""What a page of the site tells a reader to type does what the page says."""

import doctest
import os
import re
import shutil
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path

import pytest

import tutorial
from tests.kit.clock import RealClock
from tests.kit.console import COMMAND
from tests.kit.console import FENCE
from tests.kit.real_browser import missing
from tests.kit.real_browser import serve
from tests.kit.stage import DEMO_SECRET
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tools import pages
from tools.steps import find_step
from tools.watch import read_words

EACH_PAGE = sorted((ROOT / "docs").glob("*.md"))
OF_YOUR_OWN_APP = {"--app", "--url", "--map", "--mailbox", "--junit-xml"}
IN_A_SENTENCE = re.compile(r"`(python3 tutorial\.py [^`]+)`")
IN_SHELL = """\
import click, doctest, sys
source = sys.stdin.read()
parser = doctest.DocTestParser()
runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
with click.Context(click.Command("shell")):  # as `flask shell` does
    import wsgi
    wsgi.app.app_context().push()
    names = wsgi.app.make_shell_context()
    runner.run(parser.get_doctest(source, names, "the page", "the page", 0))
sys.exit(runner.failures)
"""

pytestmark = pytest.mark.site


def stem_of(page):
    """Return the name of a page."""
    return page.stem


each_page = pytest.mark.parametrize("page", EACH_PAGE, ids=stem_of)


class Reader:
    """Types what a page says, in its order, into terminals of this machine."""

    def __init__(self, folder, stack, page=None):
        self.folder = folder
        self.stack = stack
        self.page = page
        self.line = 0
        self.stop = None
        self.place = None
        self.debug = "0"
        self.address = None
        self.typed = []

    def read(self, text):
        """Type all commands and Python lines of a page."""
        for fence in FENCE.finditer(text):
            self.line = text.count("\n", 0, fence.start())
            _, language, code = fence.groups()
            code = textwrap.dedent(code)
            if language == "pycon":
                self.begin_stop(text[: fence.start()])
                self.typed.append(code)
            if language == "console" and not code.startswith("> "):
                for command, expected in COMMAND.findall(code):
                    self.type(command, expected)
        self.leave_shell()
        for command in IN_A_SENTENCE.findall(FENCE.sub("", text)):
            self.type(command, "")

    def begin_stop(self, text):
        """Leave the shell if more of the app was typed since, and open it again."""
        if self.place == self.own_app and self.stop not in (None, text.count("\n## ")):
            self.leave_shell()
            type_until(self.own_app, self.page, self.line)
        self.stop = text.count("\n## ")

    @property
    def own_app(self):
        """Return the folder of the app that is typed."""
        return self.folder / "my-app"

    def type(self, command, expected):
        """Type one command."""
        words = command.split()
        if words[:2] == ["python3", "tutorial.py"]:
            return getattr(self, f"{words[2]}_")(*words[3:])
        if words[0] == "cd":
            if self.typed:
                self.leave_shell()
            return self.change_folder(words[1])
        if words[0] in ("../../.venv/bin/flask", "../.venv/bin/flask"):
            assert (words[0] == "../.venv/bin/flask") == (self.place == self.own_app)
            return self.flask(words[1:], expected)
        if words[:3] == [".venv/bin/python", "-m", "tools.race"]:
            return self.race(words[3], expected)
        if words[:2] == ["git", "diff"]:
            return self.git_diff(words)
        if "curl " in command:
            return self.curl(command, expected)
        return pytest.fail(f"nobody has tried this command: {command}")

    def run_(self, *words):
        """Start a step, as the real command does, but on a port that is free."""
        number = find_step("".join(words)).name[:2]
        site = Stage(number, STEPS[number], own=False).start(RealClock())
        self.address = self.stack.enter_context(serve(site.app))

    def code_(self, *words):
        """Ask for a code."""
        words = [DEMO_SECRET if word == "KEY" else word for word in words]
        answer = self.terminal([sys.executable, "tutorial.py", "code", *words])
        assert re.fullmatch(r"\d{6} \(\d+ seconds? left\)\n", answer)

    def diff_(self, *words):
        """Look at the changes."""
        assert "lines added" in self.terminal(
            [sys.executable, "tutorial.py", "diff", *words]
        )

    def docs_(self):
        """Read the site: tests/site/test_docs.py builds it."""

    def git_diff(self, words):
        """Look at the changes with git, whose status says that there are some."""
        done = self.try_command(words)
        assert (done.returncode, done.stdout[:5]) == (1, "diff ")

    def attacks_(self, *number):
        """Ask what an attack means in each step, or all of them."""
        answer = self.terminal([sys.executable, "-m", "tests.table", *number])
        assert answer.startswith("".join(number))

    def page_(self, page, folder):
        """Have the app after a page written."""
        command = [sys.executable, "tutorial.py", "page", page, self.folder / folder]
        self.terminal(command)
        assert (self.folder / folder / "app" / "__init__.py").exists()

    def watch_(self, number, *options):
        """Have an app watched: tests/tools/test_watch.py does it."""
        assert read_words(["watch", number, f"--app={self.folder}"]).number == number
        assert {option.partition("=")[0] for option in options} <= OF_YOUR_OWN_APP

    hint_ = watch_

    def test_(self, number=None, *options):
        """Have the words understood: to run these tests is what the suite does."""
        if number is None:
            assert tutorial.for_pytest([], at_root=True) == []
            return
        words = tutorial.for_pytest([number, *options], at_root=True)
        name = STEPS[number].name if number in STEPS else number
        assert number in STEPS or number in pages.names_of_pages()
        assert words == [f"steps/{name}", *options]
        if options[:1] == ("-k",):
            return
        assert {option.partition("=")[0] for option in options} <= OF_YOUR_OWN_APP

    def change_folder(self, path):
        """Go into the folder of a step: into a copy of it, which may be written to."""
        self.place = None if path == ".." else self.folder / Path(path).name
        if path == "..":
            return
        if path == "my-app":
            type_until(self.own_app, self.page, self.line)
            return
        hidden = shutil.ignore_patterns("instance", "__pycache__", ".env")
        if not self.place.exists():
            shutil.copytree(ROOT / path, self.place, ignore=hidden)

    def flask(self, words, expected):
        """Open a shell, which the next Python lines are typed into, or bring tables."""
        if self.typed:
            self.leave_shell()
        if self.place == self.own_app:
            type_until(self.own_app, self.page, self.line)
        self.debug = "1" if words[0] == "--debug" else "0"
        command = [sys.executable, "-m", "flask", *words]
        if expected:
            done = self.try_command(command, folder=self.place)
            lines = done.stderr.splitlines()
            assert done.returncode == 1
            assert ["...", lines[-1]] == expected.split("\n")[:-1]
            self.place = None  # the app did not start, so no shell is open
        elif words[-1] != "shell":
            assert words[-2:] == ["db", "upgrade"]
            self.terminal(command, folder=self.place)

    def race(self, number, expected):
        """Send many requests at once: how many win is luck, but one is not more."""
        answer = self.terminal([sys.executable, "-m", "tools.race", number])
        both = [re.sub(r"(?<!\d)(?!1\n)\d+\n", "many\n", t) for t in (answer, expected)]
        assert both[0].splitlines()[:2] == both[1].splitlines()[:2]

    def leave_shell(self):
        """Run the Python lines that were typed, in `flask shell` if one was opened."""
        source, self.typed = "\n".join(self.typed), []
        if self.place is None:
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
            parse = doctest.DocTestParser().get_doctest
            runner.run(parse(source, {}, "the page", "the page", 0))
            assert not runner.failures
        else:
            command = [sys.executable, "-c", IN_SHELL]
            self.terminal(command, folder=self.place, text=source)

    def curl(self, command, expected):
        """Ask the running app, and compare the answer."""
        if not shutil.which("curl"):
            missing("curl")
        assert self.address, f"nothing was started before: {command}"
        told = "http://127.0.0.1:5000"
        assert told in command
        answer = self.terminal(["sh", "-c", command.replace(told, self.address)])
        assert answer.replace(self.address, told) == expected

    def terminal(self, command, folder=ROOT, text=None):
        """Run a command that has to succeed, and return what it prints."""
        done = self.try_command(command, folder, text)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def try_command(self, command, folder=ROOT, text=None):
        """Run a command, whatever comes of it."""
        return subprocess.run(
            command,
            cwd=folder,
            input=text,
            env=os.environ | {"FLASK_DEBUG": self.debug},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.mark.parametrize("page", [*EACH_PAGE, ROOT / "README.md"], ids=stem_of)
def test_every_command_of_a_page_does_as_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with ExitStack() as stack:
        Reader(tmp_path, stack, page).read(page.read_text("utf-8"))


@pytest.mark.site
@pytest.mark.parametrize("number", ["02", "03"])
def test_a_reader_who_types_along_can_try_every_stop(number, tmp_path):
    (page,) = (ROOT / "docs").glob(f"{number}*.md")
    text = page.read_text("utf-8")
    end = 0
    for place, stop in enumerate(re.split("(?m)^(?=## )", text)):
        end += stop.count("\n")
        with ExitStack() as stack:
            reader = Reader(tmp_path, stack)
            reader.place = type_until(tmp_path / f"my-app-{place}", page, end)
            code = [c for _, kind, c in FENCE.findall(stop) if kind == "pycon"]
            reader.typed = list(map(textwrap.dedent, code))
            reader.leave_shell()  # which starts the app, even if nothing is to be tried


def type_until(folder, page, end):
    """Write the app of somebody who has typed a chapter's pages down to a line."""
    number, place = page.name[:2], (page, end)
    taken = pages.taken_until(number, lambda lesson: lesson.place[:2] <= place)
    pages.write_files(pages.files_with(number, taken), folder)
    return folder


@each_page
def test_windows_gets_the_same_commands(page):
    blocks = [code for _, kind, code in FENCE.findall(page.read_text("utf-8"))]
    commands = [
        re.findall(rf"^ *{sign} {python} (tutorial\.py .+)$", code, re.MULTILINE)
        for sign, python in (("\\$", "python3"), (">", "py"))
        for code in ["".join(blocks)]
    ]
    assert commands[0] == commands[1]


def test_a_page_that_says_something_else_fails(tmp_path):
    page = "```pycon\n>>> 1 + 1\n3\n```\n"
    with ExitStack() as stack, pytest.raises(AssertionError):
        Reader(tmp_path, stack).read(page)

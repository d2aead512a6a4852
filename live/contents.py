"""What the page knows about each step: its files, changed lines, attacks and mistakes.

Everything is read off the sources: the chapters' comparison, the marks of the tests,
and tests/mutants.
"""

import ast
import tomllib
from functools import cache
from typing import NamedTuple

from tests.attacks import ATTACKS
from tools import changes
from tools.steps import ROOT
from tools.steps import steps

TESTS = ROOT / "tests"
# Marks of tests that need a process, a thread, a browser or a network.
ELSEWHERE = {"browser", "races", "drill", "site", "mistakes", "alone"}
EDITABLE = (".py", ".html", ".css", ".js", ".txt")


class Test(NamedTuple):
    """A test of the suite, by what its marks say."""

    file: str
    name: str
    since: str
    until: str
    attacks: tuple
    is_gap: bool

    def runs_on(self, number):
        """Return whether the test holds for a step."""
        return self.since <= number <= self.until


def describe_steps():
    """Return for each step, by its number, what the page shows about it."""
    return {step.name[:2]: describe(step) for step in steps()}


def describe(step):
    """Return what the page shows about one step."""
    number = step.name[:2]
    return {
        "folder": step.name,
        "title": (step / "README.md").read_text("utf-8").partition("\n")[0][2:],
        "changed": changed_lines(number),
        "attacks": attacks_on(number),
        "mistakes": mistakes_in(number),
    }


def changed_lines(number):
    """Return the numbers of the lines that are new in each file, counted from 1."""
    if changes.folder(changes.before(number)) is None:
        return {}
    found = {}
    for path in changes.changed_files(number):
        rows = changes.compare(number, path)
        lines = [row.new + 1 for row in rows if row.sign == "+"]
        if lines and path.startswith("app/") and path.endswith(EDITABLE):
            found[path] = lines
    return found


@cache
def all_tests():
    """Return the tests that run against a step in one process."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        body = ast.parse(path.read_text("utf-8")).body
        of_the_file = module_marks(body)
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = dict(map(changes.read_mark, node.decorator_list))
                marks = of_the_file | own
                if not ELSEWHERE & marks.keys():
                    found.append(read_test(path, node.name, marks))
    return found


def module_marks(body):
    """Return the marks that a file gives to all its tests."""
    marks = {}
    for node in body:
        names = [ast.unparse(target) for target in getattr(node, "targets", [])]
        if names == ["pytestmark"]:
            values = (
                node.value.elts if isinstance(node.value, ast.List) else [node.value]
            )
            marks |= dict(map(changes.read_mark, values))
    return {name.removeprefix("pytest.mark."): words for name, words in marks.items()}


def read_test(path, name, marks):
    """Return a test with what its marks say."""
    since = (marks.get("since") or ("01",))[0]
    until = since if "once" in marks else (marks.get("until") or ("99",))[0]
    file = path.relative_to(ROOT).as_posix()
    return Test(file, name, since, until, marks.get("attack", ()), "gap" in marks)


def attacks_on(number):
    """Return the attacks that tests carry out on a step, with these tests."""
    tests = [test for test in all_tests() if test.runs_on(number)]
    found = []
    for attack, row in ATTACKS.items():
        own = [test for test in tests if attack in test.attacks]
        if own:
            found.append(
                {
                    "number": attack,
                    "what": row.what,
                    "works": any(test.is_gap for test in own),
                    "tests": [[test.file, test.name] for test in own],
                }
            )
    return found


def mistakes_in(number):
    """Return the mistakes of a step that a test sees in one process."""
    files = sorted((TESTS / "mutants").glob(f"{number}*.toml"))
    tables = sum((tomllib.loads(f.read_text("utf-8"))["mutant"] for f in files), [])
    return [
        {key: table[key] for key in ("mistake", "file", "old", "new")}
        | {"tests": tests_named(table.get("tests", ""), number)}
        for table in tables
        if not table.get("marks") and table["file"].startswith("app/")
    ]


def tests_named(words, number):
    """Return the files and the -k of the tests that see a mistake."""
    files = {test.file for test in all_tests() if test.runs_on(number)}
    first = [choice.split()[0].strip("()") for choice in words.split(" or ") if choice]
    own = sorted(f for f in files if f.rpartition("/")[2].removesuffix(".py") in first)
    return {"files": own or sorted(files), "words": words}

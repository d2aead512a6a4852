"""The table of attacks against steps, made of what the tests say about themselves.

`python -m tests.table` prints it, with numbers the tests behind them; `--json` is for
programs.
"""

import argparse
import importlib
import inspect
import json
from functools import cache
from typing import NamedTuple

from tests.attacks import ATTACKS
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS

NONE, OPEN, CLOSED = "not applicable", "open", "closed"
KEY = """
closed: a test carries the attack out, and it fails.
open:   a test carries the attack out, and it works: a later step closes it.
        No step closes 143, because a code can be passed on: passkeys do.
-:      the step has nothing yet that could be attacked like this.
Add a number to see the tests behind it.
"""


class Test:
    """What a test says about itself by its marks."""

    __test__ = False

    def __init__(self, file, name, marks):
        marks = {mark.name: mark.args for mark in marks}
        self.file = file
        self.name = name
        self.sentence = name.removeprefix("test_").replace("_", " ")
        self.page = marks.get("since", ("01",))[0]
        self.since = self.page[:2]
        self.until = self.since if "once" in marks else marks.get("until", ("99",))[0]
        self.is_gap = "gap" in marks
        self.is_measured = "alone" in marks
        self.attacks = marks.get("attack", ())

    def runs_on(self, step):
        """Tell whether the test holds for a step."""
        return self.since <= step <= self.until


class Row(NamedTuple):
    """An attack: what it means in each step, and the tests that show it."""

    number: int
    title: str
    source: str
    states: dict
    tests: dict


def marks_of(thing):
    """Return the marks of a function or a module, the nearest last."""
    marks = getattr(thing, "pytestmark", [])
    return marks[::-1] if isinstance(marks, list) else [marks]


@cache
def all_tests():
    """Return all tests that run against a step."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = importlib.import_module(name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            marks = marks_of(module) + marks_of(function)
            if name.startswith("test_") and marks:
                found.append(Test(path.name, name, marks))
    return found


def state_of(attack, step, tests):
    """Tell what an attack means in a step."""
    if step < attack.since:
        return NONE
    if not tests:
        raise LookupError(f"no test carries this out on step {step}: {attack.what}")
    return OPEN if any(test.is_gap for test in tests) else CLOSED


def rows(tests=None):
    """Return the table; raise LookupError where no test says what to write into it."""
    tests = all_tests() if tests is None else tests
    table = []
    for number, attack in ATTACKS.items():
        own = [test for test in tests if number in test.attacks]
        shown = {step: [t for t in own if t.runs_on(step)] for step in STEPS}
        states = {step: state_of(attack, step, shown[step]) for step in STEPS}
        table.append(Row(number, attack.what, attack.source, states, shown))
    return table


def as_json(table):
    """Return the table for programs."""
    attacks = [row._asdict() for row in table]
    for attack in attacks:
        attack["tests"] = {
            step: [{"file": t.file, "name": t.name, "gap": t.is_gap} for t in tests]
            for step, tests in attack["tests"].items()
        }
    steps = {number: folder.name for number, folder in STEPS.items()}
    return json.dumps({"steps": steps, "attacks": attacks}, indent=2)


def as_text(table):
    """Return the table for people."""
    width = max(len(row.title) for row in table)
    lines = [f"{'':{width + 5}}" + "".join(f"{step:7}" for step in STEPS)]
    for row in table:
        states = ["-" if state == NONE else state for state in row.states.values()]
        cells = "".join(f"{state:7}" for state in states)
        lines.append(f"{row.number:3} {row.title:{width}} {cells}")
    return "\n".join(line.rstrip() for line in lines) + "\n" + KEY


def details(row):
    """Return which tests show what an attack means in each step, for people."""
    lines = [f"{row.number}  {row.title} ({row.source})"]
    for step, state in row.states.items():
        lines.append(f"  {step}  {state}")
        lines += [f"      {test.sentence}" for test in row.tests[step]]
    return "\n".join(lines) + "\n"


def main(words=None):
    """Print the table, or the tests behind some of its numbers."""
    parser = argparse.ArgumentParser(prog="attacks", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
    parser.add_argument("--json", action="store_true", help="for programs")
    given = parser.parse_args(words)
    if unknown := set(given.numbers) - set(ATTACKS):
        parser.error(f"there is no attack {min(unknown)}")
    table = rows()
    if given.numbers:
        table = [row for row in table if row.number in given.numbers]
    if given.json:
        print(as_json(table))
    elif given.numbers:
        print("\n".join(map(details, table)), end="")
    else:
        print(as_text(table), end="")


if __name__ == "__main__":
    main()

"""Every attack has a test in every step that it means something in."""

import importlib
import inspect
import re

import pytest

from tests.attacks import ATTACKS
from tests.stage import ROOT
from tests.stage import STEPS

HEADING = "## What it does not do yet"


class Test:
    """What a test says about itself by its marks."""

    __test__ = False

    def __init__(self, name, function):
        self.sentence = name.removeprefix("test_").replace("_", " ")
        marks = {mark.name: mark.args for mark in reversed(marks_of(function))}
        self.since = marks.get("since", ("01",))[0]
        self.until = marks.get("until", ("99",))[0]
        self.is_gap = "gap" in marks
        self.attacks = marks.get("attack", ())

    def runs_on(self, step):
        """Tell whether the test holds for a step."""
        return self.since <= step <= self.until


def marks_of(function):
    """Return the marks of a test function."""
    return getattr(function, "pytestmark", [])


def all_tests():
    """Return all tests that run against a step."""
    found = []
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        module = importlib.import_module(f"tests.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and marks_of(function):
                found.append(Test(name, function))
    return found


TESTS = all_tests()


@pytest.mark.parametrize("number", ATTACKS)
def test_an_attack_is_carried_out_on_every_step_that_it_concerns(number):
    attack = ATTACKS[number]
    for step in STEPS:
        tests = [t for t in TESTS if number in t.attacks and t.runs_on(step)]
        if step >= attack.since:
            assert tests, f"nothing carries out attack {number} on step {step}"
        if step >= attack.closed:
            assert not all(test.is_gap for test in tests)
            assert [t.sentence for t in tests if t.is_gap] == []


def test_every_number_that_a_test_names_is_in_the_table():
    named = {number for test in TESTS for number in test.attacks}

    assert named == set(ATTACKS)


def test_every_gap_is_the_gap_of_an_attack_and_ends():
    for test in TESTS:
        if test.is_gap:
            assert test.attacks, test.sentence
            for number in test.attacks:
                assert test.until < ATTACKS[number].closed, test.sentence


@pytest.mark.parametrize("number", STEPS)
def test_the_readme_lists_just_the_gaps_that_the_tests_show(number):
    text = (STEPS[number] / "README.md").read_text("utf-8")
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    listed = re.findall(r"^- (.+)\.$", section, re.MULTILINE)

    shown = {t.sentence for t in TESTS if t.is_gap and t.runs_on(number)}
    assert {line.lower() for line in listed} == {sentence.lower() for sentence in shown}

"""The mistakes of tests/mutants/ still can be made; tools/mutants.py makes them."""

import re
from datetime import date

import pytest

from tests.kit.stage import ROOT
from tools.mutants import FAILED
from tools.mutants import NOTHING_CHOSEN
from tools.mutants import PASSED
from tools.mutants import Mutant
from tools.mutants import Suite
from tools.mutants import all_mutants
from tools.mutants import judge
from tools.mutants import one_of_each_file
from tools.mutants import path_of

MUTANTS = all_mutants()


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mistake_replaces_what_is_there_once(mutant):
    text = path_of(mutant).read_text("utf-8")

    assert text.count(mutant.old) == 1
    assert mutant.new not in (mutant.old, text)


def test_each_mistake_names_tests_that_there_are():
    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("docs/**/test_*.py")]
    known = "\n".join(f"{file} {file.read_text('utf-8')}" for file in files)

    for mutant in MUTANTS:
        words = set(re.findall(r"\w+", mutant.tests)) - {"and", "or", "not"}
        assert [word for word in words if word not in known] == [], mutant


def test_a_quick_run_makes_one_mistake_in_each_file_and_another_one_the_next_day():
    one = Mutant("01", "keeps the session", "app/sessions.py", "a", "b")
    two = Mutant("02", "believes the cookie", "app/sessions.py", "c", "d")
    other = Mutant("02", "takes a code twice", "app/second_factor.py", "a", "b")
    days = [one_of_each_file([one, two, other], date(2026, 5, day)) for day in (1, 2)]

    assert days in ([[one, other], [two, other]], [[two, other], [one, other]])


@pytest.mark.parametrize(
    ("status", "witness", "verdict"),
    [
        (FAILED, "test_a_code_works_once[02-totp-verify]", "caught"),
        (PASSED, "", "SURVIVED"),
        (FAILED, "", "BROKEN"),
        (NOTHING_CHOSEN, "", "BROKEN"),
        (3, "", "BROKEN"),
    ],
)
def test_only_a_witness_catches_a_mistake(status, witness, verdict):
    assert judge(status, witness, "the output")[0] == verdict


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Return a copy of the steps and the suite."""
    return Suite(tmp_path_factory.mktemp("suite"))


CODE = ("02", "a mistake", "app/second_factor.py")


@pytest.mark.mistakes
@pytest.mark.parametrize(
    ("old", "new", "verdict", "why"),
    [
        ("time_step <= _", "time_step < _", "caught", "test_a_code_works_once[02-"),
        ('"""Consume a', '"""Spend a', "SURVIVED", "no test fails"),
        ("time_step <= _", "time_stop <= _", "BROKEN", "NameError"),
        ("import totp", "import topt", "BROKEN", "ImportError"),
        ("time_step", "step", "NO MATCH", "not once"),
    ],
)
def test_a_mistake_is_made_judged_and_mended(suite, old, new, verdict, why):
    mutant = Mutant(*CODE, old, new, tests="a_code_works_once")
    before = path_of(mutant, suite.folder).read_text("utf-8")

    found = suite.try_mutant(mutant)

    assert found[0] == verdict
    assert why in found[1]
    assert path_of(mutant, suite.folder).read_text("utf-8") == before

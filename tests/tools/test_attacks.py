"""Every attack has a test in every step that it means something in."""

import json
import re
import subprocess
import sys

import pytest

from tests.attacks import ATTACKS
from tests.kit.stage import ROOT
from tests.table import all_tests
from tests.table import main
from tests.table import rows


def test_an_attack_without_its_tests_has_no_place_in_the_table():
    others = [test for test in all_tests() if 12 not in test.attacks]

    with pytest.raises(LookupError, match="no test carries this out"):
        rows(others)


def test_every_number_that_a_test_names_is_in_the_table():
    named = {number for test in all_tests() for number in test.attacks}

    assert named == set(ATTACKS)


def test_every_gap_is_the_gap_of_an_attack_and_ends():
    for test in all_tests():
        if test.is_gap:
            assert test.attacks, test.sentence
            for number in test.attacks:
                assert test.until < ATTACKS[number].closed, test.sentence


def test_the_table_names_just_the_tests_that_the_suite_runs():
    everything = ["-m", "once or not once"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *everything]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    runs = re.findall(r"^tests/\w+/(\S+?)::(\w+)\[(\d\d)-", done.stdout, re.MULTILINE)

    named = {
        (test.file, test.name, step)
        for row in rows()
        for step, tests in row.tests.items()
        for test in tests
        if not test.is_measured
    }
    with_an_attack = {(test.file, test.name) for test in all_tests() if test.attacks}
    assert named == {run for run in runs if run[:2] in with_an_attack}


def test_the_table_is_printed_for_people_and_programs_with_the_tests_behind_it(capsys):
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 90

    main(["--json"])
    assert len(json.loads(capsys.readouterr().out)["attacks"]) == len(ATTACKS)

    main(["12"])
    output = capsys.readouterr().out
    assert "12  Use a code twice (RFC 6238 section 5.2)\n" in output
    assert "  01  not applicable\n  02  closed\n" in output
    assert "      a code works once\n" in output

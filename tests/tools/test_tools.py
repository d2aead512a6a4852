"""The tool that runs the suite on other Pythons, and what pins are written into."""

import sys

import pytest

from tools import pins
from tools import pythons


def test_a_suite_that_fails_on_one_python_is_a_failure(monkeypatch, capsys):
    outcomes = {"3.12": (0, "7 passed\n"), "3.13": (1, "why\n1 failed\n")}
    monkeypatch.setattr(pythons, "is_installed", outcomes.__contains__)
    monkeypatch.setattr(pythons, "run_suite", outcomes.get)
    monkeypatch.setattr(sys, "argv", ["pythons.py", *outcomes, "3.14"])

    assert pythons.main() == 1
    output = capsys.readouterr().out
    assert "why\n1 failed\n" in output
    assert output.endswith("\n3.12: passed, 3.13: FAILED, 3.14: not installed\n")


def test_where_no_python_is_installed_nothing_passes(monkeypatch):
    monkeypatch.setattr(pythons, "is_installed", lambda version: False)
    monkeypatch.setattr(sys, "argv", ["pythons.py"])

    with pytest.raises(SystemExit, match="2"):
        pythons.main()


@pytest.mark.parametrize(
    ("line", "pinned"),
    [
        ("Flask", "Flask==3.2.0"),
        ("Flask==3.1.3", "Flask==3.2.0"),
        ("psycopg[binary]==3.3.9", "psycopg[binary]==3.4.1"),
        ("Flask==3.1.3 ; python_version > '3'", "Flask==3.2.0 ; python_version > '3'"),
    ],
)
def test_a_step_is_pinned_to_what_the_lock_has_chosen(line, pinned):
    locked = "flask==3.2.0\npsycopg==3.4.1 ; python_version > '3'\n    # via\n"
    assert pins.pin(line, pins.locked_versions(locked)) == pinned

"""The tools that run the suite elsewhere: on other Pythons, with newer releases."""

import sys

import pytest

from tests.kit.stage import ROOT
from tools import newest
from tools import pythons


def program(folder, name, words):
    """Make a program that prints some words, or cannot start without them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{words}\n", "utf-8")
    path.chmod(0o755)
    return path


posix = pytest.mark.skipif(sys.platform == "win32", reason="they run where CI does")


@posix
def test_a_python_that_only_seems_to_be_there_is_passed_over(tmp_path, monkeypatch):
    program(tmp_path / "path", "python3.13", "echo no such version >&2; exit 127")
    home = tmp_path / ".pyenv" / "versions"
    program(home / "3.13.0" / "bin", "python", "echo 3.12")
    real = program(home / "3.13.7" / "bin", "python", "echo 3.13")
    monkeypatch.setenv("PATH", f"{tmp_path}/path:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert pythons.find("3.13") == str(real)
    assert pythons.find("3.14") is None


@posix
def test_a_suite_that_fails_on_one_python_is_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(pythons, "find", {"3.12": "a", "3.13": "b"}.get)
    outcomes = {"3.12": (0, "7 passed\n"), "3.13": (1, "why\n1 failed\n")}
    runs = iter(outcomes.values())
    monkeypatch.setattr(pythons, "run_suite", lambda *_: next(runs))
    monkeypatch.setattr(sys, "argv", ["pythons.py", *outcomes, "3.14"])

    assert pythons.main() == 1
    output = capsys.readouterr().out
    assert "why\n1 failed\n" in output
    assert output.endswith("\n3.12: passed, 3.13: FAILED, 3.14: not installed\n")


def test_where_no_python_is_installed_nothing_passes(monkeypatch):
    monkeypatch.setattr(pythons, "find", lambda version: None)
    monkeypatch.setattr(sys, "argv", ["pythons.py"])

    with pytest.raises(SystemExit, match="2"):
        pythons.main()


@pytest.mark.parametrize(
    ("line", "free"),
    [
        ("Flask==3.1.3", "Flask"),
        ("psycopg[binary] == 3.3.9", "psycopg[binary] "),
        ("gunicorn==27.0.1 ; sys_platform != 'win32'", "gunicorn ; sys_platform != "),
        ("mkdocs<2", "mkdocs<2"),
    ],
)
def test_a_pin_is_left_out_and_a_limit_is_not(line, free):
    assert newest.without_pin(line).startswith(free)
    assert "==" not in newest.without_pin(line)


def test_what_the_suite_needs_is_all_that_a_step_needs_and_more():
    found = set(newest.requirements(ROOT / "requirements" / "test.in"))
    last = sorted(ROOT.glob("steps/*/requirements.txt"))[-1]

    assert set(newest.requirements(last)) <= found
    assert "pytest" in found
    assert not any("#" in line or line.startswith("-r") for line in found)


def test_what_is_not_as_it_was_pinned_is_said():
    pinned = {"flask": "3.1.3", "pyotp": "2.12.0", "colorama": "0.4.6"}
    installed = {"flask": "3.2.0", "pyotp": "2.12.0", "something": "1.0"}

    assert newest.changes(pinned, installed) == [
        "flask: 3.1.3 -> 3.2.0",
        "something: new, 1.0",
    ]
    assert newest.pinned()["flask-login"] == "0.6.3"

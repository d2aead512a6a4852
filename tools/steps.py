"""The steps: where they are, which files belong to them, and how they differ.

Needs nothing but Python, as `tutorial.py` does, which shows a difference to readers
without git.
"""

import difflib
import fnmatch
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
JUNK = ("instance", "__pycache__", ".env", ".flaskenv", ".venv")
JUNK += (".*_cache", ".DS_Store", "*.pyc", "*.db", "*.db-*")


class TutorialError(Exception):
    """What keeps a command from going on, and what to do about it."""


def steps():
    """Return the folders of all steps, in order."""
    return sorted(path for path in ROOT.glob("steps/[0-9][0-9]-*") if path.is_dir())


def find_step(word):
    """Return the folder of a step by 3, 03, its name or path; of the last by ""."""
    name = re.split(r"[/\\]", word.rstrip("/\\"))[-1]
    for step in reversed(steps()):
        if name in ("", step.name):
            return step
        if name.isdecimal() and int(name) == number_of(step):
            return step
    there = ", ".join(step.name for step in steps()) or "none"
    raise TutorialError(f"There is no step {word}. The steps are {there}.")


def number_of(step):
    """Return the number of a step: 3 for 03-qr-enrolment."""
    return int(step.name[:2])


def count(number, thing):
    """Say how many there are: 1 line, 2 lines."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def files_of(step):
    """Return the lines of each file that belongs to a step, by its path."""
    found = {}
    for path in step.rglob("*"):
        parts = path.relative_to(step).parts
        junk = any(fnmatch.fnmatch(part, kind) for part in parts for kind in JUNK)
        if path.is_file() and not junk:
            text = path.read_text("utf-8", "replace")
            found["/".join(parts)] = text.splitlines()
    return found


def print_difference(name, old, new):
    """Print one file's changes under a line that counts them; return the counts.

    Each side is the folder's name and the lines, which are None if it has no such file.
    """
    sides = [side if lines is not None else "" for side, lines in (old, new)]
    paths = [f"steps/{side}/{name}" if side else "/dev/null" for side in sides]
    lines = [lines or [] for _, lines in (old, new)]
    diff = list(difflib.unified_diff(*lines, *paths, lineterm=""))
    added = sum(line.startswith("+") for line in diff[2:])
    deleted = sum(line.startswith("-") for line in diff[2:])
    kind = "" if all(sides) else "deleted file, " if sides[0] else "new file, "
    print(f"{name}: {kind}{count(added, 'line')} added, {deleted} deleted")
    print("\n".join(diff), end="\n\n" if diff else "\n")
    return added, deleted

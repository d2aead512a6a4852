"""A change made in one step is carried through the later ones."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import carry

NAMES = ("01-first", "02-second", "03-third")
OLD = b"a\nb\nc\nd\ne\nf\ng\nh\n"
RECIPE = """\
diff --git a/app/auth.py b/app/auth.py
--- a/app/auth.py
+++ b/app/auth.py
@@ -4,3 +4,3 @@
 d
-e
+E of the recipe
 f
"""

pytestmark = pytest.mark.skipif(
    not shutil.which("git") and os.environ.get("TUTORIAL_PARTS") != "all",
    reason="git is not installed",
)


def git(*command):
    """Run git without anybody's settings."""
    me = ("-c", "user.name=Me", "-c", "user.email=me@example.org")
    subprocess.run(["git", *me, *command], check=True, capture_output=True)


def commit():
    """Commit everything."""
    git("add", ".")
    git("commit", "--quiet", "--allow-empty", "--message=All of it")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a file of three steps, which is the same in each, all committed."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    files = [tmp_path / "steps" / name / "app" / "auth.py" for name in NAMES]
    diff = tmp_path / "docs" / "recipes" / "extra" / "changes.diff"
    for path, text in [*((file, OLD) for file in files), (diff, RECIPE.encode())]:
        path.parent.mkdir(parents=True)
        path.write_bytes(text)
    Path(".gitignore").write_text(".env\n", "utf-8")
    git("init", "--quiet")
    commit()
    return files


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the tool: it gives the exit status and the lines."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["carry.py", *arguments])
        status = carry.main()
        return status, capsys.readouterr().out.splitlines()

    return run


def changed(text, **lines):
    """Return a text in which some lines are others."""
    for old, new in lines.items():
        text = text.replace(f"{old}\n".encode(), new.encode(), 1)
    return text


def write(path, text):
    """Write a file, or remove it."""
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(text)


NEW = changed(OLD, b="B\n")
OTHER = changed(OLD, b="other\n")
OWN = changed(OLD, h="h\nown\n")
MARKED = changed(OLD, b="<<<<<<< ours\nother\n=======\nB\n>>>>>>> theirs\n")
LINE_GONE = changed(OLD, b="<<<<<<< ours\nother\n=======\n>>>>>>> theirs\n")


@pytest.mark.parametrize(
    ("base", "new", "later", "expected", "said"),
    [
        (OLD, NEW, OLD, NEW, "merged"),
        (OLD, NEW, OWN, changed(NEW, h="h\nown\n"), "merged"),
        (OLD, NEW, NEW, NEW, "already there"),
        (OLD, NEW, changed(NEW, h="H\n"), changed(NEW, h="H\n"), "already there"),
        (OLD, NEW, OTHER, MARKED, "CONFLICT: marked in the file"),
        (OLD, changed(OLD, b=""), OTHER, LINE_GONE, "CONFLICT: marked in the file"),
        (OLD, NEW, MARKED, MARKED, "CONFLICT: has the marks of an earlier one"),
        (b"\0a", b"\0b", b"\0c", b"\0c", "CONFLICT: left as it was"),
        (None, NEW, None, NEW, "copied"),
        (OLD, None, OLD, None, "deleted"),
        (OLD, None, OTHER, OTHER, "CONFLICT: left as it was"),
        (OLD, NEW, None, None, "CONFLICT: left as it was"),
    ],
)
def test_a_later_file_gets_what_changed_and_keeps_its_own(
    files, run, base, new, later, expected, said
):
    first, second, _ = files
    write(first, base)
    commit()
    write(second, later)
    commit()
    write(first, new)

    status, lines = run("01")
    assert lines[0] == f"app/auth.py: 02-second: {said}"
    assert status == ("CONFLICT" in "".join(lines))
    assert carry.content(second) == expected


def test_every_later_step_gets_a_change_once_and_no_earlier_one_does(files, run):
    files[1].write_bytes(NEW)
    (files[1].parent / "new.css").write_bytes(NEW)
    (files[1].parent / ".env").write_bytes(NEW)

    names = [f"app/{name}: 03-third" for name in ("auth.py", "new.css")]
    applies = ["recipe extra: still applies to 03-third"]
    done = [f"{names[0]}: merged", f"{names[1]}: copied"]
    assert run("02") == (0, done + applies)
    assert [file.read_bytes() for file in files] == [OLD, NEW, NEW]
    assert run("2") == (0, [f"{name}: already there" for name in names] + applies)


def test_only_the_files_that_were_named_are_carried(files, run):
    files[0].write_bytes(NEW)
    (files[0].parent / "new.css").write_bytes(NEW)

    _, lines = run("01", "steps/01-first/app/new.css", "app/none.py")
    assert lines[0] == "app/none.py: no change"
    assert files[1].read_bytes() == OLD
    assert (files[1].parent / "new.css").read_bytes() == NEW


def test_a_change_can_be_counted_from_an_earlier_commit(files, run):
    files[0].write_bytes(NEW)
    commit()

    assert not any("merged" in line for line in run("01")[1])
    assert run("01", "--base", "HEAD~1")[0] == 0
    assert files[2].read_bytes() == NEW


@pytest.mark.parametrize("line", ["d", "e", "f"])
def test_a_recipe_whose_lines_are_changed_is_named(files, run, line):
    files[0].write_bytes(changed(OLD, **{line: "another line\n"}))

    assert run("01") == (
        1,
        [
            "app/auth.py: 02-second: merged",
            "app/auth.py: 03-third: merged",
            "recipe extra: CONFLICT: no longer applies to 03-third",
        ],
    )

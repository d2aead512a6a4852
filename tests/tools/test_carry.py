"""A change made in one step is carried through the later ones."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "carry.py"
NAMES = ("01-first", "02-second", "03-third")
ALPHABET = "".join(f"{letter}\n" for letter in "abcdefghij")

pytestmark = pytest.mark.skipif(
    not shutil.which("git") and os.environ.get("TUTORIAL_PARTS") != "all",
    reason="git is not installed",
)


def git(*command, folder):
    """Run git without anybody's settings."""
    me = ("-c", "user.name=Me", "-c", "user.email=me@example.org")
    subprocess.run(["git", *me, *command], cwd=folder, check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _git_of_its_own(monkeypatch):
    """Keep git away from the repository that this test lies in."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """Return three steps, each with a line of its own at the end, all committed."""
    folders = [tmp_path / "steps" / name for name in NAMES]
    for number, folder in enumerate(folders, start=1):
        (folder / "app").mkdir(parents=True)
        (folder / "app" / "auth.py").write_text(f"{ALPHABET}step {number}\n")
        (folder / "app" / "same.py").write_text(ALPHABET)
    git("init", "--quiet", folder=tmp_path)
    git("add", ".", folder=tmp_path)
    git("commit", "--quiet", "--message=Begin", folder=tmp_path)
    monkeypatch.chdir(tmp_path)
    return folders


@pytest.fixture
def carry(monkeypatch, capsys):
    """Return a function that runs the tool: it gives the exit status and the lines."""
    spec = importlib.util.spec_from_file_location("carry", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["carry.py", *arguments])
        try:
            status = module.main()
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, (printed.out + printed.err).splitlines()

    return run


def change(folder, old, new, name="auth.py"):
    """Change a line of a file in a step."""
    path = folder / "app" / name
    path.write_text(path.read_text().replace(f"{old}\n", new, 1))


def read(folder, name="auth.py"):
    """Return a file of a step."""
    return (folder / "app" / name).read_text()


def contents(folders):
    """Return everything that is in some steps."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return {path: path.read_bytes() for path in paths if path.is_file()}


def test_a_change_is_merged_into_every_later_step(steps, carry):
    change(steps[0], "b", "B\n")
    status, lines = carry("01")
    assert (status, lines) == (
        0,
        ["app/auth.py: 02-second: merged", "app/auth.py: 03-third: merged"],
    )
    assert [read(folder)[:4] for folder in steps] == ["a\nB\n"] * 3


def test_a_later_step_keeps_its_own_lines(steps, carry):
    change(steps[1], "h", "h\nonly in the second\n")
    change(steps[0], "b", "B\n")
    assert carry("01")[0] == 0
    changed = ALPHABET.replace("b\n", "B\n")
    own = changed.replace("h\n", "h\nonly in the second\n")
    assert read(steps[1]) == own + "step 2\n"
    assert read(steps[2]) == changed + "step 3\n"


def test_earlier_steps_are_left_alone(steps, carry):
    change(steps[1], "b", "B\n")
    before = contents(steps[:1])
    assert carry("02") == (0, ["app/auth.py: 03-third: merged"])
    assert contents(steps[:1]) == before


def test_a_conflict_is_marked_and_listed_and_the_exit_status_is_1(steps, carry):
    change(steps[1], "b", "other\n")
    change(steps[0], "b", "B\n")
    status, lines = carry("01")
    assert status == 1
    assert lines == [
        "app/auth.py: 02-second: CONFLICT: marked in the file",
        "app/auth.py: 03-third: merged",
    ]
    marks = "<<<<<<< ours\nother\n=======\nB\n>>>>>>> theirs\n"
    assert marks in read(steps[1])


def test_a_conflict_that_waits_is_not_marked_a_second_time(steps, carry):
    change(steps[1], "b", "other\n")
    change(steps[0], "b", "B\n")
    carry("01")
    before = contents(steps)
    status, lines = carry("01")
    assert (status, contents(steps)) == (1, before)
    assert "has the marks of an earlier one" in lines[0]


def test_lines_removed_where_a_later_step_changed_them_are_a_conflict(steps, carry):
    change(steps[1], "b", "other\n")
    change(steps[0], "b", "")
    assert carry("01")[0] == 1
    assert "other\n" in read(steps[1])


def test_a_new_file_is_copied(steps, carry):
    (steps[0] / "app" / "static").mkdir()
    (steps[0] / "app" / "static" / "new.css").write_text("new\n")
    status, lines = carry("01")
    assert status == 0
    assert lines == [
        "app/static/new.css: 02-second: copied",
        "app/static/new.css: 03-third: copied",
    ]
    assert read(steps[2], "static/new.css") == "new\n"


def test_a_new_file_does_not_replace_a_different_one(steps, carry):
    (steps[0] / "app" / "new.py").write_text("new\n")
    (steps[1] / "app" / "new.py").write_text("another\n")
    (steps[2] / "app" / "new.py").write_text("new\n")
    status, lines = carry("01")
    assert status == 1
    assert "02-second: CONFLICT" in lines[0]
    assert lines[1] == "app/new.py: 03-third: already there"
    assert "another\n" in read(steps[1], "new.py")


def test_a_deleted_file_is_deleted(steps, carry):
    (steps[0] / "app" / "same.py").unlink()
    status, lines = carry("01")
    assert status == 0
    assert lines[0] == "app/same.py: 02-second: deleted"
    assert not any((folder / "app" / "same.py").exists() for folder in steps)
    assert carry("01")[1][0] == "app/same.py: 02-second: already there"


def test_a_deleted_file_that_differs_later_is_reported_and_kept(steps, carry):
    (steps[0] / "app" / "auth.py").unlink()
    status, lines = carry("01")
    assert status == 1
    assert "02-second: CONFLICT" in lines[0]
    assert read(steps[1]) == ALPHABET + "step 2\n"


def test_a_file_that_a_later_step_does_not_have_is_reported(steps, carry):
    (steps[1] / "app" / "auth.py").unlink()
    change(steps[0], "b", "B\n")
    status, lines = carry("01")
    assert status == 1
    assert "02-second: CONFLICT" in lines[0]
    assert not (steps[1] / "app" / "auth.py").exists()


def test_a_moved_file_is_moved(steps, carry):
    (steps[0] / "app" / "same.py").rename(steps[0] / "app" / "moved.py")
    git("add", ".", folder=steps[0])
    assert carry("01")[0] == 0
    assert not (steps[2] / "app" / "same.py").exists()
    assert read(steps[2], "moved.py") == ALPHABET


def test_carrying_twice_does_no_harm(steps, carry):
    change(steps[0], "b", "B\n")
    (steps[0] / "app" / "new.py").write_text("new\n")
    carry("01")
    before = contents(steps)
    status, lines = carry("01")
    assert (status, contents(steps)) == (0, before)
    assert {line.split(": ")[2] for line in lines} == {"already there"}


def test_only_the_files_that_were_named_are_carried(steps, carry):
    change(steps[0], "b", "B\n")
    change(steps[0], "b", "B\n", "same.py")
    _, lines = carry("01", "app/same.py", "steps/01-first/app/none.py")
    assert lines == [
        "app/none.py: no change",
        "app/same.py: 02-second: merged",
        "app/same.py: 03-third: merged",
    ]
    assert "b\n" in read(steps[1])


def test_a_file_can_be_named_from_the_top_of_the_repository(steps, carry):
    change(steps[0], "b", "B\n")
    assert carry("01", "steps/01-first/app/auth.py")[0] == 0
    assert "B\n" in read(steps[2])


def test_a_change_can_be_counted_from_an_earlier_commit(steps, carry):
    change(steps[0], "b", "B\n")
    git("commit", "--quiet", "--all", "--message=Change", folder=steps[0])
    assert carry("01") == (0, ["01-first: nothing to carry"])
    assert carry("01", "--base", "HEAD~1")[0] == 0
    assert "B\n" in read(steps[2])


def test_what_the_app_leaves_behind_is_not_carried(steps, carry):
    Path(".gitignore").write_text(".env\n")
    (steps[0] / ".env").write_text("secret\n")
    assert carry("01") == (0, ["01-first: nothing to carry"])


def test_a_binary_file_that_differs_is_reported_and_left_alone(steps, carry):
    for number, folder in enumerate(steps):
        (folder / "app" / "auth.py").write_bytes(b"\0%d\n" % number)
    git("commit", "--quiet", "--all", "--message=Binary", folder=steps[0])
    (steps[0] / "app" / "auth.py").write_bytes(b"\0new\n")
    status, lines = carry("01")
    assert status == 1
    assert lines[0].endswith("CONFLICT: see there")
    assert (steps[1] / "app" / "auth.py").read_bytes() == b"\x001\n"


@pytest.mark.parametrize("name", ["1", "01", "01-first"])
def test_a_step_without_changes_has_nothing_to_carry(steps, carry, name):
    assert carry(name) == (0, ["01-first: nothing to carry"])


def test_the_last_step_has_nothing_to_carry(steps, carry):
    change(steps[2], "b", "B\n")
    assert carry("03") == (0, ["03-third: nothing to carry"])


def test_a_step_that_is_not_there_is_refused(steps, carry):
    status, lines = carry("04")
    assert status == 2
    assert "no step 04" in lines[-1]
    assert "03-third" in lines[-1]


def test_a_commit_that_is_not_there_is_refused(steps, carry):
    status, lines = carry("01", "--base", "nowhere")
    assert status == 2
    assert "no commit nowhere" in lines[-1]


def test_outside_of_git_it_says_so(tmp_path, carry, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    status, lines = carry("01")
    assert status == 2
    assert "not a git repository" in lines[-1]


def test_it_runs_as_a_command(steps):
    change(steps[0], "b", "B\n")
    done = subprocess.run([sys.executable, SCRIPT, "1"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "app/auth.py: 02-second: merged" in done.stdout


# Recipes


@pytest.fixture
def recipe(steps):
    """Return the diff of a recipe that changes a line of the last step."""
    diff = Path("docs/recipes/extra/changes.diff").resolve()
    diff.parent.mkdir(parents=True)
    diff.write_text(
        "diff --git a/app/auth.py b/app/auth.py\n--- a/app/auth.py\n+++ b/app/auth.py\n"
        "@@ -4,3 +4,3 @@\n d\n-e\n+E of the recipe\n f\n"
    )
    git("add", ".", folder=steps[0].parents[1])
    git("commit", "--quiet", "--message=Recipe", folder=steps[0].parents[1])
    return diff


def test_a_recipe_that_still_applies_is_said_to(steps, recipe, carry):
    change(steps[0], "a", "A\n")
    change(steps[0], "h", "two\nnew\nlines\nh\n")

    status, lines = carry("01")
    assert "recipe extra: still applies to 03-third" in lines
    assert status == 0


@pytest.mark.parametrize("line", ["d", "e", "f"])
def test_a_recipe_whose_lines_are_changed_is_named(steps, recipe, carry, line):
    change(steps[0], line, "another line\n")

    status, lines = carry("01")
    assert "recipe extra: CONFLICT: no longer applies to 03-third" in lines
    assert status == 1

"""Each recipe applies to the last step as it is, and so do all of them in order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.console import commands_of
from tests.kit.stage import ROOT
from tests.recipes.conftest import applied
from tools import recipes

ALONE = [pytest.param((name,), id=name) for name in recipes.RECIPES]
ALL = pytest.param(recipes.RECIPES, id="all")
EACH = pytest.mark.parametrize("names", [*ALONE, ALL])


def run(folder, *command, **environment):
    """Run a module of Python in a folder; return its exit status and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | recipes.KEYS | environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_recipe_has_its_place_in_the_order():
    folders = {path.parent.name for path in recipes.FOLDER.glob("*/changes.diff")}

    assert {*recipes.RECIPES} == folders


@EACH
@pytest.mark.races  # it takes a minute
def test_a_service_with_recipes_keeps_what_they_promise(names):
    status, said = run(applied(*names), "pytest", "-q", "-W", "error", "tests")

    assert status == 0, said
    assert int(re.search(r"(\d+) passed", said)[1]) >= 20 * len(names)
    assert "skipped" not in said


def migrate_and_back(names, url):
    """Run the migrations of recipes on a database, back, and again."""
    for command in ("upgrade", "check", "downgrade 0003", "upgrade"):
        words = ["flask", "--debug", "db", *command.split()]
        status, said = run(applied(*names), *words, DATABASE_URL=url)
        assert status == 0, said


@EACH
@pytest.mark.races
def test_the_tables_of_recipes_are_those_of_their_migrations(names, tmp_path):
    migrate_and_back(names, f"sqlite:///{tmp_path}/door.db")


# Those that ask most of the database. In two others a request is sent in the middle of
# another one, for whose lock it would wait.
ON_POSTGRESQL = (
    "(test_change_email or count or challenge or passkeys_only or without or pruned)"
    " and not changed_again and not second_click"
)


@pytest.mark.races
def test_all_recipes_together_keep_their_promises_on_postgresql(postgres):
    url = postgres.create("recipes")
    migrate_and_back(recipes.RECIPES, url)
    plugin = {"PYTHONPATH": str(ROOT / "tests/recipes"), "POSTGRES_URL": url}
    command = ["pytest", "-q", "-W", "error", "-p", "on_postgresql", "tests"]
    command += ["-k", ON_POSTGRESQL]
    status, said = run(applied(*recipes.RECIPES), *command, **plugin)

    assert status == 0, said
    assert int(re.search(r"(\d+) passed", said)[1]) >= 60
    assert "skipped" not in said


@pytest.mark.parametrize("name", recipes.RECIPES[1:])
def test_the_page_of_a_recipe_applies_it_as_the_tests_do(name):
    commands = commands_of(ROOT / "docs" / "recipes" / f"{name}.md")
    first = commands.index("cp -r steps/06-deploy ../my-service")
    *copied, tests = commands[first : first + 6]

    assert tests == "python -m pytest tests"
    assert copied == [
        "cp -r steps/06-deploy ../my-service",
        f"cp -r docs/recipes/{name}/. ../my-service",
        "cd ../my-service",
        "git init",
        "git apply changes.diff",
    ]


def test_a_recipe_changes_few_lines_and_no_file_is_in_its_way():
    step = ROOT / "steps" / "06-deploy"
    taken = {path.relative_to(step) for path in step.rglob("*") if path.is_file()}
    for name in recipes.RECIPES:
        own = recipes.FOLDER / name
        files = {path.relative_to(own) for path in own.rglob("*") if path.is_file()}
        text = (own / "changes.diff").read_text("utf-8")

        assert not files & taken
        assert len(re.findall(r"^[+-](?![+-])", text, re.MULTILINE)) <= 80, name
        taken |= files - {Path("changes.diff")}

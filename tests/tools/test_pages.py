"""Every page of a chapter ends in an app that runs."""

import ast
import subprocess
import sys
from importlib import import_module

import pytest
import time_machine

from tests.kit.clock import MovableClock
from tests.kit.fixtures import NOON
from tests.kit.real_browser import need
from tests.kit.stage import DATABASE
from tests.kit.stage import FIRST_WITH_DATABASE
from tests.kit.stage import ROOT
from tests.kit.stage import Stage
from tests.kit.stage import enrol
from tests.kit.stage import folder_of
from tests.kit.stage import upgrade_database
from tools import changes
from tools import pages
from tools.steps import files_of

DAY = 24 * 60 * 60
MOST_LINES = 260
FIRST_WITH_STORED_SECRETS = "04c"
CUT = ("02", "03", "04", "05", "06")  # chapters whose pages all end in an app that runs
NAMES = [name for name in pages.names_of_pages() if name[:2] in CUT]


# The app after each page


def test_a_reader_s_database_goes_from_page_to_page(tmp_path):
    database, accounts = f"sqlite:///{tmp_path / 'door.db'}", {}
    with time_machine.travel(NOON, tick=False) as traveller:
        clock = MovableClock(traveller)
        for name in NAMES:
            clock.move(DAY)
            walk(name, clock, database, accounts)


def walk(name, clock, database, accounts):
    """Do what a visitor does on the app after a page, and note who has an account."""
    stage = Stage(name[:2], folder_of(name))
    has_database = stage.number >= FIRST_WITH_DATABASE
    site = stage.start(clock, **({DATABASE: database} if has_database else {}))
    if has_database:
        upgrade_database(site.app)
    for account, since in accounts.items():
        page = site.visitor().give_password(account)
        if page.path == "/enrol":  # its secret was in the memory of another process
            assert since < FIRST_WITH_STORED_SECRETS, (name, account)
            enrol(site.visitor(), account, clock)
            accounts[account] = name
        else:
            page = page.fill_in(code=account.authenticator.code())
            assert page.path == "/", (name, account)
    account = site.account()
    clock.move(60)
    visitor = site.visitor()
    visitor.give_password(account)
    assert visitor.fill_in(code="000000").status == 422, name
    assert visitor.fill_in(code=account.authenticator.code()).path == "/", name
    visitor.log_out()
    if stage.number >= "03":
        visitor.give_password(account)
        page = visitor.open("/login/recovery")
        page = page.fill_in(recovery_code=account.recovery_code())
        assert page.path == "/", name
    for path in ("/register", "/reset", "/account", "/account/password"):
        assert site.visitor().open(path).status in (200, 404), (name, path)
    if has_database:
        accounts[account] = name


@pytest.mark.parametrize("name", NAMES)
def test_no_module_asks_another_for_what_comes_later(name):
    app = Stage(name[:2], folder_of(name)).start(None).app
    for path in sorted((folder_of(name) / "app").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        neighbours = {
            part.asname or part.name: import_module(f"{app.import_name}.{part.name}")
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module is None
            for part in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                neighbour = neighbours.get(node.value.id, object)
                is_there = neighbour is object or hasattr(neighbour, node.attr)
                assert is_there, f"{path.name}:{node.lineno}: {node.attr}"


@pytest.mark.site
def test_no_page_leaves_a_name_unused_or_missing():
    need("ruff", "-r requirements/dev.in")
    folders = [folder_of(name) for name in NAMES]
    rules = "F,I,E9"
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--isolated"]
    command += ["--select", rules, "--config", "lint.isort.force-single-line=true"]
    command += ["--config", "lint.isort.known-first-party=['app']"]
    done = subprocess.run([*command, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", sorted({name[:2] for name in NAMES}))
def test_the_last_page_ends_in_the_step_itself(number):
    assert pages.unexplained(number) == []
    last = pages.names_of_pages(number)[-1]
    files = pages.files_after(last)
    for path in files.keys() | changes.files(number).keys():
        if path not in changes.FILES_WITHOUT_LESSON:
            assert files.get(path) == changes.files(number).get(path), path


@pytest.mark.parametrize("name", [name for name in NAMES if name[2:]])
def test_a_page_is_not_too_long(name):
    assert 0 < pages.count_lines(pages.views_of(name)) <= MOST_LINES


# Who lost the thread


def write(*words):
    """Call the command of tutorial.py that writes the app after a page."""
    command = [sys.executable, str(ROOT / "tutorial.py"), "page", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_app_after_a_page_is_written_into_a_new_folder(tmp_path):
    done = write("04a", tmp_path / "my-app")

    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "my-app") in done.stdout
    assert files_of(tmp_path / "my-app") == {
        path: lines
        for path, lines in pages.files_after("04a").items()
        if path not in changes.FILES_WITHOUT_LESSON
    }


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = write("04a", tmp_path)

    assert done.returncode != 0
    assert "stays as it is" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_page_that_is_not_there_is_told_with_those_that_are(tmp_path):
    done = write("04z", tmp_path / "my-app")

    assert done.returncode != 0
    assert "there is no page 04z, only 04a" in done.stderr


# What a page may not explain


@pytest.mark.parametrize(
    ("directives", "complaint"),
    [
        (["auth.py login", "auth.py login"], r"page.md:\d+: .* nothing left"),
        (["auth.py login", "auth.py login:/network/"], "nothing left"),
        (["auth.py login:/nowhere/"], "nothing left"),
        (["pending_login.py begin_pending_login:/def /"], "is cut in the middle"),
    ],
)
def test_no_line_is_explained_twice_or_cut_off(tmp_path, directives, complaint):
    texts = [f"::: diff 02 app/{words}\n    Why.\n" for words in directives]
    (tmp_path / "02a-page.md").write_text("\n".join(texts))

    with pytest.raises(changes.UnknownError, match=complaint):
        pages.files_after("02a", tmp_path)

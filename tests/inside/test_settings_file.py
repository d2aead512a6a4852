"""The file with settings: whose it is, and how editors write it."""

import shutil

import pytest

from tests.kit.marks import never_red
from tests.kit.marks import once
from tests.kit.marks import since
from tests.kit.programs import bare_copy
from tests.kit.programs import run_python
from tests.kit.stage import development

KEY = "out of our own file, whatever wrote it"
TEXT = f"SECRET_KEY='{KEY}'\n# für zu Hause\n"
READABLE = {
    "plain": TEXT.encode(),
    "byte order mark": TEXT.encode("utf-8-sig"),
    "Windows": TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
}
UNREADABLE = {
    "ANSI": TEXT.encode("cp1252"),
    "PowerShell": TEXT.replace("\n", "\r\n").encode("utf-16"),
    "UTF-16 without a mark": TEXT.replace("ü", "ue").encode("utf-16-le"),
}
SHOW_KEY = 'print(app.config["SECRET_KEY"])\n'

OPEN_THE_LOGIN = 'app.test_client().get("/login").status\n'


@pytest.fixture
def folder(step, tmp_path):
    """Return a copy of the step, as it comes."""
    return bare_copy(step.folder, tmp_path / "step")


def flask(folder, *words, **settings):
    """Run `flask` in the folder of a step; return how it ended."""
    return run_python(folder, "-m", "flask", *words, **settings)


@once
@pytest.mark.parametrize("name", [".env", ".flaskenv"])
def test_flask_stops_when_it_has_read_the_settings_of_another_project(folder, name):
    foreign = folder.parent / name
    foreign.write_text("SECRET_KEY=theirs\n")

    stopped = flask(folder, "routes")

    assert stopped.returncode == 1
    assert f"Error: `flask` has read {foreign}, which is not ours." in stopped.stderr
    assert f"Make a file {folder / name} " in stopped.stderr
    assert "Traceback" not in stopped.stderr


@once
@pytest.mark.parametrize("name", [".env", ".flaskenv"])
def test_flask_starts_with_an_empty_file_of_our_own(folder, name):
    (folder.parent / name).write_text("SECRET_KEY=theirs\n")
    (folder / name).touch()

    started = flask(folder, "shell", text=SHOW_KEY)

    assert started.returncode == 0, started.stderr
    assert "theirs" not in started.stdout


@once
def test_a_server_reads_no_file_but_ours(folder):
    (folder.parent / ".env").write_text("SECRET_KEY=theirs\n")
    question = "from wsgi import app\n" + SHOW_KEY

    started = run_python(folder, "-c", question)
    assert len(started.stdout) == 65, started.stderr  # a random key
    (folder / ".env").write_text(TEXT, encoding="utf-8")
    assert run_python(folder, "-c", question).stdout == f"{KEY}\n"


@since("04a")
@never_red("the file is not ours in a step without a database either")
def test_the_database_of_another_project_is_left_alone(step, folder):
    (folder.parent / ".env").write_text("DATABASE_URL=sqlite:///theirs.db\n")

    stopped = flask(folder, "db", "upgrade", **development(step))

    assert stopped.returncode == 1
    assert not list(folder.rglob("*.db"))


@once
@pytest.mark.parametrize("how", READABLE)
def test_our_settings_count_alone_and_are_read_as_editors_write_them(folder, how):
    (folder.parent / ".env").write_text("SECRET_KEY=theirs\n")
    (folder / ".env").write_bytes(READABLE[how])

    started = flask(folder, "shell", text=SHOW_KEY, FLASK_SKIP_DOTENV="1")

    assert KEY in started.stdout, started.stderr


@once
@pytest.mark.parametrize("how", UNREADABLE)
def test_settings_that_cannot_be_read_are_named_in_a_sentence(folder, how):
    (folder / ".env").write_bytes(UNREADABLE[how])

    stopped = flask(folder, "routes", FLASK_SKIP_DOTENV="1")

    assert stopped.returncode == 1
    expected = f"Error: {folder / '.env'} cannot be read: save it as UTF-8"
    assert stopped.stderr.startswith(expected)
    assert "Traceback" not in stopped.stderr


def test_a_copy_of_the_sample_settings_is_as_good_as_none(step, folder):
    shutil.copy(folder / ".env.example", folder / ".env")

    started = flask(folder, "shell", text=OPEN_THE_LOGIN, **development(step))

    assert "'200 OK'" in started.stdout, started.stderr
    assert "SECRET_KEY is not set" in started.stderr

"""The suite itself: what its options do, and that it cannot be fooled."""

import re

import pytest

from tests.kit.plugin import OF_STEPS
from tests.kit.plugin import TESTS
from tests.kit.stage import STEPS
from tests.tools.terminal import run

OWN_FILE = """
import warnings
from flask import Flask

def create_app(config=None):
    warnings.warn("a library of this app is old", DeprecationWarning)
    app = Flask(__name__)
    app.config.update(config or {})
    app.add_url_rule("/", view_func=lambda: "anybody may read this")
    return app
"""


def test_every_folder_with_tests_of_steps_is_collected_with_a_step():
    marked = {
        path.relative_to(TESTS).parts[0]
        for path in TESTS.rglob("test_*.py")
        if re.search(
            r"^(@|    |pytestmark = )since\(", path.read_text("utf-8"), re.MULTILINE
        )
    }

    assert marked <= set(OF_STEPS)


def test_steps_and_tests_are_named_as_paths_are():
    status, output = run(
        "steps/02::test_a_code_works_once",
        f"steps/{STEPS['03'].name}::test_a_recovery_code_works_once",
    )

    assert status == 0, output
    assert "2 passed" in output


def test_inside_a_step_its_own_tests_run():
    status, output = run("--collect-only", "-k", "code_works_once", folder=STEPS["03"])

    assert status == 0, output
    assert "test_a_code_works_once[03-qr-enrolment]" in output
    assert "[02-totp-verify]" not in output


def test_an_app_may_be_one_file_and_a_missing_form_is_named(tmp_path):
    (tmp_path / "app.py").write_text(OWN_FILE, "utf-8")

    status, output = run("steps/01", f"--app={tmp_path}", "-k", "sees_their_name")

    assert status == 1
    assert "there is no page /login" in output
    assert "--map=FILE" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["steps/09"], "There is no step 09. The steps are steps/01, "),
        (["steps/02", "--app=nowhere"], "there is no directory nowhere"),
        (["steps/01", "steps/02", "--url=http://127.0.0.1:9"], "need exactly one step"),
    ],
)
def test_arguments_that_do_not_fit_together_say_why(arguments, words):
    status, output = run(*arguments)

    assert status == 4
    assert words in output


def test_a_tilde_is_the_home_of_the_reader_for_every_option(tmp_path):
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    (tmp_path / "my-app").mkdir()
    source = "import flask\n\napp = flask.Flask(__name__)\n"
    (tmp_path / "my-app" / "app.py").write_text(source, "utf-8")

    status, output = run("steps/01", "--app=~/my-app", "--map=~/map.toml", **home)

    assert status == 4
    assert f"--map: [Errno 2] No such file or directory: '{tmp_path}" in output


@pytest.mark.parametrize("level", ["1", "2"])
def test_a_python_that_leaves_out_asserts_is_refused(level):
    status, output = run("steps/01", PYTHONOPTIMIZE=level)

    assert status == 4
    assert "leaves out every assert here, so that no test could fail" in output


def test_red_finds_a_behaviour_that_is_not_new(tmp_path):
    file = tmp_path / "test_fake.py"
    file.write_text(
        "from tests.kit.marks import since\n\n\n"
        '@since("02")\n'
        "def test_there_is_a_login(visitor):\n"
        '    assert visitor.open("/login").status == 200\n\n\n'
        '@since("02")\n'
        "def test_a_typing_mistake(visitor):\n"
        '    assert visitor.opne("/login/code").status == 200\n\n\n'
        '@since("02")\n'
        "def test_there_is_a_code_page(visitor):\n"
        '    assert visitor.open("/login/code").path == "/login"\n',
        "utf-8",
    )

    status, output = run("-p", "conftest", "--red", str(file))

    assert status == 1
    assert "2 failed, 1 xfailed" in output
    assert "XPASS(strict)" in output
    assert "AttributeError" in output

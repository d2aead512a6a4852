"""The package of docs/add-it.md: the same as step 06, and refused if half there."""

import ast
import re
import subprocess
import sys

import pytest
from flask import Flask

from benchmarks.add_it import cost_of_step_06
from benchmarks.add_it import cost_with_package
from tests.kit.stage import STEPS
from tests.recipes.hosts import ALL
from tests.recipes.hosts import KEYS
from tests.recipes.hosts import PACKAGE
from tests.recipes.hosts import PAGE
from tests.recipes.hosts import blocks_of
from tests.recipes.hosts import build
from tests.recipes.hosts import load

STEP = STEPS["06"] / "app"
FILES = ("totp.py", "crypto.py", "templates/_form.html")
# What else the package has from modules of the step, though some in other files.
SAME = """
LIMIT_PER_ACCOUNT LIMIT_PER_NETWORK LIMIT_PER_ACCOUNT_FROM_ALL_NETWORKS
LIMIT_PER_IPV6_48 LIMIT_PER_ACCOUNT_IN_IPV6_48 WINDOW_SECONDS UPSERT_COUNTER
client_network find_network_48 bucket limits
MAX_WRONG_CODES_IN_A_ROW normalise_identifier MIN_KEY_LENGTH
CODE_COUNT CODE_BYTES LOOK_ALIKES generate_code hash_code
INVALID_RECOVERY_CODE_MESSAGE CODE_HINT
render_qr_svg INVALID_FIRST_CODE_MESSAGE FIRST_CODE_HINT UPSERT_PENDING_SECRET INSERT
PENDING_LOGIN_EXPIRED_MESSAGE PENDING_LOGIN_SECONDS
LOCAL_PATH_PATTERN redirect_keeping_next DEVICE_COOKIE_SECONDS cookie_name
BaseForm CodeForm CODE_INPUT EMPTY_ANY_CODE_MESSAGE INVALID_CODE_MESSAGE
USED_CODE_MESSAGE MAX_256_CHARACTERS UNSTORABLE_CHARACTER_MESSAGE remove_separators
REAUTHENTICATION_FAILED_MESSAGE TOO_MANY_WRONG_CODES_MESSAGE REPLACED_MESSAGE
OLD_STILL_WORKS_MESSAGE CODES_REPLACED_MESSAGE require_text
"""


def parts_of(path):
    """Return the name and the source of each function, class and constant."""
    source, found = path.read_text("utf-8").replace("two_factor_", ""), set()
    for node in ast.parse(source).body:
        name = getattr(node, "name", None)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        if name:
            text = " ".join(ast.get_source_segment(source, node).split())
            found.add((name, text))
    return found


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_one_of_step_06_letter_for_letter(name):
    ours = PACKAGE / name.replace("templates/", "templates/two_factor/")

    assert ours.read_bytes() == (STEP / name).read_bytes()


def test_the_package_shares_code_with_step_06_word_for_word():
    step = set().union(*map(parts_of, STEP.glob("*.py")))
    package = [path for path in PACKAGE.glob("*.py") if path.name not in FILES]

    same = set().union(*map(parts_of, package)) & step
    assert {name for name, _ in same} == {*SAME.split()}


# Half there


def make(**config):
    """Return an app with a key and these settings."""
    app = Flask("half")
    app.config.from_mapping(KEYS | config)
    return app


@pytest.fixture
def package():
    """Return the package."""
    load("shop")
    return sys.modules["two_factor"]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"TOTP_KEYS": None}, "TOTP_KEYS: each needs 32"),
        ({"TOTP_KEYS": f"{'k' * 40},short"}, "TOTP_KEYS: each needs 32"),
        ({"TOTP_KEYS": "k" * 40, "SECRET_KEY": "k" * 40}, "must not contain SECRET"),
        ({"SECRET_KEY": None}, "SECRET_KEY has to be set"),
        ({"SECRET_KEY": b"bytes" * 10}, "SECRET_KEY has to be set, as text"),
        ({}, "comes after the user loader"),
    ],
)
def test_an_app_that_would_have_a_hole_does_not_start(package, config, problem):
    with pytest.raises(RuntimeError, match=problem):
        package.TwoFactor().init_app(make(**config))


def is_refused(host, caplog, problem):
    """Return whether the login page is an error, whose reason is in the log."""
    return host.visitor().open("/login").status == 500 and problem in caplog.text


def test_a_user_loader_that_is_replaced_later_serves_nobody(shop, caplog, monkeypatch):
    manager = shop.app.login_manager
    monkeypatch.setattr(manager, "_user_callback", lambda user_id: None)

    assert is_refused(shop, caplog, "comes after the user loader")


def test_a_home_page_that_is_not_there_serves_no_visitor(shop, caplog):
    shop.app.config["TWO_FACTOR_HOME"] = "nowhere"

    assert is_refused(shop, caplog, "Could not build url for endpoint 'nowhere'")


def test_sessions_on_the_server_that_keep_their_id_serve_nobody(
    clinic, caplog, monkeypatch
):
    monkeypatch.delattr(type(clinic.app.session_interface), "regenerate")

    assert is_refused(clinic, caplog, "override renew_session_id")


def test_a_layout_that_fills_no_block_of_the_base_template_is_an_error(shop):
    layout = build("shop") / "shop/templates/two_factor/layout.html"
    text = layout.read_text("utf-8")
    layout.write_text(text.replace("block content", "block contents"), "utf-8")
    shop.app.jinja_env.bytecode_cache = None
    try:
        shop.app.testing = True
        with pytest.raises(RuntimeError, match="fills a block"):
            shop.password(shop.visitor(), shop.account("ann"))
    finally:
        layout.write_text(text, "utf-8")


# The page


@pytest.mark.parametrize("host", ALL)
def test_the_page_changes_few_lines_of_a_host(host):
    added = [
        line
        for language, _, block in blocks_of(host)
        for line in block.splitlines()
        if language == "diff" and line.startswith("+") and line.strip("+ ")
    ]

    assert len(added) <= {"shop": 20, "clinic": 10, "wiki": 16, "tracker": 14}[host]


def test_the_commands_of_the_page_are_those_that_make_the_tables():
    typed = re.findall(r"^\$ flask (db .+)$", PAGE.read_text("utf-8"), re.MULTILINE)

    words = [command.replace('"second factor"', "second_factor") for command in typed]
    after = [" ".join(word.replace(" ", "_") for word in c) for c in ALL["shop"].after]
    assert words == after


def test_the_helper_of_the_page_logs_a_test_in(shop):
    shop.app.config["WTF_CSRF_ENABLED"] = False
    names = {}
    exec((build("shop") / "tests/helper.py").read_text("utf-8"), names)
    client = shop.app.test_client()

    secret = names["log_in"](client, "ann", shop.account("ann").password)

    assert len(secret) == 32
    assert client.get("/").status_code == 200


def test_the_package_imports_nothing_that_the_page_does_not_install():
    [line] = re.findall(r"^\$ pip install (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    code = "import sys, two_factor; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True
    )
    imported = set(done.stdout.split())

    assert {"pyotp", "qrcode", "cryptography", "flask_wtf", "sqlalchemy"} <= imported
    assert not imported & {"flask_login", "flask_sqlalchemy", "flask_migrate"}
    for name in ("pyotp", "qrcode", "cryptography", "Flask-WTF", "SQLAlchemy"):
        assert name in line


# The cost


def test_a_login_costs_the_database_at_most_a_fifth_more_than_in_step_06(clock):
    ours, theirs = cost_of_step_06(clock), cost_with_package(clock)

    for name, count in theirs.items():
        assert 0 < count <= 1.2 * ours[name], name

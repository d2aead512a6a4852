"""What the app is told from outside, and what it refuses to start with."""

import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest
from dotenv import dotenv_values
from werkzeug.security import generate_password_hash

from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.production import SETTINGS as GOOD
from tests.kit.servers import need_gunicorn

pytestmark = pytest.mark.ours

SLOW_HASH = "scrypt:32768:8:3"
OTHER_KEY = "b5860472c9d1e5f3a8b60427c9d1e5f3a8b604c2d7e9f1a3"
SAMPLES = [
    "x" * 40,
    "abcabcabc" * 5,
    "0123" * 10,
    "change-me-before-you-go-into-production",
    "Please-CHANGE-this-key-9f81a6c04b7e52d3",
    " " * 40,
]
SHORT = ["dev", "secret", "9f81a6c04b7e52d39f81a6c04b7e52d"]
NO_ADDRESSES = [
    "http://door.example.org",
    "https://door.example.org/door",
    "https:///door",
    "https://:8443",
    "door.example.org",
    "//door.example.org",
    "ftp://door.example.org",
    "https://door.example.org?a=b",
    "https://door.example.org#top",
    "https://kim:a-password@door.example.org",
    "https://door.example.org:eight",
    "https://[door.example.org",
    "https://door example.org",
    "javascript:alert(1)",
]
WRONG = [
    *(("SECRET_KEY", key) for key in ["", *SHORT, *SAMPLES]),
    *(("TOTP_KEYS", key) for key in ["", ",", *SHORT, *SAMPLES]),
    ("TOTP_KEYS", f"{OTHER_KEY},{SHORT[-1]}"),
    ("TOTP_KEYS", f"{SHORT[-1]},{OTHER_KEY}"),
    ("TOTP_KEYS", f",{OTHER_KEY}"),
    ("TOTP_KEYS", f"{OTHER_KEY}, "),
    ("DATABASE_URL", ""),
    *(("BASE_URL", address) for address in ["", *NO_ADDRESSES]),
    ("MAIL_SERVER", ""),
    ("MAIL_DEFAULT_SENDER", ""),
    ("FLASK_DEBUG", "1"),
    ("PROXIES", "one"),
    ("PROXIES", "1.5"),
    ("PROXIES", "-1"),
    ("MAIL_PORT", "smtp"),
]
ACCOUNT = {"MAIL_USERNAME": "door", "MAIL_PASSWORD": "our-password"}
# what no variable may switch on, or make cheap
SWITCHES = {
    "DEVELOPMENT": "true",
    "FLASK_DEVELOPMENT": "true",
    "FLASK_ENV": "development",
    "ENV": "development",
    "TESTING": "1",
    "FLASK_TESTING": "1",
    "DEBUG": "1",
    "PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
    "FLASK_PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
    "DUMMY_PASSWORD_HASH": generate_password_hash("password", "pbkdf2:sha256:1"),
    "WTF_CSRF_ENABLED": "false",
    "FLASK_WTF_CSRF_ENABLED": "false",
    "MAIL_IN_BACKGROUND": "1",
    "FLASK_RUN_FROM_CLI": "true",
}


@pytest.fixture
def start(step, monkeypatch):
    """Return a function that starts the app with these variables, and no others."""
    create_app = step.load(step.folder).create_app
    known = {setting.name for setting in settings_of(step)} | set(SWITCHES)
    for name in [*os.environ]:
        if name in known or name.startswith("FLASK_"):
            monkeypatch.delenv(name)
    # Nobody logs in here: the hash for strangers need not be one.
    monkeypatch.setattr(hashlib, "scrypt", lambda password, **how: bytes(64))

    def start(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return create_app()

    return start


def settings_of(step):
    """Return the settings that the app has, none before it has such a list."""
    door = step.load(step.folder)
    config = sys.modules.get(f"{door.__name__}.config")
    return getattr(config, "SETTINGS", ())


def refusal(start, variables):
    """Return what the app says when it refuses to start, or nothing."""
    try:
        start(variables)
    except (RuntimeError, ValueError) as error:
        return str(error)
    return ""


def named(text):
    """Return the variables that a message names."""
    return set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bPROXIES\b", text))


@pytest.fixture
def folder(step, tmp_path):
    """Return a copy of the step, without what a developer leaves in it."""
    hidden = shutil.ignore_patterns("instance", "__pycache__", ".env")
    return shutil.copytree(step.folder, tmp_path / "step", ignore=hidden)


def run(folder, *command, **variables):
    """Run a command in the step's folder with these variables; return how it ended."""
    known = {"PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP", "TMP"}
    environment = {name: os.environ[name] for name in known & set(os.environ)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


# What production asks for


@since("06")
@attack(99)
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_with_which_nobody_serves_strangers_is_named(start, name, value):
    message = refusal(start, GOOD | {name: value})

    assert named(message) == {name}
    if value:
        assert value not in message


@since("06")
@attack(99)
@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(start, name):
    others = {key: value for key, value in GOOD.items() if key != name}
    message = refusal(start, others)

    assert named(message) == {name}


@since("06")
@attack(99)
@pytest.mark.parametrize("others", ["", f"{OTHER_KEY}, "])
@pytest.mark.parametrize("key", [GOOD["SECRET_KEY"], f"a comma, {GOOD['SECRET_KEY']}"])
def test_one_key_does_not_serve_two_purposes(start, others, key):
    values = {"SECRET_KEY": key, "TOTP_KEYS": f"{others}{key}"}
    message = refusal(start, GOOD | values)

    assert named(message) == {"TOTP_KEYS", "SECRET_KEY"}
    assert key not in message


@since("06")
@attack(99)
def test_all_that_is_wrong_is_said_at_once_and_no_value(start):
    values = {"SECRET_KEY": "dev", "TOTP_KEYS": "a-sample", "FLASK_DEBUG": "1"}
    values |= {"BASE_URL": "http://door.example.org", "MAIL_PASSWORD": "our-password"}
    message = refusal(start, values)

    wanted = {"SECRET_KEY", "TOTP_KEYS", "FLASK_DEBUG", "BASE_URL"}
    wanted |= {"DATABASE_URL", "MAIL_SERVER", "MAIL_DEFAULT_SENDER"}
    assert named(message) == wanted
    for value in ("a-sample", "http://door.example.org", "our-password"):
        assert value not in message


@since("06")
@attack(99)
def test_no_password_of_ours_travels_in_the_clear(start):
    assert named(refusal(start, GOOD | ACCOUNT)) == {"MAIL_USE_TLS"}
    assert refusal(start, GOOD | ACCOUNT | {"MAIL_USE_TLS": "yes"}) == ""


@since("06")
@attack(99)
@pytest.mark.parametrize("command", ["import wsgi", "gunicorn"])
def test_a_process_ends_with_the_names_and_without_a_value(request, folder, command):
    if command == "gunicorn":
        need_gunicorn(request.config)
        command = ["-m", "gunicorn", "--check-config", "wsgi:app"]
    else:
        command = ["-c", command]
    wrong = {"SECRET_KEY": "sesame", "TOTP_KEYS": "parsley,thyme", "PROXIES": "0"}
    wrong |= {"BASE_URL": "http://marjoram.example", "MAIL_PASSWORD": "rosemary"}
    done = run(folder, *command, **wrong)

    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert {*GOOD} <= named(said)
    for value in ("sesame", "parsley", "thyme", "marjoram", "rosemary"):
        assert value not in said


@since("06")
@attack(99)
def test_a_copy_of_the_example_is_refused(folder):
    shutil.copy(folder / ".env.example", folder / ".env")
    done = run(folder, "-c", "import wsgi")

    assert done.returncode != 0
    assert {*GOOD} <= named(done.stderr)


@since("06")
@attack(99, 102)
@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_gunicorn_does_not_serve_a_debugger(request, folder, value):
    need_gunicorn(request.config)
    command = ["-m", "gunicorn", "--check-config", "wsgi:app"]
    done = run(folder, *command, **GOOD, FLASK_DEBUG=value)

    assert done.returncode != 0
    assert named(done.stderr) & {*GOOD, "FLASK_DEBUG"} == {"FLASK_DEBUG"}


@since("06")
@attack(99)
@pytest.mark.parametrize("command", ["routes", "db upgrade", "mail-worker", "prune"])
def test_no_command_starts_without_settings_unless_in_development(folder, command):
    done = run(folder, "-m", "flask", *command.split())

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr
    assert not (folder / "instance").exists()


@since("04")
@never_red("the step before starts with any configuration")
@attack(99)
def test_a_good_configuration_starts(request, folder):
    need_gunicorn(request.config)
    command = ["-m", "gunicorn", "--check-config", "wsgi:app"]
    done = run(folder, *command, **GOOD)

    assert done.returncode == 0, done.stderr
    assert not (folder / "instance").exists()


@since("04")
@never_red("the step before starts with any configuration")
@attack(99)
@pytest.mark.parametrize(
    "address",
    [
        "https://door.example.org/",
        "https://door.example.org:8443",
        "https://192.0.2.1",
        "https://[2001:db8::1]",
        "https://xn--tr-cja.example",
    ],
)
def test_good_addresses_are_taken(start, address):
    assert refusal(start, GOOD | {"BASE_URL": address}) == ""


@since("04")
@never_red("the step before starts with any configuration")
@attack(100)
@pytest.mark.parametrize("blank", ["", " "])
def test_several_keys_may_be_given(start, blank):
    keys = f"{OTHER_KEY},{blank}{GOOD['TOTP_KEYS']}{blank}"

    assert refusal(start, GOOD | {"TOTP_KEYS": keys}) == ""


# Development


@since("04")
@never_red("the step before starts without settings as well")
@attack(140)
def test_development_works_with_nothing(folder):
    typed = run(folder, "-m", "flask", "--debug", "routes")
    set_once = run(folder, "-m", "flask", "db", "upgrade", FLASK_DEBUG="1")

    assert typed.returncode == set_once.returncode == 0, typed.stderr + set_once.stderr


# What cannot be set


@since("06")
@attack(114)
@pytest.mark.parametrize("more", [{}, {"FLASK_DEBUG": "1"}], ids=["", "debug"])
def test_no_variable_makes_development_of_production(start, more):
    message = refusal(start, SWITCHES | more)

    assert {*GOOD} <= named(message)


@since("06")
@attack(114)
def test_no_variable_makes_hashing_cheap_or_opens_a_way_around(step, start):
    assert settings_of(step)
    app = start(GOOD | SWITCHES)

    assert app.config["PASSWORD_HASH_METHOD"] == SLOW_HASH
    assert app.extensions["dummy_password_hash"].startswith(f"{SLOW_HASH}$")
    assert app.config["WTF_CSRF_ENABLED"] is True
    assert app.config["DEVELOPMENT"] is False
    assert not app.testing
    assert not app.debug
    assert "DUMMY_PASSWORD_HASH" not in app.config


@since("04")
@never_red("the demo ended with the database")
@attack(114, 10)
def test_nothing_of_the_demo_is_left_in_the_code(step):
    demo = ["GEZDGNBV", "DUMMY", "time_machine", "freeze", "bypass", "pbkdf2"]
    for file in sorted((step.folder / "app").rglob("*.py")):
        text = file.read_text("utf-8")
        assert [word for word in demo if word in text] == [], file.name


# How it is written down


@since("06")
@attack(99)
def test_the_example_lists_just_the_settings_that_there_are(step):
    example = dotenv_values(step.folder / ".env.example")

    assert sorted(example) == sorted(setting.name for setting in settings_of(step))
    assert list(example)[:6] == list(GOOD)


@since("06")
@attack(99)
def test_every_setting_says_what_it_means(step):
    assert settings_of(step)
    for setting in settings_of(step):
        assert re.fullmatch(r"[A-Z].{10,}\.", setting.description), setting.name


@since("06")
@attack(99)
def test_a_database_is_reached_by_any_spelling_of_postgresql(start):
    address = "door:a-password@db.example.org:5432/door?sslmode=require"
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        app = start(GOOD | {"DATABASE_URL": f"{scheme}://{address}"})
        with app.app_context():
            url = app.extensions["sqlalchemy"].engine.url

        assert url.drivername == "postgresql+psycopg"
        assert url.render_as_string(hide_password=False).endswith(f"//{address}")


@since("06")
@attack(99)
def test_a_switch_may_be_spelt_in_many_ways(start):
    for value in ("1", "on", "true", "Yes", "TRUE"):
        app = start(GOOD | {"MAIL_USE_TLS": value})
        assert app.extensions["mail"].use_tls is True, value
    for value in ("", "0", "off", "false", "no", "No"):
        app = start(GOOD | {"MAIL_USE_TLS": value})
        assert app.extensions["mail"].use_tls is False, value

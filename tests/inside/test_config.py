"""What the app is told from outside, and what it refuses to start with."""

import hashlib
import os
import re
import shutil
import sys

import pytest
from dotenv import dotenv_values
from werkzeug.security import generate_password_hash

from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.production import SETTINGS as GOOD
from tests.kit.programs import bare_copy
from tests.kit.programs import run_python
from tests.kit.servers import need_gunicorn

pytestmark = since("06")

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
    *(("SECRET_KEY_FALLBACKS", key) for key in [*SHORT, *SAMPLES[:-1]]),
    ("SECRET_KEY_FALLBACKS", f"{OTHER_KEY},{SHORT[-1]}"),
    ("MAIL_SERVER", ""),
    ("MAIL_DEFAULT_SENDER", ""),
    ("FLASK_DEBUG", "1"),
    *(("PROXIES", text) for text in ["one", "1.5", "-1", "+1", "1 2", "\u0661", '"1"']),
    *(("MAIL_PORT", text) for text in ["smtp", "0", "65536", "-25", "25/tcp", '"25"']),
    *(("TRUSTED_HOSTS", text) for text in ["*", "https://a.example", "a/b", "a, b:80"]),
    *(("MAIL_SERVER", text) for text in ["smtp://a.example", "a.example:587", "a b"]),
    *(
        ("MAIL_DEFAULT_SENDER", text)
        for text in ["door", "@a", "a@b\nBcc: c@d", "<a@b"]
    ),
    *(("MAIL_USE_TLS", text) for text in ["maybe", '"yes"', "'no'", "yes no", "2"]),
    *(("MAIL_USE_SSL", text) for text in ["ssl", '"no"', "465"]),
    ("MAIL_PASSWORD", ""),
]
NO_DATABASES = [
    "db.example.org/door",
    "mysql://door@db.example.org/door",
    "http://db.example.org/door",
    "postgres:/door@db.example.org/door",
    "postgresql://door:what?@db.example.org/door",
    "postgresql://door@db.example.org:five/door",
    "postgresql://[door/door",
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


IN_THE_CLEAR = [
    ("MAIL_USE_TLS", {"MAIL_USE_TLS": "no"}),
    ("MAIL_USE_TLS", {"MAIL_USE_TLS": "no", "MAIL_SERVER": "192.0.2.1"}),
    ("MAIL_USE_TLS", {"MAIL_USE_TLS": "no", "MAIL_SERVER": "2001:db8::1"}),
    ("MAIL_USE_TLS", {"MAIL_USE_TLS": "no", "MAIL_SERVER": "localhost.example.org"}),
    *(
        ("DATABASE_URL", {"DATABASE_URL": f"postgresql://door@{rest}"})
        for rest in [
            *(
                f"db.example.org/door?sslmode={m}"
                for m in ("disable", "allow", "prefer")
            ),
            "db.example.org/door?sslmode=Require",
            "db.example.org/door?sslmode=require&sslmode=disable",
            "db.example.org./door?sslmode=disable",
            "192.0.2.1/door?sslmode=disable",
            "[2001:db8::1]:5432/door?sslmode=disable",
            "/door?host=db.example.org&sslmode=disable",
            "/door?host=db.example.org:5432&sslmode=disable",
            "localhost/door?host=db.example.org&sslmode=disable",
            "localhost,db.example.org/door?sslmode=disable",
            "/door?host=/run/postgresql&host=db.example.org&sslmode=disable",
            "localhost/door?hostaddr=192.0.2.1&sslmode=disable",
            "localhost/door?%68ostaddr=192.0.2.1&sslmode=disable",
            "/door?service=elsewhere&sslmode=disable",
        ]
    ),
    ("PGSSLMODE", {"PGSSLMODE": "prefer"}),
    (
        "PGSSLMODE",
        {"PGSSLMODE": "disable", "DATABASE_URL": "postgresql://door@db/door"},
    ),
    (
        "DATABASE_URL",
        {
            "PGHOST": "db.example.org",
            "DATABASE_URL": "postgresql://door@/door?sslmode=disable",
        },
    ),
    (
        "DATABASE_URL",
        {
            "PGHOSTADDR": "192.0.2.1",
            "DATABASE_URL": "postgresql://door@localhost/door?sslmode=disable",
        },
    ),
]


@pytest.fixture
def start(step, monkeypatch):
    """Return a function that starts the app with these variables, and no others."""
    create_app = step.load(step.folder).create_app
    known = {setting.name for setting in settings_of(step)} | set(SWITCHES)
    for name in [*os.environ]:
        if name in known or name.startswith(("FLASK_", "PG")):
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
    return set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bPROXIES\b|\bPGSSLMODE\b", text))


@pytest.fixture
def folder(step, tmp_path):
    """Return a copy of the step, without what a developer leaves in it."""
    return bare_copy(step.folder, tmp_path / "step")


# What production asks for


@attack(99)
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_that_is_unsafe_in_production_is_named(start, name, value):
    variables = GOOD | ({} if name.endswith("_SERVER") else ACCOUNT)
    message = refusal(start, variables | {name: value})

    assert named(message) == {name}
    assert value.strip() in ("", "1", "2") or value not in message


@attack(99)
@pytest.mark.parametrize("value", NO_DATABASES)
@never_red("the step before lets the driver fail, with an error of its own")
def test_an_address_that_leads_to_no_database_is_named(start, value):
    message = refusal(start, GOOD | ACCOUNT | {"DATABASE_URL": value})

    assert named(message) == {"DATABASE_URL"}
    assert value not in message


@since("06a")
@attack(99)
@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(start, name):
    others = {key: value for key, value in GOOD.items() if key != name}
    message = refusal(start, others)

    assert named(message) == {name}


@since("06a")
@attack(99)
@pytest.mark.parametrize("others", ["", f"{OTHER_KEY}, "])
@pytest.mark.parametrize("key", [GOOD["SECRET_KEY"], f"a comma, {GOOD['SECRET_KEY']}"])
def test_one_key_does_not_serve_two_purposes(start, others, key):
    values = {"SECRET_KEY": key, "TOTP_KEYS": f"{others}{key}"}
    message = refusal(start, GOOD | values)

    assert named(message) == {"TOTP_KEYS", "SECRET_KEY"}
    assert key not in message


@since("06a")
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


@attack(99)
def test_no_password_of_ours_travels_in_the_clear(start):
    assert refusal(start, GOOD | ACCOUNT) == ""
    in_the_clear = {"MAIL_USE_TLS": "no"}
    for server in ("localhost", "mail", "smtp.example.org"):
        variables = GOOD | ACCOUNT | in_the_clear | {"MAIL_SERVER": server}
        assert named(refusal(start, variables)) == {"MAIL_USE_TLS"}, server


@attack(156)
@pytest.mark.parametrize(("name", "variables"), IN_THE_CLEAR)
def test_nothing_leaves_this_machine_in_the_clear(start, name, variables):
    assert named(refusal(start, GOOD | variables)) == {name}


def sslmode_of(start, url, **variables):
    """Return how the app asks PostgreSQL for TLS, as its driver is told."""
    app = start(GOOD | variables | {"DATABASE_URL": url})
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        _, options = engine.dialect.create_connect_args(engine.url)
    return options.get("sslmode")


@since("06a")
@attack(156)
@never_red("the step before uses SQLite, and leaves an address as it is")
def test_a_database_elsewhere_is_reached_by_tls_without_being_asked(start):
    for rest in (
        "db.example.org/door",
        "db/door",
        "/door?host=db",
        "/door?hostaddr=192.0.2.1",
        "db.example.org/door?application_name=door",
    ):
        assert sslmode_of(start, f"postgres://door@{rest}") == "require", rest


@attack(156)
@never_red("the step before uses SQLite, and leaves an address as it is")
def test_a_database_url_that_asks_for_more_than_tls_is_left_alone(start):
    url = "postgresql://door@db.example.org/door"
    assert sslmode_of(start, f"{url}?sslmode=verify-full") == "verify-full"
    assert sslmode_of(start, url, PGSSLMODE="verify-full") is None  # libpq reads it


@attack(156)
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "", "127.1.2.3"])
@never_red("the step before uses SQLite, and leaves an address as it is")
def test_a_database_on_this_machine_needs_no_tls(start, host):
    assert sslmode_of(start, f"postgresql://door@{host}/door") is None
    for socket in ("/run/postgresql", "@postgresql"):
        assert sslmode_of(start, f"postgresql://door@/door?host={socket}") is None


@attack(156)
@never_red("the step before uses SQLite, and leaves an address as it is")
def test_in_a_network_of_containers_the_address_may_do_without_tls(start):
    url = "postgresql://door@database/door?sslmode=disable"
    assert sslmode_of(start, url) == "disable"
    assert refusal(start, GOOD | {"MAIL_USE_TLS": "no", "MAIL_SERVER": "mail"}) == ""


@attack(156)
def test_tls_to_the_mail_server_depends_on_where_it_is(start):
    def tls(**variables):
        mail = start(GOOD | variables).extensions["mail"]
        return mail.use_tls, mail.use_ssl

    assert tls() == (True, False)
    assert tls(MAIL_SERVER="mail") == (True, False)
    assert tls(MAIL_SERVER="localhost") == (False, False)
    assert tls(MAIL_PORT="465")[1] is True
    assert tls(MAIL_USE_SSL="yes")[1] is True
    assert tls(MAIL_PORT="465", MAIL_USE_SSL="no") == (True, False)


@since("06a")
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
    done = run_python(folder, *command, **wrong)

    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert {*GOOD} <= named(said)
    for value in ("sesame", "parsley", "thyme", "marjoram", "rosemary"):
        assert value not in said


@since("06a")
@attack(99)
def test_a_copy_of_the_example_is_refused(folder):
    shutil.copy(folder / ".env.example", folder / ".env")
    done = run_python(folder, "-c", "import wsgi")

    assert done.returncode != 0
    assert {*GOOD} <= named(done.stderr)


@attack(99, 102)
@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_gunicorn_does_not_serve_a_debugger(request, folder, value):
    need_gunicorn(request.config)
    command = ["-m", "gunicorn", "--check-config", "wsgi:app"]
    done = run_python(folder, *command, **GOOD, FLASK_DEBUG=value)

    assert done.returncode != 0
    assert named(done.stderr) & {*GOOD, "FLASK_DEBUG"} == {"FLASK_DEBUG"}


@attack(99)
@pytest.mark.parametrize("command", ["routes", "db upgrade", "mail-worker", "prune"])
def test_no_command_starts_without_settings_unless_in_development(folder, command):
    done = run_python(folder, "-m", "flask", *command.split())

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr
    assert not (folder / "instance").exists()


@since("04a")
@never_red("the step before starts with any configuration")
@attack(99)
def test_a_good_configuration_starts(request, folder):
    need_gunicorn(request.config)
    command = ["-m", "gunicorn", "--check-config", "wsgi:app"]
    done = run_python(folder, *command, **GOOD)

    assert done.returncode == 0, done.stderr
    assert not (folder / "instance").exists()


@since("04a")
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


@since("04a")
@never_red("the step before starts with any configuration")
@attack(100)
@pytest.mark.parametrize("blank", ["", " "])
def test_several_keys_may_be_given(start, blank):
    keys = f"{OTHER_KEY},{blank}{GOOD['TOTP_KEYS']}{blank}"

    assert refusal(start, GOOD | {"TOTP_KEYS": keys}) == ""


# Development


@since("04a")
@never_red("the step before starts without settings as well")
@attack(140)
def test_development_works_with_nothing(folder):
    typed = run_python(folder, "-m", "flask", "--debug", "routes")
    set_once = run_python(folder, "-m", "flask", "db", "upgrade", FLASK_DEBUG="1")

    assert typed.returncode == set_once.returncode == 0, typed.stderr + set_once.stderr


# What cannot be set


@attack(114)
@pytest.mark.parametrize("more", [{}, {"FLASK_DEBUG": "1"}], ids=["", "debug"])
def test_no_variable_makes_development_of_production(start, more):
    message = refusal(start, SWITCHES | more)

    assert {*GOOD} <= named(message)


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


@since("04a")
@never_red("the demo ended with the database")
@attack(114, 10)
def test_nothing_of_the_demo_is_left_in_the_code(step):
    demo = ["GEZDGNBV", "DUMMY", "time_machine", "freeze", "bypass", "pbkdf2"]
    for file in sorted((step.folder / "app").rglob("*.py")):
        text = file.read_text("utf-8")
        assert [word for word in demo if word in text] == [], file.name


# How it is written down


@attack(99)
def test_the_example_lists_just_the_settings_that_there_are(step):
    example = dotenv_values(step.folder / ".env.example")

    assert sorted(example) == sorted(setting.name for setting in settings_of(step))
    assert list(example)[:6] == list(GOOD)


@attack(99)
def test_a_database_is_reached_by_any_spelling_of_postgresql(start):
    address = "door:a-password@db.example.org:5432/door?sslmode=require"
    for scheme in (
        *("postgresql", "postgres", "pgsql", "postgresql+psycopg"),
        *("postgresql+psycopg2", "postgresql+asyncpg", "postgres+pg8000"),
    ):
        app = start(GOOD | {"DATABASE_URL": f"{scheme}://{address}"})
        with app.app_context():
            url = app.extensions["sqlalchemy"].engine.url

        assert url.drivername == "postgresql+psycopg"
        assert url.render_as_string(hide_password=False).endswith(f"//{address}")


@attack(99)
def test_a_switch_may_be_spelt_in_many_ways(start):
    for value in ("", "1", "on", "true", "Yes", "TRUE", "y", "yes\r", " yes "):
        app = start(GOOD | {"MAIL_USE_TLS": value})
        assert app.extensions["mail"].use_tls is True, value
    for value in ("0", "off", "false", "no", "No", "n", "no\r"):
        app = start(GOOD | {"MAIL_USE_TLS": value, "MAIL_SERVER": "mail"})
        assert app.extensions["mail"].use_tls is False, value


@attack(99)
@never_red("the step before has no settings for production")
def test_a_list_may_have_commas_and_spaces(start):
    for value in (
        "a.example,b.example",
        "a.example, b.example ,",
        "a.example b.example",
    ):
        app = start(GOOD | {"TRUSTED_HOSTS": value})
        assert app.config["TRUSTED_HOSTS"][1:] == ["a.example", "b.example"], value


@attack(99)
@never_red("the step before has no settings for production")
def test_the_end_of_a_line_from_windows_belongs_to_no_value(start):
    app = start({name: f"{value}\r" for name, value in GOOD.items()})

    assert [name for name in GOOD if "\r" in app.config[name]] == []


@attack(156)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://door@db.example.org/door",
        "postgresql://door:a/b:c@db.example.org:5432/door",
        "postgresql://a@b:c@db.example.org/door",
        "postgresql://[2001:db8::1]:5432/door",
        "postgresql://door@/door?host=db.example.org",
        "postgresql:///door?host=a.example:1&host=b.example:2",
        "postgresql://door@DB.example.org",
    ],
)
@never_red("the step before uses SQLite, and leaves an address as it is")
def test_an_address_is_taken_apart_as_the_driver_does(step, start, url):
    app = start(GOOD | {"DATABASE_URL": url})
    addresses = sys.modules[f"{app.import_name}.addresses"]
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    _, options = engine.dialect.create_connect_args(engine.url)
    url = engine.url.render_as_string(hide_password=False)

    found = [
        host.partition(".example:")[0] for host in addresses.find_remote_hosts(url)
    ]
    wanted = [host.removesuffix(".example") for host in options["host"].split(",")]
    assert found == wanted

"""Settings from the environment."""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

import click

MIN_KEY_LENGTH = 32  # characters: 128 bits, even if they are hexadecimal digits
HTTPS_ORIGIN_PATTERN = re.compile(
    r"https://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?", re.IGNORECASE
)
REQUIRED_SETTINGS = ("DATABASE_URL", "MAIL_SERVER", "MAIL_DEFAULT_SENDER")


class ConfigurationError(RuntimeError):
    """A setting that is not fit for production; the message never shows its value."""


def parse_bool(text):
    """Return whether a setting is switched on."""
    return text.lower() in ("1", "on", "true", "yes")


def parse_base_url(text):
    """Return a URL to which a path can be added."""
    return text.rstrip("/")


def parse_database_url(text):
    """Return the URL of a database, with the driver that we have for PostgreSQL."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text)


def parse_count(text):
    """Return a number; raise ValueError for text that is none, or negative."""
    if not text.isdecimal():
        raise ValueError
    return int(text)


def parse_list(text):
    """Return the texts that are separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


class Setting(NamedTuple):
    """A setting: its environment variable, description, default and parser."""

    name: str
    description: str
    default: str = ""
    parse: Callable = str


SETTINGS = (
    Setting("SECRET_KEY", "Signs cookies; all keys but the next come from it."),
    Setting("TOTP_KEYS", "Encrypt TOTP secrets: the first encrypts, all decrypt."),
    Setting(
        "DATABASE_URL", "SQLite or PostgreSQL.", "sqlite:///door.db", parse_database_url
    ),
    Setting(
        "BASE_URL",
        "The public address of the app.",
        "http://127.0.0.1:5000",
        parse_base_url,
    ),
    Setting(
        "TRUSTED_HOSTS", "Other host names that the app answers to.", "", parse_list
    ),
    Setting("PROXIES", "How many proxies are in front of the app.", "0", parse_count),
    Setting("ISSUER", "The name shown in the authenticator app.", "Door"),
    Setting(
        "MAIL_SERVER", "The host of the mail server. If empty, emails are printed."
    ),
    Setting("MAIL_PORT", "The port of the mail server.", "25", parse_count),
    Setting(
        "MAIL_USE_TLS",
        "Whether to encrypt the connection (STARTTLS).",
        "no",
        parse_bool,
    ),
    Setting("MAIL_USERNAME", "The username for the mail server."),
    Setting("MAIL_PASSWORD", "The password for the mail server."),
    Setting(
        "MAIL_DEFAULT_SENDER", "The address that emails come from.", "door@localhost"
    ),
)


def read_environment(environ=os.environ):
    """Read the settings; raise ConfigurationError for one that cannot be read."""
    config = {}
    for setting in SETTINGS:
        text = environ.get(setting.name) or setting.default
        try:
            config[setting.name] = setting.parse(text)
        except ValueError:
            raise ConfigurationError(f"{setting.name} is not a number") from None
    return config | {"SQLALCHEMY_DATABASE_URI": config["DATABASE_URL"]}


def started_by_flask_debug(app):
    """Return whether the app was started by `flask --debug`, and by nothing else."""
    # Do not test FLASK_RUN_FROM_CLI: an environment variable could also be set in front
    # of a production server.
    return app.debug and click.get_current_context(silent=True) is not None


def validate_for_production(config):
    """Raise ConfigurationError for settings that are not fit for production."""
    problems = [f"{name} {problem}" for name, problem in find_problems(config)]
    if problems:
        raise ConfigurationError("; ".join(problems))


def find_problems(config):
    """Yield the name of each unfit setting and what is wrong with it, not its value."""
    keys = [("TOTP_KEYS", key.strip()) for key in config["TOTP_KEYS"].split(",")]
    for name, key in [("SECRET_KEY", config["SECRET_KEY"]), *keys]:
        if len(key) < MIN_KEY_LENGTH:
            yield name, f"needs {MIN_KEY_LENGTH} characters or more"
        elif len(set(key)) < 10 or "change" in key.lower():
            yield name, "is the sample value: generate your own"
    if config["SECRET_KEY"] and config["SECRET_KEY"] in config["TOTP_KEYS"]:
        yield "TOTP_KEYS", "must not contain SECRET_KEY"
    if not HTTPS_ORIGIN_PATTERN.fullmatch(config["BASE_URL"]):
        yield "BASE_URL", "must be https:// and a host name, with nothing after it"
    for setting in SETTINGS:
        if (
            setting.name in REQUIRED_SETTINGS
            and config[setting.name] == setting.default
        ):
            yield setting.name, "is missing"
    if config["MAIL_USERNAME"] and not config["MAIL_USE_TLS"]:
        yield "MAIL_USE_TLS", "must be on, or the mail password is sent unencrypted"
    if config["DEBUG"]:
        yield "FLASK_DEBUG", "must be off in production"

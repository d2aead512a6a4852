"""What the app is told from outside: each setting once, with type and meaning."""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

import click

SHORTEST_KEY = 32  # characters: 128 bits, even if they are hexadecimal digits
ORIGIN = re.compile(r"https://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?", re.IGNORECASE)
NEEDED = ("DATABASE_URL", "MAIL_SERVER", "MAIL_DEFAULT_SENDER")


class ConfigurationError(RuntimeError):
    """A setting with which nobody should serve strangers; its value is never shown."""


def yes(text):
    """Return whether a setting is switched on."""
    return text.lower() in ("1", "on", "true", "yes")


def address(text):
    """Return an address to which a path can be added."""
    return text.rstrip("/")


def database_url(text):
    """Return the address of a database, with the driver that we have for PostgreSQL."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", text)


def count(text):
    """Return a number of things, which is not negative."""
    if not text.isdecimal():
        raise ValueError
    return int(text)


def names(text):
    """Return what is separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


class Setting(NamedTuple):
    """One setting: its name outside, what it means, its default, how it is read."""

    name: str
    meaning: str
    default: str = ""
    read: Callable = str


SETTINGS = (
    Setting("SECRET_KEY", "Signs cookies; all keys but the next come from it."),
    Setting("TOTP_KEYS", "Encrypt phones' secrets: the first encrypts, all decrypt."),
    Setting("DATABASE_URL", "SQLite or PostgreSQL.", "sqlite:///door.db", database_url),
    Setting("BASE_URL", "How visitors reach it.", "http://127.0.0.1:5000", address),
    Setting("TRUSTED_HOSTS", "Further names that it is reached by.", "", names),
    Setting("PROXIES", "How many proxies stand in front of it.", "0", count),
    Setting("ISSUER", "The name that the phone shows.", "Door"),
    Setting("MAIL_SERVER", "Takes our mails; without one they are printed."),
    Setting("MAIL_PORT", "The port of the mail server.", "25", count),
    Setting("MAIL_USE_TLS", "Talk to it encrypted (STARTTLS).", "no", yes),
    Setting("MAIL_USERNAME", "Our name there."),
    Setting("MAIL_PASSWORD", "Our password there."),
    Setting("MAIL_DEFAULT_SENDER", "Who the mails come from.", "door@localhost"),
)


def from_environment(environ=os.environ):
    """Read the settings; raise ConfigurationError for one that cannot be read."""
    config = {}
    for setting in SETTINGS:
        text = environ.get(setting.name) or setting.default
        try:
            config[setting.name] = setting.read(text)
        except ValueError:
            raise ConfigurationError(f"{setting.name} is not a number") from None
    return config | {"SQLALCHEMY_DATABASE_URI": config["DATABASE_URL"]}


def is_development(app):
    """Tell whether the app was started by `flask --debug`, and by nothing else."""
    # Not FLASK_RUN_FROM_CLI: a variable can be there in front of any other server.
    return app.debug and click.get_current_context(silent=True) is not None


def check(config):
    """Refuse what is not fit for production; raise ConfigurationError."""
    wrong = [f"{name} {problem}" for name, problem in problems(config)]
    if wrong:
        raise ConfigurationError("; ".join(wrong))


def problems(config):
    """Return what is wrong with the settings, and never their values."""
    keys = [("TOTP_KEYS", key.strip()) for key in config["TOTP_KEYS"].split(",")]
    for name, key in [("SECRET_KEY", config["SECRET_KEY"]), *keys]:
        if len(key) < SHORTEST_KEY:
            yield name, f"needs {SHORTEST_KEY} characters or more"
        elif len(set(key)) < 10 or "change" in key.lower():
            yield name, "is a sample: make one of your own"
    if config["SECRET_KEY"] and config["SECRET_KEY"] in config["TOTP_KEYS"]:
        yield "TOTP_KEYS", "must not contain SECRET_KEY"
    if not ORIGIN.fullmatch(config["BASE_URL"]):
        yield "BASE_URL", "has to be https:// and a host name, and no more"
    for setting in SETTINGS:
        if setting.name in NEEDED and config[setting.name] == setting.default:
            yield setting.name, "is missing"
    if config["MAIL_USERNAME"] and not config["MAIL_USE_TLS"]:
        yield "MAIL_USE_TLS", "is needed, or our password travels in the clear"
    if config["DEBUG"]:
        yield "FLASK_DEBUG", "is for development"

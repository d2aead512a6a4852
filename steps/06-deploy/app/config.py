"""Settings from the environment."""

import os
import re
from collections.abc import Callable
from typing import NamedTuple

import click

from . import addresses

MIN_KEY_LENGTH = 32  # characters: 128 bits, even if they are hexadecimal digits
HTTPS_ORIGIN_PATTERN = re.compile(
    r"https://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?", re.IGNORECASE
)
SMTPS_PORT = 465  # TLS from the first byte
REQUIRED_SETTINGS = ("DATABASE_URL", "MAIL_SERVER", "MAIL_DEFAULT_SENDER")


class ConfigurationError(RuntimeError):
    """A setting that is not fit for production; the message never shows its value."""


def parse_bool(text):
    """Return whether a setting is switched on, or None if it says nothing."""
    if not text:
        return None
    if text.lower() in ("1", "on", "true", "y", "yes"):
        return True
    if text.lower() in ("0", "off", "false", "n", "no"):
        return False
    raise ValueError("must be yes or no")


def parse_base_url(text):
    """Return a URL to which a path can be added."""
    return text.rstrip("/")


def parse_count(text):
    """Return a number; raise ValueError for text that is none, or negative."""
    if not re.fullmatch("[0-9]+", text):
        raise ValueError("is not a number")
    return int(text)


def parse_port(text):
    """Return the number of a port; raise ValueError for text that is none."""
    port = parse_count(text)
    if not 0 < port < 2**16:
        raise ValueError("must be a port: 1 to 65535")
    return port


def parse_host(text):
    """Return the name of a host; raise ValueError for text that is none."""
    ipv6 = r"\[?[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*\]?"
    if not re.fullmatch(rf"[a-z0-9._-]*|{ipv6}", text, re.IGNORECASE):
        raise ValueError("must be a host name, with nothing before or after it")
    return text


def parse_hosts(text):
    """Return the names that are separated by commas or spaces."""
    return [parse_host(name) for name in re.split(r"[,\s]+", text) if name]


def parse_keys(text):
    """Return the keys that are separated by commas."""
    return [key.strip() for key in text.split(",") if key.strip()]


def parse_sender(text):
    """Return an email address, perhaps with a name; raise ValueError for others."""
    address = r"[^\s<>@]+@[^\s<>@]+"
    if not re.fullmatch(rf"{address}|[^\r\n<>@]* <{address}>", text):
        raise ValueError("must be an email address")
    return text


class Setting(NamedTuple):
    """A setting: its environment variable, description, default and parser."""

    name: str
    description: str
    default: str = ""
    parse: Callable = str


SETTINGS = (
    Setting("SECRET_KEY", "Signs cookies; all keys but the next two come from it."),
    Setting(
        "SECRET_KEY_FALLBACKS",
        "Earlier keys that still verify cookies.",
        "",
        parse_keys,
    ),
    Setting("TOTP_KEYS", "Encrypt TOTP secrets: the first encrypts, all decrypt."),
    Setting(
        "DATABASE_URL",
        "SQLite or PostgreSQL.",
        "sqlite:///door.db",
        addresses.parse_database_url,
    ),
    Setting(
        "BASE_URL",
        "The public address of the app.",
        "http://127.0.0.1:5000",
        parse_base_url,
    ),
    Setting(
        "TRUSTED_HOSTS", "Other host names that the app answers to.", "", parse_hosts
    ),
    Setting("PROXIES", "How many proxies are in front of the app.", "0", parse_count),
    Setting("ISSUER", "The name shown in the authenticator app.", "Door"),
    Setting(
        "MAIL_SERVER",
        "The host of the mail server. If empty, emails are printed.",
        "",
        parse_host,
    ),
    Setting("MAIL_PORT", "The port of the mail server.", "25", parse_port),
    Setting(
        "MAIL_USE_TLS",
        "Whether to encrypt with STARTTLS. If empty, yes for any other host.",
        "",
        parse_bool,
    ),
    Setting(
        "MAIL_USE_SSL",
        "Whether to encrypt from the first byte. If empty, yes for port 465.",
        "",
        parse_bool,
    ),
    Setting("MAIL_USERNAME", "The username for the mail server."),
    Setting("MAIL_PASSWORD", "The password for the mail server."),
    Setting(
        "MAIL_DEFAULT_SENDER",
        "The address that emails come from.",
        "door@localhost",
        parse_sender,
    ),
)


def read_environment(environ=os.environ):
    """Read the settings; raise ConfigurationError for one that cannot be read."""
    config = {}
    for setting in SETTINGS:
        text = environ.get(setting.name, "").strip() or setting.default
        try:
            config[setting.name] = setting.parse(text)
        except ValueError as error:
            raise ConfigurationError(f"{setting.name} {error}") from None
    return config | {"SQLALCHEMY_DATABASE_URI": config["DATABASE_URL"]}


def set_mail_encryption(config):
    """Set how emails are encrypted, where no setting says it."""
    if config["MAIL_USE_TLS"] is None:
        config["MAIL_USE_TLS"] = not addresses.is_local(config["MAIL_SERVER"])
    if config["MAIL_USE_SSL"] is None:
        config["MAIL_USE_SSL"] = config["MAIL_PORT"] == SMTPS_PORT


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
    keys += [("SECRET_KEY_FALLBACKS", key) for key in config["SECRET_KEY_FALLBACKS"]]
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
    if config["MAIL_USERNAME"] and not config["MAIL_PASSWORD"]:
        yield "MAIL_PASSWORD", "is missing"
    yield from addresses.find_unencrypted(config)
    if config["DEBUG"]:
        yield "FLASK_DEBUG", "must be off in production"

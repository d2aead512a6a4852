"""Settings, with what they are when you say nothing."""

MIN_KEY_LENGTH = 32  # characters: 128 bits, even if they are hexadecimal digits

# name: (default, what it is)
SETTINGS = {
    "TOTP_KEYS": (
        None,
        "Encrypt the secrets, separated by commas: the first encrypts, all decrypt. "
        "Needed; keep them outside the database.",
    ),
    "TWO_FACTOR_DATABASE_URL": (
        None,
        "Where the tables are, in an app without Flask-SQLAlchemy.",
    ),
    "TWO_FACTOR_ISSUER": (
        None,
        "What the authenticator app shows. Without it: the name of your app.",
    ),
    "TWO_FACTOR_HOME": (
        "index",
        "The endpoint where a login leads if nothing else was asked for.",
    ),
    "TWO_FACTOR_LOGIN": (
        None,
        "The endpoint of your password page. Without it: Flask-Login's `login_view`.",
    ),
    "TWO_FACTOR_IDLE_SECONDS": (
        30 * 60,
        "A login ends after so long without a request.",
    ),
    "TWO_FACTOR_LIFETIME_SECONDS": (
        12 * 60 * 60,
        "A login ends so long after it began.",
    ),
    "TWO_FACTOR_REMEMBER_SECONDS": (
        0,
        "How long a login lasts, in place of both, for users who ticked your box. "
        "0: the box does nothing.",
    ),
}


def set_defaults(config):
    """Set the settings that the app leaves out; raise RuntimeError for bad keys."""
    for name, (default, _) in SETTINGS.items():
        config.setdefault(name, default)
    keys = str(config["TOTP_KEYS"] or "").split(",")
    if any(len(key.strip()) < MIN_KEY_LENGTH for key in keys):
        raise RuntimeError(f"TOTP_KEYS: each needs {MIN_KEY_LENGTH} characters or more")
    if not isinstance(config["SECRET_KEY"], str):
        raise RuntimeError("SECRET_KEY has to be set, as text, before init_app")
    if config["SECRET_KEY"] in config["TOTP_KEYS"]:
        raise RuntimeError("TOTP_KEYS must not contain SECRET_KEY")

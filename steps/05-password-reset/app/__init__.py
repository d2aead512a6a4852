"""Puts the app together, part by part."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from flask import Flask

from . import account
from . import auth
from . import db
from . import enrolment
from . import every_page
from . import mail
from . import pages
from . import password_reset
from . import passwords
from . import recovery
from . import registration
from . import second_factor
from . import vault
from . import visitor

PARTS = (
    every_page,
    db,
    vault,
    passwords,
    mail,
    visitor,
    registration,
    auth,
    second_factor,
    enrolment,
    recovery,
    password_reset,
    account,
    pages,
)


def create_app(config=None):
    """Make the app; the mapping `config` overrides every default."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        TOTP_KEYS=os.environ.get("TOTP_KEYS"),
        SQLALCHEMY_DATABASE_URI=os.environ.get("DATABASE_URL") or "sqlite:///door.db",
        BASE_URL=(os.environ.get("BASE_URL") or "http://127.0.0.1:5000").rstrip("/"),
        MAIL_SERVER=os.environ.get("MAIL_SERVER"),  # without one, mails are printed
        MAIL_PORT=int(os.environ.get("MAIL_PORT") or 25),
        MAIL_DEFAULT_SENDER=os.environ.get("MAIL_DEFAULT_SENDER") or "door@localhost",
        MAIL_IN_BACKGROUND=True,  # or else `flask send-mail` does it
        PASSWORD_HASH_METHOD="scrypt:32768:8:3",
        ISSUER=os.environ.get("ISSUER") or "Door",  # the name that the phone shows
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16 * 1024,  # bytes
        MAX_FORM_PARTS=50,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open as long as its session
    )
    app.config.from_mapping(config or {})
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = development_key(app, "secret_key")
    if not app.config["TOTP_KEYS"]:
        app.config["TOTP_KEYS"] = development_key(app, "totp_keys")
    for part in PARTS:
        part.init_app(app)
    return app


def development_key(app, name):
    """Return a key from a file, so that logins outlive a restart in development."""
    path = Path(app.instance_path, name)
    app.logger.warning("%s is not set: using %s.", name.upper(), path)
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        draft = path.with_name(secrets.token_hex(8))
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):  # of several starters, the first one wins
            os.link(draft, path)
        draft.unlink()
    return path.read_text()

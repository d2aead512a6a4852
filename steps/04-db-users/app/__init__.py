"""The application factory."""

import os
import secrets
from pathlib import Path

from flask import Flask

from . import auth
from . import caching
from . import crypto
from . import db
from . import enrolment
from . import errors
from . import forms
from . import pages
from . import passwords
from . import pending_login
from . import recovery_codes
from . import registration
from . import second_factor
from . import sessions

MODULES = (
    errors,
    caching,
    forms,
    db,
    crypto,
    passwords,
    sessions,
    pending_login,
    registration,
    auth,
    second_factor,
    enrolment,
    recovery_codes,
    pages,
)


def create_app(config=None):
    """Create the app; the mapping `config` overrides every default."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        TOTP_KEYS=os.environ.get("TOTP_KEYS"),
        SQLALCHEMY_DATABASE_URI=os.environ.get("DATABASE_URL") or "sqlite:///door.db",
        PASSWORD_HASH_METHOD="scrypt:32768:8:3",
        ISSUER=os.environ.get("ISSUER") or "Door",  # what the authenticator app shows
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16 * 1024,  # bytes
        MAX_FORM_PARTS=50,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open as long as its session
    )
    app.config.from_mapping(config or {})
    for name in ("SECRET_KEY", "TOTP_KEYS"):
        if not app.config[name]:
            app.config[name] = load_or_create_key(app, name)
    for module in MODULES:
        module.init_app(app)
    return app


def load_or_create_key(app, name):
    """Return the key in a file of the instance folder; create the file if needed."""
    path = Path(app.instance_path, name.lower())
    app.logger.warning("%s is not set: using %s.", name, path)
    path.parent.mkdir(exist_ok=True)
    path.touch(mode=0o600)
    if not path.read_text():
        # Processes that start together append a key each, and all use the first one.
        with path.open("a") as file:
            file.write(f"{secrets.token_hex(32)}\n")
    return path.read_text().splitlines()[0]

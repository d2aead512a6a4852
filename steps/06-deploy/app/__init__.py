"""The application factory."""

import secrets
from pathlib import Path

from flask import Flask

from . import account
from . import audit
from . import auth
from . import caching
from . import cli
from . import crypto
from . import db
from . import enrolment
from . import errors
from . import forms
from . import health
from . import hosts
from . import mailer
from . import outbox
from . import pages
from . import password_reset
from . import passwords
from . import pending_login
from . import recovery_codes
from . import registration
from . import request_id
from . import request_limits
from . import second_factor
from . import security_headers
from . import sessions
from .config import read_environment
from .config import set_mail_encryption
from .config import started_by_flask_debug
from .config import validate_for_production

MODULES = (
    request_id,
    security_headers,
    hosts,
    audit,
    request_limits,
    errors,
    caching,
    forms,
    db,
    crypto,
    passwords,
    mailer,
    outbox,
    sessions,
    pending_login,
    registration,
    auth,
    second_factor,
    enrolment,
    recovery_codes,
    password_reset,
    account,
    pages,
    health,
    cli,
)


def create_app(config=None):
    """Create the app; the mapping `config` overrides every default."""
    app = Flask(__name__)
    app.config.from_mapping(
        DEVELOPMENT=started_by_flask_debug(app),
        # In production, `flask mail-worker` sends.
        MAIL_IN_BACKGROUND=started_by_flask_debug(app),
        DATABASE_TIMEOUT_SECONDS=db.TIMEOUT_SECONDS,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True, "hide_parameters": True},
        PASSWORD_HASH_METHOD="scrypt:32768:8:3",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16 * 1024,  # bytes
        MAX_FORM_PARTS=50,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open as long as its session
    )
    app.config.from_mapping(read_environment())
    app.config.from_mapping(config or {})
    set_mail_encryption(app.config)
    if not app.config["DEVELOPMENT"]:
        validate_for_production(app.config)
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

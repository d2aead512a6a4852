"""The application factory."""

import os
import secrets

from flask import Flask

from . import auth
from . import caching
from . import enrolment
from . import errors
from . import forms
from . import pages
from . import pending_login
from . import recovery_codes
from . import second_factor
from . import sessions

MODULES = (
    errors,
    caching,
    forms,
    sessions,
    pending_login,
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
        DUMMY_PASSWORD_HASH="scrypt:32768:8:3$KksNN2p5Ri97pOo9$"
        "87f8e0042fac84213a362ba6cb9839cd3aa11537d63c5c60d40c8f3107e069fd"
        "06628dc4a4ce47e852a1dbc8ad7243e4b862538037656cb863559419384efb01",
        ISSUER=os.environ.get("ISSUER") or "Door",  # what the authenticator app shows
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16 * 1024,  # bytes
        MAX_FORM_PARTS=50,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open as long as its session
    )
    app.config.from_mapping(config or {})
    if not app.config["SECRET_KEY"]:
        app.logger.warning("SECRET_KEY is not set: a restart logs all users out.")
        app.config["SECRET_KEY"] = secrets.token_hex(32)
    for module in MODULES:
        module.init_app(app)
    return app

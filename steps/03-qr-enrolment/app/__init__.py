"""Puts the app together, part by part."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from flask import Flask

from . import auth
from . import enrolment
from . import every_page
from . import pages
from . import recovery
from . import second_factor
from . import visitor

PARTS = (
    every_page,
    visitor,
    auth,
    second_factor,
    enrolment,
    recovery,
    pages,
)


def create_app(config=None):
    """Make the app; the mapping `config` overrides every default."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SECRET_KEY"),
        DUMMY_PASSWORD_HASH="scrypt:32768:8:3$KksNN2p5Ri97pOo9$"
        "87f8e0042fac84213a362ba6cb9839cd3aa11537d63c5c60d40c8f3107e069fd"
        "06628dc4a4ce47e852a1dbc8ad7243e4b862538037656cb863559419384efb01",
        ISSUER=os.environ.get("ISSUER") or "Door",  # the name that the phone shows
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=16 * 1024,  # bytes
        MAX_FORM_PARTS=50,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open as long as its session
    )
    app.config.from_mapping(config or {})
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = development_key(app, "secret_key")
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

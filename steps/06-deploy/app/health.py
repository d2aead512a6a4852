"""Liveness and readiness."""

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint
from flask import abort

from . import key_check
from .db import db
from .db import is_read_only
from .db import migrate

bp = Blueprint("health", __name__)


def init_app(app):
    app.register_blueprint(bp)


@bp.get("/healthz")
def healthz():
    """Answer, to show that this process is alive."""
    return "ok\n"


@bp.get("/readyz")
def readyz():
    """Answer 200 if the database has all migrations, our keys, and takes changes."""
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
        if is_read_only(connection):
            abort(503)
    newest = ScriptDirectory.from_config(migrate.get_config()).get_heads()
    if set(current) != set(newest) or not key_check.has_right_keys():
        abort(503)
    return "ready\n"

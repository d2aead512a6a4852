"""What protects every answer: headers, cookie, hosts, proxies; and its health."""

import secrets
from urllib.parse import urlsplit

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint
from flask import abort
from flask import current_app
from flask import g
from flask import got_request_exception
from flask import redirect
from flask import url_for
from werkzeug.middleware.proxy_fix import ProxyFix

from .db import db
from .db import migrate

TWO_YEARS = 2 * 365 * 24 * 60 * 60  # seconds
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # the CSRF check needs it over HTTPS
    "X-Content-Type-Options": "nosniff",
}

bp = Blueprint("security", __name__)


def init_app(app):
    base = urlsplit(app.config["BASE_URL"])
    is_https = base.scheme == "https"
    hosts = [base.hostname, *app.config["TRUSTED_HOSTS"]]
    app.config["TRUSTED_HOSTS"] = None if app.config["DEVELOPMENT"] else hosts
    app.config["SESSION_COOKIE_SECURE"] = is_https
    app.config["SESSION_COOKIE_NAME"] = "__Host-session" if is_https else "session"
    number = app.config["PROXIES"]
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=number, x_proto=number)
    app.before_request(name_request)
    got_request_exception.connect(log_name, app)
    app.after_request(add_headers)
    app.register_blueprint(bp)


def name_request():
    """Give the request a name, by which log and error page can be brought together."""
    g.request_id = secrets.token_hex(8)


def log_name(app, exception):
    """Write the name down, next to what went wrong."""
    app.logger.error("Request %s failed.", g.get("request_id"))


def add_headers(response):
    """Tell browsers what no page of ours needs (OWASP ASVS V3.4)."""
    response.headers.update(HEADERS)
    response.headers["X-Request-ID"] = g.get("request_id", "")
    if current_app.config["SESSION_COOKIE_SECURE"]:
        hsts = f"max-age={TWO_YEARS}; includeSubDomains"
        response.headers["Strict-Transport-Security"] = hsts
    return response


@bp.get("/.well-known/change-password")
def change_password():
    """Show password managers the way (W3C, A Well-Known URL for Changing Passwords)."""
    return redirect(url_for("account.password"))


@bp.get("/healthz")
def healthz():
    """Say that this process answers."""
    return "ok\n"


@bp.get("/readyz")
def readyz():
    """Say that the database answers as well, and has all migrations."""
    with db.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    newest = ScriptDirectory.from_config(migrate.get_config()).get_heads()
    if set(current) != set(newest):
        abort(503)
    return "ready\n"

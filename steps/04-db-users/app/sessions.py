"""Sessions: who is logged in."""

import re
import secrets
from pathlib import Path

from flask import g
from flask import redirect
from flask import request
from flask import session
from flask_login import LoginManager
from flask_login import login_url
from flask_login import login_user
from werkzeug.urls import iri_to_uri

from . import rate_limit
from . import users

login_manager = LoginManager()


def init_app(app):
    app.config["SESSION_COOKIE_NAME"] = cookie_name(app)
    app.config["REMEMBER_COOKIE_NAME"] = ""  # no cookie has this name, so none is read
    login_manager.init_app(app)


def cookie_name(app):
    """Return the name of the session cookie.

    It contains the app's folder, because two apps on one computer share its cookies.
    """
    folder = Path(app.root_path).parent.name.lower()
    return "session-" + re.sub("[^a-z0-9-]", "", folder)


@login_manager.unauthorized_handler
def redirect_to_login():
    """Redirect to the login, which leads back to the URL that was asked for."""
    next_url = iri_to_uri(request.url)  # percent-encoded: ASCII, as next_url() demands
    return redirect(login_url("auth.login", next_url))


@login_manager.user_loader
def load_user(session_token):
    """Return the user to whom this session belongs, or None."""
    if "two_factor_verified" not in session:  # it began with a password alone
        return None
    user = users.find_by_session_token(session_token)
    return user if user and user.second_factor else None


def clear_session():
    """Clear the session and its CSRF token, against session fixation."""
    session.clear()
    g.pop("csrf_token", None)  # Flask-WTF caches the token of the old session here


def get_or_create_session_id():
    """Return the session's random id; store a new one in the cookie if it has none."""
    return session.setdefault("session_id", secrets.token_urlsafe(16))


def log_in(user):
    """Reset the rate limits, and begin a new session in which the user is logged in."""
    rate_limit.reset_after_login(user.username, rate_limit.client_network())
    clear_session()
    session["two_factor_verified"] = True
    login_user(user)


def log_out():
    """End all sessions of the user, on all devices."""
    if user := users.find_by_session_token(session.get("_user_id")):
        users.end_all_sessions(user)
    clear_session()

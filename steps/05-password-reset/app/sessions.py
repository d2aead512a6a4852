"""Sessions: who is logged in."""

import secrets

from flask import g
from flask import session
from flask_login import LoginManager
from flask_login import login_user

from . import lockout
from . import rate_limit
from . import users

login_manager = LoginManager()
login_manager.login_view = "auth.login"
login_manager.login_message = None


def init_app(app):
    login_manager.init_app(app)


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
    """Reset the limits, and begin a new session in which the user is logged in."""
    rate_limit.reset_after_login(user.username, rate_limit.client_network())
    lockout.reset(user.username, "login", "account")
    clear_session()
    session["two_factor_verified"] = True
    login_user(user)


def log_out():
    """End all sessions of the user, on all devices."""
    if user := users.find_by_session_token(session.get("_user_id")):
        users.end_all_sessions(user)
    clear_session()


def lock_user_and_check_session(user):
    """Lock the user's row; return whether this session is still valid."""
    users.lock_user(user)
    session_token = session.get("_user_id") or session["pending_login"]["session_token"]
    return user.get_id() == session_token

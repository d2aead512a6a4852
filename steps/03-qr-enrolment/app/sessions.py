"""Sessions: who is logged in."""

import secrets

from flask import g
from flask import session
from flask_login import LoginManager
from flask_login import login_user

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
    return users.find_by_session_token(session_token)


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
    """End this session."""
    clear_session()

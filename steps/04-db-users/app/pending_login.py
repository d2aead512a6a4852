"""A pending login: password verified, code still to come."""

import time
from functools import wraps

from flask import flash
from flask import redirect
from flask import request
from flask import session
from flask_login import current_user
from flask_wtf.csrf import CSRFError

from . import errors
from . import redirects
from . import sessions
from . import users

PENDING_LOGIN_SECONDS = 10 * 60  # from the right password to the code
PENDING_LOGIN_EXPIRED_MESSAGE = (
    "For your security, we only wait ten minutes for a code. Log in again."
)


def init_app(app):
    app.register_error_handler(CSRFError, redirect_second_click)


def redirect_second_click(error):
    """Redirect a login that was sent twice: the first answer replaced its session."""
    if request.path.startswith("/login/") and current_user.is_authenticated:
        return redirect(redirects.next_url())
    return errors.render_error(error)


def begin_pending_login(user):
    """Begin a new session in which the user's login is pending."""
    sessions.clear_session()
    session["pending_login"] = {
        "session_token": user.get_id(),
        "started_at": int(time.time()),  # epoch seconds
    }


def pending_login_expired():
    """Return whether this session's pending login began too long ago."""
    started_at = session["pending_login"]["started_at"]
    return time.time() - started_at > PENDING_LOGIN_SECONDS


def pending_user():
    """Return the user whose login is pending in this session, or None."""
    if "pending_login" not in session or pending_login_expired():
        return None
    return users.find_by_session_token(session["pending_login"]["session_token"])


def pending_login_required(view):
    """Decorate a view that needs a pending login; it receives the user."""

    @wraps(view)
    def wrapper():
        user = pending_user()
        if user:
            return view(user)
        if "pending_login" in session and pending_login_expired():
            flash(PENDING_LOGIN_EXPIRED_MESSAGE)
        return redirects.redirect_keeping_next("auth.login")

    return wrapper

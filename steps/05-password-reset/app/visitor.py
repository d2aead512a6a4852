"""Who is logged in, who is pending, and where to go next."""

import re
import secrets
import time
from functools import wraps

from flask import abort
from flask import flash
from flask import g
from flask import redirect
from flask import request
from flask import session
from flask import url_for
from flask_login import LoginManager
from flask_login import login_user

from . import throttle
from . import users
from .db import db

# A path on this site: one slash, then nothing that a browser drops or reads as a slash.
LOCAL_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")

PENDING_LIFETIME = 10 * 60  # seconds from the right password to the code

login_manager = LoginManager()
login_manager.login_view = "auth.login"
login_manager.login_message = None


def init_app(app):
    login_manager.init_app(app)


@login_manager.user_loader
def logged_in_user(token):
    """Return the user to whom this session belongs, or None."""
    if "both_factors" not in session:  # it began with a password alone
        return None
    user = users.find(token)
    return user if user and user.second_factor else None


def start_afresh():
    """Forget everything that the browser brought along (session fixation)."""
    session.clear()
    g.pop("csrf_token", None)  # Flask-WTF keeps the token of the old session here


def session_id():
    """Return the random name under which the server keeps what a session waits for."""
    return session.setdefault("id", secrets.token_urlsafe(16))


def begin_login(user):
    """Start a pending login: the password was right, the code is still to come."""
    start_afresh()
    session["pending"] = {"token": user.get_id(), "since": int(time.time())}


def pending_user():
    """Return the user whose login is pending, or None; say so if it took too long."""
    pending = session.get("pending")
    if pending is None:
        return None
    if time.time() - pending["since"] > PENDING_LIFETIME:
        flash("For safety we stopped waiting for your code. Log in again.")
        return None
    return users.find(pending["token"])


def pending_login_required(view):
    """Open a page during a pending login only, and tell it whose login that is."""

    @wraps(view)
    def guarded_view():
        user = pending_user()
        return view(user) if user else go_to("auth.login")

    return guarded_view


def log_in(user):
    """Log the user in."""
    throttle.forget_attempts(user.username, throttle.network())
    start_afresh()
    session["both_factors"] = True
    login_user(user)


def log_out():
    """Log the user out, on all devices."""
    if user := users.find(session.get("_user_id")):
        users.end_sessions(user)
    start_afresh()


def hold_on_to(user):
    """Let no other request change the user; go on only if none ended this session."""
    db.session.refresh(user, with_for_update=True)
    if user.get_id() != (session.get("_user_id") or session["pending"]["token"]):
        db.session.rollback()
        abort(redirect(url_for("account.overview")))


def go_to(endpoint):
    """Redirect to another page of the login, and take along where it leads."""
    return redirect(url_for(endpoint, next=request.args.get("next")))


def next_page():
    """Return the page that the visitor asked for, if it is one of ours."""
    target = request.args.get("next", "")
    return target if LOCAL_PATH.fullmatch(target) else url_for("pages.home")

"""Who is logged in, who is pending, and where to go next."""

import re

from flask import g
from flask import request
from flask import session
from flask import url_for
from flask_login import LoginManager
from flask_login import login_user

from . import users

# A path on this site: one slash, then nothing that a browser drops or reads as a slash.
LOCAL_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")

login_manager = LoginManager()
login_manager.login_view = "auth.login"
login_manager.login_message = None


def init_app(app):
    login_manager.init_app(app)


@login_manager.user_loader
def logged_in_user(token):
    """Return the user to whom this session belongs, or None."""
    return users.find(token)


def start_afresh():
    """Forget everything that the browser brought along (session fixation)."""
    session.clear()
    g.pop("csrf_token", None)  # Flask-WTF keeps the token of the old session here


def log_in(user):
    """Log the user in."""
    start_afresh()
    login_user(user)


def log_out():
    """Log the user out."""
    start_afresh()


def next_page():
    """Return the page that the visitor asked for, if it is one of ours."""
    target = request.args.get("next", "")
    return target if LOCAL_PATH.fullmatch(target) else url_for("pages.home")

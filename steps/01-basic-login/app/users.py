"""Users."""

from flask import current_app
from flask_login import UserMixin
from werkzeug.security import check_password_hash


class User(UserMixin):
    """A user who can log in."""

    def __init__(self, id, username):
        self.id = id
        self.username = username


DUMMY_USER = User("1", "admin")


def find_by_session_token(session_token):
    """Return the user whose sessions carry this token, or None."""
    return DUMMY_USER if session_token == DUMMY_USER.get_id() else None


def authenticate(username, password):
    """Verify a username and password; return the user, or None."""
    user = DUMMY_USER if username == DUMMY_USER.username else None
    # Hash for an unknown name as well, or the time would reveal which names exist.
    password_hash = current_app.config["DUMMY_PASSWORD_HASH"]
    password_matches = check_password_hash(password_hash, password)
    return user if password_matches else None

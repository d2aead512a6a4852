"""Users."""

from flask import current_app
from flask_login import UserMixin
from werkzeug.security import check_password_hash


def normalise_identifier(identifier):
    """Return an identifier in the spelling in which it is compared."""
    return identifier.strip().lower()


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
    is_known = normalise_identifier(username) == DUMMY_USER.username
    user = DUMMY_USER if is_known else None
    # Hash for an unknown name as well, or the time would reveal which names exist.
    password_hash = current_app.config["DUMMY_PASSWORD_HASH"]
    password_matches = check_password_hash(password_hash, password)
    return user if password_matches else None

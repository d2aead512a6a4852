"""Users."""

import secrets

from flask import current_app
from flask_login import UserMixin
from sqlalchemy import String
from sqlalchemy import select
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from . import passwords
from .db import db
from .db import insert_if_absent


def normalise_identifier(identifier):
    """Return an identifier in the spelling in which it is compared."""
    return identifier.strip().lower()


class User(UserMixin, db.Model):
    """A user who can log in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(32))
    normalised_username: Mapped[str] = mapped_column(String(32), unique=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    session_token: Mapped[str] = mapped_column(
        String(43), unique=True, default=secrets.token_urlsafe
    )
    second_factor = relationship("SecondFactor", uselist=False)

    def get_id(self):
        """Return the session token: Flask-Login stores it in the cookie."""
        return self.session_token


def find_by_session_token(session_token):
    """Return the user whose sessions carry this token, or None."""
    return db.session.scalar(select(User).filter_by(session_token=session_token))


def find_by_username(username):
    """Return the user of this name, in any spelling, or None."""
    normalised_username = normalise_identifier(username)
    query = select(User).filter_by(normalised_username=normalised_username)
    return db.session.scalar(query)


def find_by_email(email):
    """Return the user of this address, in any spelling, or None."""
    return db.session.scalar(select(User).filter_by(email=normalise_identifier(email)))


def password_matches(user, password):
    """Return whether a password is the user's; take the same time without a user."""
    try:
        return passwords.verify_password(password, user.password_hash if user else None)
    except (OverflowError, TypeError, ValueError) as error:
        current_app.logger.error("Password hash of user %s: %s", user.id, error)
        return passwords.verify_password(password, None)


def authenticate(username, password):
    """Verify a username and password; return the user, or None."""
    user = find_by_username(username)
    # Hash for an unknown name as well, or the time would reveal which names exist.
    return user if password_matches(user, password) else None


def create(username, email, password_hash):
    """Insert a user and return it; return None if the name or the address is taken."""
    return insert_if_absent(
        User,
        username=username,
        normalised_username=normalise_identifier(username),
        email=normalise_identifier(email),
        password_hash=password_hash,
    )


def lock_user(user):
    """Reload the user and lock the row until the transaction ends."""
    db.session.refresh(user, with_for_update=True)


def end_all_sessions(user):
    """Rotate the session token, which ends all sessions and pending logins."""
    user.session_token = secrets.token_urlsafe()

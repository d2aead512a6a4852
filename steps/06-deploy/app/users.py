"""Who the users are."""

import secrets

from flask_login import UserMixin
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import joinedload
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from . import passwords
from .db import db
from .db import is_new


def fold(name):
    """Return a user name or an address in the spelling in which it is compared."""
    return name.strip().lower()


class User(UserMixin, db.Model):
    """Somebody who may log in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(32))
    username_key: Mapped[str] = mapped_column(String(32), unique=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    session_token: Mapped[str] = mapped_column(
        String(43), unique=True, default=secrets.token_urlsafe
    )
    second_factor = relationship("SecondFactor", uselist=False)

    def get_id(self):
        """Return what sessions know the user by; a new one ends them all."""
        return self.session_token


class Suspension(db.Model):
    """A user whom an operator lets in no more."""

    __tablename__ = "suspensions"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)


def find(token):
    """Return the user to whom a session belongs, or None."""
    same_token = select(User).filter_by(session_token=token)
    # Each page asks next whether there is a second factor: both come in one query.
    return db.session.scalar(same_token.options(joinedload(User.second_factor)))


def find_by(**key):
    """Return the user with this folded name or address, or None."""
    return db.session.scalar(select(User).filter_by(**key))


def authenticate(username, password):
    """Return the user if name and password are right, or None."""
    named = select(User).filter_by(username_key=fold(username))
    user = db.session.scalar(named.where(User.id.not_in(select(Suspension.user_id))))
    # A stranger costs a hash as well: the time must not tell who has an account.
    right = passwords.is_right(password, user.password_hash if user else None)
    return user if right else None


def renew_hash(user, password):
    """Keep a password as we keep them today, if it was kept in an older way."""
    old = user.password_hash
    if passwords.is_outdated(old):
        unchanged = {"id": user.id, "password_hash": old}  # hashing takes a while
        new = {"password_hash": passwords.hash_password(password)}
        db.session.execute(update(User).filter_by(**unchanged).values(**new))


def create(username, email, password_hash):
    """Make a user; return None if the name or the address is taken."""
    user = User(username=username, username_key=fold(username), email=fold(email))
    user.password_hash = password_hash
    return user if is_new(user) else None


def end_sessions(user):
    """End the user's sessions and pending logins, on all devices."""
    user.session_token = secrets.token_urlsafe()

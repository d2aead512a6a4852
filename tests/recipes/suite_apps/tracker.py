"""Copied next to the tracker as app.py: our suite makes its tables and users by it."""

import secrets

import tracker
from tracker.models import Account
from tracker.models import db
from werkzeug.security import generate_password_hash


def create_app(config):
    """Make the app, in which our setting ISSUER has another name."""
    return tracker.create_app(config | {"TWO_FACTOR_ISSUER": config.get("ISSUER")})


def create_tables():
    """Create the tables of the app and those of the package."""
    db.create_all()


def create_user(username, email, password):
    """Create a user of the app, with a hash that costs next to nothing."""
    password_hash = generate_password_hash(password, "pbkdf2:sha256:1")
    number = secrets.randbits(62)  # the app leaves it to whoever makes the account
    account = Account(number=number, username=username, password_hash=password_hash)
    db.session.add(account)
    db.session.commit()

"""Copied next to the clinic as app.py: our suite makes its tables and users by it."""

import clinic
from clinic.extensions import db
from clinic.models import Person
from werkzeug.security import generate_password_hash


def create_app(config):
    """Make the app, in which our setting ISSUER has another name."""
    return clinic.create_app(config | {"TWO_FACTOR_ISSUER": config.get("ISSUER")})


def create_tables():
    """Create the tables of the app and those of the package."""
    db.create_all()


def create_user(username, email, password):
    """Create a user, with a hash that costs next to nothing; return the login name."""
    password_hash = generate_password_hash(password, "pbkdf2:sha256:1")
    db.session.add(Person(mail=email, secret=password_hash))
    db.session.commit()
    return email

"""Copied next to the wiki as app.py: our suite makes its tables and users by it."""

import wiki
from second_factor import two_factor
from werkzeug.security import generate_password_hash


def create_app(config):
    """Make the app, in which two of our settings have other names."""
    file = config["SQLALCHEMY_DATABASE_URI"].removeprefix("sqlite:///")
    names = {"DATABASE": file, "TWO_FACTOR_ISSUER": config.get("ISSUER")}
    return wiki.create_app(config | names)


def create_tables():
    """Create the tables of the package; the app makes its own when it starts."""
    two_factor.metadata.create_all(two_factor.engine)


def create_user(username, email, password):
    """Create a user of the app, with a hash that costs next to nothing."""
    password_hash = generate_password_hash(password, "pbkdf2:sha256:1")
    insert = "INSERT INTO people (name, hash) VALUES (?, ?)"
    wiki.get_db().execute(insert, (username, password_hash))
    wiki.get_db().commit()

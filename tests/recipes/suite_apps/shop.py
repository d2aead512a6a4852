"""Copied next to the ordinary app as app.py: our suite makes users by a function."""

from shop import create_app as create_app
from shop import models
from werkzeug.security import generate_password_hash


def create_user(username, email, password):
    """Create a user of the app, with a hash that costs next to nothing."""
    password_hash = generate_password_hash(password, "pbkdf2:sha256:1")
    values = {"email": email, "password_hash": password_hash}
    models.db.session.add(models.User(username=username, **values))
    models.db.session.commit()

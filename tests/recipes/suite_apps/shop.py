"""Copied next to the shop as app.py: our suite makes its users by it."""

import shop
from shop.models import User
from shop.models import db
from werkzeug.security import generate_password_hash


def create_app(config):
    """Make the app, in which our setting ISSUER has another name."""
    return shop.create_app(config | {"TWO_FACTOR_ISSUER": config.get("ISSUER")})


def create_user(username, email, password):
    """Create a user of the app, with a hash that costs next to nothing."""
    password_hash = generate_password_hash(password, "pbkdf2:sha256:1")
    user = User(username=username, email=email, password_hash=password_hash)
    db.session.add(user)
    db.session.commit()

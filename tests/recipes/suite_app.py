"""Copied next to the ordinary app as app.py: our suite makes users by registering them.

The app has no registration of its own. This one is as plain as can be, and goes on to
the package with `begin_login`.
"""

from functools import partial
from pathlib import Path

import shop
from flask import render_template_string
from flask import request
from shop import models
from shop.second_factor import two_factor
from werkzeug.security import generate_password_hash

PAGE = """
<form method="post">
  <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
  <input name="username"><input name="email"><input name="password" type="password">
  <input name="confirm" type="password"><button>Register</button>
</form>
"""
models.generate_password_hash = partial(
    generate_password_hash, method="pbkdf2:sha256:1"
)


def register():
    """Create a user, and begin a login."""
    if request.method == "GET":
        return render_template_string(PAGE)
    names = {name: request.form[name] for name in ("username", "email")}
    user = models.User(**names)
    user.set_password(request.form["password"])
    models.db.session.add(user)
    models.db.session.commit()
    return two_factor.begin_login(user)


def create_app(config=None):
    """Create the app with a registration, and with migrations that any folder finds."""
    app = shop.create_app(config)
    app.extensions["migrate"].migrate.directory = str(
        Path(__file__).parent / "migrations"
    )
    app.add_url_rule("/register", view_func=register, methods=["GET", "POST"])
    return app

"""Flask-Security with a password and TOTP, to compare a complete login with.

The password hash costs next to nothing, as in cheap.py: the rest is compared.
"""

import os

import click
from flask import Flask
from flask import render_template
from flask_security import Security
from flask_security import SQLAlchemyUserDatastore
from flask_security import auth_required
from flask_security import hash_password
from flask_security.models import fsqla_v2
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect

from tests.kit.stage import STEPS

app = Flask(__name__, template_folder=STEPS["06"] / "app" / "templates")
app.config.from_mapping(
    SECRET_KEY=os.environ["SECRET_KEY"],
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
    SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
    SECURITY_PASSWORD_SALT=os.environ["SECRET_KEY"],
    SECURITY_PASSWORD_HASH="pbkdf2_sha512",
    SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS={"pbkdf2_sha512__rounds": 1},
    SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
    SECURITY_TWO_FACTOR=True,
    SECURITY_TWO_FACTOR_REQUIRED=True,
    SECURITY_TWO_FACTOR_ENABLED_METHODS=["authenticator"],
    SECURITY_TWO_FACTOR_ALWAYS_VALIDATE=True,
    SECURITY_TOTP_SECRETS={"1": os.environ["TOTP_KEYS"]},
    SECURITY_TOTP_ISSUER="Door",
    SECURITY_SEND_MAIL=False,
)
CSRFProtect(app)
app.add_url_rule("/account", "account.overview")
db = SQLAlchemy(app)
fsqla_v2.FsModels.set_db_info(
    db, user_table_name="peer_user", role_table_name="peer_role"
)


class Role(db.Model, fsqla_v2.FsRoleMixin):
    """A role; Flask-Security needs the table."""

    __tablename__ = "peer_role"


class User(db.Model, fsqla_v2.FsUserMixin):
    """A user with a second factor."""

    __tablename__ = "peer_user"


security = Security(app, SQLAlchemyUserDatastore(db, User, Role))


@app.get("/")
@auth_required("session")
def home():
    """Render the step's home page."""
    return render_template("home.html")


@app.cli.command("create-users")
@click.argument("count", type=int)
@click.argument("password")
def create_users(count, password):
    """Make the tables, and users who all have the same secret; print it."""
    db.create_all()
    datastore, totp_factory = security.datastore, security.totp_factory
    secret = totp_factory.generate_totp_secret()
    password_hash = hash_password(password)
    for number in range(1, count + 1):
        email = f"user{number}@example.org"
        user = datastore.create_user(email=email, password=password_hash)
        datastore.tf_set(user, "authenticator", totp_secret=secret)
    db.session.commit()
    click.echo(totp_factory.get_totp_b32_key(secret))

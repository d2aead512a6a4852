"""A page as most Flask apps have it, to compare the step's with.

Flask-Login, one query by the ORM, and the step's own templates with their CSRF form. It
reads the step's table of users, and lets the benchmark in without a password.
"""

import os

from flask import Flask
from flask import render_template
from flask_login import LoginManager
from flask_login import UserMixin
from flask_login import login_required
from flask_login import login_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from tests.kit.stage import STEPS

app = Flask(__name__, template_folder=STEPS["06"] / "app" / "templates")
app.config.from_mapping(
    SECRET_KEY=os.environ["SECRET_KEY"],
    SQLALCHEMY_DATABASE_URI=os.environ["DATABASE_URL"],
    SQLALCHEMY_ENGINE_OPTIONS={"pool_pre_ping": True},
    SESSION_COOKIE_NAME="fair",
)
db = SQLAlchemy(app)
CSRFProtect(app)
login_manager = LoginManager(app)
login_manager.login_view = "account.overview"
app.add_url_rule("/account", "account.overview")


class User(UserMixin, db.Model):
    """What most apps ask of a user."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(32))
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(255))


@login_manager.user_loader
def load_user(user_id):
    """Return the user of a session."""
    return db.session.get(User, int(user_id))


@app.get("/enter/<int:user_id>")
def enter(user_id):
    """Log a user in, because only the page behind the login is measured."""
    login_user(db.session.get(User, user_id))
    return "in"


@app.get("/")
@login_required
def home():
    """Render the step's home page."""
    return render_template("home.html")

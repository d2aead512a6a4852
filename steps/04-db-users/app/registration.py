"""Registration: how strangers become users."""

import re

from flask import Blueprint
from flask import render_template
from wtforms import EmailField
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import EqualTo
from wtforms.validators import InputRequired
from wtforms.validators import Regexp

from . import passwords
from . import throttle
from . import users
from . import visitor
from .every_page import Form

USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{2,31}\Z")  # ASCII: no look-alikes
EMAIL = re.compile(r"(?!.{255}|.*=\?)[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+\Z")
DIFFERENT = "The two passwords are not the same. Type them again."
TAKEN = "That user name or address is taken. Choose another, or log in."

bp = Blueprint("registration", __name__)


def init_app(app):
    app.register_blueprint(bp)


class RegistrationForm(Form):
    """What a new user tells about themselves."""

    username = StringField(
        "User name",
        description="3 to 32 letters, digits, dots, hyphens or underscores.",
        filters=[lambda text: (text or "").strip()],
        validators=[Regexp(USERNAME, message="Use 3 to 32 of these, a letter first.")],
        render_kw={"autocomplete": "username", "required": True},
    )
    email = EmailField(
        "E-mail",
        filters=[lambda text: (text or "").strip()],
        validators=[Regexp(EMAIL, message="Enter one such as kim@example.org.")],
        render_kw={"autocomplete": "email", "required": True},
    )
    password = PasswordField(
        "Password",
        description="At least 15 characters. Several words work well, with spaces.",
        filters=[passwords.normalised],
        validators=[InputRequired("Enter a password."), passwords.has_right_length],
        render_kw={"autocomplete": "new-password"},
    )
    confirm = PasswordField(
        "Password again",
        filters=[passwords.normalised],
        validators=[EqualTo("password", DIFFERENT)],
        render_kw={"autocomplete": "new-password", "required": True},
    )


@bp.route("/register", methods=["GET", "POST"])
def register():
    """Make an account, and go on to the phone."""
    form = RegistrationForm()
    if not form.validate_on_submit():
        return render_template("register.html", form=form), form.status
    throttle.spend_attempt("registration", None, throttle.network())
    reason = passwords.weakness(form.password.data, form.username.data, form.email.data)
    if reason:
        form.password.errors.append(reason)
        return render_template("register.html", form=form), form.status
    password_hash = passwords.hash_password(form.password.data)
    user = users.create(form.username.data, form.email.data, password_hash)
    if user is None:
        form.refuse(TAKEN)
        return render_template("register.html", form=form), form.status
    visitor.begin_login(user)
    return visitor.go_to("enrolment.enrol")

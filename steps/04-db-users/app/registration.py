"""Registration."""

import re

from flask import Blueprint
from flask import render_template
from wtforms import StringField
from wtforms.validators import Regexp

from . import passwords
from . import pending_login
from . import rate_limit
from . import redirects
from . import users
from .forms import USERNAME_INPUT
from .forms import BaseForm
from .forms import confirm_password_field
from .forms import email_field
from .forms import new_password_field
from .forms import strip

USERNAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{2,31}\Z")  # no look-alikes
INVALID_USERNAME_MESSAGE = (
    "Use 3 to 32 letters, digits, dots, hyphens or underscores, "
    "and start with a letter."
)
USERNAME_OR_EMAIL_TAKEN_MESSAGE = (
    "That username or email address is taken. Choose another one, or log in."
)

bp = Blueprint("registration", __name__)


def init_app(app):
    app.register_blueprint(bp)


class RegistrationForm(BaseForm):
    """Username, email address and password of a new user."""

    username = StringField(
        "Username",
        description=(
            "3 to 32 letters, digits, dots, hyphens or underscores. "
            "Start with a letter."
        ),
        filters=[strip],
        validators=[
            Regexp(USERNAME_PATTERN, message=INVALID_USERNAME_MESSAGE),
        ],
        render_kw=USERNAME_INPUT | {"required": True},
    )
    email = email_field()
    password = new_password_field("Password")
    confirm = confirm_password_field("Confirm password")


@bp.route("/register", methods=["GET", "POST"])
def register():
    """Create a user, and begin a pending login that leads to the enrolment."""
    form = RegistrationForm()
    if form.validate_on_submit():
        rate_limit.count_attempt_now("registration", "", rate_limit.client_network())
        username, email = form.username.data, form.email.data
        weakness = passwords.find_weakness(form.password.data, username, email)
        if weakness:
            form.password.errors.append(weakness)
            return render_template("register.html", form=form), form.status_code
        password_hash = passwords.hash_password(form.password.data)
        user = users.create(username, email, password_hash)
        if user:
            pending_login.begin_pending_login(user)
            return redirects.redirect_keeping_next("enrolment.enrol")
        form.add_error(USERNAME_OR_EMAIL_TAKEN_MESSAGE)
    return render_template("register.html", form=form), form.status_code

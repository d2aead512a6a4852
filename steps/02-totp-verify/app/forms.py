"""Forms, their shared fields, and CSRF protection."""

from flask import request
from flask_wtf import CSRFProtect
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length
from wtforms.validators import Regexp

from . import totp

MAX_256_CHARACTERS = Length(max=256, message="Use at most 256 characters.")

EMAIL_AS_USERNAME_MESSAGE = (
    "A username has no @. Enter the name you chose, not your email address."
)

USERNAME_INPUT = {
    "autocapitalize": "none",  # what phone keyboards change otherwise
    "autocomplete": "username",
    "autocorrect": "off",
    "spellcheck": "false",
}

csrf = CSRFProtect()


def init_app(app):
    csrf.init_app(app)


class BaseForm(FlaskForm):
    """A form that takes text and no files, and can have errors as a whole."""

    class Meta:
        def wrap_formdata(self, form, formdata):
            return request.form if form.is_submitted() else None

    @property
    def status_code(self):
        """Return the status of the page that shows this form."""
        return 422 if self.is_submitted() else 200

    def add_error(self, message):
        """Add an error that belongs to no single field."""
        self.form_errors.append(message)


class LoginForm(BaseForm):
    """Username and password."""

    username = StringField(
        "Username",
        validators=[
            InputRequired("Enter your username."),
            Regexp(r"[^@]*\Z", message=EMAIL_AS_USERNAME_MESSAGE),
            MAX_256_CHARACTERS,
        ],
        render_kw=USERNAME_INPUT,
    )
    password = PasswordField(
        "Password",
        validators=[InputRequired("Enter your password."), MAX_256_CHARACTERS],
        render_kw={"autocomplete": "current-password"},
    )


INVALID_CODE_MESSAGE = (
    "That code did not work. "
    "Wait for the next one and try again. Each code works only once."
)

USED_CODE_MESSAGE = "That code was used a moment ago. Wait for the next one."

CODE_INPUT = {
    "autocomplete": "one-time-code",
    "inputmode": "numeric",
    "required": True,
    "value": "",  # a rejected code is not filled in again
}


def remove_separators(text):
    """Keep letters and digits: copied codes have spaces, dashes, invisible marks."""
    return "".join(filter(str.isalnum, text or ""))


class CodeForm(BaseForm):
    """Six digits from the authenticator app."""

    code = StringField(
        "Six-digit code",
        filters=[remove_separators],
        validators=[
            Regexp(totp.CODE_PATTERN, message="Enter the six digits from your app.")
        ],
        render_kw=CODE_INPUT,
    )

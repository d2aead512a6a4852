"""Forms, their shared fields, and CSRF protection."""

import re

from flask import render_template
from flask import request
from flask_wtf import CSRFProtect
from flask_wtf import FlaskForm
from wtforms import EmailField
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import Email
from wtforms.validators import EqualTo
from wtforms.validators import InputRequired
from wtforms.validators import Length
from wtforms.validators import Regexp
from wtforms.validators import StopValidation

from . import passwords
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
        filters=[passwords.normalise],
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


# ASCII alone, and no "=?", which a mail program would decode into another address.
EMAIL_PATTERN = re.compile(r"(?!.{255}|.*=\?)[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+\Z")
INVALID_EMAIL_MESSAGE = "Enter an email address, such as kim@example.org."
PASSWORDS_DIFFER_MESSAGE = "The passwords do not match. Type both again."


def strip(text):
    """Remove white space around a text, because phone keyboards add it."""
    return (text or "").strip()


def validate_ascii_email(form, field):
    """Raise StopValidation for an address that is not ASCII; a domain may be IDNA."""
    if not EMAIL_PATTERN.match(field.data):
        raise StopValidation(INVALID_EMAIL_MESSAGE)


def email_field(description=""):
    """Return a new field for an email address."""
    return EmailField(
        "Email address",
        description=description,
        filters=[strip],
        validators=[validate_ascii_email, Email(INVALID_EMAIL_MESSAGE)],
        render_kw={"autocomplete": "email", "required": True},
    )


def new_password_field(label):
    """Return a new field for a password to be set."""
    return PasswordField(
        label,
        description="At least 15 characters. Several words with spaces work well.",
        filters=[passwords.normalise],
        validators=[InputRequired("Enter a password."), passwords.validate_length],
        render_kw={"autocomplete": "new-password"},
    )


def confirm_password_field(label):
    """Return a new field in which the password is typed again."""
    return PasswordField(
        label,
        filters=[passwords.normalise],
        validators=[EqualTo("password", PASSWORDS_DIFFER_MESSAGE)],
        render_kw={"autocomplete": "new-password", "required": True},
    )


INVALID_ANY_CODE_MESSAGE = (
    "That code did not work. Wait for the next one, or use a recovery code."
)
EMPTY_ANY_CODE_MESSAGE = (
    "Enter the code from your authenticator app, or a recovery code."
)


# The order of these classes is the order of their fields on a page.
class CurrentPasswordMixin:
    """The password that the user has."""

    current_password = PasswordField(
        "Current password",
        filters=[passwords.normalise],
        validators=[InputRequired("Enter your password."), MAX_256_CHARACTERS],
        render_kw={"autocomplete": "current-password"},
    )


class NewPasswordMixin:
    """The password that the user wants, twice."""

    password = new_password_field("New password")
    confirm = confirm_password_field("Confirm new password")


class AnyCodeMixin:
    """A TOTP code, or a recovery code in its place."""

    code = StringField(
        "Code",
        description="The six digits from your authenticator app, or a recovery code.",
        validators=[InputRequired(EMPTY_ANY_CODE_MESSAGE), MAX_256_CHARACTERS],
        render_kw={"autocomplete": "one-time-code", "value": ""},
    )


def render_form_page(form, title, button_label, username=""):
    """Render a form that needs no template of its own.

    A form with a password has a username as well, for password managers.
    """
    html = render_template(
        "form_page.html",
        form=form,
        title=title,
        button_label=button_label,
        username=username,
    )
    return html, form.status_code

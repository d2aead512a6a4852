"""The forms of our pages."""

from flask import request
from flask_wtf import FlaskForm
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length
from wtforms.validators import Regexp

from . import totp

UNSTORABLE_CHARACTER_MESSAGE = (
    "Something in this form is not plain text. Clear the field and type it again."
)
MAX_256_CHARACTERS = Length(max=256, message="Use at most 256 characters.")
INVALID_CODE_MESSAGE = (
    "That code did not work. "
    "Wait for the next one and try again. Each code works only once."
)

USED_CODE_MESSAGE = "That code was used a moment ago. Wait for the next one."

EMPTY_ANY_CODE_MESSAGE = (
    "Enter the code from your authenticator app, or a recovery code."
)

CODE_INPUT = {
    "autocomplete": "one-time-code",
    "inputmode": "numeric",
    "required": True,
    "value": "",  # a rejected code is not filled in again
}


class BaseForm(FlaskForm):
    """A form that takes text and no files, and can have errors as a whole."""

    class Meta:
        def wrap_formdata(self, form, formdata):
            return request.form if form.is_submitted() else None

    def validate(self, extra_validators=None):
        """Reject NUL, which PostgreSQL cannot store in a text."""
        if any("\0" in text for text in request.form.values()):
            self.add_error(UNSTORABLE_CHARACTER_MESSAGE)
            return False
        return super().validate(extra_validators)

    @property
    def status_code(self):
        """Return the status of the page that shows this form."""
        return 422 if self.is_submitted() else 200

    def add_error(self, message):
        """Add an error that belongs to no single field."""
        self.form_errors.append(message)


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


class RecoveryCodeForm(BaseForm):
    """One of the recovery codes, or the set-up code of an operator."""

    recovery_code = StringField(
        "Recovery code",
        description="One of the ten codes you saved, or the one you were given.",
        validators=[
            InputRequired("Enter one of your recovery codes."),
            MAX_256_CHARACTERS,
        ],
        render_kw={"autocomplete": "off", "value": ""},
    )


class PasswordForm(BaseForm):
    """The password that the user has."""

    current_password = PasswordField(
        "Current password",
        validators=[InputRequired("Enter your password."), MAX_256_CHARACTERS],
        render_kw={"autocomplete": "current-password"},
    )


class ReauthenticationForm(PasswordForm):
    """Password and code again, before an important change."""

    code = StringField(
        "Code",
        description="The six digits from your authenticator app, or a recovery code.",
        validators=[InputRequired(EMPTY_ANY_CODE_MESSAGE), MAX_256_CHARACTERS],
        render_kw={"autocomplete": "one-time-code", "value": ""},
    )

"""The forms that several parts share."""

from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length
from wtforms.validators import Regexp

from . import totp
from .every_page import Form


class LoginForm(Form):
    """User name and password."""

    username = StringField(
        "User name",
        validators=[
            InputRequired("Enter your user name."),
            Length(max=256, message="Use at most 256 characters."),
        ],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        validators=[
            InputRequired("Enter your password."),
            Length(max=256, message="Use at most 256 characters."),
        ],
        render_kw={"autocomplete": "current-password"},
    )


CODE_REFUSED = (
    "That code did not work. "
    "Codes change every 30 seconds and work once: wait for the next one."
)


def without_blanks(text):
    """Return what was typed without the blanks that apps show in a code."""
    return "".join(text.split()) if text else text


class CodeForm(Form):
    """Six digits from the authenticator app."""

    code = StringField(
        "Six-digit code",
        description="Open your authenticator app and look for “Door”. "
        "You have ten minutes.",
        filters=[without_blanks],
        validators=[
            InputRequired("Enter the six digits from your app."),
            Regexp(totp.SIX_DIGITS, message="Enter the six digits from your app."),
        ],
        render_kw={
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "value": "",  # a refused code is not given back
        },
    )

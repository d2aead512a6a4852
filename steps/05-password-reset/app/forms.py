"""The forms that several parts share."""

from flask import render_template
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length
from wtforms.validators import Regexp

from . import passwords
from . import totp
from .every_page import Form

NOT_TOO_LONG = Length(max=256, message="Use at most 256 characters.")


class LoginForm(Form):
    """User name and password."""

    username = StringField(
        "User name",
        validators=[InputRequired("Enter your user name."), NOT_TOO_LONG],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        filters=[passwords.normalised],
        validators=[InputRequired("Enter your password."), NOT_TOO_LONG],
        render_kw={"autocomplete": "current-password"},
    )


CODE_REFUSED = (
    "That code did not work. "
    "Codes change every 30 seconds and work once: wait for the next one."
)


class CodeForm(Form):
    """Six digits from the authenticator app."""

    code = StringField(
        "Six-digit code",
        description="Look for “Door” in your authenticator app. You have ten minutes.",
        filters=[lambda text: "".join((text or "").split())],  # apps show 123 456
        validators=[Regexp(totp.CODE, message="Enter the six digits from your app.")],
        render_kw={
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "required": True,
            "value": "",  # a refused code is not given back
        },
    )


def show(form, title, button):
    """Show a form that needs no page of its own."""
    values = {"form": form, "title": title, "button": button}
    return render_template("account_form.html", **values), form.status

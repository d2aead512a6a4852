"""The forms that several parts share."""

from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length

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
        validators=[InputRequired("Enter your password."), NOT_TOO_LONG],
        render_kw={"autocomplete": "current-password"},
    )

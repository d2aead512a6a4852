"""The forms that several parts share."""

from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired
from wtforms.validators import Length

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

"""A forgotten password: a link by mail, and still the second factor."""

import logging
import secrets
import time

import jwt
from flask import Blueprint
from flask import current_app
from flask import flash
from flask import redirect
from flask import session
from flask import url_for
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from wtforms import EmailField
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import InputRequired

from . import mail
from . import passwords
from . import recovery
from . import throttle
from . import users
from . import vault
from . import visitor
from .db import changes_one_row
from .db import db
from .every_page import Form
from .forms import NOT_TOO_LONG
from .forms import LoginForm
from .forms import show
from .registration import RegistrationForm

PURPOSE = "password reset"
LIFETIME = 20 * 60  # seconds
SENT = (
    "If an account uses this address, a mail is on its way. It can take a few minutes; "
    "look in the spam folder too. You will also need your phone or a recovery code."
)
DEAD = (
    "This link no longer works. Links last 20 minutes and work once: ask for another."
)
SAME = "This is the password that you have. Make up another."
CODE_REFUSED = "That code did not work. Wait for the next one, or use a recovery code."

bp = Blueprint("password_reset", __name__, url_prefix="/reset")


def init_app(app):
    app.register_blueprint(bp)
    logging.getLogger("werkzeug").addFilter(shows_no_link)


def shows_no_link(record):
    """Keep links that still work out of the development server's log."""
    return "/reset/" not in record.getMessage()


class AddressForm(Form):
    """The address of somebody who forgot the password."""

    email = EmailField("E-mail", **RegistrationForm.email.kwargs | {"description": ""})


class PasswordForm(Form):
    """A new password, and proof that it is the owner who sets it."""

    current_password = PasswordField("Current password", **LoginForm.password.kwargs)
    password = PasswordField("New password", **RegistrationForm.password.kwargs)
    confirm = PasswordField("New password again", **RegistrationForm.confirm.kwargs)
    code = StringField(
        "Code",
        description="Six digits from your phone, or one of your recovery codes.",
        validators=[InputRequired("Enter a code."), NOT_TOO_LONG],
        render_kw={"autocomplete": "one-time-code", "value": ""},
    )


class ResetForm(PasswordForm):
    """A new password for somebody who forgot the current one."""

    current_password = None


class Reset(db.Model):
    """The one reset link of a user that is still good."""

    __tablename__ = "resets"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    link_id: Mapped[str] = mapped_column(String(22))


@mail.writes("reset")
def write_link(letter):
    """Make a link, which takes the place of an older one."""
    user = users.find_by(email=letter.about)
    if user is None:
        return None
    reset = Reset(user_id=user.id, link_id=secrets.token_urlsafe(16))
    db.session.merge(reset)
    link = f"{current_app.config['BASE_URL']}/reset/{make_token(reset)}"
    return user.email, {"username": user.username, "link": link}


def make_token(reset):
    """Sign a reset link: whose it is, what for, which one, until when (RFC 7519)."""
    claims = {"sub": str(reset.user_id), "aud": PURPOSE, "jti": reset.link_id}
    claims["exp"] = int(time.time()) + LIFETIME
    return jwt.encode(claims, vault.key_for(PURPOSE), algorithm="HS256")


def read_token(token):
    """Return what a reset link says, or None if it is too old or not one of ours."""
    needed = {"require": ["sub", "jti", "exp", "aud"]}
    key = vault.key_for(PURPOSE)
    try:
        return jwt.decode(token, key, ["HS256"], audience=PURPOSE, options=needed)
    except jwt.InvalidTokenError:
        return None


def followed_reset():
    """Return the reset whose link this session followed, if it is still good."""
    user_id, link_id, expires = session.get("reset", (0, "", 0))
    reset = db.session.get(Reset, user_id)
    is_good = reset and reset.link_id == link_id and time.time() < expires
    return reset if is_good else None


def change_password(user, password):
    """Set a new password, which ends all sessions and reset links."""
    user.password_hash = passwords.hash_password(password)
    users.end_sessions(user)
    db.session.execute(delete(Reset).filter_by(user_id=user.id))
    mail.post("password_changed", user.email)


def will_do(form, user):
    """Tell whether a new password will do; if not, the code of the form stays good."""
    db.session.refresh(user, with_for_update=True)
    reason = passwords.weakness(form.password.data, user.username, user.email)
    if passwords.is_right(form.password.data, user.password_hash):
        reason = SAME
    if reason:
        db.session.rollback()
        form.password.errors.append(reason)
    return not reason


def has_right_code(form, user):
    """Tell whether the one who followed the link has the second factor as well."""
    if form.code is None or recovery.accepts_any(user, form.code.data, "reset"):
        return True
    form.code.errors.append(CODE_REFUSED)
    return False


@bp.route("", methods=["GET", "POST"])
def ask():
    """Ask for the address, and give everybody the same answer in the same time."""
    form = AddressForm()
    if not form.validate_on_submit():
        return show(form, "Reset your password", "Send me a link")
    throttle.spend_attempt("reset", form.email.data, throttle.network())
    mail.post("reset", users.fold(form.email.data))
    flash(SENT)
    return redirect(url_for("auth.login"))


@bp.get("/<token>")
def follow(token):
    """Take the link out of the address bar; only the form uses it up."""
    claims = read_token(token)
    if claims:
        session["reset"] = int(claims["sub"]), claims["jti"], claims["exp"]
    return redirect(url_for("password_reset.choose"))


@bp.route("/new", methods=["GET", "POST"])
def choose():
    """Take the new password together with a code, and use up the link."""
    reset = followed_reset()
    if reset is None:
        flash(DEAD)
        return redirect(url_for("password_reset.ask"))
    user = db.session.get(users.User, reset.user_id)
    form = ResetForm()
    if not user.second_factor:
        del form.code  # nobody was ever in: there is nothing to take over
    is_proved = form.validate_on_submit() and has_right_code(form, user)
    if not is_proved or not will_do(form, user):
        return show(form, "Choose a new password", "Set the password")
    is_first = changes_one_row(delete(Reset).filter_by(link_id=reset.link_id))
    if not is_first or (form.code is None and user.second_factor):
        db.session.rollback()  # another request was faster: the code stays good
        return redirect(url_for("password_reset.choose"))
    change_password(user, form.password.data)
    throttle.forget_attempts(user.username, throttle.network())
    throttle.forget_wrong_codes("reset", user.username)
    visitor.start_afresh()
    flash("Your password is changed. Log in with the new one.")
    return redirect(url_for("auth.login"))

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
from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from wtforms import PasswordField

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
from .forms import any_code
from .forms import show
from .registration import RegistrationForm

PURPOSE = "password reset"
LIFETIME = 20 * 60  # seconds
SENT = (
    "If an account uses this address, a mail is on its way. It can take a few minutes; "
    "look in the spam folder too. You will also need your phone or a recovery code."
)
DEAD = "This link no longer works. It lasts 20 minutes and works once: ask for another."
AFTER_LINK = (
    "It works for 20 minutes and asks for a code from your phone, or a recovery code. "
    "If this was not you, you need do nothing."
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

    email = RegistrationForm.email


class ResetForm(Form):
    """A new password, and a code to show that not only the mailbox was broken into."""

    password = PasswordField("New password", **RegistrationForm.password.kwargs)
    confirm = PasswordField("New password again", **RegistrationForm.confirm.kwargs)
    code = any_code()


class Reset(db.Model):
    """The one reset link of a user that is still good."""

    __tablename__ = "resets"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    link_id: Mapped[str] = mapped_column(String(22))
    expires: Mapped[int] = mapped_column(BigInteger)


@mail.writes("reset")
def write_link(letter):
    """Make a link, which takes the place of an older one."""
    user = users.find_by_email(letter.about)
    if user is None:
        return None
    expires = int(time.time()) + LIFETIME
    reset = Reset(user_id=user.id, link_id=secrets.token_urlsafe(16), expires=expires)
    db.session.merge(reset)
    name, base = user.username, current_app.config["BASE_URL"]
    why = f"Somebody, probably you, forgot the password of {name}. Open this link:"
    link = f"{base}/reset/{make_token(reset)}"
    return user.email, "Reset your Door password", [why, link, AFTER_LINK]


def make_token(reset):
    """Sign what a reset link says (RFC 7519)."""
    claims = {"sub": str(reset.user_id), "jti": reset.link_id, "exp": reset.expires}
    key = vault.key_for(PURPOSE)
    return jwt.encode(claims | {"aud": PURPOSE}, key, algorithm="HS256")


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
    user_id, link_id = session.get("reset", (0, ""))
    reset = db.session.get(Reset, user_id)
    is_good = reset and reset.link_id == link_id and reset.expires > time.time()
    return reset if is_good else None


def use_link(reset):
    """Use up a link; False if another request did, or a newer one took its place."""
    link = {"user_id": reset.user_id, "link_id": reset.link_id}
    return changes_one_row(delete(Reset).filter_by(**link))


def change_password(user, password):
    """Set a new password, which ends all sessions and reset links."""
    user.password_hash = passwords.hash_password(password)
    users.end_sessions(user)
    db.session.execute(delete(Reset).filter_by(user_id=user.id))
    mail.post("password_changed", user.email)


def will_do(form, user):
    """Tell whether a new password will do; if not, the code of the form stays good."""
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
        session["reset"] = int(claims["sub"]), claims["jti"]
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
    if not use_link(reset):
        db.session.rollback()  # the code stays good
        return redirect(url_for("password_reset.choose"))
    change_password(user, form.password.data)
    throttle.forget_attempts(user.username, throttle.network(), "reset")
    visitor.start_afresh()
    flash("Your password is changed. Log in with the new one.")
    return redirect(url_for("auth.login"))

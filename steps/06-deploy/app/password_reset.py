"""Password reset by email."""

import logging
import secrets
import time
from datetime import UTC
from datetime import datetime

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

from . import audit
from . import crypto
from . import lockout
from . import mailer
from . import outbox
from . import passwords
from . import rate_limit
from . import recovery_codes
from . import registration
from . import sessions
from . import users
from .db import db
from .forms import INVALID_ANY_CODE_MESSAGE
from .forms import AnyCodeMixin
from .forms import BaseForm
from .forms import NewPasswordMixin
from .forms import email_field
from .forms import render_form_page

TOKEN_AUDIENCE = "password reset"
LINK_SECONDS = 20 * 60
MAX_EMAILS_PER_LINK = 3

LINK_SENT_MESSAGE = (
    "If there's an account with this address, an email is on its way. {} "
    "You'll also need your authenticator app or a recovery code."
)
INVALID_LINK_MESSAGE = (
    "This link no longer works. "
    "Each link works once, for 20 minutes. Ask for a new one here."
)
SAME_PASSWORD_MESSAGE = "This is your current password. Choose a different one."

bp = Blueprint("password_reset", __name__, url_prefix="/reset")


def init_app(app):
    app.register_blueprint(bp)
    logging.getLogger("werkzeug").addFilter(exclude_reset_links)


def exclude_reset_links(record):
    """Return whether a line of the development server's log contains no reset link."""
    return "/reset/" not in record.getMessage()


class ResetRequestForm(BaseForm):
    """The email address of a user who forgot the password."""

    email = email_field()


class ResetPasswordForm(
    NewPasswordMixin,
    AnyCodeMixin,
    BaseForm,
):
    """A new password, and a code as the second factor."""


class PasswordReset(db.Model):
    """The one reset link of a user that is still valid."""

    __tablename__ = "password_resets"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    token_id: Mapped[str] = mapped_column(String(22))  # the jti of the valid token
    expires_at: Mapped[int] = mapped_column(BigInteger)  # epoch seconds
    email_count: Mapped[int]  # how often the link was sent


@outbox.composes("password_reset")
def issue_reset_link(email):
    """Store a new link, or count that a valid one is sent again; compose its email."""
    user = users.find_by_email(email.recipient)
    # During a re-enrolment the mailbox alone would set the password.
    if user is None or registration.must_re_enrol(user):
        return None
    reset = get_or_create_reset(user)
    if not outbox.consume_resend(email, reset, MAX_EMAILS_PER_LINK):
        return None
    values = {
        "username": user.username,
        "link": f"{current_app.config['BASE_URL']}/reset/{encode_token(reset)}",
        "valid_until": datetime.fromtimestamp(reset.expires_at, UTC),
    }
    return user.email, values


def get_or_create_reset(user):
    """Return the user's valid reset; store a new one in place of an expired one."""
    now = int(time.time())
    reset = db.session.get(PasswordReset, user.id)
    if reset and reset.expires_at > now:
        return reset
    reset = PasswordReset(
        user_id=user.id,
        token_id=secrets.token_urlsafe(16),
        expires_at=now + LINK_SECONDS,
        email_count=0,
    )
    return db.session.merge(reset)


def encode_token(reset):
    """Return the signed token of a reset link (RFC 7519)."""
    claims = {
        "sub": str(reset.user_id),
        "aud": TOKEN_AUDIENCE,
        "jti": reset.token_id,
        "exp": reset.expires_at,
    }
    return jwt.encode(claims, crypto.derive_key("password reset"), algorithm="HS256")


def decode_token(token):
    """Return the claims of a token, or None if it is expired or not one of ours."""
    required_claims = {"require": ["sub", "jti", "exp", "aud"]}
    try:
        return jwt.decode(
            token,
            crypto.derive_key("password reset"),
            algorithms=["HS256"],
            audience=TOKEN_AUDIENCE,
            options=required_claims,
        )
    except jwt.InvalidTokenError:
        return None


def find_opened_reset():
    """Return the reset whose link this session opened, or None if it is not valid."""
    opened = session.get("opened_reset")
    if opened is None or time.time() >= opened["expires_at"]:
        return None
    user = db.session.get(users.User, opened["user_id"])
    if user is None or registration.must_re_enrol(user):
        return None
    reset = db.session.get(PasswordReset, opened["user_id"])
    return reset if reset and reset.token_id == opened["token_id"] else None


def set_password(user, password_hash):
    """Set a new password, end all sessions, delete the reset link and send a notice."""
    audit.record("password_changed", user)
    user.password_hash = password_hash
    users.end_all_sessions(user)
    db.session.execute(delete(PasswordReset).filter_by(user_id=user.id))
    outbox.enqueue("password_changed", user.email)


def find_password_problem(password, user):
    """Return a message if the user must not choose this password, or None."""
    # Measure first, or the time would reveal that this is the current password.
    weakness = passwords.find_weakness(password, user.username, user.email)
    return SAME_PASSWORD_MESSAGE if users.password_matches(user, password) else weakness


def verify_and_consume_reset_code(form, user):
    """Verify and consume the code, if the form has one; return whether it was valid.

    Otherwise the form has an error, and the wrong code is counted for the lockout.
    """
    if form.code is None:
        return True
    if recovery_codes.verify_and_consume_any_code(user, form.code.data, "reset"):
        return True
    form.code.errors.append(INVALID_ANY_CODE_MESSAGE)
    return False


def consume_link(reset):
    """Delete the reset; return whether no other request was faster."""
    deleted = db.session.execute(
        delete(PasswordReset).filter_by(token_id=reset.token_id)
    )
    return deleted.rowcount == 1


@bp.route("", methods=["GET", "POST"])
def request_link():
    """Enqueue an email with a link; known and unknown addresses look alike."""
    form = ResetRequestForm()
    if form.validate_on_submit():
        rate_limit.count_attempt_now("reset_request", None, rate_limit.client_network())
        audit.record("password_reset_requested")
        outbox.enqueue("password_reset", users.normalise_identifier(form.email.data))
        flash(LINK_SENT_MESSAGE.format(mailer.get_hint()))
        return redirect(url_for("auth.login"))
    return render_form_page(form, "Reset your password", "Send me a link")


@bp.get("/<token>")
def open_link(token):
    """Store the link's claims in the session, so that it leaves the address bar."""
    claims = decode_token(token)
    if claims:
        session["opened_reset"] = {
            "user_id": int(claims["sub"]),
            "token_id": claims["jti"],
            "expires_at": claims["exp"],  # epoch seconds
        }
    reset = find_opened_reset() if claims else None
    if reset:
        user = db.session.get(users.User, reset.user_id)
        audit.record("reset_link_opened", user)
    else:
        rate_limit.record_rejection("reset_link_rejected")
    return redirect(url_for("password_reset.choose_password"))


@bp.route("/new", methods=["GET", "POST"])
def choose_password():
    """Verify the code and set the new password; consume code and link."""
    reset = find_opened_reset()
    if reset is None:
        flash(INVALID_LINK_MESSAGE)
        return redirect(url_for("password_reset.request_link"))
    user = db.session.get(users.User, reset.user_id)
    form = ResetPasswordForm()
    if not user.second_factor:
        del form.code  # no login was ever complete, so there is nothing to take over
    if form.validate_on_submit():
        rate_limit.count_attempt_now("reset_code", user.username)
        # Measure and hash before the first write, which locks the whole of SQLite.
        problem = find_password_problem(form.password.data, user)
        password_hash = passwords.hash_password(form.password.data)
        if not verify_and_consume_reset_code(form, user):
            return render_new_password(form, user)
        if not problem:
            return finish_reset(form, reset, user, password_hash)
        db.session.rollback()  # the code is not consumed
        audit.record("new_password_rejected", user, flow="reset")
        form.password.errors.append(problem)
    return render_new_password(form, user)


def render_new_password(form, user):
    """Render the form for the new password."""
    title = "Choose a new password"
    return render_form_page(form, title, "Set new password", user.username)


def finish_reset(form, reset, user, password_hash):
    """Consume the link, set the password, and redirect to the login."""
    users.lock_user(user)
    if form.code is None and user.second_factor:  # enrolled meanwhile
        return redirect(url_for("password_reset.choose_password"))
    if not consume_link(reset):
        db.session.rollback()  # another request was faster: the code is not consumed
        return redirect(url_for("password_reset.choose_password"))
    set_password(user, password_hash)
    rate_limit.reset_after_login(user.username, rate_limit.client_network())
    lockout.reset(user.username, "login", "account", "reset", "password")
    sessions.clear_session()
    flash("Your password has been changed. Log in with the new one.")
    return redirect(url_for("auth.login"))

"""Registration."""

import hmac
import re
import secrets
import time

from flask import Blueprint
from flask import flash
from flask import render_template
from flask import request
from flask import session
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from wtforms import StringField
from wtforms.validators import Regexp

from . import crypto
from . import outbox
from . import passwords
from . import pending_login
from . import rate_limit
from . import redirects
from . import sessions
from . import users
from .db import db
from .forms import CODE_INPUT
from .forms import BaseForm
from .forms import confirm_password_field
from .forms import email_field
from .forms import new_password_field
from .forms import remove_separators
from .forms import strip

USERNAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{2,31}\Z")  # no look-alikes
USERNAME_OR_EMAIL_TAKEN_MESSAGE = (
    "That user name or address is taken. Choose another, or log in."
)
USERNAME_TAKEN_MESSAGE = "That user name is taken. Choose another."

EMAIL_CODE_PATTERN = re.compile(r"[0-9]{8}\Z")
EMAIL_CODE_SECONDS = 20 * 60
EMAIL_CODE_HINT = "It works for 20 minutes. Look in the spam folder too."
INVALID_EMAIL_CODE_MESSAGE = "That code did not work. Use the one in the newest email."
PENDING_REGISTRATION_SECONDS = 24 * 60 * 60

bp = Blueprint("registration", __name__)


def init_app(app):
    app.register_blueprint(bp)


class RegistrationForm(BaseForm):
    """User name, email address and password of a new user."""

    username = StringField(
        "User name",
        description="3 to 32 letters, digits, dots, hyphens or underscores.",
        filters=[strip],
        validators=[
            Regexp(USERNAME_PATTERN, message="Use 3 to 32 of these, a letter first.")
        ],
        render_kw={"autocomplete": "username", "required": True},
    )
    email = email_field(description="We send a code to it.")
    password = new_password_field("Password")
    confirm = confirm_password_field("Password again")


class EmailCodeForm(BaseForm):
    """The code that was sent to the new address."""

    email_code = StringField(
        "Eight-digit code",
        filters=[remove_separators],
        validators=[
            Regexp(EMAIL_CODE_PATTERN, message="Enter the digits from the email.")
        ],
        render_kw=CODE_INPUT,
    )


class PendingRegistration(db.Model):
    """A registration whose email address is not verified yet.

    It reserves neither the name nor the address.
    """

    __tablename__ = "pending_registrations"

    session_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    username: Mapped[str] = mapped_column(String(32))
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(255))
    code_hash: Mapped[str | None] = mapped_column(String(64))
    # epoch seconds: of its beginning, or of the newest code
    updated_at: Mapped[int] = mapped_column(BigInteger, index=True)


def begin_registration(form):
    """Begin a new session, insert its pending registration and enqueue an email."""
    now = int(time.time())
    expired = PendingRegistration.updated_at < now - PENDING_REGISTRATION_SECONDS
    db.session.execute(delete(PendingRegistration).where(expired))
    sessions.clear_session()
    registration = PendingRegistration(
        session_id=sessions.get_or_create_session_id(),
        username=form.username.data,
        email=users.normalise_identifier(form.email.data),
        password_hash=passwords.hash_password(form.password.data),
        updated_at=now,
    )
    db.session.add(registration)
    enqueue_code_or_notice(registration)


def find_pending_registration():
    """Return the pending registration of this session, or None."""
    session_id = session.get("session_id", "")
    return db.session.get(PendingRegistration, session_id, populate_existing=True)


def enqueue_code_or_notice(registration):
    """Enqueue a code for a new address, or a notice to the owner of a known one."""
    if users.find_by_email(registration.email):
        outbox.enqueue("account_exists", registration.email)
    else:
        outbox.enqueue("email_code", registration.session_id)


@outbox.composes("email_code")
def issue_email_code(email):
    """Store the hash of a new code, which replaces an older one; compose its email."""
    registration = db.session.get(PendingRegistration, email.recipient_ref)
    if registration is None:
        return None
    code = f"{secrets.randbelow(10**8):08}"
    registration.code_hash = hash_email_code(registration, code)
    registration.updated_at = int(time.time())
    return registration.email, {"code": code}


def hash_email_code(registration, code):
    """Hash an email code with a key, because it is too short for a hash without one."""
    message = f"{registration.session_id} {code}".encode()
    return hmac.digest(crypto.derive_key("email code"), message, "sha256").hex()


def consume_email_code(registration, code):
    """Delete the registration if its code is right; return whether it was."""
    not_expired = PendingRegistration.updated_at > int(time.time()) - EMAIL_CODE_SECONDS
    matching = delete(PendingRegistration).filter_by(
        code_hash=hash_email_code(registration, code)
    )
    return db.session.execute(matching.where(not_expired)).rowcount == 1


@bp.route("/register", methods=["GET", "POST"])
def register():
    """Begin a registration, whose email address has to be verified next."""
    form = RegistrationForm()
    if form.validate_on_submit():
        rate_limit.count_attempt_now("registration", None, rate_limit.client_network())
        username, email = form.username.data, form.email.data
        weakness = passwords.find_weakness(form.password.data, username, email)
        if weakness:
            form.password.errors.append(weakness)
        elif users.find_by_username(username):
            form.username.errors.append(USERNAME_TAKEN_MESSAGE)
        else:
            network = rate_limit.client_network()
            rate_limit.count_attempt_now("registration_email", email, network)
            begin_registration(form)
            return redirects.redirect_keeping_next("registration.verify_email")
    return render_template("register.html", form=form), form.status_code


@bp.route("/register/verify", methods=["GET", "POST"])
def verify_email():
    """Verify the email code, create the user and begin a pending login."""
    registration = find_pending_registration()
    if registration is None:  # a second click, for example
        return redirects.redirect_keeping_next("enrolment.enrol")
    if "resend" in request.form:
        return resend_code(registration)
    form = EmailCodeForm()
    form.email_code.description = (
        f"We sent it to {registration.email}. {EMAIL_CODE_HINT}"
    )
    if form.validate_on_submit():
        rate_limit.count_attempt_now("email_code", registration.session_id)
        if consume_email_code(registration, form.email_code.data):
            return finish_registration(form, registration)
        if find_pending_registration() is None:  # another request was faster
            return redirects.redirect_keeping_next("enrolment.enrol")
        form.email_code.errors.append(INVALID_EMAIL_CODE_MESSAGE)
    return render_template("verify_email.html", form=form), form.status_code


def finish_registration(form, registration):
    """Create the user and begin a pending login, unless name or address is taken."""
    user = users.create(
        registration.username, registration.email, registration.password_hash
    )
    if user:
        pending_login.begin_pending_login(user)
        return redirects.redirect_keeping_next("enrolment.enrol")
    db.session.rollback()  # the email code is not consumed
    form.add_error(USERNAME_OR_EMAIL_TAKEN_MESSAGE)
    return render_template("verify_email.html", form=form), form.status_code


def resend_code(registration):
    """Enqueue another code, of which at most three an hour are sent."""
    network = rate_limit.client_network()
    rate_limit.count_attempt_now("email_code_resend", registration.email, network)
    enqueue_code_or_notice(registration)
    flash("Another email is on its way, unless you had three in the last hour.")
    return redirects.redirect_keeping_next("registration.verify_email")

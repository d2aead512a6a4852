"""Registration."""

import hmac
import re
import secrets
import time
from datetime import UTC
from datetime import datetime

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

from . import audit
from . import crypto
from . import mailer
from . import outbox
from . import passwords
from . import pending_login
from . import rate_limit
from . import redirects
from . import sessions
from . import users
from .db import db
from .db import delete_unlocked
from .forms import CODE_INPUT
from .forms import USERNAME_INPUT
from .forms import BaseForm
from .forms import confirm_password_field
from .forms import email_field
from .forms import new_password_field
from .forms import remove_separators
from .forms import strip

USERNAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{2,31}\Z")  # no look-alikes
INVALID_USERNAME_MESSAGE = (
    "Use 3 to 32 letters, digits, dots, hyphens or underscores, "
    "and start with a letter."
)
USERNAME_OR_EMAIL_TAKEN_MESSAGE = (
    "That username or email address is taken. Choose another one, or log in."
)
USERNAME_TAKEN_MESSAGE = "That username is taken. Choose another one."

EMAIL_CODE_PATTERN = re.compile(r"[0-9]{8}\Z")
EMAIL_CODE_SECONDS = 10 * 60  # OWASP ASVS V6.5.5
EMAIL_CODE_HINT = "We sent it to {}. It works for 10 minutes."
MAX_EMAILS_PER_CODE = 3
INVALID_EMAIL_CODE_MESSAGE = (
    "That code did not work. Use the code from the latest email."
)
PENDING_REGISTRATION_SECONDS = 24 * 60 * 60

bp = Blueprint("registration", __name__)


def init_app(app):
    app.register_blueprint(bp)


class RegistrationForm(BaseForm):
    """Username, email address and password of a new user."""

    username = StringField(
        "Username",
        description=(
            "3 to 32 letters, digits, dots, hyphens or underscores. "
            "Start with a letter."
        ),
        filters=[strip],
        validators=[
            Regexp(USERNAME_PATTERN, message=INVALID_USERNAME_MESSAGE),
        ],
        render_kw=USERNAME_INPUT | {"required": True},
    )
    email = email_field(description="We'll email you a code.")
    password = new_password_field("Password")
    confirm = confirm_password_field("Confirm password")


class EmailCodeForm(BaseForm):
    """The code that was sent to the new address."""

    email_code = StringField(
        "Eight-digit code",
        filters=[remove_separators],
        validators=[
            Regexp(EMAIL_CODE_PATTERN, message="Enter the eight digits from the email.")
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
    # epoch seconds
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)


class EmailCode(db.Model):
    """The code of an address, as a random value from which the code is derived.

    It serves all sessions that wait for it, and can be sent again.
    """

    __tablename__ = "email_codes"

    email: Mapped[str] = mapped_column(String(254), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(22))
    expires_at: Mapped[int] = mapped_column(BigInteger, index=True)  # epoch seconds
    email_count: Mapped[int]  # how often the code was sent


def must_re_enrol(user):
    """Return whether an operator removed the user's second factor."""
    return user.re_enrolment_required_at is not None


def begin_re_enrolment(user):
    """Insert a pending registration for an existing user, and enqueue its code."""
    registration = PendingRegistration(
        session_id=sessions.get_or_create_session_id(),
        username=user.username,
        email=user.email,
        password_hash=user.password_hash,
        created_at=int(time.time()),
    )
    db.session.add(registration)
    outbox.enqueue("email_code", registration.email)


def find_re_enrolling_user():
    """Return the user whose pending login needs an email code, or None."""
    user = pending_login.pending_user()
    return user if user and must_re_enrol(user) else None


def finish_re_enrolment(user):
    """Require no email code any more: the user has a second factor again."""
    user.re_enrolment_required_at = None


@outbox.hourly
def delete_expired_registrations():
    """Delete the registrations and codes that are too old."""
    now = int(time.time())
    oldest = now - PENDING_REGISTRATION_SECONDS
    expired = PendingRegistration.created_at < oldest
    delete_unlocked(PendingRegistration.session_id, expired)
    delete_unlocked(EmailCode.email, EmailCode.expires_at < now)


def begin_registration(form):
    """Begin a new session, insert its pending registration and enqueue an email."""
    # Hash before the first write, because SQLite has one write lock for all.
    password_hash = passwords.hash_password(form.password.data)
    sessions.clear_session()
    registration = PendingRegistration(
        session_id=sessions.get_or_create_session_id(),
        username=form.username.data,
        email=users.normalise_identifier(form.email.data),
        password_hash=password_hash,
        created_at=int(time.time()),
    )
    db.session.add(registration)
    enqueue_code_or_notice(registration)


def find_pending_registration():
    """Return the pending registration of this session, or None."""
    session_id = session.get("session_id", "")
    return db.session.get(PendingRegistration, session_id, populate_existing=True)


def enqueue_code_or_notice(registration):
    """Enqueue a code for a new address, or a notice to the owner of a known one."""
    # A pending login has shown the password: it is a re-enrolment.
    if users.find_by_email(registration.email) and "pending_login" not in session:
        outbox.enqueue("account_exists", registration.email)
    else:
        outbox.enqueue("email_code", registration.email)


@outbox.composes("email_code")
def issue_email_code(email):
    """Store a new code, or count that a valid one is sent again; compose its email."""
    now = int(time.time())
    email_code = db.session.get(EmailCode, email.recipient)
    if email_code is None or email_code.expires_at <= now:
        email_code = EmailCode(
            email=email.recipient,
            nonce=secrets.token_urlsafe(16),
            expires_at=now + EMAIL_CODE_SECONDS,
            email_count=0,
        )
        email_code = db.session.merge(email_code)
    if not outbox.consume_resend(email, email_code, MAX_EMAILS_PER_CODE):
        return None
    valid_until = datetime.fromtimestamp(email_code.expires_at, UTC)
    values = {"code": derive_code(email_code), "valid_until": valid_until}
    return email_code.email, values


def derive_code(email_code):
    """Return the eight digits of a code, which are not stored themselves."""
    message = f"{email_code.nonce} {email_code.email}".encode()
    digest = hmac.digest(crypto.derive_key("email code"), message, "sha256")
    return f"{int.from_bytes(digest) % 10**8:08}"


def verify_and_consume_email_code(registration, code):
    """Delete the address's code if this is it; return whether it was valid."""
    email_code = db.session.get(EmailCode, registration.email)
    if email_code is None or email_code.expires_at <= time.time():
        return False
    if not hmac.compare_digest(derive_code(email_code), code):
        return False
    consumed = db.session.execute(delete(EmailCode).filter_by(nonce=email_code.nonce))
    return consumed.rowcount == 1


@bp.route("/register", methods=["GET", "POST"])
def register():
    """Begin a registration; its email address must be verified next."""
    form = RegistrationForm()
    if form.validate_on_submit():
        rate_limit.count_attempt_now("registration", "", rate_limit.client_network())
        username, email = form.username.data, form.email.data
        weakness = passwords.find_weakness(form.password.data, username, email)
        if weakness:
            form.password.errors.append(weakness)
            return render_template("register.html", form=form), form.status_code
        if not users.find_by_username(username):
            begin_registration(form)
            return redirects.redirect_keeping_next("registration.verify_email")
        form.username.errors.append(USERNAME_TAKEN_MESSAGE)
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
    sent_to = EMAIL_CODE_HINT.format(registration.email)
    form.email_code.description = f"{sent_to} {mailer.get_hint()}"
    if form.validate_on_submit():
        network = rate_limit.client_network()
        rate_limit.count_attempt_now("email_code", registration.session_id, network)
        if verify_and_consume_email_code(registration, form.email_code.data):
            return finish_registration(form, registration)
        if find_pending_registration() is None:  # another request was faster
            return redirects.redirect_keeping_next("enrolment.enrol")
        audit.record("email_code_rejected", find_re_enrolling_user())
        form.email_code.errors.append(INVALID_EMAIL_CODE_MESSAGE)
    return render_template("verify_email.html", form=form), form.status_code


def finish_registration(form, registration):
    """Create the user and begin a pending login, unless name or address is taken."""
    db.session.delete(registration)
    user = find_re_enrolling_user() or users.create(
        registration.username, registration.email, registration.password_hash
    )
    if user:
        audit.record("email_verified", user)
        pending_login.begin_pending_login(user)
        session["email_verified"] = True  # in this session, for its enrolment
        return redirects.redirect_keeping_next("enrolment.enrol")
    db.session.rollback()  # the email code is not consumed
    form.add_error(USERNAME_OR_EMAIL_TAKEN_MESSAGE)
    return render_template("verify_email.html", form=form), form.status_code


def resend_code(registration):
    """Enqueue the code again; while it is valid, at most three emails are sent."""
    network = rate_limit.client_network()
    rate_limit.count_attempt_now("email_code_resend", None, network)
    enqueue_code_or_notice(registration)
    flash(
        "Another email is on its way, unless you've already had three with this code."
    )
    return redirects.redirect_keeping_next("registration.verify_email")

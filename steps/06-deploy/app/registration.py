"""Registration: how strangers become users."""

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
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from wtforms import EmailField
from wtforms import PasswordField
from wtforms import StringField
from wtforms.validators import Email
from wtforms.validators import EqualTo
from wtforms.validators import InputRequired
from wtforms.validators import Regexp
from wtforms.validators import StopValidation

from . import audit
from . import mail
from . import passwords
from . import throttle
from . import users
from . import vault
from . import visitor
from .db import changes_one_row
from .db import db
from .every_page import Form
from .forms import CodeForm

USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{2,31}\Z")  # ASCII: no look-alikes
EMAIL = re.compile(r"(?!.{255}|.*=\?)[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+\Z")
DIFFERENT = "The two passwords are not the same. Type them again."
EMAIL_CODE = re.compile(r"[0-9]{8}\Z")
EMAIL_CODE_LIFETIME = 20 * 60  # seconds
DAY = 24 * 60 * 60  # seconds
NO_ADDRESS = "Enter one such as kim@example.org."
NAME_TAKEN = "That user name is taken. Choose another."
EMAIL_CODE_HINT = "It works for 20 minutes. Look in the spam folder too."
EMAIL_CODE_REFUSED = "That code did not work. Use the one in the newest mail."
TAKEN = "That user name or address is taken. Choose another, or log in."

bp = Blueprint("registration", __name__)


def init_app(app):
    app.register_blueprint(bp)


def is_plain(form, field):
    """Refuse what is not ASCII (a domain may be IDNA), or hides another address."""
    if not EMAIL.match(field.data):
        raise StopValidation(NO_ADDRESS)


class RegistrationForm(Form):
    """What a new user tells about themselves."""

    username = StringField(
        "User name",
        description="3 to 32 letters, digits, dots, hyphens or underscores.",
        filters=[lambda text: (text or "").strip()],
        validators=[Regexp(USERNAME, message="Use 3 to 32 of these, a letter first.")],
        render_kw={"autocomplete": "username", "required": True},
    )
    email = EmailField(
        "E-mail",
        description="We send a code to it.",
        filters=[lambda text: (text or "").strip()],
        validators=[is_plain, Email(NO_ADDRESS)],
        render_kw={"autocomplete": "email", "required": True},
    )
    password = PasswordField(
        "Password",
        description="At least 15 characters. Several words work well, with spaces.",
        filters=[passwords.normalised],
        validators=[InputRequired("Enter a password."), passwords.has_right_length],
        render_kw={"autocomplete": "new-password"},
    )
    confirm = PasswordField(
        "Password again",
        filters=[passwords.normalised],
        validators=[EqualTo("password", DIFFERENT)],
        render_kw={"autocomplete": "new-password", "required": True},
    )


class EmailCodeForm(Form):
    """The code that was sent to the new address."""

    email_code = StringField(
        "Eight-digit code",
        filters=CodeForm.code.kwargs["filters"],
        validators=[Regexp(EMAIL_CODE, message="Enter the digits from the mail.")],
        render_kw=CodeForm.code.kwargs["render_kw"],
    )


class Registration(db.Model):
    """Somebody who has not proved the address: until then it is nobody's."""

    __tablename__ = "registrations"

    session_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    username: Mapped[str] = mapped_column(String(32))
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(255))
    code_hash: Mapped[str | None] = mapped_column(String(64))
    since: Mapped[int] = mapped_column(BigInteger, index=True)


class Renewal(db.Model):
    """A user whose phone an operator removed: the next one needs a mailed code."""

    __tablename__ = "renewals"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)


def is_renewal(user):
    """Tell whether the user has to prove the address again."""
    return db.session.get(Renewal, user.id) is not None


def begin_renewal(user):
    """Mail a code to the user whose login this session is, if that is necessary."""
    if is_renewal(user):
        name, values = visitor.session_id(), {"username": user.username}
        values |= {"email": user.email, "password_hash": user.password_hash}
        db.session.add(Registration(session_id=name, since=int(time.time()), **values))
        mail.post("email_code", name)


def renewing_user():
    """Return the user whose login waits, in this session, for a mailed code."""
    user = visitor.pending_user()
    return user if user and is_renewal(user) else None


def end_renewal(user):
    """Ask for no mailed code any more: there is a phone again."""
    db.session.execute(delete(Renewal).filter_by(user_id=user.id))


def begin_registration(form):
    """Keep what was typed, for this session alone, until a code proves the address."""
    now = int(time.time())
    db.session.execute(delete(Registration).where(Registration.since < now - DAY))
    visitor.start_afresh()
    waiting = Registration(
        session_id=visitor.session_id(),
        username=form.username.data,
        email=users.fold(form.email.data),
        password_hash=passwords.hash_password(form.password.data),
        since=now,
    )
    db.session.add(waiting)
    post_code(waiting)


def waiting_registration():
    """Return the registration that waits in this session, or None."""
    name = session.get("id", "")
    return db.session.get(Registration, name, populate_existing=True)


def post_code(waiting):
    """Have a code sent to a new address; of a known one, tell its owner instead."""
    # Where a login is pending, its password was right: it is a renewal.
    if users.find_by(email=waiting.email) and "pending" not in session:
        mail.post("address_known", waiting.email)
    else:
        mail.post("email_code", waiting.session_id)


@mail.writes("email_code")
def write_code(letter):
    """Make a code, which takes the place of an older one."""
    waiting = db.session.get(Registration, letter.about)
    if waiting is None:
        return None
    code = f"{secrets.randbelow(10**8):08}"
    waiting.code_hash = hash_code(waiting, code)
    waiting.since = int(time.time())
    return waiting.email, {"code": code}


def hash_code(waiting, code):
    """Hash a mailed code with a key: it is too short to be hashed without one."""
    text = f"{waiting.session_id} {code}"
    return hmac.digest(vault.key_for("mailed code"), text.encode(), "sha256").hex()


def use_code(waiting, code):
    """Use up a registration and its code; False if that is wrong, old or used."""
    code_hash = hash_code(waiting, code)
    is_new = Registration.since > int(time.time()) - EMAIL_CODE_LIFETIME
    used = delete(Registration).filter_by(code_hash=code_hash).where(is_new)
    return changes_one_row(used)


@bp.route("/register", methods=["GET", "POST"])
def register():
    """Make an account, and go on to the phone."""
    form = RegistrationForm()
    if not form.validate_on_submit():
        return render_template("register.html", form=form), form.status
    throttle.spend_attempt("registration", None, throttle.network())
    reason = passwords.weakness(form.password.data, form.username.data, form.email.data)
    if reason:
        form.password.errors.append(reason)
        return render_template("register.html", form=form), form.status
    if users.find_by(username_key=users.fold(form.username.data)):
        form.username.errors.append(NAME_TAKEN)
        return render_template("register.html", form=form), form.status
    throttle.spend_attempt("address", form.email.data, throttle.network())
    begin_registration(form)
    return visitor.go_to("registration.verify")


@bp.route("/register/verify", methods=["GET", "POST"])
def verify():
    """Ask for the code that was mailed, and make the account."""
    waiting = waiting_registration()
    if waiting is None:  # because of a second click, perhaps
        return visitor.go_to("enrolment.enrol")
    if "resend" in request.form:
        return resend(waiting)
    form = EmailCodeForm()
    form.email_code.description = f"We sent it to {waiting.email}. {EMAIL_CODE_HINT}"
    if not form.validate_on_submit():
        return render_template("verify.html", form=form), form.status
    throttle.spend_attempt("email code", waiting.session_id)
    if not use_code(waiting, form.email_code.data):
        if waiting_registration() is None:
            return visitor.go_to("enrolment.enrol")
        audit.record("mailed code refused", renewing_user())
        form.email_code.errors.append(EMAIL_CODE_REFUSED)
        return render_template("verify.html", form=form), form.status
    user = renewing_user()
    user = user or users.create(waiting.username, waiting.email, waiting.password_hash)
    if user is None:
        form.refuse(TAKEN)
        return render_template("verify.html", form=form), form.status
    audit.record("address proved", user)
    visitor.begin_login(user)
    session["has_proved_address"] = True  # this session alone, until there is a phone
    return visitor.go_to("enrolment.enrol")


def resend(waiting):
    """Send another code, and no more than three an hour."""
    throttle.spend_attempt("resend", waiting.email, throttle.network())
    post_code(waiting)
    flash("Another mail is on its way, unless you had three in the last hour.")
    return visitor.go_to("registration.verify")

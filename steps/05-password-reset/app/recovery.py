"""Recovery codes, for the day the phone is lost."""

import secrets
from base64 import b32encode
from hashlib import sha256

from flask import Blueprint
from flask import flash
from flask import redirect
from flask import render_template
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from wtforms import StringField
from wtforms.validators import InputRequired

from . import mail
from . import second_factor
from . import throttle
from . import totp
from . import visitor
from .db import changes_one_row
from .db import db
from .every_page import Form

HOW_MANY = 10
SIZE = 15  # bytes: 120 bits need no slow hash (OWASP ASVS V6.5.2)
REFUSED = "That recovery code did not work. Check it, or use another: each works once."

bp = Blueprint("recovery", __name__)


def init_app(app):
    app.register_blueprint(bp)


class RecoveryForm(Form):
    """One of the recovery codes."""

    recovery_code = StringField(
        "Recovery code",
        description="One of the ten that you saved when you set up your phone.",
        validators=[InputRequired("Enter one of your recovery codes.")],
        render_kw={"autocomplete": "off", "value": ""},
    )


class RecoveryCode(db.Model):
    """The hash of a recovery code that was not used yet."""

    __tablename__ = "recovery_codes"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


def new_code():
    """Make a recovery code, in groups of four that are easy to copy."""
    text = b32encode(secrets.token_bytes(SIZE)).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def hash_code(code):
    """Hash a recovery code, however it was typed."""
    text = "".join(code.split()).replace("-", "").lower()
    return sha256(text.encode()).hexdigest()


def renew_codes(user):
    """Replace the user's recovery codes, and return the new ones."""
    codes = [new_code() for _ in range(HOW_MANY)]
    db.session.execute(delete(RecoveryCode).filter_by(user_id=user.id))
    db.session.add_all(RecoveryCode(hash=hash_code(c), user_id=user.id) for c in codes)
    return codes


def show_new_codes(user):
    """Replace the user's recovery codes, and show the new ones this once."""
    codes, next_page = renew_codes(user), visitor.next_page()
    return render_template("recovery_codes.html", codes=codes, next_page=next_page)


def codes_left(user):
    """Return how many recovery codes the user has."""
    return db.session.query(RecoveryCode).filter_by(user_id=user.id).count()


def use_recovery_code(user, code):
    """Use up a recovery code; False if it is wrong or was used before."""
    same_code = {"hash": hash_code(code), "user_id": user.id}
    return changes_one_row(delete(RecoveryCode).filter_by(**same_code))


def accepts(user, code, purpose="recovery"):
    """Tell whether a recovery code is right and new, and use it up."""
    throttle.spend_attempt(purpose, user.username)
    is_used = use_recovery_code(user, code)
    if is_used:
        mail.post("recovery_code_used", user.email)
    return is_used


def accepts_any(user, code, route):
    """Tell whether a code from the phone, or in its place a recovery code, is right."""
    code = "".join(code.split())
    is_from_phone = totp.CODE.match(code)
    accept = second_factor.accepts if is_from_phone else accepts
    is_right = accept(user, code, f"{route} code")
    if is_from_phone and throttle.has_too_many_wrong_codes(route, user.username):
        is_right = False  # from now on a recovery code alone will do
    if not is_right:
        throttle.count_wrong_code(route, user.username)
    return is_right


@bp.route("/login/recovery", methods=["GET", "POST"])
@visitor.pending_login_required
def recover(user):
    """Ask for a recovery code instead of the phone."""
    if not second_factor.secret_of(user):
        return visitor.go_to("enrolment.enrol")
    form = RecoveryForm()
    if not form.validate_on_submit():
        return render_template("recovery.html", form=form), form.status
    if not accepts(user, form.recovery_code.data):
        second_factor.count_wrong_code(user)
        form.recovery_code.errors.append(REFUSED)
        return render_template("recovery.html", form=form), form.status
    visitor.log_in(user)
    flash(f"You used a recovery code. Codes left: {codes_left(user)}.")
    if codes_left(user) <= 2:
        flash("Make new ones on your account page.")
    return redirect(visitor.next_page())

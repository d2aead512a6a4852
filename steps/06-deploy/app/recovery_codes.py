"""Recovery codes."""

import secrets
from base64 import b32encode
from hashlib import sha256

from flask import Blueprint
from flask import flash
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from wtforms import StringField
from wtforms.validators import InputRequired

from . import audit
from . import device_cookie
from . import errors
from . import lockout
from . import outbox
from . import pending_login
from . import rate_limit
from . import redirects
from . import second_factor
from . import sessions
from . import totp
from .db import db
from .forms import BaseForm
from .forms import remove_separators

CODE_COUNT = 10
CODE_BYTES = 15  # 120 bits need no slow hash (OWASP ASVS V6.5.2)
LOOK_ALIKES = str.maketrans("08", "ob")  # Base32 has no 0 and no 8; a 1 may be i or l
INVALID_RECOVERY_CODE_MESSAGE = (
    "That recovery code did not work. "
    "Check it, or use another one. Each works only once."
)
CODES_SHOWN_ONCE_MESSAGE = (
    "Your recovery codes were shown once and are not shown again. "
    "You can create new codes on your account page."
)

bp = Blueprint("recovery_codes", __name__)


def init_app(app):
    app.register_blueprint(bp)


class RecoveryCodeForm(BaseForm):
    """One of the recovery codes."""

    recovery_code = StringField(
        "Recovery code",
        description=(
            "One of the ten codes you saved when you set up your authenticator app."
        ),
        validators=[InputRequired("Enter one of your recovery codes.")],
        render_kw={"autocomplete": "off", "value": ""},
    )


class RecoveryCode(db.Model):
    """A recovery code that is still unused."""

    __tablename__ = "recovery_codes"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256, hex
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


def generate_code():
    """Generate a random recovery code, in groups of four that are easy to copy."""
    text = b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def hash_code(code):
    """Hash a recovery code, however it was typed."""
    text = remove_separators(code).lower().translate(LOOK_ALIKES)
    return sha256(text.encode()).hexdigest()


def regenerate_codes(user):
    """Delete the user's recovery codes, store new ones and return them."""
    codes = [generate_code() for _ in range(CODE_COUNT)]
    db.session.execute(delete(RecoveryCode).filter_by(user_id=user.id))
    for code in codes:
        db.session.add(RecoveryCode(code_hash=hash_code(code), user_id=user.id))
    return codes


def regenerate_and_render_codes(user):
    """Replace the user's recovery codes, and render the new ones this once."""
    session["codes_shown_at"] = request.path
    return render_template(
        "recovery_codes.html",
        codes=regenerate_codes(user),
        next_url=redirects.next_url(),
    )


def explain_reload(error):
    """Redirect if the page with the codes was reloaded; otherwise render the error."""
    if session.get("codes_shown_at") != request.path:
        rate_limit.record_rejection("csrf_rejected")
        return errors.render_error(error)
    flash(CODES_SHOWN_ONCE_MESSAGE)
    return redirect(redirects.next_url())


def count_codes_left(user):
    """Return how many unused recovery codes the user has."""
    return db.session.query(RecoveryCode).filter_by(user_id=user.id).count()


def consume_code(user, code):
    """Consume a recovery code and notify the user; return whether it was valid."""
    consumed = db.session.execute(
        delete(RecoveryCode).filter_by(code_hash=hash_code(code), user_id=user.id)
    )
    if consumed.rowcount != 1:
        return False
    audit.record("recovery_code_used", user)
    outbox.enqueue("recovery_code_used", user.email)
    return True


def verify_and_consume_any_code(user, code, flow):
    """Verify and consume a TOTP code or a recovery code; count a wrong one for lockout.

    Return whether it was valid. A locked flow accepts recovery codes alone.
    """
    # Lock the user before the code, as those who replace the codes do. Otherwise two
    # requests of one user could each wait for the other.
    db.session.refresh(user, ["id"], with_for_update=True)
    code = remove_separators(code)
    if totp.CODE_PATTERN.match(code):
        verified = second_factor.verify_and_consume_code(user, code)
        verified = verified and not lockout.is_locked(flow, user.username)
        wrong = not verified and second_factor.is_wrong_code(user, code)
    else:
        verified = consume_code(user, code)
        wrong = not verified
    if not verified:
        audit.record("code_rejected", user, flow=flow)
    if wrong:
        lockout.count_wrong_code(flow, user)
    return verified


@bp.route("/login/recovery", methods=["GET", "POST"])
@pending_login.pending_login_required
def verify(user):
    """Verify a recovery code in place of a TOTP code, and log in."""
    if not second_factor.is_enrolled(user):
        return redirects.redirect_keeping_next("enrolment.enrol")
    form = RecoveryCodeForm()
    if form.validate_on_submit():
        name, device_id = user.username, device_cookie.get_pending_device_id()
        rate_limit.count_attempt_now("login_recovery_code", name, device_id=device_id)
        if consume_code(user, form.recovery_code.data):
            if not pending_login.pending_user():  # ended meanwhile
                db.session.rollback()  # the code is not consumed
                return redirects.redirect_keeping_next("auth.login")
            audit.record("logged_in", user, factor="recovery_code")
            device_cookie.notify_of_new_browser(user)
            sessions.log_in(user)
            codes_left = count_codes_left(user)
            flash(f"You used a recovery code. You have {codes_left} left.")
            if codes_left <= 2:
                flash("You're running low. Create new codes on your account page.")
            return redirect(redirects.next_url())
        audit.record("code_rejected", user, flow="login")
        second_factor.count_wrong_login_code(user)
        form.recovery_code.errors.append(INVALID_RECOVERY_CODE_MESSAGE)
    return render_template("recovery_code.html", form=form), form.status_code

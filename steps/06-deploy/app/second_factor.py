"""The second factor: its secret, and the code page."""

from flask import Blueprint
from flask import current_app
from flask import redirect
from flask import render_template
from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import update
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import audit
from . import crypto
from . import device_cookie
from . import key_check
from . import lockout
from . import outbox
from . import pending_login
from . import rate_limit
from . import redirects
from . import sessions
from . import totp
from . import users
from .db import db
from .db import insert_if_absent
from .forms import INVALID_CODE_MESSAGE
from .forms import USED_CODE_MESSAGE
from .forms import CodeForm

CODE_HINT = "Open your authenticator app and look for “{}”. You have ten minutes."

bp = Blueprint("second_factor", __name__)


def init_app(app):
    app.register_blueprint(bp)


class SecondFactor(db.Model):
    """A user's TOTP secret, and the last time step that was consumed."""

    __tablename__ = "second_factors"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    encrypted_secret: Mapped[str] = mapped_column(String(255))  # bound to user_id
    # in units of 30 seconds since 1970
    last_time_step: Mapped[int] = mapped_column(BigInteger)


def is_enrolled(user):
    """Return whether the user has a second factor."""
    return user.second_factor is not None


def has_readable_secret(user):
    """Return whether TOTP_KEYS decrypt the user's secret."""
    return crypto.can_decrypt_for(user.id, user.second_factor.encrypted_secret)


def get_secret(user):
    """Return the user's secret; log an error and return None if it is unreadable."""
    try:
        return crypto.decrypt_for(user.id, user.second_factor.encrypted_secret)
    except ValueError as error:
        current_app.logger.error("Second factor of user %s: %s", user.id, error)
        return None


def activate(user, secret, time_step):
    """Store a first second factor and consume the time step; return whether it did."""
    key_check.store_if_absent()
    second_factor = insert_if_absent(
        SecondFactor,
        user_id=user.id,
        encrypted_secret=crypto.encrypt_for(user.id, secret),
        last_time_step=time_step,
    )
    return second_factor is not None


def consume_time_step(user, time_step):
    """Consume a time step; return whether it is later than the last one consumed."""
    consumed = db.session.execute(
        update(SecondFactor)
        .filter_by(
            user_id=user.id,
            encrypted_secret=user.second_factor.encrypted_secret,
        )
        .where(SecondFactor.last_time_step < time_step)
        .values(last_time_step=time_step)
    )
    return consumed.rowcount == 1


def replace_secret(user, secret, time_step):
    """Replace the user's secret, so that codes of the old one no longer work."""
    user.second_factor.encrypted_secret = crypto.encrypt_for(user.id, secret)
    user.second_factor.last_time_step = time_step


def verify_and_consume_code(user, code):
    """Verify a TOTP code and consume its time step (RFC 6238 section 5.2).

    Return whether the code was valid and unused.
    """
    secret = get_secret(user)
    time_step = totp.matching_time_step(secret, code) if secret else None
    return time_step is not None and consume_time_step(user, time_step)


def is_used_code(user, code):
    """Return whether a code that was not accepted is right, and was used before."""
    if not has_readable_secret(user):
        return False
    return totp.matching_time_step(get_secret(user), code) is not None


def is_wrong_code(user, code):
    """Return whether a code is wrong: not one that was used, nor unverifiable."""
    return has_readable_secret(user) and not is_used_code(user, code)


def count_wrong_login_code(user):
    """Count a wrong code; after 20 in a row end all sessions and send an email."""
    if lockout.count_wrong_code("login", user):
        audit.record("login_locked", user)
        users.end_all_sessions(user)
        outbox.enqueue("login_locked", user.email)


@bp.route("/login/code", methods=["GET", "POST"])
@pending_login.pending_login_required
def verify(user):
    """Verify the code of a pending login, and log in."""
    if not is_enrolled(user):
        return redirects.redirect_keeping_next("enrolment.enrol")
    form = CodeForm()
    form.code.description = CODE_HINT.format(current_app.config["ISSUER"])
    if form.validate_on_submit():
        device_id = device_cookie.get_pending_device_id()
        rate_limit.count_attempt_now("login_code", user.username, device_id=device_id)
        if verify_and_consume_code(user, form.code.data):
            if not pending_login.pending_user():  # ended meanwhile
                db.session.rollback()  # the code is not consumed
                return redirects.redirect_keeping_next("auth.login")
            audit.record("logged_in", user, factor="totp")
            device_cookie.notify_of_new_browser(user)
            sessions.log_in(user)
            return redirect(redirects.next_url())
        audit.record("code_rejected", user, flow="login")
        if is_wrong_code(user, form.code.data):
            count_wrong_login_code(user)
        used = is_used_code(user, form.code.data)
        form.code.errors.append(USED_CODE_MESSAGE if used else INVALID_CODE_MESSAGE)
    return render_template("code.html", form=form), form.status_code

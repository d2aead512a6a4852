"""Enrolment of an authenticator app."""

import time
from datetime import UTC
from datetime import datetime

from flask import Blueprint
from flask import current_app
from flask import flash
from flask import render_template
from flask_wtf.csrf import CSRFError
from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import crypto
from . import pending_login
from . import rate_limit
from . import recovery_codes
from . import redirects
from . import second_factor
from . import sessions
from . import totp
from .db import db
from .forms import INVALID_CODE_MESSAGE
from .forms import CodeForm

FIRST_CODE_HINT = (
    "Your authenticator app is not set up until you enter this code. "
    "You have ten minutes."
)
INVALID_FIRST_CODE_MESSAGE = (
    f"{INVALID_CODE_MESSAGE} Still not working? Set your phone's clock to automatic. "
    "It is {:%H:%M:%S} UTC here."
)

# Two tabs may insert at once, and both must show the same secret: one statement keeps
# the row, or replaces an expired one, and returns what is there then.
UPSERT_PENDING_SECRET = text("""
    INSERT INTO pending_secrets AS pending (session_id, encrypted_secret, created_at)
    VALUES (:session_id, :encrypted_secret, :now)
    ON CONFLICT (session_id) DO UPDATE SET
        encrypted_secret = CASE WHEN pending.created_at < :oldest
            THEN excluded.encrypted_secret ELSE pending.encrypted_secret END,
        created_at = CASE WHEN pending.created_at < :oldest
            THEN excluded.created_at ELSE pending.created_at END
    RETURNING encrypted_secret
""")

bp = Blueprint("enrolment", __name__)
bp.register_error_handler(CSRFError, recovery_codes.explain_reload)


def init_app(app):
    app.register_blueprint(bp)
    # The key URI format forbids a colon, and apps show what is behind it.
    app.config["ISSUER"] = app.config["ISSUER"].replace(":", "")


class PendingSecret(db.Model):
    """A secret that one session is enrolling."""

    __tablename__ = "pending_secrets"

    session_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    encrypted_secret: Mapped[str] = mapped_column(String(255))  # bound to session_id
    # epoch seconds
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)


def get_or_create_pending_secret():
    """Return the secret that this session is enrolling; store a new one if needed."""
    session_id, now = sessions.get_or_create_session_id(), int(time.time())
    values = {
        "session_id": session_id,
        "encrypted_secret": crypto.encrypt_for(session_id, totp.generate_secret()),
        "now": now,
        "oldest": now - pending_login.PENDING_LOGIN_SECONDS,
    }
    encrypted_secret = db.session.scalar(UPSERT_PENDING_SECRET, values)
    try:
        return crypto.decrypt_for(session_id, encrypted_secret)
    except ValueError:  # TOTP_KEYS were changed meanwhile
        delete_pending_secret()
        encrypted_secret = db.session.scalar(UPSERT_PENDING_SECRET, values)
        return crypto.decrypt_for(session_id, encrypted_secret)


def delete_pending_secret():
    """Delete the pending secret, so that it is not shown again."""
    session_id = sessions.get_or_create_session_id()
    db.session.execute(delete(PendingSecret).filter_by(session_id=session_id))


def render_qr_svg(uri):
    """Render a QR code as SVG inside the page, because an image's URL could leak."""
    code = QRCode(image_factory=SvgPathFillImage)
    code.add_data(uri)
    label = "QR code for your authenticator app. The same key follows as text."
    image = code.make_image(attrib={"role": "img", "aria-label": label})
    return image.to_string(encoding="unicode")


def render_enrolment(form, user):
    """Render the pending secret as QR code and as text; create it if needed."""
    form.code.description = FIRST_CODE_HINT
    secret = get_or_create_pending_secret()
    uri = totp.provisioning_uri(secret, user.username, current_app.config["ISSUER"])
    html = render_template(
        "enrol.html",
        form=form,
        user=user,
        secret=secret,
        provisioning_uri=uri,
        qr_svg=render_qr_svg(uri),
    )
    return html, form.status_code


def verify_first_code(form):
    """Verify the first code of the pending secret; return the secret and a time step.

    The time step is None if the code is wrong; the form then has an error.
    """
    secret = get_or_create_pending_secret()
    time_step = totp.matching_time_step(secret, form.code.data)
    if time_step is None:
        form.code.errors.append(INVALID_FIRST_CODE_MESSAGE.format(datetime.now(UTC)))
    return secret, time_step


@bp.route("/enrol", methods=["GET", "POST"])
@pending_login.pending_login_required
def enrol(user):
    """Enrol the first authenticator app of the user, and log in."""
    if second_factor.is_enrolled(user):
        return redirects.redirect_keeping_next("second_factor.verify")
    form = CodeForm()
    if form.validate_on_submit():
        rate_limit.count_attempt_now("enrolment_code", user.username)
        secret, time_step = verify_first_code(form)
        if time_step is not None and second_factor.activate(user, secret, time_step):
            return finish_enrolment(user)
        db.session.refresh(user, ["second_factor"])
        if second_factor.is_enrolled(user):  # a second click was faster
            return redirects.redirect_keeping_next("second_factor.verify")
    return render_enrolment(form, user)


def finish_enrolment(user):
    """Delete the pending secret, log in, and render new recovery codes."""
    delete_pending_secret()
    sessions.log_in(user)
    flash("Your authenticator app is set up, and you're logged in.")
    return recovery_codes.regenerate_and_render_codes(user)

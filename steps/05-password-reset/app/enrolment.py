"""Enrolment: the phone gets its secret by QR code."""

import time

from flask import Blueprint
from flask import current_app
from flask import flash
from flask import render_template
from flask import session
from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import recovery
from . import second_factor
from . import throttle
from . import totp
from . import vault
from . import visitor
from .db import db
from .forms import CODE_REFUSED
from .forms import CodeForm

# Of two tabs that ask at once, the first one says which secret waits. DO NOTHING would
# return nothing, and a moment later that secret may be gone.
ADD_UNLESS_THERE = text("""
    INSERT INTO waiting_secrets (session_id, secret, since)
    VALUES (:session_id, :secret, :since) ON CONFLICT (session_id)
    DO UPDATE SET secret = waiting_secrets.secret RETURNING secret
""")

REFUSED = f"{CODE_REFUSED} Still wrong? Set your phone's clock to automatic."

bp = Blueprint("enrolment", __name__)


def init_app(app):
    app.register_blueprint(bp)


class WaitingSecret(db.Model):
    """A secret that waits, under the name of one session, for its first code."""

    __tablename__ = "waiting_secrets"

    session_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    secret: Mapped[str] = mapped_column(String(255))
    since: Mapped[int] = mapped_column(BigInteger, index=True)


def waiting_secret():
    """Return the secret that waits, in this session alone, for its first code."""
    name, now = visitor.session_id(), int(time.time())
    too_old = WaitingSecret.since < now - visitor.PENDING_LIFETIME
    db.session.execute(delete(WaitingSecret).where(too_old))
    secret = vault.encrypt(name, totp.new_secret())
    values = {"session_id": name, "secret": secret, "since": now}
    return vault.decrypt(name, db.session.scalar(ADD_UNLESS_THERE, values))


def has_waiting_secret():
    """Tell whether a secret waits in this session, and not too long."""
    waiting = db.session.get(WaitingSecret, session.get("id", ""))
    return waiting and waiting.since >= time.time() - visitor.PENDING_LIFETIME


def forget_waiting_secret():
    """Make sure that the secret is not shown again."""
    db.session.execute(delete(WaitingSecret).filter_by(session_id=visitor.session_id()))


def qr_code(text):
    """Draw a QR code as SVG for the page itself: an image with a URL could leak."""
    code = QRCode(image_factory=SvgPathFillImage)
    code.add_data(text)
    label = "QR code for your authenticator app. The same key follows as text."
    image = code.make_image(attrib={"role": "img", "aria-label": label})
    return image.to_string(encoding="unicode")


def show_secret(form, user):
    """Show the QR code, and the key for those who cannot scan it."""
    form.code.description = "Only this sets up your phone. You have ten minutes."
    secret = waiting_secret()
    uri = totp.provisioning_uri(secret, user.username, current_app.config["ISSUER"])
    values = {"user": user, "secret": secret, "uri": uri, "qr": qr_code(uri)}
    return render_template("enrol.html", form=form, **values), form.status


def read_first_code(form, user):
    """Return the waiting secret, and the time step of its first code, None if wrong."""
    throttle.spend_attempt("enrolment", user.username)
    secret = waiting_secret()
    time_step = totp.matching_time_step(secret, form.code.data)
    if time_step is None:
        form.code.errors.append(REFUSED)
    return secret, time_step


@bp.route("/enrol", methods=["GET", "POST"])
@visitor.pending_login_required
def enrol(user):
    """Set up the phone of a user who has no second factor yet."""
    if second_factor.secret_of(user):
        return visitor.go_to("second_factor.code")
    form = CodeForm()
    if not form.validate_on_submit():
        return show_secret(form, user)
    secret, time_step = read_first_code(form, user)
    visitor.hold_on_to(user)
    db.session.refresh(user, ["second_factor"])  # a second click may have been faster
    if second_factor.secret_of(user):
        return visitor.go_to("second_factor.code")
    if time_step is None:
        return show_secret(form, user)
    if not second_factor.activate(user, secret, time_step):
        return visitor.go_to("second_factor.code")
    forget_waiting_secret()
    visitor.log_in(user)
    flash("Your phone is set up and you are logged in.")
    return recovery.show_new_codes(user)

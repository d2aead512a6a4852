"""Enrolment: the phone gets its secret by QR code."""

from flask import Blueprint
from flask import current_app
from flask import flash
from flask import render_template
from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage

from . import recovery
from . import second_factor
from . import throttle
from . import totp
from . import visitor
from .forms import CODE_REFUSED
from .forms import CodeForm

_waiting_secrets = {}

REFUSED = f"{CODE_REFUSED} Still wrong? Set your phone's clock to automatic."

bp = Blueprint("enrolment", __name__)


def init_app(app):
    app.register_blueprint(bp)


def waiting_secret():
    """Return the secret that waits, in this session alone, for its first code."""
    return _waiting_secrets.setdefault(visitor.session_id(), totp.new_secret())


def forget_waiting_secret():
    """Make sure that the secret is not shown again."""
    _waiting_secrets.pop(visitor.session_id(), None)


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
    if time_step is None:
        return show_secret(form, user)
    if not second_factor.activate(user, secret, time_step):
        return visitor.go_to("second_factor.code")
    forget_waiting_secret()
    visitor.log_in(user)
    flash("Your phone is set up and you are logged in.")
    return recovery.show_new_codes(user)

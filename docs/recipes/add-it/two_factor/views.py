"""The pages of a login: code, recovery code, enrolment."""

import time
from datetime import UTC
from datetime import datetime
from functools import wraps

from flask import Blueprint
from flask import current_app
from flask import flash
from flask import redirect
from flask import render_template
from flask import session
from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage
from werkzeug.local import LocalProxy

from . import rate_limit
from . import recovery_codes
from . import redirects
from . import sessions
from . import store
from . import totp
from .forms import INVALID_CODE_MESSAGE
from .forms import USED_CODE_MESSAGE
from .forms import CodeForm
from .forms import RecoveryCodeForm
from .forms import remove_separators
from .sessions import PENDING
from .sessions import pending_login_expired

PENDING_LOGIN_EXPIRED_MESSAGE = (
    "For your security, we only wait ten minutes for a code. Log in again."
)
CODE_HINT = "Open your authenticator app and look for “{}”. You have ten minutes."
FIRST_CODE_HINT = (
    "Your authenticator app is not set up until you enter this code. "
    "You have ten minutes."
)
INVALID_FIRST_CODE_MESSAGE = (
    f"{INVALID_CODE_MESSAGE} Still not working? Set your phone's clock to automatic. "
    "It is {:%H:%M:%S} UTC here."
)
INVALID_RECOVERY_CODE_MESSAGE = (
    "That recovery code did not work. "
    "Check it, or use another one. Each works only once."
)

FORM_EXPIRED_MESSAGE = "This form has expired. Nothing has changed. Send it once more."

bp = Blueprint(
    "two_factor", __name__, url_prefix="/two-factor", template_folder="templates"
)
two_factor = LocalProxy(lambda: current_app.extensions["two_factor"])


@bp.after_request
def disable_caching(response):
    """Forbid storing pages, so that Back shows no secret."""
    response.headers["Cache-Control"] = "no-store"
    return response


def render_page(template, form=None, **values):
    """Render a page inside the layout of the app; return it with its status."""
    if form and form.errors.get("csrf_token"):  # in an app without CSRFProtect
        form.add_error(FORM_EXPIRED_MESSAGE)
    html = render_template(f"two_factor/{template}", form=form, **values)
    if 'class="two-factor' not in html:
        raise RuntimeError("layout.html fills a block that your base template lacks")
    return html, form.status_code if form else 200


# The pending login


def pending_user_and_row():
    """Return the user whose login is pending in this session, and the row, or Nones."""
    pending = session.get(PENDING)
    if not pending or pending_login_expired(pending):
        return None, None
    user_id = store.parse_user_id(pending["user_id"])
    row = store.find(user_id)
    user = two_factor.load_user(user_id)
    is_valid = row.session_token == pending["session_token"]
    return (user, row) if is_valid and two_factor.may_log_in(user) else (None, None)


def pending_login_required(view):
    """Decorate a view that needs a pending login; it receives the user and the row."""

    @wraps(view)
    def wrapper():
        user, row = pending_user_and_row()
        if user:
            return view(user, row)
        if PENDING in session and pending_login_expired(session[PENDING]):
            flash(PENDING_LOGIN_EXPIRED_MESSAGE)
        return redirect(two_factor.login_url())

    return wrapper


def finish_login(user, row, session_token=None, **facts):
    """Log the user of the pending login in."""
    two_factor.complete_login(
        user,
        session_token or session[PENDING]["session_token"],
        row.device_salt,
        session[PENDING]["remember"],
        **facts,
    )


# Codes


def consume_recovery_code(user, code):
    """Consume a recovery code and tell of it; return whether it was valid."""
    user_id = two_factor.id_of(user)
    if not store.consume_code(user_id, code):
        return False
    codes_left = len(store.find_code_hashes(user_id))
    two_factor.tell("recovery_code_used", user, codes_left=codes_left)
    return True


def verify_and_consume_any_code(user, row, code, flow):
    """Verify and consume a TOTP code or a recovery code; count a wrong one for lockout.

    Return whether it was valid. A locked flow accepts recovery codes alone.
    """
    code, user_id = remove_separators(code[:256]), two_factor.id_of(user)
    if totp.CODE_PATTERN.match(code):
        verified = store.verify_and_consume_code(user_id, row, code)
        verified = verified and not rate_limit.is_locked(flow, user_id)
        wrong = not verified and store.is_wrong_code(user_id, row, code)
    else:
        verified = consume_recovery_code(user, code)
        wrong = not verified
    if not verified:
        two_factor.tell("code_rejected", user, flow=flow)
    if wrong:
        rate_limit.count_wrong_code(flow, user_id)
    return verified


def count_wrong_login_code(user):
    """Count a wrong code; after 20 in a row end all logins and tell of it."""
    user_id = two_factor.id_of(user)
    if rate_limit.count_wrong_code("login", user_id):
        store.end_sessions(user_id)
        two_factor.tell("login_locked", user)


@bp.route("/code", methods=["GET", "POST"])
@pending_login_required
def verify(user, row):
    """Verify the code of a pending login, and log in."""
    if row.encrypted_secret is None:
        return redirects.redirect_keeping_next("two_factor.enrol")
    user_id, form = two_factor.id_of(user), CodeForm()
    form.code.description = CODE_HINT.format(get_issuer())
    if form.validate_on_submit():
        device_id = session[PENDING]["device_id"]
        rate_limit.count_attempt_now("login_code", str(user_id), device_id=device_id)
        if store.verify_and_consume_code(user_id, row, form.code.data):
            finish_login(user, row, factor="totp")
            return redirect(redirects.next_url())
        two_factor.tell("code_rejected", user, flow="login")
        if store.is_wrong_code(user_id, row, form.code.data):
            count_wrong_login_code(user)
        used = store.is_used_code(user_id, row, form.code.data)
        form.code.errors.append(USED_CODE_MESSAGE if used else INVALID_CODE_MESSAGE)
    return render_page("code.html", form)


@bp.route("/recovery", methods=["GET", "POST"])
@pending_login_required
def verify_recovery_code(user, row):
    """Verify a recovery code, or the set-up code that an operator has given out."""
    is_enrolled = row.encrypted_secret is not None
    user_id, form = two_factor.id_of(user), RecoveryCodeForm()
    if not is_enrolled and not store.find_code_hashes(user_id):
        return redirects.redirect_keeping_next("two_factor.enrol")
    if form.validate_on_submit():
        action, account = "login_recovery_code", str(user_id)
        device_id = session[PENDING]["device_id"]
        rate_limit.count_attempt_now(action, account, device_id=device_id)
        code = form.recovery_code.data
        if not is_enrolled and verify_set_up_code(user_id, row, code):
            return redirects.redirect_keeping_next("two_factor.enrol")
        if is_enrolled and consume_recovery_code(user, code):
            return finish_with_recovery_code(user, row)
        two_factor.tell("code_rejected", user, flow="login")
        count_wrong_login_code(user)
        form.recovery_code.errors.append(INVALID_RECOVERY_CODE_MESSAGE)
    return render_page("recovery_code.html", form)


def finish_with_recovery_code(user, row):
    """Log in, say how many recovery codes are left, and redirect."""
    codes_left = len(store.find_code_hashes(two_factor.id_of(user)))
    finish_login(user, row, factor="recovery_code")
    flash(f"You used a recovery code. You have {codes_left} left.")
    return redirect(redirects.next_url())


def verify_set_up_code(user_id, row, code):
    """Verify a set-up code, and note it in the session; enrolment consumes it.

    Return whether it is valid: it is for a day.
    """
    code_hash = recovery_codes.hash_code(code)
    too_old = time.time() - row.reset_at > store.SET_UP_CODE_SECONDS
    if too_old or code_hash not in store.find_code_hashes(user_id):
        return False
    sessions.update(PENDING, set_up_hash=code_hash)
    return True


# Enrolment


def render_qr_svg(uri):
    """Render a QR code as SVG inside the page, because an image's URL could leak."""
    code = QRCode(image_factory=SvgPathFillImage)
    code.add_data(uri)
    label = "QR code for your authenticator app. The same key follows as text."
    image = code.make_image(attrib={"role": "img", "aria-label": label})
    return image.to_string(encoding="unicode")


def get_issuer():
    """Return what the authenticator app shows; the key URI format forbids a colon."""
    issuer = current_app.config["TWO_FACTOR_ISSUER"] or current_app.name
    return issuer.replace(":", "")


def render_enrolment(form, user, session_id):
    """Render the pending secret as QR code and as text; create it if needed."""
    form.code.description = FIRST_CODE_HINT
    secret = store.get_or_create_pending_secret(session_id)
    name = two_factor.name_of(user)
    uri = totp.provisioning_uri(secret, name, get_issuer())
    values = {"name": name, "secret": secret, "provisioning_uri": uri}
    return render_page("enrol.html", form, qr_svg=render_qr_svg(uri), **values)


def verify_first_code(form, user, session_id):
    """Verify the first code of the pending secret; return the secret and a time step.

    The time step is None if the code is wrong; the form then has an error.
    """
    rate_limit.count_attempt_now("enrolment_code", str(two_factor.id_of(user)))
    secret = store.get_or_create_pending_secret(session_id)
    time_step = totp.matching_time_step(secret, form.code.data)
    if time_step is None:
        two_factor.tell("code_rejected", user, flow="enrolment")
        form.code.errors.append(INVALID_FIRST_CODE_MESSAGE.format(datetime.now(UTC)))
    return secret, time_step


@bp.route("/enrol", methods=["GET", "POST"])
@pending_login_required
def enrol(user, row):
    """Enrol the first authenticator app of the user, and log in."""
    if row.encrypted_secret is not None:
        return redirects.redirect_keeping_next("two_factor.verify")
    user_id, pending, form = two_factor.id_of(user), session[PENDING], CodeForm()
    hashes, set_up_hash = store.find_code_hashes(user_id), pending.get("set_up_hash")
    if hashes and set_up_hash not in hashes:
        return redirects.redirect_keeping_next("two_factor.verify_recovery_code")
    if form.validate_on_submit():
        session_id = pending["session_id"]
        secret, time_step = verify_first_code(form, user, session_id)
        if time_step is not None:
            token = pending["session_token"]
            new = store.activate(user_id, token, secret, time_step, set_up_hash)
            return finish_enrolment(user, row, *new)
    return render_enrolment(form, user, pending["session_id"])


def finish_enrolment(user, row, session_token, codes):
    """Log in and render the recovery codes, unless another request was faster."""
    if session_token is None:
        return redirects.redirect_keeping_next("two_factor.verify")
    store.delete_pending_secret(session[PENDING]["session_id"])
    two_factor.tell("second_factor_enrolled", user)
    finish_login(user, row, session_token, factor="totp")
    flash("Your authenticator app is set up, and you're logged in.")
    return render_page(
        "recovery_codes.html", codes=codes, next_url=redirects.next_url()
    )

"""The second factor: its secret, and the code page."""

from flask import Blueprint
from flask import current_app
from flask import redirect
from flask import render_template

from . import pending_login
from . import rate_limit
from . import redirects
from . import sessions
from . import totp
from .forms import INVALID_CODE_MESSAGE
from .forms import USED_CODE_MESSAGE
from .forms import CodeForm

CODE_HINT = "Open your authenticator app and look for “{}”. You have ten minutes."

_secrets = {}  # user id -> secret
_last_time_steps = {}  # user id -> the last time step that was consumed

bp = Blueprint("second_factor", __name__)


def init_app(app):
    app.register_blueprint(bp)
    app.logger.warning("Second factors are kept in memory: a restart deletes them.")


def is_enrolled(user):
    """Return whether the user has a second factor."""
    return user.id in _secrets


def get_secret(user):
    """Return the secret that the user's authenticator app has as well."""
    return _secrets[user.id]


def activate(user, secret, time_step):
    """Store a first second factor and consume the time step; return whether it did."""
    if is_enrolled(user):
        return False
    _secrets[user.id] = secret
    return consume_time_step(user, time_step)


def consume_time_step(user, time_step):
    """Consume a time step; return whether it is later than the last one consumed."""
    if time_step <= _last_time_steps.get(user.id, -1):
        return False
    _last_time_steps[user.id] = time_step
    return True


def verify_and_consume_code(user, code):
    """Verify a TOTP code and consume its time step (RFC 6238 section 5.2).

    Return whether the code was valid and unused.
    """
    time_step = totp.matching_time_step(get_secret(user), code)
    return time_step is not None and consume_time_step(user, time_step)


def is_used_code(user, code):
    """Return whether a code that was not accepted is right, and was used before."""
    return totp.matching_time_step(get_secret(user), code) is not None


@bp.route("/login/code", methods=["GET", "POST"])
@pending_login.pending_login_required
def verify(user):
    """Verify the code of a pending login, and log in."""
    if not is_enrolled(user):
        return redirects.redirect_keeping_next("enrolment.enrol")
    form = CodeForm()
    form.code.description = CODE_HINT.format(current_app.config["ISSUER"])
    if form.validate_on_submit():
        rate_limit.count_attempt_now("login_code", user.username)
        if verify_and_consume_code(user, form.code.data):
            sessions.log_in(user)
            return redirect(redirects.next_url())
        used = is_used_code(user, form.code.data)
        form.code.errors.append(USED_CODE_MESSAGE if used else INVALID_CODE_MESSAGE)
    return render_template("code.html", form=form), form.status_code

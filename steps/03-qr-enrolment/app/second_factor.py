"""The code page: a code from the phone ends the login."""

from flask import Blueprint
from flask import redirect
from flask import render_template

from . import throttle
from . import totp
from . import visitor
from .forms import CODE_REFUSED
from .forms import CodeForm

_secrets = {}
_used_time_steps = {}

bp = Blueprint("second_factor", __name__)


def init_app(app):
    app.register_blueprint(bp)
    app.logger.warning("Phones are kept in memory: a restart forgets them.")


def secret_of(user):
    """Return the secret that the user's phone shares with us."""
    return _secrets.get(user.id)


def activate(user, secret, time_step):
    """Give the user a second factor; False if there is one already."""
    if secret_of(user):
        return False
    _secrets[user.id] = secret
    return use_time_step(user, time_step)


def use_time_step(user, time_step):
    """Use up a time step; False if it, or a later one, is used already."""
    if time_step <= _used_time_steps.get(user.id, -1):
        return False
    _used_time_steps[user.id] = time_step
    return True


def accepts(user, code):
    """Tell whether a code is right and new, and use it up (RFC 6238 section 5.2)."""
    throttle.spend_attempt("code", user.username)
    time_step = totp.matching_time_step(secret_of(user), code)
    return time_step is not None and use_time_step(user, time_step)


@bp.route("/login/code", methods=["GET", "POST"])
@visitor.pending_login_required
def code(user):
    """Ask for the code, and log in."""
    if not secret_of(user):
        return visitor.go_to("enrolment.enrol")
    form = CodeForm()
    if not form.validate_on_submit():
        return render_template("code.html", form=form), form.status
    if not accepts(user, form.code.data):
        form.code.errors.append(CODE_REFUSED)
        return render_template("code.html", form=form), form.status
    visitor.log_in(user)
    return redirect(visitor.next_page())

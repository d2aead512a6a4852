"""The account page: what is set up, and how to change it."""

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import render_template
from flask import url_for
from flask_login import current_user
from flask_login import login_required

from . import audit
from . import enrolment
from . import mail
from . import password_reset
from . import recovery
from . import second_factor
from . import throttle
from . import users
from . import visitor
from .forms import CodeForm
from .forms import show

REFUSED = "That password or code did not work. Check both: each code works once."
LOGGED_OUT = "Too many codes were wrong. For safety we have logged you out."

bp = Blueprint("account", __name__, url_prefix="/account")


def init_app(app):
    app.register_blueprint(bp)


class ProofForm(password_reset.PasswordForm):
    """Password and code again, before something important changes."""

    password = None
    confirm = None


def proved_owner(form):
    """Return the user if the form proves that it is still them, or None."""
    if not form.validate_on_submit():
        return None
    name = current_user.username
    throttle.spend_attempt("current password", name)
    user = users.authenticate(name, form.current_password.data)
    if user is None:
        audit.record("password refused", current_user)
    if user and recovery.accepts_any(user, form.code.data, "account"):
        visitor.hold_on_to(user)
        return user
    if throttle.has_too_many_wrong_codes("account", name):
        visitor.log_out()
        flash(LOGGED_OUT)
        abort(redirect(url_for("auth.login")))
    form.refuse(REFUSED)
    return None


def log_out_others(user, notice):
    """Tell the user what changed, end all sessions, and go on in this one."""
    audit.record(notice.replace("_", " "), user)
    mail.post(notice, user.email)
    users.end_sessions(user)
    visitor.log_in(user)


@bp.get("")
@login_required
def overview():
    """Show what is set up."""
    return render_template("account.html", left=recovery.codes_left(current_user))


@bp.route("/password", methods=["GET", "POST"])
@login_required
def password():
    """Change the password."""
    form = password_reset.PasswordForm()
    user = proved_owner(form)
    if user is None or not password_reset.will_do(form, user):
        return show(form, "Change your password", "Change password")
    password_reset.change_password(user, form.password.data)
    visitor.log_in(user)
    flash("Your password is changed. All other devices are logged out.")
    return redirect(url_for("account.overview"))


@bp.route("/phone", methods=["GET", "POST"])
@login_required
def phone():
    """Move to a new phone: first prove who you are, then scan."""
    if enrolment.has_waiting_secret():
        return confirm_phone(current_user._get_current_object())
    form = ProofForm()
    user = proved_owner(form)
    if user is None:
        return show(form, "Move to a new phone", "Continue")
    visitor.log_in(user)
    enrolment.waiting_secret()  # as long as it waits, the proof is good
    flash("Your old phone works until you confirm the new one.")
    return redirect(url_for("account.phone"))


def confirm_phone(user):
    """Show the new secret, until a code of the new phone confirms it."""
    form = CodeForm()
    if not form.validate_on_submit():
        return enrolment.show_secret(form, user)
    secret, time_step = enrolment.read_first_code(form, user)
    visitor.hold_on_to(user)
    if time_step is None:
        return enrolment.show_secret(form, user)
    second_factor.replace(user, secret, time_step)
    enrolment.forget_waiting_secret()
    log_out_others(user, "phone_changed")
    flash("Your new phone is set up. All other devices are logged out.")
    return redirect(url_for("account.overview"))


@bp.route("/recovery-codes", methods=["GET", "POST"])
@login_required
def recovery_codes():
    """Make new recovery codes."""
    form = ProofForm()
    user = proved_owner(form)
    if user is None:
        return show(form, "Make new recovery codes", "Make new codes")
    log_out_others(user, "recovery_codes_renewed")
    flash("The old codes do not work any more. All other devices are logged out.")
    return recovery.show_new_codes(user)

"""The account page, and reauthentication."""

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import render_template
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from flask_wtf.csrf import CSRFError

from . import audit
from . import enrolment
from . import lockout
from . import outbox
from . import password_reset
from . import passwords
from . import rate_limit
from . import recovery_codes
from . import second_factor
from . import sessions
from . import users
from .db import db
from .forms import AnyCodeMixin
from .forms import BaseForm
from .forms import CodeForm
from .forms import CurrentPasswordMixin
from .forms import NewPasswordMixin
from .forms import render_form_page

REAUTHENTICATION_FAILED_MESSAGE = (
    "That password or code did not work. "
    "Check the password and use a new code. Each code works only once."
)
TOO_MANY_WRONG_CODES_MESSAGE = (
    "There were too many wrong codes, so we've logged you out. Log in again."
)
PASSWORD_CHANGED_MESSAGE = (
    "Your password has been changed. You've been logged out on all other devices."
)
OLD_STILL_WORKS_MESSAGE = (
    "Your old authenticator app keeps working until you've confirmed the new one."
)
REPLACED_MESSAGE = (
    "Your new authenticator app is set up. You've been logged out on all other devices."
)
CODES_REPLACED_MESSAGE = (
    "Your old recovery codes no longer work. "
    "You've been logged out on all other devices."
)

bp = Blueprint("account", __name__, url_prefix="/account")
bp.register_error_handler(CSRFError, recovery_codes.explain_reload)


def init_app(app):
    app.register_blueprint(bp)


class ReauthenticationForm(CurrentPasswordMixin, AnyCodeMixin, BaseForm):
    """Password and code again, before an important change."""


class ChangePasswordForm(
    CurrentPasswordMixin, NewPasswordMixin, AnyCodeMixin, BaseForm
):
    """A new password, and password and code again."""


def reauthenticate_or_abort(form):
    """Verify password and code, consume the code and lock the user; return the user.

    Return None if the form is not valid or was not sent; it then shows the reason.
    Abort with a redirect if the session was ended, or after 20 wrong codes in a row.
    """
    user = verify_current_password(form)
    return user if user and verify_code_or_abort(form, user) else None


def verify_current_password(form):
    """Count an attempt and verify the current password; return the user, or None."""
    if not form.validate_on_submit():
        return None
    rate_limit.count_attempt_now("account_password", current_user.username)
    user = users.authenticate(current_user.username, form.current_password.data)
    if user is None:
        audit.record("password_rejected", current_user)
        form.add_error(REAUTHENTICATION_FAILED_MESSAGE)
    return user


def verify_code_or_abort(form, user):
    """Verify and consume the code, and lock the user; return whether it was valid.

    Abort with a redirect if the session was ended, or after 20 wrong codes in a row.
    """
    if recovery_codes.verify_and_consume_any_code(user, form.code.data, "account"):
        lock_user_or_abort(user)
        audit.record("reauthenticated", user)
        return True
    if lockout.is_locked("account", user.username):
        sessions.log_out()
        flash(TOO_MANY_WRONG_CODES_MESSAGE)
        abort(redirect(url_for("auth.login")))
    form.add_error(REAUTHENTICATION_FAILED_MESSAGE)
    return False


def lock_user_or_abort(user):
    """Lock the user's row; abort with a redirect if this session was ended."""
    if not sessions.lock_user_and_check_session(user):
        db.session.rollback()  # the code is not consumed
        abort(redirect(url_for("account.overview")))


def notify_and_end_other_sessions(user, event):
    """Enqueue a notice, end all sessions of the user, and log in again in this one."""
    audit.record(event, user)
    outbox.enqueue(event, user.email)
    users.end_all_sessions(user)
    sessions.log_in(user)


@bp.get("")
@login_required
def overview():
    """Show what is set up."""
    codes_left = recovery_codes.count_codes_left(current_user)
    return render_template("account.html", codes_left=codes_left)


@bp.route("/password", methods=["GET", "POST"])
@login_required
def change_password():
    """Change the password, and end all other sessions."""
    form = ChangePasswordForm()
    user = verify_current_password(form)
    if user:
        # Measure and hash before the first write, which locks the whole of SQLite.
        password = form.password.data
        problem = password_reset.find_password_problem(password, user)
        password_hash = passwords.hash_password(password)
        if verify_code_or_abort(form, user):
            if not problem:
                password_reset.set_password(user, password_hash)
                sessions.log_in(user)
                flash(PASSWORD_CHANGED_MESSAGE)
                return redirect(url_for("account.overview"))
            db.session.rollback()  # the code is not consumed
            audit.record("new_password_rejected", user, flow="account")
            form.password.errors.append(problem)
    username = current_user.username
    return render_form_page(form, "Change your password", "Change password", username)


@bp.route("/phone", methods=["GET", "POST"])
@login_required
def replace_authenticator():
    """Reauthenticate the user, then enrol another authenticator app."""
    if enrolment.has_pending_secret():
        return confirm_authenticator(current_user._get_current_object())
    form = ReauthenticationForm()
    user = reauthenticate_or_abort(form)
    if user:
        sessions.log_in(user)
        # The reauthentication is valid for as long as this secret is pending.
        enrolment.get_or_create_pending_secret()
        flash(OLD_STILL_WORKS_MESSAGE)
        return redirect(url_for("account.replace_authenticator"))
    title = "Move to a new authenticator app"
    return render_form_page(form, title, "Continue", current_user.username)


def confirm_authenticator(user):
    """Show the pending secret; replace the old one when its first code is right."""
    form = CodeForm()
    if form.validate_on_submit():
        rate_limit.count_attempt_now("enrolment_code", user.username)
        secret, time_step = enrolment.verify_first_code(form)
        lock_user_or_abort(user)
        if time_step is not None:
            second_factor.replace_secret(user, secret, time_step)
            enrolment.delete_pending_secret()
            notify_and_end_other_sessions(user, "second_factor_replaced")
            flash(REPLACED_MESSAGE)
            return redirect(url_for("account.overview"))
        audit.record("code_rejected", user, flow="enrolment")
    return enrolment.render_enrolment(form, user)


@bp.route("/recovery-codes", methods=["GET", "POST"])
@login_required
def regenerate_recovery_codes():
    """Replace the recovery codes, and end all other sessions."""
    form = ReauthenticationForm()
    user = reauthenticate_or_abort(form)
    if user:
        notify_and_end_other_sessions(user, "recovery_codes_regenerated")
        flash(CODES_REPLACED_MESSAGE)
        return recovery_codes.regenerate_and_render_codes(user)
    title = "Create new recovery codes"
    return render_form_page(form, title, "Create new codes", current_user.username)

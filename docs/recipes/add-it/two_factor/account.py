"""The pages of a user who is logged in: what can be changed later."""

import secrets
from functools import wraps

from flask import Blueprint
from flask import abort
from flask import flash
from flask import redirect
from flask import session
from flask import url_for

from . import rate_limit
from . import sessions
from . import store
from .forms import CodeForm
from .forms import PasswordForm
from .forms import ReauthenticationForm
from .sessions import LOGIN
from .views import disable_caching
from .views import render_enrolment
from .views import render_page
from .views import two_factor
from .views import verify_and_consume_any_code
from .views import verify_first_code

REAUTHENTICATION_FAILED_MESSAGE = (
    "That password or code did not work. "
    "Check the password and use a new code. Each code works only once."
)
TOO_MANY_WRONG_CODES_MESSAGE = (
    "There were too many wrong codes, so we've logged you out. Log in again."
)
REPLACED_MESSAGE = (
    "Your new authenticator app is set up. You've been logged out on all other devices."
)
OLD_STILL_WORKS_MESSAGE = (
    "Your old authenticator app keeps working until you've confirmed the new one."
)
CODES_REPLACED_MESSAGE = (
    "Your old recovery codes no longer work. "
    "You've been logged out on all other devices."
)
INVALID_PASSWORD_MESSAGE = "That password did not work. Check it and try again."

bp = Blueprint("two_factor_account", __name__, url_prefix="/two-factor")
bp.after_request(disable_caching)


def login_required(view):
    """Decorate a view that needs a complete login; it receives the user and the row."""

    @wraps(view)
    def wrapper():
        user = two_factor.logged_in_user()
        if user and two_factor.has_both_factors(user):
            return view(user, store.find(two_factor.id_of(user)))
        return redirect(two_factor.login_url())

    return wrapper


def second_factor_required(view):
    """Decorate a view that needs an enrolled user; it receives the user and the row."""

    @login_required
    @wraps(view)
    def wrapper(user, row):
        if row.encrypted_secret is None:
            return redirect(url_for("two_factor_account.set_up"))
        return view(user, row)

    return wrapper


def verify_current_password(form, user, message):
    """Count an attempt and verify the current password; return whether it was right."""
    if not form.validate_on_submit():
        return False
    rate_limit.count_attempt_now("account_password", str(two_factor.id_of(user)))
    if two_factor.check_password(user, form.current_password.data):
        return True
    two_factor.tell("password_rejected", user)
    form.add_error(message)
    return False


def reauthenticate_or_abort(form, user, row):
    """Verify password and code, and consume the code; return whether both were valid.

    Abort with a redirect after 20 wrong codes in a row, logged out.
    """
    if not verify_current_password(form, user, REAUTHENTICATION_FAILED_MESSAGE):
        return False
    if verify_and_consume_any_code(user, row, form.code.data, "account"):
        return True
    if rate_limit.is_locked("account", two_factor.id_of(user)):
        two_factor.log_out()
        two_factor.close_session()
        flash(TOO_MANY_WRONG_CODES_MESSAGE)
        abort(redirect(two_factor.login_url()))
    form.add_error(REAUTHENTICATION_FAILED_MESSAGE)
    return False


def render_form_page(form, user, title):
    """Render a form with a password, and a username for password managers."""
    username = two_factor.name_of(user)
    return render_page("form_page.html", form, title=title, username=username)


def log_in_again_or_abort(user, row, session_token):
    """Log in with a new session token; abort with a redirect if there is none."""
    if session_token is None:  # another request has ended this login meanwhile
        abort(redirect(two_factor.login_url()))
    remember = session[LOGIN]["remember"]
    two_factor.complete_login(user, session_token, row.device_salt, remember)


@bp.get("/")
@login_required
def overview(user, row):
    """Show what is set up."""
    codes_left = len(store.find_code_hashes(two_factor.id_of(user)))
    is_enrolled = row.encrypted_secret is not None
    return render_page("account.html", is_enrolled=is_enrolled, codes_left=codes_left)


@bp.route("/set-up", methods=["GET", "POST"])
@login_required
def set_up(user, row):
    """Let a user who need not have a second factor begin to enrol."""
    if row.encrypted_secret is not None:
        return redirect(url_for("two_factor_account.overview"))
    form = PasswordForm()
    if verify_current_password(form, user, INVALID_PASSWORD_MESSAGE):
        return two_factor.ask_for_code(user, row)
    return render_form_page(form, user, "Set up your authenticator app")


@bp.route("/phone", methods=["GET", "POST"])
@second_factor_required
def replace_authenticator(user, row):
    """Reauthenticate the user, then enrol another authenticator app."""
    session_id = session[LOGIN].get("session_id")
    if session_id and store.has_pending_secret(session_id):
        return confirm_authenticator(user, row, session_id)
    form = ReauthenticationForm()
    if reauthenticate_or_abort(form, user, row):
        session_id = secrets.token_urlsafe(16)
        sessions.update(LOGIN, session_id=session_id)
        # The reauthentication is valid for as long as this secret is pending.
        store.get_or_create_pending_secret(session_id)
        flash(OLD_STILL_WORKS_MESSAGE)
        return redirect(url_for("two_factor_account.replace_authenticator"))
    return render_form_page(form, user, "Move to a new authenticator app")


def confirm_authenticator(user, row, session_id):
    """Show the pending secret; replace the old one when its first code is right."""
    form = CodeForm()
    if form.validate_on_submit():
        secret, time_step = verify_first_code(form, user, session_id)
        if time_step is not None:
            token, user_id = session[LOGIN]["session_token"], two_factor.id_of(user)
            new = store.replace_secret(user_id, token, secret, time_step)
            store.delete_pending_secret(session_id)
            log_in_again_or_abort(user, row, new)
            two_factor.tell("second_factor_replaced", user)
            flash(REPLACED_MESSAGE)
            return redirect(url_for("two_factor_account.overview"))
    return render_enrolment(form, user, session_id)


@bp.route("/recovery-codes", methods=["GET", "POST"])
@second_factor_required
def regenerate_recovery_codes(user, row):
    """Replace the recovery codes, and end all other logins."""
    form = ReauthenticationForm()
    if reauthenticate_or_abort(form, user, row):
        token, user_id = session[LOGIN]["session_token"], two_factor.id_of(user)
        new, codes = store.replace_codes(user_id, token)
        log_in_again_or_abort(user, row, new)
        two_factor.tell("recovery_codes_regenerated", user)
        flash(CODES_REPLACED_MESSAGE)
        overview = url_for("two_factor_account.overview")
        return render_page("recovery_codes.html", codes=codes, next_url=overview)
    return render_form_page(form, user, "Create new recovery codes")

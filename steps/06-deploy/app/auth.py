"""Login with a password, and logout."""

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import url_for

from . import audit
from . import device_cookie
from . import lockout
from . import outbox
from . import pending_login
from . import rate_limit
from . import redirects
from . import registration
from . import sessions
from . import users
from .forms import LoginForm

INVALID_LOGIN_MESSAGE = (
    "That username and password do not match. Check both and try again."
)
PASSWORD_LOCKED_MESSAGE = (
    "There were too many wrong passwords for this username. "
    "Choose “Forgot your password?” to set a new one."
)

bp = Blueprint("auth", __name__)


def init_app(app):
    app.register_blueprint(bp)


@bp.route("/login", methods=["GET", "POST"])
def login():
    """Verify username and password, and begin a pending login."""
    form = LoginForm()
    if form.validate_on_submit():
        username, network = form.username.data, rate_limit.client_network()
        device_id = device_cookie.find_device_id(username)
        rate_limit.count_attempt_now("login_password", username, network, device_id)
        user = users.authenticate(form.username.data, form.password.data)
        # Ask for every name, or the time would reveal whether the password was right.
        locked = lockout.is_locked("login", form.username.data)
        password_locked = lockout.is_locked("password", username) and not device_id
        if user and not locked and not password_locked:
            audit.record("password_verified", user)
            users.rehash_if_outdated(user, form.password.data)
            pending_login.begin_pending_login(user, device_id)
            if registration.must_re_enrol(user):
                registration.begin_re_enrolment(user)
            return redirects.redirect_keeping_next("second_factor.verify")
        named_user = users.find_by_username(form.username.data)
        audit.record("password_rejected", named_user)
        # A right one is counted as well, or the time would reveal it.
        count_wrong_password(username, named_user)
        message = PASSWORD_LOCKED_MESSAGE if password_locked else INVALID_LOGIN_MESSAGE
        form.add_error(message)
    return render_template("login.html", form=form), form.status_code


def count_wrong_password(username, user):
    """Count a wrong password of a typed name; at the last one send an email."""
    if lockout.count_wrong_password(username, user) and user:
        audit.record("password_locked", user)
        outbox.enqueue("password_locked", user.email)


@bp.post("/logout")
def logout():
    """Log out, even if the session has ended already."""
    sessions.log_out()
    response = redirect(url_for("auth.login"))
    # Not "cookies": that would delete those of other servers on this machine.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

"""Login with a password, and logout."""

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import url_for

from . import pending_login
from . import rate_limit
from . import redirects
from . import sessions
from . import users
from .forms import LoginForm

INVALID_LOGIN_MESSAGE = (
    "That username and password do not match. Check both and try again."
)

bp = Blueprint("auth", __name__)


def init_app(app):
    app.register_blueprint(bp)


@bp.route("/login", methods=["GET", "POST"])
def login():
    """Verify username and password, and begin a pending login."""
    form = LoginForm()
    if form.validate_on_submit():
        network = rate_limit.client_network()
        rate_limit.count_attempt_now("login_password", form.username.data, network)
        user = users.authenticate(form.username.data, form.password.data)
        if user:
            pending_login.begin_pending_login(user)
            return redirects.redirect_keeping_next("second_factor.verify")
        form.add_error(INVALID_LOGIN_MESSAGE)
    return render_template("login.html", form=form), form.status_code


@bp.post("/logout")
def logout():
    """Log out, even if the session has ended already."""
    sessions.log_out()
    response = redirect(url_for("auth.login"))
    # Not "cookies": that would delete those of other servers on this machine.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

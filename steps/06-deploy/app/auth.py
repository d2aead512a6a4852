"""The password page, and logout."""

from flask import Blueprint
from flask import redirect
from flask import render_template
from flask import url_for

from . import audit
from . import registration
from . import throttle
from . import users
from . import visitor
from .forms import LoginForm

REFUSED = "That user name and password do not match. Check both and try again."

bp = Blueprint("auth", __name__)


def init_app(app):
    app.register_blueprint(bp)


@bp.route("/login", methods=["GET", "POST"])
def login():
    """Ask for user name and password."""
    form = LoginForm()
    if not form.validate_on_submit():
        return render_template("login.html", form=form), form.status
    throttle.spend_attempt("password", form.username.data, throttle.network())
    user = users.authenticate(form.username.data, form.password.data)
    if throttle.has_too_many_wrong_codes("login", form.username.data):
        user = None  # the password counts as stolen
    if user is None:
        name = users.fold(form.username.data)
        audit.record("password refused", users.find_by(username_key=name))
        form.refuse(REFUSED)
        return render_template("login.html", form=form), form.status
    audit.record("password accepted", user)
    users.renew_hash(user, form.password.data)
    visitor.begin_login(user)
    registration.begin_renewal(user)
    return visitor.go_to("second_factor.code")


@bp.post("/logout")
def logout():
    """End the session, whether or not there still is one."""
    visitor.log_out()
    response = redirect(url_for("auth.login"))
    # Not "cookies": those of other servers on this machine would go as well.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response

"""The code page: a code from the phone ends the login."""

from flask import Blueprint
from flask import redirect
from flask import render_template
from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import update
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import audit
from . import mail
from . import throttle
from . import totp
from . import users
from . import vault
from . import visitor
from .db import changes_one_row
from .db import db
from .db import is_new
from .forms import CODE_REFUSED
from .forms import CodeForm

bp = Blueprint("second_factor", __name__)


def init_app(app):
    app.register_blueprint(bp)


class SecondFactor(db.Model):
    """The secret that a phone shares with us, and the last time step used."""

    __tablename__ = "second_factors"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    secret: Mapped[str] = mapped_column(String(255))
    last_time_step: Mapped[int] = mapped_column(BigInteger)


def secret_of(user):
    """Return the secret that the user's phone shares with us."""
    factor = user.second_factor
    return vault.decrypt(user.id, factor.secret) if factor else None


def activate(user, secret, time_step):
    """Give the user a second factor; False if there is one already."""
    new = vault.encrypt(user.id, secret)
    return is_new(SecondFactor(user_id=user.id, secret=new, last_time_step=time_step))


def use_time_step(user, time_step):
    """Use up a time step; False if it, or a later one, is used already."""
    return changes_one_row(
        update(SecondFactor)
        .filter_by(user_id=user.id, secret=user.second_factor.secret)
        .where(SecondFactor.last_time_step < time_step)
        .values(last_time_step=time_step)
    )


def replace(user, secret, time_step):
    """Give the user another phone; codes of the old one do not work any more."""
    user.second_factor.secret = vault.encrypt(user.id, secret)
    user.second_factor.last_time_step = time_step


def accepts(user, code, purpose="code"):
    """Tell whether a code is right and new, and use it up (RFC 6238 section 5.2)."""
    throttle.spend_attempt(purpose, user.username)
    time_step = totp.matching_time_step(secret_of(user), code)
    return time_step is not None and use_time_step(user, time_step)


def count_wrong_code(user):
    """Count a wrong code; after twenty in a row the password counts as stolen."""
    audit.record("code refused", user)
    if throttle.count_wrong_code("login", user.username):
        audit.record("password counts as stolen", user)
        users.end_sessions(user)
        mail.post("password_stolen", user.email)


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
        count_wrong_code(user)
        form.code.errors.append(CODE_REFUSED)
        return render_template("code.html", form=form), form.status
    visitor.log_in(user)
    return redirect(visitor.next_page())

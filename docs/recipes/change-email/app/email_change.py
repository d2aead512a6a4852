"""Changes of the email address, and the old address's way to object."""

import secrets
import time
from hashlib import sha256

import click
from flask import Blueprint
from flask import current_app
from flask import flash
from flask import redirect
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import account
from . import audit
from . import cli
from . import outbox
from . import password_reset
from . import rate_limit
from . import registration
from . import sessions
from . import users
from .db import db
from .db import delete_unlocked
from .forms import EMAIL_PATTERN
from .forms import AnyCodeMixin
from .forms import BaseForm
from .forms import CurrentPasswordMixin
from .forms import email_field
from .forms import render_form_page

CHANGE_SECONDS = 10 * 60  # as long as an email code
OBJECTION_SECONDS = 7 * 24 * 60 * 60

SAME_EMAIL_MESSAGE = "This is your current email address. Enter a different one."
EMAIL_TAKEN_MESSAGE = "That email address is taken. Enter a different one."
EMAIL_CHANGED_MESSAGE = (
    "Your email address has been changed. You've been logged out on all other devices."
)
NO_OBJECTION_MESSAGE = (
    "This link no longer works. Each link works once, for seven days. "
    "If it's later, ask us for help."
)
EMAIL_RESTORED_MESSAGE = (
    "Your old email address is back, and everyone has been logged out. "
    "Now set a new password."
)

bp = Blueprint("email_change", __name__)


def init_app(app):
    app.register_blueprint(bp)


class ChangeEmailForm(CurrentPasswordMixin, AnyCodeMixin, BaseForm):
    """The new address, and password and code again."""

    email = email_field(description="We'll email a code to the new address.")


class EmailChange(db.Model):
    """An address that a user wants and has not verified. It reserves nothing."""

    __tablename__ = "email_changes"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[int] = mapped_column(BigInteger)  # epoch seconds


class EmailObjection(db.Model):
    """An address that a user had, which may object to its change."""

    __tablename__ = "email_objections"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)  # SHA-256, hex
    # epoch seconds
    created_at: Mapped[int] = mapped_column(BigInteger, index=True)


def find_change(user):
    """Return the user's change that waits for its code, or None."""
    oldest = int(time.time()) - CHANGE_SECONDS
    own = select(EmailChange).filter_by(user_id=user.id)
    return db.session.scalar(own.where(EmailChange.created_at >= oldest))


def begin_change(user, email):
    """Store the wanted address, and enqueue a code, or a notice to its owner."""
    change = EmailChange(user_id=user.id, email=email, created_at=int(time.time()))
    change = db.session.merge(change)
    # It looks the same if somebody has this address: the page reveals no account.
    registration.enqueue_code_or_notice(change)
    audit.record("email_change_requested", user)


def set_email(user, email):
    """Replace the address, and let the old one object; return whether it was free.

    The address that the user had first wins: if the new one may object itself, this is
    its objection.
    """
    old_email = user.email
    if not replace_email(user, email):
        return False
    objection = db.session.get(EmailObjection, (user.id, email))
    if objection and objection.created_at >= oldest_objection_time():
        consume_objection(objection)
    else:
        begin_objection(user, old_email)
    return True


def replace_email(user, email):
    """Set the address and end what began with the old or the new one.

    Return whether the address was free; the caller rolls back if it was not.
    """
    old_email = user.email
    # First the codes: a registration that verifies one holds it, and waits for the
    # address.
    end_pending(user, [old_email, email])
    user.email = email
    try:
        db.session.flush()
    except IntegrityError:  # another request was faster
        return False
    return True


def begin_objection(user, old_email):
    """Let the old address object to later ones, and enqueue an email with the link."""
    newest = select(func.max(EmailObjection.created_at)).filter_by(user_id=user.id)
    newest_at = db.session.scalar(newest) or 0
    objection = EmailObjection(
        user_id=user.id,
        email=old_email,
        token_hash=secrets.token_hex(32),  # no link has this one
        # Two changes in one second have an order as well, and it decides who wins.
        created_at=max(int(time.time()), newest_at + 1),
    )
    db.session.merge(objection)
    outbox.enqueue("email_changed", old_email)


def find_emails(user):
    """Return the user's address, and those that may object and that nobody else has."""
    own = select(EmailObjection.email).filter_by(user_id=user.id)
    may_object = EmailObjection.created_at >= oldest_objection_time()
    old_emails = db.session.scalars(own.where(may_object)).all()
    return [user.email, *(e for e in old_emails if users.find_by_email(e) is None)]


def end_pending(user, emails):
    """Delete the user's pending resets, and what waits for a code at the addresses."""
    for table in (password_reset.PasswordReset, EmailChange):
        db.session.execute(delete(table).filter_by(user_id=user.id))
    for table in (registration.EmailCode, registration.PendingRegistration):
        db.session.execute(delete(table).where(table.email.in_(emails)))
    stale = outbox.OutboxEmail.kind.in_(["password_reset", "email_code"])
    sent_there = outbox.OutboxEmail.recipient.in_(emails)
    db.session.execute(delete(outbox.OutboxEmail).where(stale, sent_there))


def hash_token(token):
    """Return the hash under which a token is stored."""
    return sha256(token.encode()).hexdigest()


@outbox.composes("password_reset")
def issue_reset_link(email):
    """Lock the user who has the address, and issue a reset link.

    Otherwise a change could be stored meanwhile, and the link would outlive it.
    """
    # An update that changes nothing: SQLite locks with nothing else.
    owner = update(users.User).filter_by(email=email.recipient)
    db.session.execute(owner.values(email=email.recipient))
    return password_reset.issue_reset_link(email)


@outbox.composes("email_changed")
def issue_objection_link(email):
    """Store a new link with which the old address objects, and compose its email."""
    query = select(EmailObjection).filter_by(email=email.recipient)
    newest = query.order_by(EmailObjection.created_at.desc()).limit(1)
    objection = db.session.scalar(newest)
    if objection is None:
        return None
    token = secrets.token_urlsafe(32)
    objection.token_hash = hash_token(token)
    # Below /reset/, which no log of ours writes down.
    link = f"{current_app.config['BASE_URL']}/reset/email/{token}"
    user = db.session.get(users.User, objection.user_id)
    return email.recipient, {"username": user.username, "link": link}


def oldest_objection_time():
    """Return when the oldest of the objections began that are still valid."""
    return int(time.time()) - OBJECTION_SECONDS


def find_objection(token):
    """Return the objection of a link that is valid, or None."""
    own = select(EmailObjection).filter_by(token_hash=hash_token(token))
    valid = EmailObjection.created_at >= oldest_objection_time()
    return db.session.scalar(own.where(valid))


@outbox.hourly
def delete_expired_objections():
    """Delete the old addresses that may no longer object."""
    expired = EmailObjection.created_at < oldest_objection_time()
    delete_unlocked(EmailObjection.token_hash, expired)


@bp.route("/account/email", methods=["GET", "POST"])
@login_required
def change():
    """Reauthenticate the user, and email a code to the new address."""
    form = ChangeEmailForm()
    if form.validate_on_submit():
        email = users.normalise_identifier(form.email.data)
        if email == current_user.email:
            form.email.errors.append(SAME_EMAIL_MESSAGE)
        elif user := account.reauthenticate_or_abort(form):
            begin_change(user, email)
            return redirect(url_for("email_change.verify"))
    title, name = "Change your email address", current_user.username
    return render_form_page(form, title, "Continue", name)


@bp.route("/account/email/verify", methods=["GET", "POST"])
@login_required
def verify():
    """Verify the code that was sent to the new address, and change the address."""
    user = current_user._get_current_object()
    change = find_change(user)
    if change is None:
        return redirect(url_for("email_change.change"))
    form = registration.EmailCodeForm()
    form.email_code.description = f"We sent it to {change.email}."
    if form.validate_on_submit():
        rate_limit.count_attempt_now("email_change_code", user.username)
        account.lock_user_or_abort(user)  # before the code, as all others do
        code = form.email_code.data
        if registration.verify_and_consume_email_code(change, code):
            return finish_change(form, user, change.email)
        if find_change(user) is None:  # a second click: the first one was faster
            return redirect(url_for("account.overview"))
        audit.record("email_code_rejected", user)
        form.email_code.errors.append(registration.INVALID_EMAIL_CODE_MESSAGE)
    return render_form_page(form, "Check your email", "Continue")


def finish_change(form, user, email):
    """Change the address and end all other sessions, unless it was taken meanwhile."""
    account.lock_user_or_abort(user)  # again: SQLite locks when the code is consumed
    if not set_email(user, email):
        db.session.rollback()  # the email code is not consumed
        form.add_error(EMAIL_TAKEN_MESSAGE)
        return render_form_page(form, "Check your email", "Continue")
    audit.record("email_changed", user)
    users.end_all_sessions(user)
    sessions.log_in(user)
    flash(EMAIL_CHANGED_MESSAGE)
    return redirect(url_for("account.overview"))


@bp.route("/reset/email/<token>", methods=["GET", "POST"])
def object_to_change(token):
    """Restore the old address, and end all sessions; opening the link does nothing."""
    objection = find_objection(token)
    form = BaseForm()
    if objection is None:
        rate_limit.record_rejection("email_objection_rejected")
        flash(NO_OBJECTION_MESSAGE)
        return redirect(url_for("auth.login"))
    if form.validate_on_submit():
        user = db.session.get(users.User, objection.user_id)
        users.lock_user(user)
        if not consume_objection(objection) or not restore_email(user, objection):
            db.session.rollback()  # another request was faster, or it is taken
            flash(NO_OBJECTION_MESSAGE)
            return redirect(url_for("auth.login"))
        flash(EMAIL_RESTORED_MESSAGE)
        return redirect(url_for("password_reset.request_link"))
    return render_form_page(form, "Restore your email address", "Restore")


def consume_objection(objection):
    """Delete an objection and those of later addresses; return whether it was there."""
    own = delete(EmailObjection).filter_by(user_id=objection.user_id)
    later = EmailObjection.created_at >= objection.created_at
    return db.session.execute(own.where(later)).rowcount > 0


def restore_email(user, objection):
    """Set the old address again, and end all sessions; return whether it was free.

    The address that goes may be a thief's: it is told nothing, and cannot object.
    """
    users.lock_user(user)  # again: SQLite locks when the objection is consumed
    if not replace_email(user, objection.email):
        return False
    users.end_all_sessions(user)
    audit.record("email_restored", user)
    return True


@cli.user_commands.command("set-email")
@click.argument("username")
@click.argument("email")
@click.option("--after-theft", is_flag=True, help="Let no earlier address object.")
@cli.reason_option
@cli.report_database_errors()
def set_email_of_user(username, email, after_theft, reason):
    """Set a user's email address, and end all their sessions.

    Make sure you know who you're talking to before you do this.
    """
    user = cli.find_user_or_exit(username)
    if not EMAIL_PATTERN.match(email):
        raise click.ClickException(f"{email!r} is no email address.")
    users.lock_user(user)
    email = users.normalise_identifier(email)
    if email == user.email:
        raise click.ClickException(f"{username!r} already has this email address.")
    if not set_email(user, email):
        raise click.ClickException(EMAIL_TAKEN_MESSAGE)
    if after_theft:
        db.session.execute(delete(EmailObjection).filter_by(user_id=user.id))
    users.end_all_sessions(user)
    db.session.commit()
    audit.record("email_changed", user, reason=reason)

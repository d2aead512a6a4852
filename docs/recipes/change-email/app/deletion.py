"""Deletion of accounts: by their owner, and by an operator."""

import secrets
import time

import click
from flask import Blueprint
from flask import current_app
from flask import flash
from flask import redirect
from flask import url_for
from flask_login import current_user
from flask_login import login_required
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update

from . import account
from . import audit
from . import cli
from . import email_change
from . import outbox
from . import sessions
from . import users
from .db import db
from .db import delete_unlocked
from .forms import render_form_page
from .lockout import Lockout

ACCOUNT_DELETED_MESSAGE = "Your account has been deleted."

bp = Blueprint("deletion", __name__)


def init_app(app):
    app.register_blueprint(bp)


def delete_user(user):
    """Delete all rows of a user, empty the user's own row, and enqueue notices.

    The row stays, with its number and nothing else. So SQLite gives the number to
    nobody else, and a request that is on its way finds a disabled user and no gap.
    """
    emails = email_change.find_emails(user)
    email_change.end_pending(user, emails)
    waiting = outbox.OutboxEmail.recipient.in_(emails)
    db.session.execute(delete(outbox.OutboxEmail).where(waiting))
    db.session.execute(delete(Lockout).filter_by(user_id=user.id))
    for column in columns_with_user():
        delete_or_empty(column, user)
    db.session.expire(user, ["second_factor"])
    user.username = "deleted"
    user.normalised_username = secrets.token_hex(16)  # which nobody can type
    user.email = secrets.token_hex(16)
    user.password_hash = current_app.extensions["dummy_password_hash"]
    user.disabled_at = int(time.time())
    user.re_enrolment_required_at = None
    users.end_all_sessions(user)
    for email in emails:  # its owner may read the old address alone
        outbox.enqueue("account_deleted", email)


def columns_with_user():
    """Return the columns that refer to users, those of recipes and yours as well."""
    tables = reversed(db.metadata.sorted_tables)  # those that are referred to come last
    keys = [key for table in tables for key in table.foreign_keys]
    return [key.parent for key in keys if key.column is users.User.__table__.c.id]


def delete_or_empty(column, user):
    """Delete the rows that must name the user; take the user out of all others."""
    named = column == user.id
    if column.nullable:
        db.session.execute(update(column.table).where(named).values({column: None}))
    elif column.table is not users.User.__table__:
        db.session.execute(delete(column.table).where(named))


@outbox.hourly
def delete_late_counts():
    """Delete what requests counted that were on their way during a deletion."""
    deleted = select(users.User.id).where(users.User.email.not_like("%@%"))
    delete_unlocked(Lockout.bucket, Lockout.user_id.in_(deleted))


@bp.route("/account/delete", methods=["GET", "POST"])
@login_required
def delete_account():
    """Reauthenticate the user, and delete the account."""
    form = account.ReauthenticationForm()
    user = account.reauthenticate_or_abort(form)
    if user:
        audit.record("account_deleted", user)
        delete_user(user)
        sessions.clear_session()
        flash(ACCOUNT_DELETED_MESSAGE)
        return redirect(url_for("auth.login"))
    title, name = "Delete your account", current_user.username
    return render_form_page(form, title, "Delete my account", name)


@cli.user_commands.command("delete")
@click.argument("username")
@cli.reason_option
@cli.report_database_errors()
def delete_user_by_name(username, reason):
    """Delete a user and all that belongs to them."""
    user = cli.find_user_or_exit(username)
    users.lock_user(user)
    delete_user(user)
    db.session.commit()
    audit.record("account_deleted", user, reason=reason)

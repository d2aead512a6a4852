"""Commands for operators."""

import signal
import threading
import time
from contextlib import contextmanager

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import joinedload

from . import audit
from . import crypto
from . import key_check
from . import lockout
from . import outbox
from . import users
from .db import db
from .password_reset import PasswordReset
from .recovery_codes import RecoveryCode
from .second_factor import SecondFactor

DATABASE_FAILED_MESSAGE = (
    "The database failed ({}). Check that it's running and that `flask db upgrade` has "
    "been run, then try again."
)
BATCH_SIZE = 100  # rows in one transaction, so that no other one waits for long

user_commands = AppGroup("user", help="List users and help them get back in.")
key_commands = AppGroup("keys", help="Manage the keys that encrypt secrets.")


def init_app(app):
    app.cli.add_command(user_commands)
    app.cli.add_command(key_commands)
    app.cli.command("prune")(report_database_errors()(outbox.run_hourly_tasks))
    app.cli.command("mail-worker")(run_mail_worker)


@contextmanager
def report_database_errors():
    """Turn a database error into a one-line error message of the command."""
    try:
        yield
    except SQLAlchemyError as error:
        name = type(getattr(error, "orig", error)).__name__
        raise click.ClickException(DATABASE_FAILED_MESSAGE.format(name)) from None


def require_text(context, option, text):
    """Return the value of an option; raise BadParameter if it is blank."""
    if not text.strip():
        raise click.BadParameter("give a reason.")
    return text


reason_option = click.option(
    "--reason",
    prompt=True,
    callback=require_text,
    help="The reason, which is written to the audit log.",
)


def find_user_or_exit(username):
    """Return the user of this name; exit with a message if there is none."""
    user = users.find_by_username(username)
    if user is None:
        raise click.ClickException(
            f"There is no user {username!r}. `flask user list` shows the names."
        )
    return user


@user_commands.command("list")
@report_database_errors()
def list_users():
    """Print each user: number, name, state."""
    query = (
        select(users.User)
        .options(joinedload(users.User.second_factor))
        .order_by(users.User.id)
        .execution_options(yield_per=BATCH_SIZE)
    )
    for user in db.session.scalars(query):
        state = "enrolled" if user.second_factor else "not enrolled"
        if not user.is_active:
            state = "disabled"
        click.echo(f"{user.id:>8}  {user.username:<32}  {state}")


@user_commands.command("disable")
@click.argument("username")
@reason_option
@report_database_errors()
def disable_user(username, reason):
    """Lock a user out and end all their sessions."""
    user = find_user_or_exit(username)
    user.disabled_at = int(time.time())
    users.end_all_sessions(user)
    db.session.commit()
    audit.record("user_disabled", user, reason=reason)


@user_commands.command("enable")
@click.argument("username")
@reason_option
@report_database_errors()
def enable_user(username, reason):
    """Let a user in again."""
    user = find_user_or_exit(username)
    user.disabled_at = None
    db.session.commit()
    audit.record("user_enabled", user, reason=reason)


@user_commands.command("reset-second-factor")
@click.argument("username")
@reason_option
@report_database_errors()
def reset_second_factor(username, reason):
    """Remove a user's authenticator app and recovery codes.

    The user then needs the password and a code sent by email to set up an authenticator
    app. Make sure you know who you're talking to before you do this.
    """
    user = find_user_or_exit(username)
    users.end_all_sessions(user)
    user.re_enrolment_required_at = int(time.time())
    # The user's row is written first, and waits for an enrolment that has locked it.
    for table in (SecondFactor, RecoveryCode, PasswordReset):
        db.session.execute(delete(table).filter_by(user_id=user.id))
    lockout.reset(user.username, "login")  # otherwise the password stays locked
    lockout.reset(user.username, "password")  # no reset link would be sent
    outbox.enqueue("second_factor_reset", user.email)
    db.session.commit()
    audit.record("second_factor_reset", user, reason=reason)


@key_commands.command("rotate")
@report_database_errors()
def rotate_totp_keys():
    """Encrypt all secrets with the first of TOTP_KEYS, while the app runs."""
    current_app.config["DATABASE_TIMEOUT_SECONDS"] = None  # two may wait for each other
    count, last_user_id = db.session.query(SecondFactor).count(), 0
    with click.progressbar(length=count, label="Secrets") as progress:
        while batch := next_secrets(last_user_id):
            for user_id, encrypted_secret in batch:
                reencrypt_secret(user_id, encrypted_secret)
            db.session.commit()  # the app waits for one batch at most
            last_user_id = user_id
            progress.update(len(batch))
    key_check.reencrypt_check()
    db.session.commit()
    audit.record("totp_keys_rotated", secrets=count)
    click.echo("Phones being set up right now still use the old key.")
    click.echo("Remove it in ten minutes.")


@key_commands.command("check")
@report_database_errors()
def check_totp_keys():
    """Print how many secrets TOTP_KEYS decrypt; fail if it is not all of them."""
    count, readable, last_user_id = db.session.query(SecondFactor).count(), 0, 0
    while batch := next_secrets(last_user_id):
        readable += sum(crypto.can_decrypt_for(*row) for row in batch)
        last_user_id, _ = batch[-1]
    click.echo(f"TOTP_KEYS decrypt {readable} of {count} secrets.")
    if readable < count or not key_check.has_right_keys():
        raise click.ClickException("Add the key that is missing to TOTP_KEYS.")


def next_secrets(last_user_id):
    """Return the next batch of user ids with their encrypted secrets."""
    return db.session.execute(
        select(SecondFactor.user_id, SecondFactor.encrypted_secret)
        .where(SecondFactor.user_id > last_user_id)
        .order_by(SecondFactor.user_id)
        .limit(BATCH_SIZE)
    ).all()


def reencrypt_secret(user_id, encrypted_secret):
    """Re-encrypt a secret, unless it was replaced meanwhile: that one is new."""
    if not crypto.can_decrypt_for(user_id, encrypted_secret):
        current_app.logger.error("Second factor of user %s: unreadable.", user_id)
        return
    db.session.execute(
        update(SecondFactor)
        .filter_by(user_id=user_id, encrypted_secret=encrypted_secret)
        .values(encrypted_secret=crypto.reencrypt(encrypted_secret))
    )


def run_mail_worker():
    """Send emails until the process receives SIGTERM; delete old rows hourly."""
    stop, tasks_run_at = threading.Event(), 0
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    while not stop.wait(timeout=1):
        try:
            outbox.send_due_emails()
            if time.time() - tasks_run_at >= outbox.HOUR_SECONDS:
                outbox.run_hourly_tasks()
                tasks_run_at = time.time()
        except SQLAlchemyError as error:  # the database is away, and will be back
            current_app.logger.warning("Worker waits: %s", type(error).__name__)
        db.session.remove()

"""Commands for those who run the app: users, keys, old rows, the mail worker."""

import signal
import time
from contextlib import contextmanager
from threading import Event

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import joinedload

from . import audit
from . import mail
from . import throttle
from . import users
from . import vault
from .db import db
from .enrolment import WaitingSecret
from .password_reset import Reset
from .recovery import RecoveryCode
from .registration import DAY
from .registration import Registration
from .registration import Renewal
from .second_factor import SecondFactor
from .throttle import HOUR
from .throttle import Attempts
from .users import Suspension

FAILED = "The database failed ({}). Is it there, after `flask db upgrade`? Try again."
BATCH = 100  # rows in one transaction, so that nobody waits for long

user_commands = AppGroup("user", help="Show users, and help them.")
key_commands = AppGroup("keys", help="Look after the keys that encrypt secrets.")


def init_app(app):
    app.cli.add_command(user_commands)
    app.cli.add_command(key_commands)
    app.cli.command("prune")(in_words()(prune))
    app.cli.command("mail-worker")(work)


@contextmanager
def in_words():
    """Say in a sentence that the database failed."""
    try:
        yield
    except SQLAlchemyError as error:
        name = type(getattr(error, "orig", error)).__name__
        raise click.ClickException(FAILED.format(name)) from None


def not_blank(context, option, text):
    """Return what was typed, or end with a message."""
    if not text.strip():
        raise click.BadParameter("say why.")
    return text


with_reason = click.option(
    "--reason",
    prompt=True,
    callback=not_blank,
    help="Why; it is written into the audit log.",
)


def find(name):
    """Return the user of this name, or end with a message."""
    user = users.find_by(username_key=users.fold(name))
    if user is None:
        raise click.ClickException(f"There is no user {name!r}.")
    return user


@user_commands.command("list")
@in_words()
def list_users():
    """Show each user: number, name, state."""
    rows = select(users.User, Suspension).outerjoin(Suspension).order_by(users.User.id)
    rows = rows.options(joinedload(users.User.second_factor))
    for user, suspension in db.session.execute(rows.execution_options(yield_per=BATCH)):
        phone = "phone set up" if user.second_factor else "no phone"
        state = "disabled" if suspension else phone
        click.echo(f"{user.id:>8}  {user.username:<32}  {state}")


@user_commands.command("disable")
@click.argument("name")
@with_reason
@in_words()
def disable(name, reason):
    """Let a user no longer in, and end all sessions."""
    user = find(name)
    db.session.merge(Suspension(user_id=user.id))
    users.end_sessions(user)
    db.session.commit()
    audit.record("user disabled", user, reason=reason)


@user_commands.command("enable")
@click.argument("name")
@with_reason
@in_words()
def enable(name, reason):
    """Let a user in again."""
    user = find(name)
    db.session.execute(delete(Suspension).filter_by(user_id=user.id))
    db.session.commit()
    audit.record("user enabled", user, reason=reason)


@user_commands.command("reset-second-factor")
@click.argument("name")
@with_reason
@in_words()
def reset_second_factor(name, reason):
    """Forget a user's phone and recovery codes.

    The user then needs the password and a code sent by mail to set up a new phone.
    Make sure whom you are talking to before you do this.
    """
    user = find(name)
    users.end_sessions(user)  # first: a phone that is just being set up comes too late
    for table in (SecondFactor, RecoveryCode, Reset):
        db.session.execute(delete(table).filter_by(user_id=user.id))
    db.session.merge(Renewal(user_id=user.id))
    throttle.forget_wrong_codes("login", user.username)  # or the password stays locked
    mail.post("second_factor_reset", user.email)
    db.session.commit()
    audit.record("second factor reset", user, reason=reason)


@key_commands.command("rotate")
@in_words()
def rotate():
    """Encrypt all secrets with the first of TOTP_KEYS, while the app runs."""
    number, last = db.session.query(SecondFactor).count(), 0
    with click.progressbar(length=number, label="Secrets") as bar:
        while batch := next_batch(last):
            for user_id, secret in batch:
                # unless the user has another one by now, which has the first key
                same = update(SecondFactor).filter_by(user_id=user_id, secret=secret)
                db.session.execute(same.values(secret=vault.rotate(secret)))
            db.session.commit()  # nobody waits for long
            last = user_id
            bar.update(len(batch))
    audit.record("keys rotated", secrets=number)
    click.echo("Waiting secrets live ten minutes: drop the old key after that.")


def next_batch(last):
    """Return the next users with their encrypted secrets."""
    rows = select(SecondFactor.user_id, SecondFactor.secret)
    rows = rows.where(SecondFactor.user_id > last).order_by(SecondFactor.user_id)
    return db.session.execute(rows.limit(BATCH)).all()


def prune():
    """Delete rows that are too old to matter."""
    now = int(time.time())
    db.session.execute(delete(Attempts).where(Attempts.opened <= now - HOUR))
    db.session.execute(delete(WaitingSecret).where(WaitingSecret.since < now - HOUR))
    db.session.execute(delete(Registration).where(Registration.since < now - DAY))
    db.session.commit()


def work():
    """Send mails until the process is told to end, and prune once an hour."""
    end, pruned = Event(), 0
    signal.signal(signal.SIGTERM, lambda number, frame: end.set())
    while not end.wait(timeout=1):
        try:
            mail.send_waiting()
            if time.time() - pruned > HOUR:
                prune()
                pruned = time.time()
        except SQLAlchemyError as error:  # the database is away: it will be back
            current_app.logger.warning("Worker waits: %s", type(error).__name__)
        db.session.remove()

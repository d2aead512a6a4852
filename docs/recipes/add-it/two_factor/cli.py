"""Commands for operators."""

import time

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update

from . import crypto
from . import rate_limit
from . import store
from .sessions import PENDING_LOGIN_SECONDS

group = AppGroup("two-factor", help="Look after second factors.")


def require_text(context, option, text):
    """Return the value of an option; raise BadParameter if it is blank."""
    if not text.strip():
        raise click.BadParameter("give a reason.")
    return text


@group.command("reset")
@click.argument("name")
@click.option(
    "--reason", prompt=True, callback=require_text, help="Why; listeners are told it."
)
def reset_second_factor(name, reason):
    """Delete a user's second factor, and print a code that sets up a new one.

    The user needs the password and, for a day, this code. Make sure whom you are
    talking to before you do this, and hand the code over in person or by telephone, not
    to the mailbox that may also reset the password.
    """
    two_factor = current_app.extensions["two_factor"]
    user = two_factor.find_user(name)
    if user is None:
        raise click.ClickException(f"There is no user {name!r}.")
    user_id = two_factor.id_of(user)
    code = store.reset(user_id)
    rate_limit.reset_lockout("login", user_id)
    two_factor.tell("second_factor_reset", user, reason=reason)
    click.echo(f"Set-up code, valid once and for a day: {code}")


def find_secrets():
    """Return the user ids with their encrypted secrets."""
    users = store.tables().users
    query = select(users.c.user_id, users.c.encrypted_secret)
    with store.reading() as connection:
        enrolled = users.c.encrypted_secret.is_not(None)
        return connection.execute(query.where(enrolled)).all()


@group.command("rotate-keys")
def rotate_totp_keys():
    """Encrypt all secrets with the first of TOTP_KEYS, while the app runs."""
    rows = find_secrets()
    for user_id, encrypted_secret in rows:
        reencrypt_secret(user_id, encrypted_secret)
    current_app.extensions["two_factor"].tell(
        "totp_keys_rotated", None, secrets=len(rows)
    )
    click.echo("Pending secrets live ten minutes: drop the old key after that.")


def reencrypt_secret(user_id, encrypted_secret):
    """Re-encrypt a secret, unless it was replaced meanwhile: that one is new."""
    if not crypto.can_decrypt_for(user_id, encrypted_secret):
        current_app.logger.error("Second factor of user %s: unreadable.", user_id)
        return
    same = update(store.tables().users).filter_by(
        user_id=user_id, encrypted_secret=encrypted_secret
    )
    new = same.values(encrypted_secret=crypto.reencrypt(encrypted_secret))
    with store.transaction() as connection:
        connection.execute(new)


@group.command("check-keys")
def check_totp_keys():
    """Print how many secrets TOTP_KEYS decrypt; fail if it is not all of them."""
    rows = find_secrets()
    readable = sum(crypto.can_decrypt_for(*row) for row in rows)
    click.echo(f"TOTP_KEYS decrypt {readable} of {len(rows)} secrets.")
    if readable < len(rows):
        raise click.ClickException("Add the key that is missing to TOTP_KEYS.")


@group.command("prune")
def prune():
    """Delete rows that are too old to matter; run it once an hour."""
    now, tables = int(time.time()), store.tables()
    counters, secrets = tables.rate_limit_counters, tables.pending_secrets
    over = counters.c.window_started_at <= now - rate_limit.WINDOW_SECONDS
    expired = secrets.c.created_at < now - PENDING_LOGIN_SECONDS
    for key, old in ((counters.c.bucket, over), (secrets.c.session_id, expired)):
        with store.transaction() as connection:
            # Leave out what another request has locked, or both would wait.
            unlocked = select(key).where(old).with_for_update(skip_locked=True)
            connection.execute(delete(key.table).where(key.in_(unlocked)))


@group.command("create-tables")
def create_tables():
    """Create the tables, in an app that has no migrations."""
    two_factor = current_app.extensions["two_factor"]
    tables = vars(two_factor.tables).values()
    two_factor.metadata.create_all(two_factor.engine, tables=tables)

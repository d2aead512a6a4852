"""The outbox of emails, and its sender."""

import re
import threading
import time
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from smtplib import SMTPDataError
from smtplib import SMTPRecipientsRefused

from flask import current_app
from flask import g
from flask import render_template
from flask_mail import Message
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import mailer
from . import rate_limit
from .db import db

RETRY_SECONDS = 60
HOUR_SECONDS = 60 * 60
MAX_DELIVERY_ATTEMPTS = 40

# How a mail server says that it knows us too little (RFC 4954, RFC 3463).
AUTHENTICATION_NEEDED = (530, 534, 535, 538)
REFUSES_US_PATTERN = re.compile(rb"\b5\.7\.\d|\brelay", re.IGNORECASE)

# A stranger can cause these: consume_email_quota limits the first, and consume_resend
# the others.
LIMITED_KINDS = ("account_exists", "email_code", "password_reset")

# An email that is already queued is not queued twice, but its request_count is raised:
# doing nothing would be faster, and the time would reveal that the account exists.
UPSERT_EMAIL = text("""
    INSERT INTO outbox_emails AS email (
        kind, recipient, created_at, next_attempt_at, delivery_attempts,
        request_count
    )
    VALUES (:kind, :recipient, :now, :now, 0, 1)
    ON CONFLICT (kind, recipient)
    DO UPDATE SET request_count = email.request_count + 1
""")

composers = {}  # kind -> function
hourly_tasks = [rate_limit.delete_expired_counters]


def init_app(app):
    app.cli.command("send-mail")(send_due_emails)
    if app.config["MAIL_IN_BACKGROUND"]:
        # It is set after a request that enqueued an email.
        app.extensions["outbox_wake_up"] = threading.Event()
        app.teardown_request(wake_sender)
        threading.Thread(target=run_sender, args=[app], daemon=True).start()


class OutboxEmail(db.Model):
    """An email to send: its kind and recipient, but no code and no link."""

    __tablename__ = "outbox_emails"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(254), primary_key=True)
    # epoch seconds
    created_at: Mapped[int] = mapped_column(BigInteger)
    next_attempt_at: Mapped[int] = mapped_column(BigInteger, index=True)
    delivery_attempts: Mapped[int]
    request_count: Mapped[int]  # how often it was enqueued while it waited


def enqueue(kind, recipient):
    """Insert an email into the outbox, in the transaction of the request."""
    values = {"kind": kind, "recipient": recipient, "now": int(time.time())}
    db.session.execute(UPSERT_EMAIL, values)
    g.outbox_changed = True


def composes(kind):
    """Register the decorated function as the composer of a kind of email.

    A composer takes the email's row. It returns the recipient's address and the values
    for the template, or None if there is nothing to send.
    """

    def register(composer):
        composers[kind] = composer
        return composer

    return register


def hourly(task):
    """Register the decorated function, which the sender calls once an hour."""
    hourly_tasks.append(task)
    return task


def run_hourly_tasks():
    """Delete rows that are too old to matter, and commit."""
    for task in hourly_tasks:
        task()
    db.session.commit()


def wake_sender(error):
    """Wake the sender after the response, so that no client waits for a mail server."""
    if g.pop("outbox_changed", False):
        current_app.extensions["outbox_wake_up"].set()


def run_sender(app):
    """Send due emails forever, when woken or once a minute; delete old rows hourly."""
    wake_up = app.extensions["outbox_wake_up"]
    tasks_run_at = 0
    while True:
        wake_up.wait(timeout=60)
        wake_up.clear()
        with app.app_context(), suppress(SQLAlchemyError):  # it tries again next time
            send_due_emails()
            if time.time() - tasks_run_at >= HOUR_SECONDS:
                run_hourly_tasks()
                tasks_run_at = time.time()


def send_due_emails():
    """Send the emails that are due."""
    due = OutboxEmail.next_attempt_at <= int(time.time())
    query = select(OutboxEmail.__table__).where(due)
    for email in db.session.execute(query.order_by(OutboxEmail.next_attempt_at)).all():
        if claim(email):
            send_email(email)


def claim(email):
    """Postpone the next attempt and commit; return False if another sender did so."""
    claimed = db.session.execute(
        update(OutboxEmail)
        .filter_by(
            kind=email.kind,
            recipient=email.recipient,
            next_attempt_at=email.next_attempt_at,
        )
        .values(
            next_attempt_at=int(time.time()) + RETRY_SECONDS,
            delivery_attempts=email.delivery_attempts + 1,
        )
    )
    db.session.commit()
    return claimed.rowcount == 1


def send_email(email):
    """Deliver an email and delete it from the outbox, or leave it there; commit."""
    try:
        message = prepare_message(email)
        db.session.commit()  # the code or link must be valid before it is sent
        if message:
            mailer.deliver(message)
    except Exception as error:  # one broken email must not stop the others
        db.session.rollback()
        attempts = email.delivery_attempts + 1
        gives_up = is_permanent_failure(error) or attempts >= MAX_DELIVERY_ATTEMPTS
        if gives_up or attempts == 1:
            log_failure(email, error, gives_up)
        if not gives_up:
            return
    delete_sent_email(email)
    db.session.commit()


def log_failure(email, error, gives_up):
    """Log that an email was not sent, without its recipient."""
    outcome = "given up" if gives_up else "will be tried again"
    name = type(error).__name__  # the error's text may contain the address
    current_app.logger.warning("Mail %s: %s (%s)", outcome, email.kind, name)


def delete_sent_email(email):
    """Delete an email, unless the same notice was enqueued again meanwhile."""
    requested_again = OutboxEmail.request_count > email.request_count
    notice = OutboxEmail.kind.not_in(LIMITED_KINDS)
    db.session.execute(
        delete(OutboxEmail)
        .filter_by(
            kind=email.kind,
            recipient=email.recipient,
            delivery_attempts=email.delivery_attempts + 1,
        )
        .where(~(requested_again & notice))
    )


def is_permanent_failure(error):
    """Return whether another attempt is useless: a 5xx, or no email could be made.

    A server that refuses us, and not the recipient, may take it once that is repaired.
    """
    code, answer = 0, b""
    if isinstance(error, SMTPRecipientsRefused):
        [(code, answer)] = error.recipients.values()
    elif isinstance(error, SMTPDataError):
        code, answer = error.smtp_code, error.smtp_error
    if code in AUTHENTICATION_NEEDED or REFUSES_US_PATTERN.search(answer):
        return False
    return code >= 500 or not isinstance(error, OSError | SQLAlchemyError)


def prepare_message(email):
    """Compose an email and render it; return the message, or None."""
    composed = compose(email)
    if composed is None:
        return None
    address, values = composed
    kind, request_count = email.kind, email.request_count
    text = render_template(
        "email.txt", kind=kind, request_count=request_count, **values
    )
    subject, *paragraphs = re.split(r"\n\n+", text.strip())
    html = render_template("email.html", subject=subject, paragraphs=paragraphs)
    headers = {"Auto-Submitted": "auto-generated"}  # no holiday reply (RFC 3834)
    body = "\n\n".join(paragraphs)
    return Message(subject, [address], body, html, extra_headers=headers)


def compose(email):
    """Call the composer, which may write, unless the recipient's quota is used up."""
    limited = email.kind == "account_exists" and email.delivery_attempts == 0
    if limited and not rate_limit.consume_email_quota(email.kind, email.recipient):
        return None
    return composers.get(email.kind, compose_notice)(email)


def consume_resend(email, row, limit):
    """Count that a code or link is sent; return whether the limit allows it.

    A further attempt to deliver the same email is counted only if it has a new one.
    """
    if email.delivery_attempts == 0 or row.email_count == 0:
        if row.email_count >= limit:
            return False
        row.email_count += 1
    return True


def compose_notice(email):
    """Compose a notice that something happened to the account, and when."""
    happened_at = datetime.fromtimestamp(email.created_at, UTC)
    return email.recipient, {"happened_at": happened_at}

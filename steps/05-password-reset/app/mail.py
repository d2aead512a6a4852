"""The outbox, and the sender who empties it."""

import re
import time
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from smtplib import SMTP
from smtplib import SMTPDataError
from smtplib import SMTPRecipientsRefused
from threading import Event
from threading import Thread

import flask_mail
from flask import current_app
from flask import g
from flask import render_template
from sqlalchemy import BigInteger
from sqlalchemy import String
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import throttle
from .db import changes_one_row
from .db import db

PATIENCE = 10  # seconds for each answer of the mail server
PAUSE = 2 * 60  # seconds until the second try; doubled for each further one
LONGEST_PAUSE = 60 * 60
MOST_TRIES = 40  # about a day and a half
ASKED_FOR = ("address_known", "email_code", "reset")  # by strangers: three an hour

# One that still waits says it already. It counts all the same: no work would be less
# work, and tell who has an account.
ADD_OR_COUNT = text("""
    INSERT INTO letters (kind, about, posted, due, tries, wishes)
    VALUES (:kind, :about, :now, :now, 0, 1)
    ON CONFLICT (kind, about) DO UPDATE SET wishes = letters.wishes + 1
""")

writers = {}


def init_app(app):
    flask_mail.Mail(app)
    app.cli.command("send-mail")(send_waiting)
    if app.config["MAIL_IN_BACKGROUND"]:
        app.extensions["posted"] = Event()
        app.teardown_request(wake_sender)
        Thread(target=run_sender, args=[app], daemon=True).start()


class Letter(db.Model):
    """A mail that waits: of what kind and about whom, but no code and no link."""

    __tablename__ = "letters"

    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    about: Mapped[str] = mapped_column(String(254), primary_key=True)
    posted: Mapped[int] = mapped_column(BigInteger)
    due: Mapped[int] = mapped_column(BigInteger, index=True)
    tries: Mapped[int]
    wishes: Mapped[int]


def post(kind, about):
    """Put a mail into the outbox, in the transaction of the request."""
    values = {"kind": kind, "about": about, "now": int(time.time())}
    db.session.execute(ADD_OR_COUNT, values)
    g.has_posted = True


def writes(kind):
    """Make a function the writer of a kind: it returns address and values, or None."""
    return lambda write: writers.setdefault(kind, write)


def wake_sender(error):
    """Send after the answer, so that no visitor waits for a mail server."""
    if g.pop("has_posted", False):
        current_app.extensions["posted"].set()


def run_sender(app):
    """Send what was posted, and once a minute what has to be tried again."""
    while True:
        app.extensions["posted"].wait(timeout=60)
        app.extensions["posted"].clear()
        with app.app_context(), suppress(SQLAlchemyError):  # next time, perhaps
            send_waiting()


def send_waiting():
    """Send the mails that are due."""
    is_due = Letter.due <= int(time.time())
    letters = select(Letter.__table__).where(is_due).order_by(Letter.due)
    for letter in db.session.execute(letters).all():
        if claim(letter):
            send(letter)


def claim(letter):
    """Take a letter until its next try; False if another sender was faster."""
    pause = min(PAUSE * 2**letter.tries, LONGEST_PAUSE)
    is_claimed = changes_one_row(
        update(Letter)
        .filter_by(kind=letter.kind, about=letter.about, due=letter.due)
        .values(due=int(time.time()) + pause, tries=letter.tries + 1)
    )
    db.session.commit()
    return is_claimed


def send(letter):
    """Write a letter, send it and take it out of the outbox, or leave it for later."""
    try:
        message = write(letter)
        db.session.commit()  # what it promises has to be there before it is sent
        if message:
            deliver(message)
    except Exception as error:  # whatever is wrong with one letter, the others are sent
        db.session.rollback()
        is_over = is_for_good(error) or letter.tries + 1 >= MOST_TRIES
        if is_over or letter.tries == 0:
            fate = "given up" if is_over else "will be tried again"
            name = type(error).__name__  # its text may hold the address
            current_app.logger.warning("Mail %s: %s (%s)", fate, letter.kind, name)
        if not is_over:
            return
    ours = {"kind": letter.kind, "about": letter.about, "tries": letter.tries + 1}
    # What happened while its notice was on its way is told by the next one.
    is_news = (Letter.wishes > letter.wishes) & Letter.kind.not_in(ASKED_FOR)
    db.session.execute(delete(Letter).filter_by(**ours).where(~is_news))
    db.session.commit()


def is_for_good(error):
    """Tell whether trying again is useless: refused with 5xx, or not to be written."""
    if isinstance(error, SMTPRecipientsRefused):
        [(code, _)] = error.recipients.values()
    else:
        code = error.smtp_code if isinstance(error, SMTPDataError) else 0
    return code >= 500 or not isinstance(error, OSError | SQLAlchemyError)


def write(letter):
    """Return the mail that a letter becomes, or None if there is nothing to say."""
    is_first_try = letter.kind in ASKED_FOR and letter.tries == 0
    if is_first_try and throttle.is_too_much_mail(letter.kind, letter.about):
        return None
    found = writers.get(letter.kind, write_notice)(letter)
    if found is None:
        return None
    address, values = found
    text = render_template("mail.txt", kind=letter.kind, wishes=letter.wishes, **values)
    subject, *paragraphs = re.split(r"\n\n+", text.strip())
    html = render_template("mail.html", subject=subject, paragraphs=paragraphs)
    return flask_mail.Message(subject, [address], "\n\n".join(paragraphs), html)


def write_notice(letter):
    """Tell somebody that something happened to the account, and when."""
    return letter.about, {"when": datetime.fromtimestamp(letter.posted, UTC)}


def deliver(message):
    """Hand a mail to the mail server, or print it where the developer looks."""
    if current_app.config["MAIL_SERVER"]:
        with Connection(current_app.extensions["mail"]) as connection:
            connection.send(message)
    else:
        to, subject, body = message.recipients[0], message.subject, message.body
        print(f"\nTo: {to}\nSubject: {subject}\n\n{body}\n", flush=True)


class Connection(flask_mail.Connection):
    """A connection to the mail server that does not wait for ever."""

    def configure_host(self):
        """Connect to the mail server."""
        return SMTP(self.mail.server, self.mail.port, timeout=PATIENCE)

    def __exit__(self, *error):
        """Leave without goodbye: a mail that was taken is taken, whatever comes now."""
        if self.host:
            self.host.close()

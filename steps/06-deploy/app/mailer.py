"""Delivery of emails by SMTP."""

import ssl
from contextlib import closing
from email.utils import make_msgid
from email.utils import parseaddr
from smtplib import SMTP
from smtplib import SMTP_SSL

import flask_mail
from flask import current_app

SMTP_TIMEOUT_SECONDS = 10  # for each answer of the mail server
SPAM_HINT = "Not there after a few minutes? Check your spam folder."
TERMINAL_HINT = (
    "This app has no mail server yet, so look for the email in the terminal "
    "where it runs."
)
EMAIL_BORDER = "=" * 72  # between the lines of the log


def init_app(app):
    flask_mail.Mail(app)


def get_hint():
    """Return a sentence about where to look for an email."""
    return SPAM_HINT if current_app.config["MAIL_SERVER"] else TERMINAL_HINT


def get_sender_domain():
    """Return the domain that emails come from; the computer's name may not be ASCII."""
    _, address = parseaddr(current_app.config["MAIL_DEFAULT_SENDER"])
    return address.rpartition("@")[2].encode("idna").decode()


def deliver(message):
    """Deliver an email to the mail server; without one, print it in the terminal."""
    if current_app.config["MAIL_SERVER"]:
        mail = current_app.extensions["mail"]
        message.msgId = make_msgid(domain=get_sender_domain())
        # Close without QUIT: the server has accepted the email by then, and an error
        # must not cause a second delivery.
        with closing(connect(mail)) as host:
            connection = flask_mail.Connection(mail)
            connection.host = host
            connection.send(message)
    else:
        recipient, subject, body = message.recipients[0], message.subject, message.body
        email = f"To: {recipient}\nSubject: {subject}\n\n{body}\n"
        print(f"\n{EMAIL_BORDER}\n{email}\n{EMAIL_BORDER}\n", flush=True)


def connect(mail):
    """Connect to the mail server, with TLS and a login where they are set."""
    server, port, domain = mail.server, mail.port, get_sender_domain()
    context = ssl.create_default_context()  # it verifies the certificate
    if mail.use_ssl:
        host = SMTP_SSL(
            server, port, domain, timeout=SMTP_TIMEOUT_SECONDS, context=context
        )
    else:
        host = SMTP(server, port, domain, timeout=SMTP_TIMEOUT_SECONDS)
    try:
        if mail.use_tls and not mail.use_ssl:
            host.starttls(context=context)
        if mail.username:
            host.login(mail.username, mail.password)
    except Exception:
        host.close()
        raise
    return host

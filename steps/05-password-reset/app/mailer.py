"""Delivery of emails by SMTP."""

from contextlib import closing
from smtplib import SMTP

import flask_mail
from flask import current_app

SMTP_TIMEOUT_SECONDS = 10  # for each answer of the mail server


def init_app(app):
    flask_mail.Mail(app)


def deliver(message):
    """Deliver an email to the mail server; without one, print it in the terminal."""
    if current_app.config["MAIL_SERVER"]:
        mail = current_app.extensions["mail"]
        # Close without QUIT: the server has accepted the email by then, and an error
        # must not cause a second delivery.
        with closing(connect(mail)) as host:
            connection = flask_mail.Connection(mail)
            connection.host = host
            connection.send(message)
    else:
        recipient, subject, body = message.recipients[0], message.subject, message.body
        print(f"\nTo: {recipient}\nSubject: {subject}\n\n{body}\n", flush=True)


def connect(mail):
    """Connect to the mail server."""
    server, port = mail.server, mail.port
    return SMTP(server, port, timeout=SMTP_TIMEOUT_SECONDS)

"""Delivery of emails by SMTP."""

import ssl
from contextlib import closing
from smtplib import SMTP
from smtplib import SMTP_SSL

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
    """Connect to the mail server, with TLS and a login where they are set."""
    server, port = mail.server, mail.port
    context = ssl.create_default_context()  # it verifies the certificate
    if mail.use_ssl:
        host = SMTP_SSL(server, port, timeout=SMTP_TIMEOUT_SECONDS, context=context)
    else:
        host = SMTP(server, port, timeout=SMTP_TIMEOUT_SECONDS)
    try:
        if mail.use_tls and not mail.use_ssl:
            host.starttls(context=context)
        if mail.username:
            host.login(mail.username, mail.password)
    except Exception:
        host.close()
        raise
    return host

"""Delivery of emails by SMTP."""

import ssl
from smtplib import SMTP

import flask_mail
from flask import current_app

SMTP_TIMEOUT_SECONDS = 10  # for each answer of the mail server


def init_app(app):
    flask_mail.Mail(app)


def deliver(message):
    """Deliver an email to the mail server; without one, print it in the terminal."""
    if current_app.config["MAIL_SERVER"]:
        with SMTPConnection(current_app.extensions["mail"]) as connection:
            connection.send(message)
    else:
        recipient, subject, body = message.recipients[0], message.subject, message.body
        print(f"\nTo: {recipient}\nSubject: {subject}\n\n{body}\n", flush=True)


class SMTPConnection(flask_mail.Connection):
    """A connection to the mail server that has a timeout."""

    def configure_host(self):
        """Connect to the mail server, with TLS and a login where they are set."""
        server, port = self.mail.server, self.mail.port
        host = SMTP(server, port, timeout=SMTP_TIMEOUT_SECONDS)
        try:
            if self.mail.use_tls:
                host.starttls(context=ssl.create_default_context())
            if self.mail.username:
                host.login(self.mail.username, self.mail.password)
        except Exception:
            host.close()
            raise
        return host

    def __exit__(self, *error):
        """Close without QUIT.

        The server has accepted the email, and an error now must not cause a second
        delivery.
        """
        if self.host:
            self.host.close()

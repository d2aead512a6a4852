"""A real mail server on this machine, as good or as bad as a test wants it."""

import asyncio
import datetime
import ipaddress
import logging
import socket
import ssl
import threading
import time
from email import message_from_bytes
from email import policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.kit.mailbox import ROUTINE
from tests.kit.mailbox import Mail
from tests.kit.programs import free_port

logging.getLogger("mail.log").disabled = True  # tests read the log of our app

WAIT_SECONDS = 30  # seconds
BORN = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)  # whatever the clock says
DEAD = datetime.datetime(2090, 1, 1, tzinfo=datetime.UTC)


class Conversation(SMTP):
    """What one client says, and what it is told."""

    async def smtp_DATA(self, arg):  # noqa: N802  so the library calls it
        """Take a mail, and perhaps hang up after saying so."""
        await super().smtp_DATA(arg)
        if self.event_handler.hangs_up == "after the answer":
            self.transport.close()

    async def smtp_QUIT(self, arg):  # noqa: N802
        """Say goodbye, or that there is no time for it."""
        if self.event_handler.hangs_up == "at the end":
            await self.push("421 Too many connections")
            self.transport.close()
        else:
            await super().smtp_QUIT(arg)


class MailServer:
    """Takes mails, and keeps what it took; it can go away and come back."""

    def __init__(self, **options):
        self.port = free_port()
        self.options = {"server_hostname": "localhost"} | options
        self.messages = []  # what was taken
        self.tries = []  # for whom, and when, a mail was offered
        self.logins = []
        self.answers = {}  # to a recipient
        self.answer_to_data = None
        self.hangs_up = None  # "before the answer", "after the answer" or "at the end"
        self.is_waiting = threading.Event()
        self.refuses_login = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.controller = None

    def __enter__(self):
        self.come_back()
        return self

    def __exit__(self, *failure):
        self.may_go_on.set()
        self.go_away()

    def come_back(self):
        """Listen, at the same port as before."""
        self.controller = Listener(self, "127.0.0.1", self.port, **self.options)
        self.controller.start()

    def go_away(self):
        """Hang up, and do not listen any more."""
        if self.controller:
            self.controller.stop()
            self.controller = None

    @property
    def mails(self):
        """Return the mails that were taken, as their readers see the text."""
        return [as_mail(message) for message in self.messages]

    def hold(self):
        """Let the next mail wait for its answer, until `may_go_on` is set."""
        self.may_go_on.clear()
        self.is_waiting.clear()

    def check_login(self, server, session, envelope, mechanism, login):
        """Let in whoever comes, unless told otherwise, and remember with what."""
        self.logins.append((login.login.decode(), login.password.decode()))
        return AuthResult(success=not self.refuses_login, handled=False)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        """Take a recipient, or refuse it."""
        self.tries.append((address, int(time.time())))
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        """Take a mail, or refuse it, or hang up without a word.

        Routine notices are taken and not kept: no test waits for one.
        """
        message = message_from_bytes(envelope.content, policy=policy.default)
        if ROUTINE.search(message["Subject"]):
            self.tries.pop()
            return "250 OK"
        self.is_waiting.set()
        await asyncio.to_thread(self.may_go_on.wait, WAIT_SECONDS)
        if self.hangs_up == "before the answer":
            server.transport.abort()
            return "421 nobody hears this"
        if self.answer_to_data:
            return self.answer_to_data
        message["X-Recipients"] = ", ".join(envelope.rcpt_tos)
        self.messages.append(message)
        return "250 OK"


class Listener(Controller):
    """Waits for clients, and keeps a conversation with each."""

    def factory(self):
        """Return what talks to the next client."""
        return Conversation(self.handler, **self.SMTP_kwargs)


class SilentServer:
    """Takes every connection and says nothing, for ever."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        return self

    def __exit__(self, *failure):
        for connection in [*self.accept(), self.listener]:
            connection.close()

    def accept(self):
        """Return all connections that anybody has made so far."""
        while True:
            try:
                self.connections.append(self.listener.accept()[0])
            except BlockingIOError:
                return self.connections


def as_mail(message):
    """Return a message as the mailbox shows it."""
    text = message.get_body(["plain"]).get_content().replace("\r\n", "\n")
    return Mail(message["X-Recipients"], message["Subject"], text.strip())


def certificate(folder, *names):
    """Make a certificate that nobody trusts; return its file and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who)
    made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
    made = made.not_valid_before(BORN).not_valid_after(DEAD)
    made = made.add_extension(
        x509.SubjectAlternativeName([*map(alternative_name, names)]), critical=False
    )
    made = made.add_extension(x509.BasicConstraints(True, None), critical=True)
    file = folder / f"{names[0]}.pem"
    key_bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = made.sign(key, hashes.SHA256())
    file.write_bytes(key_bytes + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return file, context


def alternative_name(name):
    """Return a name in the form that a certificate has for it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def at(site, server, **config):
    """Return a worker of a site that sends through a mail server."""
    where = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": server.port}
    return site.start_again(**where, MAIL_SUPPRESS_SEND=False, **config)

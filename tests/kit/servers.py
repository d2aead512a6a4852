"""Real servers: Gunicorn with several processes, and visitors who come all at once."""

import importlib.util
import itertools
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextlib import contextmanager
from contextlib import suppress
from http.client import HTTPConnection
from http.client import HTTPSConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from requests.adapters import HTTPAdapter
from requests.utils import default_user_agent

from tests.kit.browser import NetworkBrowser
from tests.kit.clock import RealClock
from tests.kit.mailbox import read_mails
from tests.kit.phone import Authenticator
from tests.kit.programs import WAIT_SECONDS
from tests.kit.programs import bare_copy
from tests.kit.programs import free_port
from tests.kit.programs import wait_until
from tests.kit.real_browser import missing
from tests.kit.stage import CONFIG
from tests.kit.stage import GOOD_PASSWORD as PASSWORD
from tests.kit.stage import ROOT
from tests.kit.stage import Account
from tests.kit.stage import database_of
from tests.kit.stage import development
from tests.kit.stage import make_app
from tests.kit.stage import new_name
from tests.kit.visitor import Page
from tests.kit.visitor import Visitor

_numbers = itertools.count(1)


def need_gunicorn(config):
    """Skip where several processes of a step cannot be served."""
    for option in ("--url", "--app"):
        if config.getoption(option):
            pytest.skip(f"not run with {option}: the test starts the app itself")
    if sys.platform == "win32":
        pytest.skip("not run on Windows: Gunicorn does not exist there")
    if sys.platform != "linux":
        pytest.skip("not run here: only Linux has all of 127.0.0.0/8 from the start")
    if importlib.util.find_spec("gunicorn") is None:
        missing("gunicorn (pip install gunicorn)")


def new_network():
    """Return an address of this machine from which no attempt came yet."""
    number = next(_numbers)
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{2 + number % 250}"


class Server:
    """Gunicorn in front of a step, or of a changed copy of it, with its database.

    That is a new SQLite, unless it is given the address of one on PostgreSQL.
    """

    def __init__(self, stage, folder=None, workers=4, postgres=None):
        self.folder = folder or stage.folder
        self.workers = workers
        self.database = database_of(stage)
        self.postgres = postgres
        uri = postgres and postgres.replace("postgres:", "postgresql+psycopg:")
        self.log_file = self.database.with_suffix(".log")
        self.config = CONFIG | {
            "TESTING": False,
            "SQLALCHEMY_DATABASE_URI": uri or f"sqlite:///{self.database}",
        }
        self.door = stage.load(stage.folder)  # the step's own functions
        self.app = make_app(self.door, self.config)
        self.mailbox = []
        self.senders = []
        self.is_sending = threading.Lock()
        # It listens before Gunicorn does: no other program gets the port.
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        try:
            self.stop()
        finally:
            for sender in self.senders:
                sender.communicate(timeout=WAIT_SECONDS)  # no more lines: it ends
            self.socket.close()
            with self.app.app_context():
                self.door.db.db.engine.dispose()

    @property
    def environment(self):
        """Return the environment in which processes run the same app."""
        return os.environ | {
            "PYTHONPATH": str(ROOT),
            "RACE_STEP": str(self.folder),
            "RACE_CONFIG": json.dumps(self.config),
        }

    def start(self):
        """Start the processes, and wait until the last one is ready."""
        listener = self.socket.fileno()
        options = ["--bind", f"fd://{listener}", "--workers", str(self.workers)]
        options += ["--worker-class", "gthread", "--threads", "8"]
        with self.log_file.open("a") as log:
            ready_before = self.log.count("ready\n")
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "tests.kit.race_app:app", *options]
                + ["--no-control-socket"],
                cwd=self.database.parent,  # no gunicorn.conf.py lies here
                env=self.environment,
                pass_fds=[listener],
                start_new_session=True,  # a group of its own, which can be killed
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        ready = ready_before + self.workers
        try:
            wait_until(
                lambda: self.log.count("ready\n") >= ready,
                self.process,
                self.log_file.read_text,
            )
        except RuntimeError:
            self.kill()
            raise

    def stop(self):
        """End the processes: by asking, and where that does not help, for sure."""
        self.process.send_signal(signal.SIGINT)  # after the running requests
        try:
            self.process.wait(timeout=WAIT_SECONDS)
        finally:
            self.kill()

    def kill(self):
        """Kill all processes of the server, as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    @property
    def has_mail(self):
        """Return whether the step sends emails."""
        return hasattr(self.door, "outbox")

    @property
    def url(self):
        """Return the address of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self):
        """Return what the processes wrote to their log."""
        return self.log_file.read_text()

    def complaints(self):
        """Return the lines of the log that no visitor should be able to cause."""
        words = (
            "Traceback",
            "Error",
            "[ERROR]",
            "is locked",
            "CRITICAL",
            "WORKER TIMEOUT",
        )
        return [line for line in self.log.splitlines() if any(w in line for w in words)]

    def ask_database(self, question, *values):
        """Return the rows that the database answers, read from outside the app."""
        if self.postgres:
            question = question.replace("?", "%s")
            with self.app.app_context(), self.door.db.db.engine.connect() as connection:
                return connection.exec_driver_sql(question, values).fetchall()
        uri = f"file:{self.database}?mode=ro"
        with closing(
            sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)
        ) as connection:
            return connection.execute(question, values).fetchall()

    def mails_to(self, address):
        """Send the emails that are due; return all that this address ever got."""
        with self.is_sending:
            done = self.app.test_cli_runner().invoke(args=["send-mail"])
            assert done.exit_code == 0, done.output
            self.mailbox += read_mails(done.output)
            return [mail for mail in self.mailbox if mail.to == address]

    def let_senders_loose(self):
        """Empty the outbox in two processes in the same moment; return the emails."""
        if not self.senders:
            self.senders = [self._start_sender() for _ in range(2)]
        for sender in self.senders:
            sender.stdin.write("go\n")
            sender.stdin.flush()
        printed = ["".join(iter(s.stdout.readline, "done\n")) for s in self.senders]
        return [mail for output in printed for mail in read_mails(output)]

    def _start_sender(self):
        sender = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.race_app"],
            cwd=self.database.parent,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert sender.stdout.readline() == "ready\n"
        return sender

    def visitor(self, network=None):
        """Return a visitor with a new browser, from a network of their own."""
        return Visitor(NetworkedBrowser(self.url, network or new_network()))

    def logged_in(self, account):
        """Return a visitor who logged in without using a TOTP code."""
        visitor = self.visitor()
        visitor.give_password(account)
        page = visitor.open("/login/recovery")
        page = page.fill_in(recovery_code=account.recovery_code())
        assert page.path == "/", page.text
        return visitor

    def follow_reset_link(self, account, visitor=None):
        """Ask for a reset email and open its link; return the page that opens."""
        visitor = visitor or self.visitor()
        visitor.open("/reset").fill_in(email=address_of(account))
        link = self.mails_to(address_of(account))[-1].link
        return visitor.open(urlsplit(link).path)

    def account_without_factor(self):
        """Return the account of a new user who is not enrolled yet."""
        return self._new_account(has_authenticator=False)

    def account(self):
        """Return the account of a new user with authenticator and recovery codes."""
        return self._new_account(has_authenticator=True)

    def _new_account(self, has_authenticator):
        # Not by /register: there a network makes twenty users and then has to wait.
        account = Account(new_name(), PASSWORD)
        with self.app.app_context():
            password_hash = self.door.passwords.hash_password(PASSWORD)
            user = self.door.users.create(
                account.username, address_of(account), password_hash
            )
            if has_authenticator:
                account.authenticator = Authenticator(
                    self.door.totp.generate_secret(), RealClock()
                )
                self.door.second_factor.activate(user, account.authenticator.secret, 0)
                account.recovery_codes = self.door.recovery_codes.regenerate_codes(user)
            self.door.db.db.session.commit()
        return account


def address_of(account):
    """Return the address that belongs to an account."""
    return f"{account.username}@example.org"


class FlaskRun:
    """A step as its reader starts it: `flask run`, which prints the emails."""

    def __init__(self, stage, database=None, **settings):
        self.clock = RealClock()
        self.folder = stage.folder
        database = database or database_of(stage)
        self.output = database.with_suffix(".log")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mails_read = 0
        keys = {name: CONFIG[name] for name in ("SECRET_KEY", "TOTP_KEYS")}
        usual = {
            "DATABASE_URL": f"sqlite:///{database}",
            "BASE_URL": self.url,
            "MAIL_SERVER": "",
        }
        self.settings = development(stage) | keys | usual | settings

    def __enter__(self):
        options = ["run", "--no-reload", "--port", str(self.port)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flask", *options],
                cwd=self.folder,
                env=os.environ | self.settings,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.wait_for(lambda: "Running on" in self.log)
        return self

    def __exit__(self, *failure):
        self.process.terminate()
        self.process.wait(timeout=10)

    def next_mail_to(self, address):
        """Wait until another email is printed and return it; it is for this address."""
        self.wait_for(lambda: len(self.mails()) > self.mails_read)
        mails = self.mails()[self.mails_read :]
        self.mails_read += len(mails)
        assert {mail.to for mail in mails} == {address}
        return mails[-1]

    def mails(self):
        """Return the emails that were printed so far."""
        return read_mails(self.log)

    @property
    def log(self):
        """Return what was printed so far."""
        return self.output.read_text()

    def wait_for(self, is_true):
        """Wait until something is true, as long as the server runs."""
        wait_until(is_true, self.process, lambda: self.log)

    def threads(self):
        """Return how many threads the server has."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def visitor(self, network="127.0.0.1"):
        """Return a visitor with a new browser."""
        return Visitor(NetworkedBrowser(self.url, network), self)


@contextmanager
def at_work(jobs):
    """Do each job again and again, in a thread of its own; in the end wait for all."""
    is_over = threading.Event()

    def go_on(job):
        while not is_over.is_set():
            job()

    threads = [threading.Thread(target=go_on, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


class NetworkedBrowser(NetworkBrowser):
    """Talks to a running server, from a network of our choice on this machine."""

    def __init__(self, url, network):
        super().__init__(url)
        self.network = network
        self.session.mount("http://", FromNetwork(network))


class FromNetwork(HTTPAdapter):
    """Makes connections that come from a certain address."""

    def __init__(self, network):
        self.network = network
        super().__init__()

    def init_poolmanager(self, *sizes, **how):
        """Bind each connection to the address."""
        super().init_poolmanager(*sizes, source_address=(self.network, 0), **how)


class Shot(NamedTuple):
    """A filled-in form that was not sent yet."""

    network: str
    target: str
    body: str
    cookies: str

    @classmethod
    def of(cls, page, **values):
        """Fill in the form of a page that is open, without sending it."""
        target, data = page.filled_in(**values)
        browser = page.visitor.browser
        cookies = "; ".join(f"{c.name}={c.value}" for c in browser.cookies.values())
        return cls(browser.network, target, urlencode(data), cookies)


class ServerFailedError(AssertionError):
    """The server answered that something went wrong on its side."""


def fire(server, shots):
    """Send forms in the same moment, each on a connection that is open already."""
    barrier = threading.Barrier(len(shots), timeout=WAIT_SECONDS)
    with ThreadPoolExecutor(len(shots)) as threads:
        pages = list(threads.map(lambda shot: send(server, shot, barrier), shots))
    if any(page.status >= 500 for page in pages):
        raise ServerFailedError(f"{pages}\n{server.log}")
    return pages


def connection_from(network, server):
    """Return a connection to a server from a network, with TLS if it is asked for."""
    where = urlsplit(server.url)
    how = {"timeout": WAIT_SECONDS, "source_address": (network, 0)}
    if where.scheme == "http":
        return HTTPConnection(where.netloc, **how)
    context = ssl.create_default_context(cafile=server.certificate)
    return HTTPSConnection(where.netloc, context=context, **how)


def send(server, shot, barrier):
    """Send one form together with the others; return the page that answers."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": shot.cookies,
        "User-Agent": default_user_agent(),  # the same browser, or cookies are renewed
        "Referer": f"{server.url}/",
    }
    with closing(connection_from(shot.network, server)) as connection:
        try:
            connection.connect()
        except OSError:
            barrier.abort()  # or the others wait for this one
            raise
        barrier.wait()
        connection.request("POST", shot.target, shot.body, headers)
        reply = connection.getresponse()
        return Page(None, shot.target, reply.status, reply.headers, reply.read())


def is_logged_in_by(server, page):
    """Return whether the cookies that came with an answer open the protected page."""
    visitor = server.visitor()
    for header in page.headers.get_all("Set-Cookie", []):
        for morsel in SimpleCookie(header).values():
            visitor.browser.session.cookies.set(morsel.key, morsel.value)
    return visitor.is_logged_in()


def changed_copy(folder, target, file, old, new):
    """Copy a step with one passage replaced, which has to be there."""
    path = Path(bare_copy(folder, target), file)
    text = path.read_text()
    assert text.count(old) == 1, f"{file} does not have this once:\n{old}"
    path.write_text(text.replace(old, new))
    return target


class Process:
    """A command of the app in a process of its own, with its database and keys."""

    def __init__(self, site, *arguments, folder=None, **environment):
        if not (site.stage.folder / "wsgi.py").exists():
            pytest.skip("not run with --app: the test starts a step of ours")
        usual = {key: site.config[key] or "" for key in ("SECRET_KEY", "TOTP_KEYS")}
        usual["DATABASE_URL"] = site.config["SQLALCHEMY_DATABASE_URI"]
        usual |= {"MAIL_SERVER": "", "PYTHONUNBUFFERED": "yes"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flask", *arguments],
            cwd=folder or site.stage.folder,
            env=os.environ | development(site.stage) | usual | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def output(self):
        """Wait for the end; return what was printed."""
        output, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors.decode()
        return output

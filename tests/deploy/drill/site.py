"""Door as in production: nginx, Gunicorn twice, a mail worker, a database."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import closing
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.deploy.drill.network import NAME
from tests.deploy.drill.network import SecureBrowser
from tests.deploy.drill.nginx import write_site
from tests.kit.programs import WAIT_SECONDS
from tests.kit.programs import free_port
from tests.kit.programs import is_open
from tests.kit.programs import wait_until
from tests.kit.servers import Server
from tests.kit.servers import new_network
from tests.kit.smtp_server import certificate
from tests.kit.stage import ROOT
from tests.kit.stage import make_app
from tests.kit.visitor import Visitor

SECRET_KEY = "a key for the drill that is as long as a real one"
TOTP_KEY = "a key for the secrets in the database of the tests"
# As systemd hands over a socket: as file 3, announced in the environment.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


class Process:
    """A program in a group of its own, and what it prints."""

    def __init__(self, command, log, cwd, environment, files=()):
        self.log_file = log
        with log.open("a") as output:
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                pass_fds=files,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def tell(self, number):
        """Send a signal to the first process of the group."""
        self.process.send_signal(number)

    def wait(self):
        """Wait until it has ended; return its exit status."""
        return self.process.wait(timeout=WAIT_SECONDS)

    def end(self):
        """Ask it to end; return its exit status."""
        self.tell(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """Leave nothing of it, whatever state it is in."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()


class Site(Server):
    """Everything that answers under one name; visitors come from many networks."""

    def __init__(self, stage, database, mail, **config):
        self.folder = stage.folder
        self.scratch = Path(tempfile.mkdtemp(prefix="two-steps-in-site-"))
        self.scratch.chmod(0o711)  # nginx is another user
        self.certificate, _ = certificate(self.scratch, NAME)
        self.port, self.plain_port = free_port(), free_port()
        self.listeners = [None, None]
        self.backends = [free_port(), free_port()]
        self.masters = [None, None]
        self.nginx = self.worker = None
        self.mail = mail
        self.changes = config  # of what is shipped
        self.wsgi = "tests.kit.race_app:app" if config else "wsgi:app"
        self.settings = {
            "SECRET_KEY": SECRET_KEY,
            "TOTP_KEYS": TOTP_KEY,
            "DATABASE_URL": database,
            "BASE_URL": self.url,
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(mail.port),
            "MAIL_DEFAULT_SENDER": f"door@{NAME}",
            "PROXIES": "1",
        }
        self.door = stage.load(stage.folder)  # the step's own functions
        self.config = self.door.config.read_environment(self.settings) | config
        self.app = make_app(self.door, self.config)

    def __enter__(self):
        try:
            self.run("db", "upgrade")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure):
        processes = [self.nginx, self.worker, *self.masters]
        for process in filter(None, processes):
            process.kill()
        self.stop_listening()
        with self.app.app_context():
            self.door.db.db.engine.dispose()
        shutil.rmtree(self.scratch)

    @property
    def url(self):
        """Return the address of the site."""
        return f"https://{NAME}:{self.port}"

    @property
    def environment(self):
        """Return the environment of production, with nothing of ours in it."""
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ
        }
        changed = {
            "PYTHONPATH": str(ROOT),
            "RACE_STEP": str(self.folder),
            "RACE_CONFIG": json.dumps(self.changes),
        }
        kept |= changed if self.wsgi != "wsgi:app" else {}
        return kept | self.settings

    @property
    def log(self):
        """Return all that the processes wrote."""
        files = sorted(self.scratch.glob("*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def log_of(self, name):
        """Return what one of the processes wrote."""
        return (self.scratch / f"{name}.log").read_text(errors="replace")

    # Starting and stopping

    def start(self):
        """Start everything, and wait until it answers."""
        self.listen()
        self.start_masters()
        self.start_worker()
        self.start_nginx()

    def start_masters(self):
        """Start both Gunicorns, and wait until they serve."""
        for number in range(len(self.masters)):
            self.start_master(number)
        for number in range(len(self.masters)):
            self.wait_for_master(number)

    def run(self, *command):
        """Run a command of the operator's; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def listen(self):
        """Open the two sockets, as door-web.socket does: they outlive a Gunicorn."""
        for number, port in enumerate(self.backends):
            self.listeners[number] = socket.create_server(("127.0.0.1", port))

    def stop_listening(self):
        """Close the sockets: from now on nobody gets through to Gunicorn."""
        for listener in filter(None, self.listeners):
            listener.close()

    def start_master(self, number):
        """Start Gunicorn as the service manager does."""
        listener = self.listeners[number].fileno()
        gunicorn = [sys.executable, "-m", "gunicorn", self.wsgi]
        self.masters[number] = Process(
            [sys.executable, "-c", HAND_OVER, str(listener), *gunicorn],
            self.scratch / f"gunicorn{number}.log",
            self.folder,
            self.environment,
            [listener],
        )

    def wait_for_master(self, number):
        """Wait until a Gunicorn serves, and reaches its database."""
        port, process = self.backends[number], self.masters[number]
        self.wait_for(lambda: self.ask_master(port, "/readyz") == 200, process)

    def restart_master(self, number):
        """Let one of the two end and start again, as in a rolling update."""
        assert self.masters[number].end() == 0
        self.start_master(number)
        self.wait_for_master(number)

    def start_worker(self):
        """Start the process that sends the emails."""
        self.worker = self.start_another_worker()

    def start_another_worker(self):
        """Start one more process that sends emails; return it."""
        command = [sys.executable, "-m", "flask", "mail-worker"]
        log = self.scratch / "worker.log"
        return Process(command, log, self.folder, self.environment)

    def restart_worker(self):
        """Let the process that sends the emails end, and start it again."""
        assert self.worker.end() == 0
        self.start_worker()

    def start_nginx(self):
        """Start nginx in front of both servers."""
        servers = [f"127.0.0.1:{port}" for port in self.backends]
        ports = {443: self.port, 80: self.plain_port}
        command = write_site(
            self.folder, self.scratch, servers, self.certificate, ports
        )
        command += ["-g", "daemon off;"]
        log = self.scratch / "nginx.log"
        self.nginx = Process(command, log, self.scratch, self.environment)
        self.wait_for(lambda: is_open(self.port), self.nginx)

    def ask_master(self, port, path):
        """Ask Gunicorn itself; return the status of its answer, or None."""
        with closing(
            HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
        ) as connection:
            try:
                connection.request("GET", path, headers={"Host": NAME})
                return connection.getresponse().status
            except OSError:
                return None

    def wait_for(self, is_true, process=None):
        """Wait until something is true, but not for ever, nor for a dead process."""
        wait_until(is_true, process and process.process, lambda: self.log)

    # Visitors

    def visitor(self, network=None):
        """Return a visitor with a new browser, from a network of their own."""
        network = network or new_network()
        return Visitor(SecureBrowser(self.url, network, self.certificate))

    def ask_database(self, question, *values):
        """Return the rows that the database answers."""
        with self.app.app_context(), self.door.db.db.engine.begin() as connection:
            question = question.replace("?", "%s")
            result = connection.exec_driver_sql(question, values)
            return result.all() if result.returns_rows else []

    def wait_for_mails(self):
        """Wait until all emails are sent, and the worker knows that they are."""
        emails = "SELECT count(*) FROM outbox_emails"
        self.wait_for(lambda: self.ask_database(emails) == [(0,)], self.worker)

    def mails_to(self, address):
        """Return the emails that arrived at an address, when no more are queued."""
        self.wait_for_mails()
        return [mail for mail in self.mail.mails if mail.to == address]

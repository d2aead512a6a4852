"""The app of a step, served without a network to two browsers beside it."""

import os
import re
import secrets
import sys
import time
from importlib import import_module
from importlib import invalidate_caches
from itertools import cycle
from pathlib import Path
from urllib.parse import urljoin

import click
import frame
import standin_hashlib  # noqa: F401  puts into hashlib what is missing here
from werkzeug.test import Client

BASE_URL = "http://127.0.0.1:5000"
MOST_REDIRECTS = 20
NETWORKS = {"you": "127.0.0.1", "thief": "203.0.113.66"}  # RFC 5737
FIRST_WITH_KEY_FILE = "04"
EDITABLE = (".py", ".html", ".css", ".js", ".txt")


class Server:
    """One or more workers of an app, which take turns; a WSGI application itself."""

    def __init__(self, folder):
        self.folder = folder
        self.workers = []
        self.start(1)

    def start(self, count):
        """Start workers as `flask run` starts the app, with nothing in their memory."""
        self.workers = [load_app(self.folder) for _ in range(count)]
        self.turns = cycle(range(count))
        self.turn = 0
        if (self.folder / "migrations").is_dir():
            self.migrate()

    def migrate(self):
        """Bring the database up to date, as `flask db upgrade` does."""
        with self.workers[0].app_context():
            import_module("flask_migrate").upgrade(str(self.folder / "migrations"))

    def __call__(self, environ, start_response):
        """Let the next worker answer."""
        self.turn = next(self.turns)
        return self.workers[self.turn](environ, start_response)

    def send_mail(self):
        """Send waiting emails, as `flask send-mail` does; return what it prints."""
        app = self.workers[0]
        if "send-mail" not in app.cli.commands:
            return []
        output = app.test_cli_runner().invoke(args=["send-mail"]).output
        return [
            text.strip() for text in re.split(r"\n(?=To: )", output) if text.strip()
        ]


def load_app(folder):
    """Import the app of a step afresh, and return it."""
    for name in [n for n in sys.modules if n == "app" or n.startswith("app.")]:
        del sys.modules[name]
    if sys.path[0] != str(folder):
        sys.path.insert(0, str(folder))
    invalidate_caches()
    os.chdir(folder)
    module = import_module("app")
    with click.Context(click.Command("flask")):  # `flask --debug run` has one
        return module.create_app({"MAIL_IN_BACKGROUND": False})


def set_environment(folder):
    """Set what `tutorial.py run` sets, and the keys that no file can hold here."""
    number = folder.name[:2]
    os.environ |= {"ISSUER": f"Door {number}", "BASE_URL": BASE_URL}
    if (folder / "app" / "config.py").exists():
        os.environ["FLASK_DEBUG"] = "1"
    if number >= FIRST_WITH_KEY_FILE:  # a key file is made with os.link
        keys = {name: secrets.token_hex(32) for name in ("SECRET_KEY", "TOTP_KEYS")}
        os.environ |= keys


class Pane:
    """What the page drives: a server, and a browser for you and one for the thief."""

    def __init__(self, folder):
        sys.dont_write_bytecode = True  # two changes in a second would look like one
        self.folder = Path(folder)
        set_environment(self.folder)
        self.server = Server(self.folder)
        self.browsers = {name: Client(self.server) for name in NETWORKS}

    def restart(self, count):
        """Start the server anew with so many workers; return the emails sent."""
        self.server.start(count)
        return self.server.send_mail()

    def files(self):
        """Return the texts of the files that a reader may change, by path."""
        paths = sorted((self.folder / "app").rglob("*.*"))
        return {
            path.relative_to(self.folder).as_posix(): path.read_text("utf-8")
            for path in paths
            if path.suffix in EDITABLE
        }

    def write(self, file, text):
        """Write a file that a reader has changed."""
        (self.folder / file).write_text(text, "utf-8")

    def copy_cookies(self, source, target):
        """Give one browser all cookies of the other."""
        cookies = self.browsers[source]._cookies  # Werkzeug has no way to list them
        self.browsers[target]._cookies = dict(cookies)

    def visit(self, name, method, address, body=None):
        """Ask for a page as a browser does; return it, and each exchange on the way."""
        exchanges = []
        for _ in range(MOST_REDIRECTS):
            response, exchange = self.ask(name, method, address, body)
            exchanges.append(exchange)
            target = response.headers.get("Location")
            if target is None or not 300 <= response.status_code < 400:
                break
            address = urljoin(BASE_URL + address, target).removeprefix(BASE_URL)
            if response.status_code not in (307, 308):
                method, body = "GET", None
        fetch = Client(self.server).get
        return {
            "address": address,
            "exchanges": exchanges,
            "emails": self.server.send_mail(),
            "status": response.status_code,
            "html": frame.prepare(response, BASE_URL + address, fetch),
        }

    def ask(self, name, method, address, body):
        """Send one request; return the response, and what was said."""
        began = time.perf_counter()
        sent = {"data": body, "content_type": "application/x-www-form-urlencoded"}
        response = self.browsers[name].open(
            address,
            method=method,
            base_url=BASE_URL,
            environ_base={"REMOTE_ADDR": NETWORKS[name]},
            buffered=True,
            **(sent if body is not None else {}),
        )
        return response, {
            "browser": name,
            "method": method,
            "address": address,
            "body": body or "",
            "cookie": response.request.headers.get("Cookie", ""),
            "status": response.status,
            "headers": [list(header) for header in response.headers],
            "worker": self.server.turn + 1,
            "workers": len(self.server.workers),
            "seconds": time.perf_counter() - began,
        }

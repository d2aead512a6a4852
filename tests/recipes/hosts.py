"""Apps that are not ours, before and after they got the package of docs/add-it.md.

Each is in tests/fixtures/hosts as it was before. What the page tells its developers to
write is taken from the page itself: the page cannot drift from what is attacked here.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from itertools import count
from pathlib import Path
from uuid import UUID

from flask import session
from flask_login import login_user
from sqlalchemy import text
from werkzeug.security import generate_password_hash

from tests.kit.browser import InProcessBrowser
from tests.kit.clock import RealClock
from tests.kit.names import read_names
from tests.kit.phone import scan
from tests.kit.stage import CONFIG
from tests.kit.stage import ROOT
from tests.kit.stage import SCRATCH
from tests.kit.stage import TEMPLATES
from tests.kit.stage import Account
from tests.kit.stage import codes_on
from tests.kit.visitor import Visitor

PAGE = ROOT / "docs" / "add-it.md"
PACKAGE = ROOT / "docs" / "recipes" / "add-it" / "two_factor"
HOSTS = ROOT / "tests" / "fixtures" / "hosts"
JUNK = shutil.ignore_patterns("__pycache__", "instance")
APPLIED = ("diff", "html+jinja", "python")  # the rest is typed, or shown
BLOCK = re.compile(
    r'^( *)```(\S+) title="(\S+)"\n(.*?)^\1```$', re.MULTILINE | re.DOTALL
)
SECTION = re.compile(r"^### .*\{ #(\w+) \}$", re.MULTILINE)
PASSWORD = "four lamps under one umbrella"
NEW = "six violins paint the harbour"
LIMIT = 5  # attempts in a window
DAY_SECONDS = 24 * 60 * 60
USERS = ("ann", "bob", "eve")
KEYS = {name: CONFIG[name] for name in ("SECRET_KEY", "TOTP_KEYS")}

KEYS_OF_USERS = ("id", "uid", "number")

_numbers = count(1)


# What the page says


def blocks_of(host):
    """Return language, file and text of each block that a host's developers apply."""
    lead, *rest = SECTION.split(PAGE.read_text("utf-8"))
    sections = dict(zip(rest[::2], rest[1::2], strict=True)) | {"shop": lead}
    end = re.search(r"^## ", sections[host], re.MULTILINE) if host != "shop" else None
    section = sections[host][: end.start()] if end else sections[host]
    return [
        (language, file, re.sub(f"^{indent}", "", block, flags=re.MULTILINE))
        for indent, language, file, block in BLOCK.findall(section)
        if language in APPLIED
    ]


def apply(folder, language, file, block):
    """Write a new file, or change one; raise ValueError if it does not fit."""
    path = Path(folder, file)
    if language != "diff":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, "utf-8")
        return
    source = path.read_text("utf-8")
    for hunk in re.split(r"^\.\.\.\n", block, flags=re.MULTILINE):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        if source.count(before) != 1:
            raise ValueError(f"{file} has this {source.count(before)} times:\n{before}")
        source = source.replace(before, after)
    path.write_text(source, "utf-8")


@cache
def build(host):
    """Return the folder of a host to which all of the page was applied."""
    folder = Path(SCRATCH.name, f"host-{host}")
    shutil.copytree(HOSTS / host, folder, ignore=JUNK)
    shutil.copytree(PACKAGE, folder / "two_factor", ignore=JUNK)
    for language, file, block in blocks_of(host):
        apply(folder, language, file, block)
    (folder / "app.py").write_text(f"from {host} import create_app as create_app\n")
    return folder


@cache
def load(host):
    """Import a host that has the package."""
    sys.path.insert(0, str(build(host)))
    importlib.invalidate_caches()
    return importlib.import_module(host)


# What the attacks have to know about each host


class Host:
    """An app of somebody else: the names that it has for what an attack needs."""

    thing = "text"  # the field of a form that takes 20 characters at most
    remember = None  # the box on the login page
    has_flask_login = True
    before = ()  # the commands with which its developers make the tables
    after = (["two-factor", "create-tables"],)

    def __init__(self, name):
        self.name = name
        self.names = read_names(HOSTS / name / "map.toml")

    def __repr__(self):
        return self.name

    def config(self, database):
        """Return what the app is told about its database."""
        is_url = "://" in str(database)
        url = str(database) if is_url else f"sqlite:///{database}"
        return KEYS | {"SQLALCHEMY_DATABASE_URI": url}

    def login_name(self, name):
        """Return what a user types to log in."""
        return name

    def second_factor(self):
        """Return the module in which its developers have made the TwoFactor."""
        return importlib.import_module(f"{load(self.name).__name__}.second_factor")


class Shop(Host):
    """The ordinary one: factory, Flask-SQLAlchemy, Flask-Login, Flask-Migrate."""

    table, things, owner = '"user"', '"order"', "user_id"
    remember = "remember"
    before = (["db", "init"], ["db", "migrate", "-m", "users"], ["db", "upgrade"])
    after = (["db", "migrate", "-m", "second factor"], ["db", "upgrade"])

    def row(self, number, name, password_hash):
        """Return the row of a user."""
        names = {"username": name, "email": f"{name}@example.org"}
        return {"id": number, "password_hash": password_hash} | names


class Clinic(Host):
    """Email addresses, UUIDs, prefixes, other blocks, sessions on the server."""

    table, things, owner = '"user"', "patient", "doctor"
    thing = "name"
    remember = "stay"
    before = after = (["create-db"],)

    def row(self, number, name, password_hash):
        """Return the row of a user."""
        key = f"{number:032x}"
        return {"uid": key, "mail": self.login_name(name), "secret": password_hash} | {
            "retired": False
        }

    def login_name(self, name):
        """Return what a user types to log in."""
        return f"{name}@example.org"


class Wiki(Host):
    """Plain sqlite3 in one file, without Flask-Login."""

    table, things, owner = "people", "pages", "author"
    has_flask_login = False

    def config(self, database):
        """Return what the app is told about its database."""
        return KEYS | {"DATABASE": str(database)}

    def row(self, number, name, password_hash):
        """Return the row of a user."""
        return {"id": number, "name": name, "hash": password_hash}

    def second_factor(self):
        """Return the module in which its developers have made the TwoFactor."""
        load(self.name)
        return importlib.import_module("second_factor")


class Tracker(Host):
    """An API whose tokens are another door."""

    table, things, owner = "accounts", "issues", "account_number"
    before = (["create-all"],)

    def row(self, number, name, password_hash):
        """Return the row of a user."""
        return {"number": number, "username": name, "password_hash": password_hash}


ALL = {kind.__name__.lower(): kind for kind in (Shop, Clinic, Wiki, Tracker)}


# Before the package, and after


def at_home(folder, host, database, commands, **job):
    """Let the developers of a host type commands in its folder; return what is printed.

    They do so in a process of their own, as two versions of an app have one name.
    """
    job |= {"host": host.name, "config": host.config(database), "commands": commands}
    done = subprocess.run(
        [sys.executable, "-m", "tests.recipes.at_home", json.dumps(job)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@cache
def developed(name, url=None):
    """Return a database with users of before, which the host has then migrated.

    Return the cookies of their old sessions as well, by user and by name.
    """
    host, place = (
        ALL[name](name),
        Path(SCRATCH.name, f"{name}-{'url' if url else 'file'}"),
    )
    database = url or place / "host.db"
    shutil.copytree(HOSTS / name, place / "before", ignore=JUNK)
    password_hash = generate_password_hash(PASSWORD, "pbkdf2:sha256:1")
    rows = [host.row(n, user, password_hash) for n, user in enumerate(USERS, 1)]
    job = {"table": host.table, "rows": rows}
    cookies = at_home(place / "before", host, database, host.before, **job)
    shutil.copytree(build(name), place / "after", ignore=JUNK)
    if (place / "before/migrations").exists():
        shutil.copytree(place / "before/migrations", place / "after/migrations")
    at_home(place / "after", host, database, host.after)
    return database, cookies


def copy_on(postgres, name):
    """Return a new database on PostgreSQL, and the cookies of before."""
    template, copy = f"host_{name}", f"host_{name}_{next(_numbers)}"
    with postgres.connect("postgres") as connection:
        query = "SELECT count(*) FROM pg_database WHERE datname = %s"
        if connection.execute(query, [template]).fetchone() == (0,):
            postgres.create(template)
        _, cookies = developed(name, address(postgres, template))
        connection.execute(f"CREATE DATABASE {copy} TEMPLATE {template}")
    return address(postgres, copy), cookies


def address(postgres, database):
    """Return the URL of a database, with the driver that we have."""
    return postgres.url(database).replace("postgres://", "postgresql+psycopg://")


class Running:
    """A host that runs, with the package and with users of before."""

    def __init__(self, name, clock=None, postgres=None):
        self.host = ALL[name](name)
        self.clock = clock or RealClock()
        if postgres:
            self.database, self.old_cookies = copy_on(postgres, name)
        else:
            database, self.old_cookies = developed(name)
            self.database = Path(SCRATCH.name, f"host-{next(_numbers)}.db")
            shutil.copy(database, self.database)
        self.apps = []
        self.events = []
        self.two_factor = self.host.second_factor().two_factor
        self.two_factor.listeners[:] = [self.note]
        self.start()

    def start(self):
        """Start the app, for the first time or again."""
        self.app = load(self.host.name).create_app(self.host.config(self.database))
        self.app.jinja_env.bytecode_cache = TEMPLATES
        self.app.add_url_rule("/door/<name>", view_func=self.forgotten_door)
        self.apps.append(self.app)
        return self

    def close(self):
        """Close the connections to the database."""
        for app in self.apps:
            with app.app_context():
                self.two_factor.engine.dispose()
                if "sqlalchemy" in app.extensions:
                    app.extensions["sqlalchemy"].engine.dispose()
        if isinstance(self.database, Path):
            for file in self.database.parent.glob(f"{self.database.name}*"):
                file.unlink()

    def note(self, event, user, **details):
        """Remember an event."""
        self.events.append((event, details))

    def told(self, event):
        """Return the details of each event of this kind."""
        return [details for name, details in self.events if name == event]

    def forgotten_door(self, name):
        """Log a user in, as a view may do that nobody has thought of."""
        if self.host.has_flask_login:
            login_user(self.two_factor.load_user(self.id_of(name)), remember=True)
        else:
            session["user_id"] = self.id_of(name)
        return "in"

    def sql(self, statement, **values):
        """Ask the database itself, or change it; return the rows."""
        with self.app.app_context(), self.two_factor.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def row_of(self, name):
        """Return the row of a user, as the host's tables have it."""
        return self.host.row(1 + USERS.index(name), name, "")

    def id_of(self, name):
        """Return the key of a user, as the package has it."""
        with self.app.app_context():
            user_id = next(
                v for k, v in self.row_of(name).items() if k in KEYS_OF_USERS
            )
            return UUID(user_id) if isinstance(user_id, str) else user_id

    def insert(self, row):
        """Insert a user as the host's own code does, if it has a model for them."""
        if self.two_factor.User is None:
            columns, values = ", ".join(row), ", ".join(f":{name}" for name in row)
            table = self.host.table
            self.sql(f"INSERT INTO {table} ({columns}) VALUES ({values})", **row)
            return
        with self.app.app_context():
            row = {k: UUID(v) if k == "uid" else v for k, v in row.items()}
            self.two_factor.db.session.add(self.two_factor.User(**row))
            self.two_factor.db.session.commit()

    def password_hash_of(self, name):
        """Return the hash that a host has of a user's password."""
        column = next(k for k, v in self.row_of(name).items() if v == "")
        key, value = next(iter(self.row_of(name).items()))
        query = f"SELECT {column} FROM {self.host.table} WHERE {key} = :value"
        return self.sql(query, value=value)[0][0]

    def module(self, name):
        """Return a module of the package."""
        return sys.modules[f"two_factor.{name}"]

    def after(self, monkeypatch, module, name, act):
        """Let something happen as soon as a function of the package has returned."""
        function = getattr(self.module(module), name)

        def call_and_act(*values):
            found = function(*values)
            act()
            return found

        monkeypatch.setattr(self.module(module), name, call_and_act)

    def things(self, name):
        """Return how many things of theirs a user has stored."""
        host, key = self.host, next(iter(self.row_of(name).values()))
        query = f"SELECT count(*) FROM {host.things} WHERE {host.owner} = :key"
        return self.sql(query, key=key)[0][0]

    def visitor(self, network="127.0.0.1"):
        """Return a visitor with a new browser."""
        return Visitor(InProcessBrowser(self.app, network), self, self.host.names)

    def account(self, name):
        """Return what a user of before knows; there is no phone yet."""
        return Account(self.host.login_name(name), PASSWORD)

    def command(self, *arguments):
        """Run a command of the package; return its result."""
        return self.app.test_cli_runner().invoke(args=["two-factor", *arguments])

    def password(self, visitor, account, to="/login", remember=False):
        """Give a name and a password, with the box ticked or not; return the page."""
        values = {"username": account.username, "password": account.password}
        ticked = {self.host.remember: "y"} if remember else {}
        return visitor.open(to).fill_in(**values, **ticked)

    def enrol(self, visitor, account, **how):
        """Set up a phone; return the page with the recovery codes."""
        page = self.password(visitor, account, **how)
        assert page.path == "/enrol", page
        account.authenticator = scan(page, self.clock)
        page = page.fill_in(code=account.authenticator.code())
        account.recovery_codes = codes_on(page)
        return page

    def enrolled(self, name="ann"):
        """Return a user with a phone, and the visitor who has just set it up."""
        visitor, account = self.visitor(), self.account(name)
        self.enrol(visitor, account)
        return visitor, account

    def logged_in(self, account, **how):
        """Return a new browser in which a user is logged in."""
        visitor = self.visitor()
        page = self.password(visitor, account, **how)
        page.fill_in(code=account.authenticator.code())
        assert visitor.is_logged_in()
        return visitor


def is_login(page):
    """Return whether a page asks for the password."""
    return page.path.partition("?")[0] == "/login"

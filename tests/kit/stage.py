"""A stage of the tutorial: a step of ours, or the reader's own app."""

import atexit
import importlib
import importlib.util
import itertools
import os
import shutil
import sqlite3
import sys
import tempfile
from collections import defaultdict
from contextlib import closing
from copy import copy
from copy import deepcopy
from functools import cache
from pathlib import Path

import flask_migrate
import pytest
from jinja2 import BytecodeCache
from werkzeug.security import generate_password_hash

from tests.kit.browser import InProcessBrowser
from tests.kit.mailbox import read_mails
from tests.kit.mailbox import without_routine
from tests.kit.marks import reach
from tests.kit.names import ContractMap
from tests.kit.phone import Authenticator
from tests.kit.phone import scan
from tests.kit.visitor import NotOfferedError
from tests.kit.visitor import Visitor
from tools import pages

ROOT = Path(__file__).parents[2]
STEPS = {path.name[:2]: path for path in sorted(ROOT.glob("steps/[0-9][0-9]-*"))}
DEMO_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # noqa: S105  RFC 6238 appendix B
CONFIG = {
    "TESTING": True,
    "SECRET_KEY": "a key for tests, as long as a real one has to be",
    # hashing made cheap: of the dummy user's password, and from step 04 on of all
    "PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
    "TOTP_KEYS": "a key for the secrets in the database of the tests",
    "DEVELOPMENT": True,  # http, and keys that nobody needs to guess
    "MAIL_IN_BACKGROUND": False,  # `flask send-mail` sends, and prints
    "DUMMY_PASSWORD_HASH": generate_password_hash("password", "pbkdf2:sha256:1"),
}

MEMORY = Path("/dev/shm")  # noqa: S108  where a commit waits for no disk
SCRATCH = tempfile.TemporaryDirectory(
    prefix="two-steps-in-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None
)
atexit.register(SCRATCH.cleanup)  # before Python warns that nobody did
DATABASE = "SQLALCHEMY_DATABASE_URI"
FIRST_WITH_DATABASE = "04"
FIRST_WITHOUT_MEMORY = "04d"  # the page that brings the rate limit into the database
FIRST_WITH_MAIL = "05"
FIRST_IN_PRODUCTION = "06"
FIRST_NAMES = ["kim"]
IN_CONSONANTS = str.maketrans("0123456789", "bcdfghjklm")
LOADED = {}
STARTED = []
REUSABLE = defaultdict(list)
PREPARED = {}

_numbers = itertools.count(10_000)  # of one length: no name is a part of another


class TemplateCache(BytecodeCache):
    """Compiles each template once a run, however many apps are started."""

    def __init__(self):
        self.compiled = {}

    def load_bytecode(self, bucket):
        """Hand over what was compiled before."""
        if bucket.key in self.compiled:
            bucket.bytecode_from_string(self.compiled[bucket.key])

    def dump_bytecode(self, bucket):
        """Keep what was compiled."""
        self.compiled[bucket.key] = bucket.bytecode_to_string()


TEMPLATES = TemplateCache()


@cache
def folder_of(target):
    """Return the folder of a step; for a page make one with the app as it is then."""
    if target in STEPS:
        return STEPS[target]
    folder = Path(SCRATCH.name, target)
    pages.write_files(pages.files_after(target), folder)
    return folder


def load_step(folder):
    """Import the app of a step, under a name of its own; afresh if it has a memory."""
    if reach(folder.name.partition("-")[0]) < FIRST_WITHOUT_MEMORY:
        return import_step(folder)
    if folder not in LOADED:
        LOADED[folder] = import_step(folder)
    return LOADED[folder]


def import_step(folder):
    """Import the app of a step afresh."""
    name = f"{folder.name.replace('-', '_')}_{next(_numbers)}"
    package = folder / "app"
    spec = importlib.util.spec_from_file_location(
        f"step_{name}",
        package / "__init__.py",
        submodule_search_locations=[str(package)],
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load_own_app(folder):
    """Import the reader's app afresh: a package `app`, or a file `app.py`."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if Path(file).is_relative_to(folder) and "site-packages" not in file:
            del sys.modules[name]
    importlib.invalidate_caches()
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module("app")


def make_app(module, config):
    """Make the app of a module, by its factory or as it is."""
    if hasattr(module, "create_app"):
        return module.create_app(config)
    if not hasattr(module, "app"):
        pytest.fail(f"{module.__file__} has neither create_app(config=None) nor app")
    module.app.config.update(config)
    return module.app


@cache
def empty_database(folder, load, names):
    """Return an empty database of an app, made by its migrations or by its function."""
    file = Path(SCRATCH.name, f"{next(_numbers)}.db")
    app = make_app(load(folder), CONFIG | {DATABASE: f"sqlite:///{file}"})
    if "create_tables" in names.app:
        call_named(app, names.app["create_tables"])
    else:
        migrations = names.app.get("migrations") or app.extensions["migrate"].directory
        upgrade_database(app, folder / migrations)
    return file


def call_named(app, place, *values):
    """Call the function that a map names as module:function; return what it returns."""
    module, _, name = place.partition(":")
    with app.app_context():
        return getattr(importlib.import_module(module), name)(*values)


def upgrade_database(app, migrations=None):
    """Bring the tables of an app up to date, by its own migrations."""
    with app.app_context():
        flask_migrate.upgrade(directory=migrations and str(migrations))
        app.extensions["sqlalchemy"].engine.dispose()


def database_of(stage):
    """Return the file of a new and empty database for an app."""
    file = Path(SCRATCH.name, f"{next(_numbers)}.db")
    shutil.copy(empty_database(stage.folder, stage.load, stage.names), file)
    return file


def take_rested(stage):
    """Return an app that an earlier test has left as it was, or none."""
    if not REUSABLE[stage.folder]:
        return None
    app = REUSABLE[stage.folder].pop()
    if stage.number >= FIRST_WITH_DATABASE:
        empty = empty_database(stage.folder, stage.load, stage.names)
        shutil.copy(empty, file_of(app))
    for memory in memory_of(app).values():
        memory.clear()
    return app


def memory_of(app):
    """Return what the modules of an app remember: dictionaries, empty at the start."""
    return {
        (name.removeprefix(app.import_name), variable): value
        for name, module in list(sys.modules.items())
        if name.startswith(f"{app.import_name}.")
        for variable, value in vars(module).items()
        if isinstance(value, dict) and variable.startswith("_") and variable[1] != "_"
    }


def file_of(app):
    """Return the file of an app's database."""
    return Path(app.config[DATABASE].removeprefix("sqlite:///"))


def close_databases():
    """Close the connections that the apps of a test have kept open, and clean up."""
    while STARTED:
        site = STARTED.pop()
        app = site.app
        if "sqlalchemy" in app.extensions:
            with app.app_context():
                app.extensions["sqlalchemy"].engine.dispose()
            for file in Path(SCRATCH.name).glob(f"{file_of(app).name}*"):
                file.unlink(missing_ok=True)  # a sender may be at work
        if site.may_rest and app.config == site.config_of_app:
            REUSABLE[site.stage.folder].append(app)


def development(stage):
    """Return what a process of its own is told, so that it serves a reader at home."""
    return {"FLASK_DEBUG": "1" if stage.number >= FIRST_IN_PRODUCTION else "0"}


class NoAuthenticator:
    """The phone of an account on a step that has no phones."""

    def __getattr__(self, name):
        raise NotOfferedError("this step has no second factor")

    def __bool__(self):
        return False


class Account:
    """What one user knows and has."""

    def __init__(self, username, password):
        self.username = username
        self.password = password
        self.authenticator = NoAuthenticator()
        self.recovery_codes = []

    def __repr__(self):
        return f"<account {self.username}>"

    def on(self, clock):
        """Return a copy whose phone has this clock."""
        twin = copy(self)
        twin.recovery_codes = list(self.recovery_codes)
        if self.authenticator:
            twin.authenticator = copy(self.authenticator)
            twin.authenticator.clock = clock
        return twin

    def recovery_code(self):
        """Return a recovery code that was not handed out yet."""
        if not self.recovery_codes:
            raise NotOfferedError("there is no recovery code")
        return self.recovery_codes.pop(0)


class Stage:
    """One step, ours or the reader's, that can be started as often as a test likes."""

    names = ContractMap()

    def __init__(self, number, folder, own=False):
        self.number = number
        self.folder = folder
        self.load = load_own_app if own else load_step

    def start(self, clock, **config):
        """Start the app afresh, with nothing in its memory or in its database.

        Unless a test sets something, it is given the app of an earlier test, which has
        forgotten everything.
        """
        usual = self.load is load_step and not config
        config = CONFIG | config
        app = (usual and take_rested(self)) or self.make(config)
        if DATABASE in app.config:
            config[DATABASE] = app.config[DATABASE]
        STARTED.append(Site(self, app, clock, config, usual))
        return STARTED[-1]

    def make(self, config):
        """Make an app, with a database of its own unless the configuration has one."""
        if self.number >= FIRST_WITH_DATABASE and DATABASE not in config:
            config = config | {DATABASE: f"sqlite:///{database_of(self)}"}
        app = make_app(self.load(self.folder), config)
        app.jinja_env.bytecode_cache = TEMPLATES
        return app


class Site:
    """A running app."""

    def __init__(self, stage, app, clock, config, usual):
        self.stage = stage
        self.app = app
        self.clock = clock
        self.config = config
        self.config_of_app = dict(app.config)
        self.is_fresh = usual  # nobody was here
        self.may_rest = usual  # another test may have the app

    @property
    def database(self):
        """Return the file of the database."""
        if self.stage.number < FIRST_WITH_DATABASE:
            raise NotOfferedError("this step has no database")
        return file_of(self.app)

    @property
    def engine(self):
        """Return the engine with which the app reaches the database.

        A test may listen to it, so no other test gets it.
        """
        self.may_rest = False
        if "sqlalchemy" not in self.app.extensions:
            raise NotOfferedError("this step has no database")
        with self.app.app_context():
            return self.app.extensions["sqlalchemy"].engine

    def sql(self, statement, *values):
        """Ask the database itself, or change it; return the rows."""
        self.is_fresh = False
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def visitor(self, network="127.0.0.1"):
        """Return a visitor with a new browser."""
        self.is_fresh = False
        browser = InProcessBrowser(self.app, network)
        return Visitor(browser, self, self.stage.names)

    def mails(self, routine=False):
        """Send the mails that wait, and return them.

        Unless asked, leave out notices of an enrolment or of a new browser.
        """
        if self.stage.number < FIRST_WITH_MAIL:
            raise NotOfferedError("this step sends no mail")
        done = self.app.test_cli_runner().invoke(args=["send-mail"])
        assert done.exit_code == 0, done.output
        mails = read_mails(done.output)
        return mails if routine else without_routine(mails)

    def run_hourly_tasks(self):
        """Do now what the sender of ours does once an hour: delete old rows."""
        if self.stage.number < FIRST_WITH_MAIL:
            raise NotOfferedError("this step deletes nothing by the hour")
        with self.app.app_context():
            self.module("outbox").run_hourly_tasks()

    def module(self, name):
        """Return a module of the app, which is one of ours."""
        if not (self.stage.folder / "app" / f"{name}.py").exists():
            raise NotOfferedError(f"this step has no module {name}")
        return sys.modules[f"{self.app.import_name}.{name}"]

    def start_again(self, **config):
        """Start the same app once more: a restart, or a second process."""
        return self.stage.start(self.clock, **self.config | config)

    def some(self, cases):
        """Return the cases that a test tries: here all."""
        return cases

    def start_other_step(self, number):
        """Start another step of ours, with the same keys."""
        return Stage(number, STEPS[number]).start(self.clock)

    def cached_account(self, make):
        """Return the account that a function makes on this site.

        It is made once a run. Another site that nobody has touched starts with a copy
        of the memory and of the database that this left behind.
        """
        if not self.is_fresh:
            return make(self)
        recipe = (self.stage.folder, make, self.clock.now())
        if recipe not in PREPARED:
            account = make(self)
            PREPARED[recipe] = account.on(None), *self.copy_state()
            return account
        self.is_fresh = False
        account, memory, database = PREPARED[recipe]
        self.restore_state(memory, database)
        return account.on(self.clock)

    def copy_state(self):
        """Return a copy of what the app has in its memory and in its database."""
        memory = deepcopy(memory_of(self.app))
        if self.stage.number < FIRST_WITH_DATABASE:
            return memory, None
        self.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return memory, self.database.read_bytes()

    def restore_state(self, memory, database):
        """Let the app have what another one had in its memory and in its database."""
        for place, value in memory_of(self.app).items():
            value.update(deepcopy(memory[place]))
        if database:
            self.database.write_bytes(database)

    def account_without_factor(self):
        """Return a user's account before there is a second factor."""
        if self.stage.number < FIRST_WITH_DATABASE:
            return first_user(self.stage)
        return self.cached_account(register_somebody)

    def account(self):
        """Return an account with all that this step asks for."""
        return self.cached_account(add_account)


def first_user(stage):
    """Return the account of the one user whom an app has before anybody registers."""
    user = stage.names.user
    return Account(user.get("username", "admin"), user.get("password", "password"))


GOOD_PASSWORD = "four lamps under one umbrella"  # noqa: S105  of nobody


def new_name():
    """Return a username that nobody has.

    Its number is written in consonants: a page that shows the name must not show
    digits, or a word, that a test looks for.
    """
    return f"{FIRST_NAMES[-1]}{next(_numbers)}".translate(IN_CONSONANTS)


def fill_in_registration(visitor, **values):
    """Register with these values, and good ones for the rest; return the page."""
    name = new_name()
    password = values.get("password", GOOD_PASSWORD)
    usual = {"username": name, "email": f"{name}@example.org"}
    usual |= {"password": password, "confirm": password}
    return visitor.open("/register").fill_in(**usual | values)


def register(visitor, **values):
    """Register somebody new; return the account, which has no phone yet."""
    name = new_name()
    values = {"username": name, "email": f"{name}@example.org"} | values
    account = Account(values["username"], values.get("password", GOOD_PASSWORD))
    if "create_user" in visitor.names.app:
        account.username = create_user(visitor.site, account, values["email"])
        page = visitor.give_password(account)
    else:
        page = fill_in_registration(visitor, **values)
    if page.path == "/register/verify":
        page = prove_address(visitor, values["email"].strip().lower())
    if page.path != "/enrol":
        raise NotOfferedError(f"nobody can register: {page!r} {page.text}")
    return account


def create_user(site, account, email):
    """Create a user with the function that an app without registration names.

    Return what the user types to log in: the username, unless the function returns it.
    """
    function, name = site.stage.names.app["create_user"], account.username
    return call_named(site.app, function, name, email, account.password) or name


def register_somebody(site):
    """Register somebody with a new browser; return the account."""
    return register(site.visitor())


def prove_address(visitor, email):
    """Type in the code that was mailed to a new address; return the page."""
    mails = visitor.site.mails()  # a running server may tell others something before
    [mail] = [mail for mail in mails if mail.to == email] or visitor.site.mails()
    return visitor.fill_in(email_code=mail.code)


def add_second_factor(site, account):
    """Give an account the phone that the step asks for."""
    if site.stage.number == "02":
        secret = site.stage.names.user.get("secret", DEMO_SECRET)
        account.authenticator = Authenticator(secret, site.clock)
    if site.stage.number >= "03":
        enrol(site.visitor(), account, site.clock)
    return account


def add_account(site):
    """Return an account with all that the step asks for."""
    if site.stage.number < FIRST_WITH_DATABASE:
        return add_second_factor(site, site.account_without_factor())
    return add_second_factor(site, register_somebody(site))


def enrol(visitor, account, clock):
    """Set up a phone for an account that has none; return the page with the codes."""
    page = visitor.give_password(account)
    account.authenticator = scan(page, clock)
    page = page.fill_in(code=account.authenticator.code())
    account.recovery_codes = codes_on(page)
    return page


def codes_on(page):
    """Return the recovery codes that a page shows."""
    return [code.text(strip=True) for code in page.find_all(".recovery-code")]

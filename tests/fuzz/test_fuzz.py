"""Anything in any order: visitors whom nobody planned, and forms filled with anything.

`--fuzz=60` goes on for a minute with each test, and tries other things each time.
"""

import random
import sqlite3
import sys
import time
from contextlib import closing
from copy import copy
from functools import partial
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck
from hypothesis import Phase
from hypothesis import given
from hypothesis import seed
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from qrcode import QRCode
from qrcode.image.svg import SvgPathFillImage
from sqlalchemy import event

from tests.fuzz.inputs import VALUES
from tests.fuzz.inputs import WAYS
from tests.fuzz.inputs import quoted
from tests.fuzz.visits_mail import visits_of
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.paths import pages_of
from tests.kit.stage import FIRST_WITH_DATABASE
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import close_databases
from tests.kit.stage import fill_in_registration

ROUNDS = 3
ROUNDS_OF_VISITS = 12  # as many as there are endings
CASES = 10  # in a round: after these, Hypothesis varies what it knows
NEW_PASSWORD = "nine boats over a quiet lake"  # noqa: S105  of nobody
ANSWERS = (200, 302, 400, 404, 405, 413, 422, 429)
SETTINGS = settings(
    max_examples=CASES,
    stateful_step_count=30,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
)
SHORT_VISITS = settings(SETTINGS, max_examples=2, stateful_step_count=8)

pytestmark = never_red("what it finds is known to nobody")


@pytest.fixture(autouse=True)
def one_qr_code_for_all(monkeypatch):
    """Draw no QR code but one: these visitors read the key."""
    code = QRCode(image_factory=SvgPathFillImage).make_image()
    monkeypatch.setattr(QRCode, "make_image", lambda *_, **how: code)


@pytest.fixture
def rounds(request):
    """Return what yields the seeds: some, always the same, or as many as time is."""
    if request.config.getoption("--url"):
        pytest.skip("not run with --url: the test starts the app itself, often")
    seconds = request.config.getoption("--fuzz")
    return (lambda number: seeds_for(seconds)) if seconds else range


def seeds_for(seconds):
    """Yield seeds of chance until the time is over."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        yield random.getrandbits(64)


@since("02")
def test_a_user_who_is_logged_in_has_shown_both_factors(step, clock, rounds):
    start, ways = Starter(step, clock), cycle(visits_of(step.number))
    how = SHORT_VISITS if rounds is range else SETTINGS
    for number, (machine, ending) in zip(rounds(ROUNDS_OF_VISITS), ways, strict=False):
        visits = seed(number)(partial(begin, machine, start, ending))
        run_state_machine_as_test(visits, settings=how)


def begin(machine, start, ending):
    """Begin visits with a fresh start, and with a plan for the end."""
    return machine(*start(), ending)


@attack(115)
def test_a_form_is_answered_and_logs_no_user_in_with_any_content(step, clock, rounds):
    start = Starter(step, clock)

    @SETTINGS
    @given(st.data())
    def fill_in_anything(data):
        site, accounts = start()
        account = data.draw(st.sampled_from(accounts or [site.account()]))
        visitor = site.visitor()
        if step.number > "01" and data.draw(st.booleans(), "is pending"):
            visitor.give_password(account)
        visitor.open(data.draw(st.sampled_from(pages_of(step)), "page"))

        answer = send_anything(data, visitor, account)

        assert answer.status in ANSWERS, answer
        assert not visitor.is_logged_in()

    for number in rounds(ROUNDS):
        seed(number)(fill_in_anything)()


@since("05")
@attack(115)
def test_whatever_the_account_is_told_in_one_field_it_stays_as_it_is(
    step, clock, rounds
):
    start = Starter(step, clock)

    @SETTINGS
    @given(st.data())
    def fill_in_anything(data):
        site, (account, _) = start()
        visitor = site.visitor()
        data.draw(st.sampled_from(DEEP_FORMS), "form")(visitor, account)
        before = what_is_kept(site)

        answer = send_anything(data, visitor, account)

        assert answer.status in (400, 413, 422), answer
        assert what_is_kept(site) == before

    for number in rounds(ROUNDS):
        seed(number)(fill_in_anything)()


def what_is_kept(site):
    """Return what a database holds of users, and of those who want to be some."""
    tables = (
        "users",
        "second_factors",
        "recovery_codes",
        "password_resets",
        "pending_registrations",
        "email_codes",
    )
    return [site.sql(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


def register(visitor, account):
    """Go as far as the mailed code."""
    fill_in_registration(visitor, username="Robin")


def follow_a_link(visitor, account):
    """Go as far as the new password."""
    statement = "SELECT email FROM users WHERE username = ?"
    [[address]] = visitor.site.sql(statement, account.username)
    visitor.open("/reset").fill_in(email=address)
    [mail] = visitor.site.mails()
    visitor.open(urlsplit(mail.link).path)


def log_in(path, visitor, account):
    """Go as far as a form of the account."""
    visitor.log_in(account)
    visitor.open(path)


def prove(visitor, account):
    """Go as far as the code of the new authenticator app."""
    log_in("/account/phone", visitor, account)
    code = account.recovery_codes[-1]
    visitor.fill_in(current_password=account.password, code=code)


DEEP_FORMS = [
    register,
    follow_a_link,
    partial(log_in, "/account/password"),
    partial(log_in, "/account/phone"),
    prove,
    partial(log_in, "/account/recovery-codes"),
]


def send_anything(data, visitor, account):
    """Send the form that is open, with anything in one field; return the answer."""
    page = visitor.page
    fields = filled_in(page, account)
    name = data.draw(st.sampled_from(sorted(fields)), "field")
    values = st.lists(VALUES.filter(lambda v: v not in fields.values()), max_size=2)
    pairs = [pair for pair in fields.items() if pair[0] != name]
    pairs += [(name, value) for value in data.draw(values, "values")]

    how = data.draw(WAYS, "way")(pairs)
    return visitor.ask("POST", page.path, **how)


def filled_in(page, account):
    """Return what is right in the fields of a page, but for codes from the phone."""
    usual = {"username": account.username, "password": account.password}
    if page.path.startswith("/register"):
        usual = {"username": "Robin", "email": "robin@example.org"}
        usual |= {"password": GOOD_PASSWORD, "confirm": GOOD_PASSWORD}
    if page.path in ("/reset/new", "/account/password"):
        usual = {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    if account.recovery_codes and page.find_all("[name=password], [name^=current]"):
        usual |= {"current_password": account.password}
        usual |= {"code": account.recovery_codes[0]}
    inputs = [field.attributes for field in page.find_all("form input[name]")]
    values = {field["name"]: field.get("value") or "000000" for field in inputs}
    values |= {name: usual[name] for name in values if name in usual}
    return {name: value.encode() for name, value in values.items()}


@attack(115)
def test_whatever_an_address_says_is_answered_and_leads_nowhere_else(
    step, clock, rounds
):
    start = Starter(step, clock)

    @SETTINGS
    @given(
        method=st.sampled_from(["GET", "POST", "HEAD", "PUT"]),
        page=st.sampled_from(["", *pages_of(step)[1:], "/logout", "/static"]),
        part=VALUES.map(quoted),
        target=VALUES.map(quoted),
    )
    def ask_for_anything(method, page, part, target):
        site, accounts = start()
        visitor = site.visitor()

        for path in (f"{page}/{part}", f"{page or '/'}?next={target}"):
            answer = visitor.ask(method, path)

            assert answer.status in (*ANSWERS, 308), answer  # two slashes become one
            assert leads_to(answer) in (None, "localhost"), answer

        account = accounts[0] if accounts else site.account()
        visitor.log_in(account, to=f"/login?next={target}")

    for number in rounds(ROUNDS):
        seed(number)(ask_for_anything)()


def leads_to(answer):
    """Return the host to which an answer redirects, unless it is our own."""
    return urlsplit(answer.headers.get("Location", "")).hostname


class Starter:
    """Starts a step as often as one likes, in the same second and the same way."""

    def __init__(self, step, clock):
        self.step = step
        self.clock = clock
        self.now = clock.now()
        self.site = step.start(clock)
        self.accounts = []
        self.rows = {}
        if step.number >= FIRST_WITH_DATABASE:
            event.listen(self.site.engine, "connect", never_wait_for_the_disk)
            self.accounts = [self.site.account(), self.site.account_without_factor()]
            tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
            for (table,) in self.site.sql(tables):
                self.rows[table] = self.site.sql(f"SELECT * FROM {table}")

    def __call__(self):
        """Return a site, and the accounts in its database."""
        self.clock.move_to(self.now)
        if not self.accounts:
            return self.start_with_a_new_memory(), []
        self.restore()
        return self.site, [copy_of(account) for account in self.accounts]

    def start_with_a_new_memory(self):
        """Start the step, and keep no module of its that would fill up the memory."""
        close_databases()
        known = set(sys.modules)
        site = self.step.start(self.clock)
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if Path(file).is_relative_to(self.step.folder):
                del sys.modules[name]
        return site

    def restore(self):
        """Put back what was in the database in the beginning."""
        with closing(sqlite3.connect(self.site.database)) as connection, connection:
            for table, rows in self.rows.items():
                connection.execute(f"DELETE FROM {table}")
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)


def never_wait_for_the_disk(connection, record):
    """Let SQLite leave it to the system when to write; no machine stops here."""
    connection.execute("PRAGMA synchronous = OFF")


def copy_of(account):
    """Return an account whose phone has shown no code since the start."""
    account = copy(account)
    if account.authenticator:
        account.authenticator = copy(account.authenticator)
    return account

"""The server dies in the middle of everything, again and again, and nobody is lost."""

import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from contextlib import closing
from functools import partial

import pytest
import requests

from tests.concurrency import races
from tests.kit.accounts import codes_on
from tests.kit.clock import RealClock
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.servers import PASSWORD
from tests.kit.servers import Server
from tests.kit.servers import address_of
from tests.kit.servers import at_work
from tests.kit.servers import need_gunicorn
from tests.kit.stage import Account
from tools.totp import TIME_STEP

KILLS = 12
KILLS_AGAIN = 6  # on the steps after the one that brought the database
CLIENTS = 4
IN_MEMORY = "the step before forgets its second factors at every restart, and says so"

pytestmark = [pytest.mark.races, never_red(IN_MEMORY)]


def current_time_step():
    """Return the time step of this moment."""
    return int(time.time()) // TIME_STEP


class Journey:
    """Somebody who registers, enrols and logs in, as far as the server lets them."""

    def __init__(self, server, name):
        self.server = server
        self.account = Account(name, PASSWORD)
        self.doing = "registration"
        self.failure = None

    def go(self):
        """Take the whole way; give up when the server dies."""
        try:
            self.enrol(self.register())
            self.log_in()
        except requests.RequestException:
            return
        except Exception as failure:  # noqa: BLE001  a thread would swallow it
            self.failure = failure
        self.doing = "nothing"

    def register(self):
        """Make the account; return the page that enrols an authenticator."""
        name = self.account.username
        page = self.server.visitor().open("/register")
        values = {"username": name, "email": f"{name}@example.org"}
        page = page.fill_in(**values, password=PASSWORD, confirm=PASSWORD)
        if page.path == "/register/verify":
            page = self.verify(page)
        assert page.path == "/enrol", page.text
        return page

    def verify(self, page):
        """Verify the address with the code that was emailed to it."""
        self.doing = "verify"
        mails = self.server.mails_to(address_of(self.account))
        return page.fill_in(email_code=mails[-1].code)

    def enrol(self, page):
        """Enrol an authenticator; it is known even if the answer gets lost."""
        self.doing = "enrolment"
        self.account.authenticator = scan(page, RealClock())
        sent_in = None
        while page.find_all("#secret") and sent_in != current_time_step():
            sent_in = current_time_step()  # if it ends on the way, send another code
            page = page.fill_in(code=self.account.authenticator.code_from(-1))
        codes = codes_on(page)
        assert len(codes) == 10, page.text
        self.account.recovery_codes = codes

    def log_in(self):
        """Log in with the next code, and remember its time step."""
        self.doing = "login"
        page = self.server.visitor().give_password(self.account)
        time_step = current_time_step()
        page = page.fill_in(code=self.account.authenticator.code_from(0))
        assert page.path == "/", page.text
        self.account.authenticator.last_time_step = time_step


class Owner:
    """Somebody who has an account, and changes one thing of it after the other."""

    def __init__(self, server, first_change):
        self.server = server
        self.account = server.account()
        self.passwords = [PASSWORD]  # the one that holds, and one that may hold
        self.authenticators = [self.account.authenticator]  # likewise
        self.codes_consumed = []  # the last one only if the change was made
        self.link = None
        self.changes = [self.change_password, self.reset, self.move]
        self.changes = self.changes[first_change:] + self.changes[:first_change]
        self.doing = "login"
        self.failure = None

    def go(self):
        """Make each change once; give up when the server dies."""
        try:
            for change in self.changes:
                self.doing = "login"
                visitor = self.server.logged_in(self.account)
                self.doing = change.__name__
                change(visitor)
        except requests.RequestException:
            return
        except Exception as failure:  # noqa: BLE001  a thread would swallow it
            self.failure = failure
        self.doing = "nothing"

    def reauthentication(self):
        """Return what the owner types in to reauthenticate."""
        code = self.account.recovery_code()
        return {"current_password": self.account.password, "code": code}

    def change_password(self, visitor):
        """Change the password on the account page."""
        self._set_password(visitor.open("/account/password"), **self.reauthentication())

    def reset(self, visitor):
        """Change the password with a link in an email."""
        page = self.server.follow_reset_link(self.account)
        self.link = page.visitor
        self._set_password(page, code=self.account.recovery_code())
        self.link = None

    def _set_password(self, page, **typed):
        password = f"{PASSWORD}, {time.time()}"
        self.passwords.append(password)
        self.codes_consumed.append(typed["code"])
        page = page.fill_in(**typed, password=password, confirm=password)
        assert page.path in ("/account", "/login"), page.text
        self.passwords = [password]
        self.account.password = password

    def move(self, visitor):
        """Move to a new authenticator app."""
        page = visitor.open("/account/phone").fill_in(**self.reauthentication())
        authenticator = scan(page, RealClock())
        self.authenticators.append(authenticator)
        page = page.fill_in(code=authenticator.code_from(-1))
        assert page.path == "/account", page.text
        self.authenticators = [authenticator]


def travel(server, client, journeys):
    """Begin one journey, and go as far as the server lets one."""
    number = len(journeys)
    if client % 2 and server.has_mail:
        journey = Owner(server, number % 3)
    else:
        journey = Journey(server, f"kim{client}-{number}")
    journeys.append(journey)
    journey.go()


def assert_database_is_sound(server, folder):
    """Check a copy of what the kill left: a look at the original would repair it."""
    name = server.database.name
    for file in server.database.parent.glob(f"{name}*"):
        if not file.name.endswith("-shm"):  # the memory that the dead processes shared
            shutil.copy(file, folder)
    with closing(sqlite3.connect(folder / name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    for file in folder.glob(f"{name}*"):
        file.unlink()


def what_is_kept(server, account):
    """Return whether the user is there, the last time step, and the recovery codes."""
    name = [account.username]
    user = server.ask_database("SELECT id FROM users WHERE username = ?", *name)
    if not user:
        return False, None, set()
    question = "SELECT last_time_step FROM second_factors WHERE user_id = ?"
    factor = server.ask_database(question, *user[0])
    question = "SELECT code_hash FROM recovery_codes WHERE user_id = ?"
    codes = {row[0] for row in server.ask_database(question, *user[0])}
    return True, factor[0][0] if factor else None, codes


def assert_change_was_made_or_not(server, owner):
    """Log in with what holds: the old or the new, and nothing in between."""
    works = races.that_work(server, owner.account, owner.passwords)
    assert len(works) == 1, f"{owner.doing}: {owner.passwords} {works}"
    owner.account.password = works[0]
    if len(owner.passwords) == 2:
        code = hash_of(server, owner.codes_consumed[-1])
        consumed = code not in races.recovery_hashes(server, owner.account)
        assert consumed == (works == owner.passwords[1:]), owner.doing
    if owner.link:
        page = owner.link.open("/reset/new").path
        assert page == ("/reset/new" if works == [owner.passwords[0]] else "/reset")
    let_in = [races.is_let_in(server, owner.account, a) for a in owner.authenticators]
    assert let_in.count(True) == 1


def hash_of(server, code):
    """Return what the database keeps of a recovery code."""
    return server.door.recovery_codes.hash_code(code)


def assert_nobody_is_locked_out(server, journey):
    """Go on where the journey ended: whatever was answered holds."""
    if isinstance(journey, Owner):
        assert_change_was_made_or_not(server, journey)
        return
    account = journey.account
    is_user, last_time_step, codes = what_is_kept(server, account)
    hashes = {hash_of(server, code) for code in account.recovery_codes}
    assert hashes <= codes
    assert len(codes) == (0 if last_time_step is None else 10)
    if last_time_step is not None:
        assert last_time_step >= account.authenticator.last_time_step
        assert races.is_let_in(server, account, account.authenticator)
        return
    assert not hashes
    anew = Journey(server, account.username)
    page = server.visitor().give_password(account) if is_user else anew.register()
    anew.enrol(page)


@since("04")
@attack(18)
def test_whenever_the_server_is_killed_all_users_can_go_on(request, step, tmp_path):
    need_gunicorn(request.config)
    seed = os.environ.get("KILL_SEED") or str(random.randrange(10**6))
    print(f"KILL_SEED={seed}")
    moments, stopped = random.Random(seed), Counter()
    kills = KILLS if step.number == "04" else KILLS_AGAIN
    journeys = []

    with Server(step, workers=2) as server:
        jobs = [partial(travel, server, client, journeys) for client in range(CLIENTS)]
        with at_work(jobs):
            for _ in range(kills):
                time.sleep(moments.uniform(0.1, 0.6))
                server.kill()
                assert_database_is_sound(server, tmp_path)
                server.start()
        stopped.update(journey.doing for journey in journeys)
        print(f"killed during: {dict(stopped)}")
        assert not [j.failure for j in journeys if j.failure], server.log
        for journey in journeys:
            assert_nobody_is_locked_out(server, journey)
        assert not server.complaints(), server.log
        assert stopped.total() > stopped["nothing"], "no kill hit anything"

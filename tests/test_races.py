"""Many requests at once: four processes with eight threads each, and one database.

A race is a function that lets visitors loose once and returns what came of it. That has
to be the same in every round. Mutants show that it could be otherwise: copies of the
step in which one function looks first and writes later.
"""

import itertools
import secrets
from collections import Counter
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.clock import RealClock
from tests.marks import attack
from tests.marks import never_red
from tests.marks import since
from tests.phone import scan
from tests.servers import PASSWORD
from tests.servers import Server
from tests.servers import Shot
from tests.servers import changed_copy
from tests.servers import fire
from tests.servers import is_logged_in_by
from tests.servers import need_gunicorn
from tests.servers import new_network
from tests.stage import Account

ROUNDS = 20
MANY = 50  # requests at once
SHORT_PASSWORD = "qzvkrwtxjpmhgdf"  # its strength is quickly measured
IN_A_PROCESS = "the step before counts in its process: four of them cannot serve it"

pytestmark = [pytest.mark.races, never_red(IN_A_PROCESS)]


@pytest.fixture(scope="module")
def servers():
    """Keep one server for each step, and end them all."""
    running = {}
    with ExitStack() as stack:

        def server_of(stage):
            if stage.folder not in running:
                running[stage.folder] = stack.enter_context(Server(stage))
            return running[stage.folder]

        yield server_of


@pytest.fixture
def server(request, step, servers):
    """Return four processes that serve the step; they have nothing to complain of."""
    need_gunicorn(request.config)
    server = servers(step)
    yield server
    assert not server.complaints(), server.log


def statuses(pages):
    """Return how many answers had which status."""
    return dict(Counter(page.status for page in pages))


def logged_in(server, pages):
    """Return how many of these answers made their visitor a logged-in one."""
    return sum(page.status == 302 and is_logged_in_by(server, page) for page in pages)


def id_of(server, account):
    """Return the number of a user in the database."""
    question = "SELECT id FROM users WHERE username = ?"
    return server.ask_database(question, account.username)[0][0]


def factors(server, account):
    """Return how many second factors a user has."""
    question = "SELECT count(*) FROM second_factors WHERE user_id = ?"
    return server.ask_database(question, id_of(server, account))[0][0]


def recovery_hashes(server, account):
    """Return the recovery codes of a user, as the database keeps them."""
    question = "SELECT hash FROM recovery_codes WHERE user_id = ?"
    return {row[0] for row in server.ask_database(question, id_of(server, account))}


def same_code(server):
    """Send one right code in many copies of one pending login."""
    account = server.account()
    page = server.visitor().give_password(account)
    pages = fire(server, [Shot.of(page, code=account.phone.code_from(0))] * MANY)
    return {"logged in": logged_in(server, pages)}


def same_recovery_code(server):
    """Send one recovery code in many copies of one pending login."""
    account, visitor = server.account(), server.visitor()
    visitor.give_password(account)
    page = visitor.open("/login/recovery")
    shot = Shot.of(page, recovery_code=account.recovery_code())
    pages = fire(server, [shot] * MANY)
    codes_left = len(recovery_hashes(server, account))
    return {"logged in": logged_in(server, pages), "codes left": codes_left}


def wrong_codes(server):
    """Guess many codes of one user at once."""
    account = server.account()
    page = server.visitor().give_password(account)
    pages = fire(server, [Shot.of(page, code=account.phone.wrong_code())] * MANY)
    codes_counted = count(server, "code", "account", account.username)
    return statuses(pages) | {"counted": codes_counted}


def count(server, *names):
    """Return the count of guesses in a bucket of the database."""
    with server.app.app_context():
        bucket = server.door.throttle.bucket(*names)
    question = "SELECT count FROM attempts WHERE bucket = ?"
    return server.ask_database(question, bucket)[0][0]


def count_in_network(server, network):
    """Return the count of passwords that came from a network."""
    return count(server, "password", "network", f"{network}/32")


def right_code_in_the_pause(server):
    """Send right and wrong codes at once when all guesses are used up."""
    account = server.account()
    page = server.visitor().give_password(account)
    wrong = Shot.of(page, code=account.phone.wrong_code())
    right = Shot.of(page, code=account.phone.code_from(0))
    looked_at = fire(server, [wrong] * 5)
    return {
        "first": statuses(looked_at),
        "then": statuses(fire(server, [wrong, right] * 5)),
    }


def wrong_passwords(server):
    """Guess many passwords at once from one network; then send the right one."""
    account, visitor = server.account(), server.visitor()
    page = visitor.open("/login")
    shot = Shot.of(
        page, username=account.username, password="a lamp and four umbrellas"
    )
    pages = fire(server, [shot] * MANY)
    guesses = count_in_network(server, shot.network)
    return statuses(pages) | {
        "counted in the network": guesses,
        "right": visitor.give_password(account).status,
        "right, from elsewhere": server.visitor().give_password(account).path,
    }


def spellings(name):
    """Return as many spellings of a name as half of the visitors need."""
    either = itertools.product(*((letter, letter.upper()) for letter in name))
    return ["".join(letters) for letters in itertools.islice(either, MANY // 2)]


def same_name_and_same_address(server):
    """Register one name with many addresses, and many names with one address."""
    page, name, other = server.visitor().open("/register"), new_word(), new_word()
    shots = [
        registration(page, spelling, f"{number}@{name}.example.org")
        for number, spelling in enumerate(spellings(name))
    ]
    shots += [
        registration(page, f"{other}{number}", f"{spelling}@example.org")
        for number, spelling in enumerate(spellings(other))
    ]
    pages = fire(server, shots)
    users = "SELECT count(*) FROM users WHERE"
    address = f"{other}@example.org"
    return statuses(pages) | {
        "name": server.ask_database(f"{users} username_key = ?", name)[0][0],
        "address": server.ask_database(f"{users} email = ?", address)[0][0],
    }


def new_word():
    """Return ten letters, a to j."""
    return "".join(secrets.choice("abcdefghij") for _ in range(10))


def registration(page, username, email):
    """Return a registration that is ready to be sent, from a network of its own."""
    values = {"username": username, "email": email}
    shot = Shot.of(page, **values, password=SHORT_PASSWORD, confirm=SHORT_PASSWORD)
    return shot._replace(network=new_network())


def same_enrolment(server):
    """Confirm a new phone in many copies of one session."""
    account = server.newcomer()
    page = server.visitor().give_password(account)
    account.phone = scan(page, RealClock())
    pages = fire(server, [Shot.of(page, code=account.phone.code_from(0))] * MANY)
    return came_of_enrolment(server, account, pages)


def two_enrolments(server):
    """Confirm two phones for one user, in two sessions."""
    account = server.newcomer()
    opened = [server.visitor().give_password(account) for _ in range(2)]
    phones = [scan(page, RealClock()) for page in opened]
    shots = [
        Shot.of(page, code=phone.code_from(0))
        for page, phone in zip(opened, phones, strict=True)
    ]
    pages = fire(server, shots * 2)
    for page, phone in zip(pages, phones * 2, strict=True):
        if page.status == 200:
            account.phone = phone
    return came_of_enrolment(server, account, pages)


def came_of_enrolment(server, account, pages):
    """Return what a user has who enrolled: one answer showed codes, and they work."""
    shown = [page for page in pages if page.status == 200]
    codes = {
        server.door.recovery.hash_code(element.text())
        for page in shown
        for element in page.find_all(".recovery-code")
    }
    page = server.visitor().give_password(account)
    page.fill_in(code=account.phone.code_from(1))
    return {
        "enrolled": len(shown),
        "other secrets shown": sum(bool(page.find_all("#secret")) for page in pages),
        "factors": factors(server, account),
        "codes shown": len(codes),
        "codes that work": len(codes & recovery_hashes(server, account)),
        "codes": len(recovery_hashes(server, account)),
        "logs in": page.visitor.is_logged_in(),
    }


def logout_during_login(server):
    """Log out while copies of a pending login bring the right code."""
    account, owner, thief = server.account(), server.visitor(), server.visitor()
    owner.give_password(account).fill_in(code=account.phone.code_from(0))
    shot = Shot.of(thief.give_password(account), code=account.phone.code_from(1))
    form = Shot.of(owner.open("/"), csrf_token=token_of(owner.page))
    pages = fire(server, [shot, shot, form._replace(target="/logout"), shot, shot])
    return {"logged in afterwards": logged_in(server, pages) + owner.is_logged_in()}


def own_logins(server):
    """Guess in a network; then log in there several times at once."""
    account, network = server.account(), new_network()
    for _ in range(6):
        server.visitor(network).give_password(Account(new_word(), PASSWORD))
    shots = []
    for code in account.recovery_codes[:4]:
        visitor = server.visitor(network)
        visitor.give_password(account)
        shots.append(Shot.of(visitor.open("/login/recovery"), recovery_code=code))
    pages = fire(server, shots)
    guesses = count_in_network(server, network)
    return {"logged in": logged_in(server, pages), "guesses": guesses}


def token_of(page):
    """Return the CSRF token of a page."""
    return page.find("[name=csrf_token]").attributes["value"]


ENROLLED_ONCE = {
    "enrolled": 1,
    "other secrets shown": 0,
    "factors": 1,
    "codes shown": 10,
    "codes that work": 10,
    "codes": 10,
    "logs in": True,
}
EXPECTED = {
    same_code: {"logged in": 1},
    same_recovery_code: {"logged in": 1, "codes left": 9},
    wrong_codes: {422: 5, 429: 45, "counted": 50},
    right_code_in_the_pause: {"first": {422: 5}, "then": {429: 10}},
    wrong_passwords: {
        422: 5,
        429: 45,
        "counted in the network": 50,
        "right": 429,
        "right, from elsewhere": "/login/code",
    },
    own_logins: {"logged in": 4, "guesses": 6},
    same_name_and_same_address: {302: 2, 422: 48, "name": 1, "address": 1},
    same_enrolment: ENROLLED_ONCE,
    two_enrolments: ENROLLED_ONCE,
    logout_during_login: {"logged in afterwards": 0},
}


def assert_every_round(server, race):
    """Run a race often; each time the same has to come of it."""
    for number in range(ROUNDS):
        outcome = race(server)
        assert outcome == EXPECTED[race], f"round {number + 1} of {race.__name__}"


@since("04")
@attack(13, 18)
def test_a_code_that_is_sent_fifty_times_at_once_logs_in_once(server):
    assert_every_round(server, same_code)


@since("04")
@attack(56)
def test_a_recovery_code_that_is_sent_fifty_times_at_once_logs_in_once(server):
    assert_every_round(server, same_recovery_code)


@since("04")
@attack(69, 70)
def test_of_fifty_guesses_at_once_five_are_looked_at(server):
    assert_every_round(server, wrong_codes)


@since("04")
@attack(69, 26)
def test_among_guesses_in_the_pause_the_right_one_does_not_show(server):
    assert_every_round(server, right_code_in_the_pause)


@since("04")
@attack(63, 70)
def test_of_fifty_passwords_at_once_five_are_looked_at(server):
    assert_every_round(server, wrong_passwords)


@since("04")
@attack(121)
def test_own_logins_at_once_give_back_to_the_network_what_they_spent(server):
    assert_every_round(server, own_logins)


@since("04")
@attack(6)
def test_a_name_or_address_that_many_want_at_once_is_given_once(server):
    assert_every_round(server, same_name_and_same_address)


@since("04")
@attack(116)
def test_an_enrolment_that_is_confirmed_fifty_times_at_once_happens_once(server):
    assert_every_round(server, same_enrolment)


@since("04")
@attack(116)
def test_of_two_phones_that_are_confirmed_at_once_one_is_the_user_s(server):
    assert_every_round(server, two_enrolments)


@since("04")
@attack(30, 33)
def test_a_logout_ends_a_login_that_happens_at_the_same_moment(server):
    assert_every_round(server, logout_during_login)


@since("04")
def test_all_four_processes_take_part_in_the_races(server):
    page, seen = server.visitor().open("/login"), set()
    for _ in range(ROUNDS):
        pages = fire(server, [Shot.of(page, username="", password="")] * MANY)
        seen |= {page.headers["X-Worker"] for page in pages}
        if len(seen) == 4:
            return
    pytest.fail(f"only {len(seen)} of 4 processes answer")


class Mutant(NamedTuple):
    """A mistake that a learner makes, and the race that finds it."""

    mistake: str
    race: object
    file: str
    old: str
    new: str


MUTANTS = {
    "code": Mutant(
        "compares with what was read some time ago, and then writes",
        same_code,
        "app/second_factor.py",
        """\
    return changes_one_row(
        update(SecondFactor)
        .where(SecondFactor.user_id == user.id)
        .where(SecondFactor.last_time_step < time_step)
        .values(last_time_step=time_step)
    )
""",
        """\
    factor = user.second_factor
    is_new = factor.last_time_step < time_step
    factor.last_time_step = time_step
    return is_new
""",
    ),
    "recovery code": Mutant(
        "looks whether the code is there, and then deletes it",
        same_recovery_code,
        "app/recovery.py",
        """\
    return changes_one_row(delete(RecoveryCode).filter_by(**same_code))
""",
        """\
    is_there = db.session.query(RecoveryCode).filter_by(**same_code).count() == 1
    db.session.execute(delete(RecoveryCode).filter_by(**same_code))
    return is_there
""",
    ),
}
NAIVE_COUNT = (
    "app/throttle.py",
    """\
            count, opened = connection.execute(COUNT, values).one()
""",
    """\
            READ = text("SELECT count, opened FROM attempts WHERE bucket = :bucket")
            count, opened = connection.execute(READ, values).first() or (0, now)
            count += 1
            values |= {"count": count, "opened": opened}
            WRITE = text("REPLACE INTO attempts VALUES (:bucket, :opened, :count)")
            connection.execute(WRITE, values)
""",
)
READS_THE_COUNT = "reads the count, adds one, and writes it"
MUTANTS["count of codes"] = Mutant(READS_THE_COUNT, wrong_codes, *NAIVE_COUNT)
MUTANTS["count of passwords"] = Mutant(READS_THE_COUNT, wrong_passwords, *NAIVE_COUNT)
MUTANTS["enrolment"] = Mutant(
    "trusts the look that the view took when the request began",
    same_enrolment,
    "app/enrolment.py",
    "    db.session.refresh(user)  # a second click may have been faster\n",
    "",
)


@since("04")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_race_finds_the_mistake_of_looking_first(request, step, tmp_path, name):
    need_gunicorn(request.config)
    _, race, *change = MUTANTS[name]
    folder = changed_copy(step.folder, tmp_path / step.folder.name, *change)

    with Server(step, folder, workers=2) as server:
        for number in range(ROUNDS):
            outcome = race(server)
            if outcome != EXPECTED[race]:
                print(f"round {number + 1}: {outcome}")
                return
    pytest.fail(f"{ROUNDS} rounds did not find it: {MUTANTS[name].mistake}")

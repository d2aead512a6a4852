"""Changes of the address and deletions at once: four processes, on both databases.

PostgreSQL is held up by a lock until each request waits, in the order in which they are
named. On SQLite chance decides, so there are some rounds.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from urllib.parse import urlsplit

import pytest

from tests.concurrency.races import begin_move
from tests.concurrency.races import begin_registration
from tests.concurrency.races import factors
from tests.concurrency.races import id_of
from tests.concurrency.races import leads_to
from tests.concurrency.races import new_password
from tests.concurrency.races import new_word
from tests.concurrency.races import recovery_hashes
from tests.concurrency.races import statuses
from tests.kit.locks import do_in_order
from tests.kit.locks import waits_or_is_done
from tests.kit.programs import wait_until
from tests.kit.servers import PASSWORD
from tests.kit.servers import Server
from tests.kit.servers import Shot
from tests.kit.servers import address_of
from tests.kit.servers import fire
from tests.kit.servers import need_gunicorn
from tests.kit.stage import Stage
from tests.kit.stage import upgrade_database
from tests.recipes.conftest import applied
from tools import recipes

pytestmark = pytest.mark.races

ROUNDS = 2
LIMIT = 5  # codes that are verified
USER = "SELECT 1 FROM users WHERE id = %s FOR UPDATE"
CODE = "SELECT 1 FROM email_codes WHERE email = %s FOR UPDATE"
TAKES = "SELECT count(*) FROM users WHERE email = ?"

numbers = count()


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def running(request):
    """Serve the last step with all recipes on a database."""
    need_gunicorn(request.config)
    stage, url = Stage("06", applied(*recipes.RECIPES)), None
    if request.param == "PostgreSQL":
        url = request.getfixturevalue("postgres").create(f"races_{next(numbers)}")
    with Server(stage, postgres=url) as server:
        upgrade_database(server.app, stage.folder / "migrations")
        yield server


@pytest.fixture
def server(running):
    """Return the server; it has nothing to complain of."""
    yield running
    assert not running.complaints(), running.log


@pytest.fixture
def rounds(server):
    """Return the rounds: one is enough if nothing is left to chance."""
    return range(1 if server.postgres else ROUNDS)


def fire_held(server, shots, lock, value):
    """Send forms in the same moment; on PostgreSQL each one waits for a lock before."""
    if not server.postgres:
        return fire(server, shots)
    jobs = [partial(fire, server, [shot]) for shot in shots]
    return [page for [page] in do_in_order(jobs, server.postgres, lock, value)]


def reauthenticated(visitor, account, path, **values):
    """Return the form of a change, filled in with the password and a code."""
    page = visitor.open(path)
    proof = {"current_password": PASSWORD, "code": account.recovery_code()}
    return Shot.of(page, **proof | values)


def confirmation(server, account, email, visitor=None):
    """Ask for a change of the address; return the form that confirms it."""
    visitor = visitor or server.logged_in(account)
    proof = {"current_password": PASSWORD, "code": account.recovery_code()}
    page = visitor.open("/account/email").fill_in(**proof, email=email)
    return Shot.of(page, email_code=server.mails_to(email.lower())[-1].code)


def new_address():
    """Return an address that nobody has."""
    return f"{new_word()}@example.org"


def changed(server):
    """Return an account whose address was changed, and the form that objects."""
    account = server.account()
    fire(server, [confirmation(server, account, new_address())])
    link = server.mails_to(address_of(account))[-1].link
    return account, Shot.of(server.visitor().open(urlsplit(link).path))


def users_with(server, email):
    """Return how many users have an address."""
    return server.ask_database(TAKES, email)[0][0]


def left_of(server, number):
    """Return the tables in which a deleted user has rows, after the hourly tasks."""
    assert server.app.test_cli_runner().invoke(args=["prune"]).exit_code == 0
    columns = {(column.table.name, column.name) for column in columns_of(server)}
    questions = {
        table: f"SELECT count(*) FROM {table} WHERE {column} = ?"
        for table, column in {*columns, ("lockouts", "user_id")}
    }
    assert len(questions) >= 8
    return {t for t, q in questions.items() if server.ask_database(q, number)[0][0]}


def columns_of(server):
    """Return the columns that refer to users."""
    with server.app.app_context():
        return server.door.deletion.columns_with_user()


# Changes


def test_an_address_that_two_users_confirm_at_once_is_one_user_s(server, rounds):
    for _ in rounds:
        email, accounts = new_address(), [server.account(), server.account()]
        spellings = zip(accounts, (email, email.upper()), strict=True)
        shots = [confirmation(server, *wanted) for wanted in spellings]
        pages = fire_held(server, shots, CODE, email)

        assert statuses(pages) == {302: 1, 422: 1}
        assert sum("That code did not work" in page.text for page in pages) == 1
        old = sum(users_with(server, address_of(account)) for account in accounts)
        assert (users_with(server, email), old) == (1, 1)


def test_a_code_that_confirms_many_times_at_once_changes_the_address_once(
    server, rounds
):
    for _ in rounds:
        account, email = server.account(), new_address()
        shots = [confirmation(server, account, email)] * LIMIT
        pages = fire_held(server, shots, USER, id_of(server, account))
        notices = server.mails_to(address_of(account))

        assert statuses(pages) == {302: LIMIT}  # a second click is led on
        assert sum(leads_to(page, "/account") for page in pages) == 1
        assert users_with(server, email) == 1
        assert sum("new email address" in mail.subject for mail in notices) == 1


@pytest.mark.parametrize("is_back", [False, True], ids=["on", "back"])
@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_an_objection_wins_over_a_change_of_the_same_moment(
    server, rounds, is_back, is_first
):
    for _ in rounds:
        account, objection = changed(server)
        old, number = address_of(account), id_of(server, account)
        visitor = server.logged_in(account)
        email = old if is_back else new_address()
        shots = [confirmation(server, account, email, visitor), objection]
        fire_held(server, shots if is_first else shots[::-1], USER, number)

        assert users_with(server, old) == 1
        if not is_back:  # a change back is an objection as well, and may be faster
            assert not visitor.is_logged_in()
        assert not {"email_changes", "email_objections"} & left_of(server, number)


def test_an_address_that_one_user_confirms_and_one_registers_is_one_user_s(
    server, rounds
):
    for _ in rounds:
        email = new_address()
        page, _ = begin_registration(server, new_word(), email)
        shot = confirmation(server, server.account(), email)
        shots = [Shot.of(page, email_code=server.mails_to(email)[-1].code), shot]
        fire_held(server, shots, CODE, email)

        assert users_with(server, email) == 1
        pending = "SELECT count(*) FROM pending_registrations WHERE email = ?"
        assert server.ask_database(pending, email) == [(0,)]


def test_an_address_that_one_user_restores_and_one_registers_is_one_user_s(
    server, rounds
):
    for _ in rounds:
        account, objection = changed(server)
        old = address_of(account)
        page, _ = begin_registration(server, new_word(), old)
        shots = [Shot.of(page, email_code=server.mails_to(old)[-1].code), objection]
        fire_held(server, shots, CODE, old)

        assert users_with(server, old) == 1


def test_a_reset_link_that_is_written_during_the_change_does_not_outlive_it(
    server, monkeypatch
):
    account = server.account()
    shot = confirmation(server, account, new_address())
    password_reset = server.door.password_reset
    issue, changes = password_reset.get_or_create_reset, []

    def issue_during_the_change(user):
        changes.append(threads.submit(fire, server, [shot]))
        if server.postgres:  # SQLite does not say who waits
            wait_until(partial(waits_or_is_done, changes[0], server.postgres))
        return issue(user)

    monkeypatch.setattr(password_reset, "get_or_create_reset", issue_during_the_change)
    with ThreadPoolExecutor() as threads:
        server.visitor().open("/reset").fill_in(email=address_of(account))
        link = server.mails_to(address_of(account))[-1].link
    assert changes[0].result()[0].status == 302

    page = server.visitor().open(urlsplit(link).path)
    assert page.path == "/reset"


# Deletions


def deletion(server, account):
    """Return the form that deletes an account, filled in."""
    return reauthenticated(server.logged_in(account), account, "/account/delete")


def test_of_two_deletions_at_once_one_deletes_and_the_number_stays(server, rounds):
    for _ in rounds:
        account = server.account()
        number = id_of(server, account)
        shots = [deletion(server, account) for _ in range(2)]
        fire_held(server, shots, USER, number)

        assert left_of(server, number) == set()
        assert id_of(server, server.account()) > number


def new_authenticator(server, account):
    """Return the form that confirms a new authenticator app."""
    page, authenticator = begin_move(server, account)
    return Shot.of(page, code=authenticator.code_from(0))


def other_password(server, account):
    """Return the form that changes the password."""
    values = new_password(account, f"{PASSWORD} more")
    return reauthenticated(
        server.logged_in(account), account, "/account/password", **values
    )


def other_codes(server, account):
    """Return the form that replaces the recovery codes."""
    return reauthenticated(
        server.logged_in(account), account, "/account/recovery-codes"
    )


def other_address(server, account):
    """Return the form that confirms a new address."""
    return confirmation(server, account, new_address())


@pytest.mark.parametrize(
    "change", [new_authenticator, other_password, other_codes, other_address]
)
@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_a_deletion_and_a_change_at_once_leave_nothing_half_done(
    server, change, is_first
):
    account = server.account()
    number = id_of(server, account)
    shots = [deletion(server, account), change(server, account)]
    fire_held(server, shots if is_first else shots[::-1], USER, number)
    [(name,)] = server.ask_database("SELECT username FROM users WHERE id = ?", number)

    if name == "deleted":
        assert left_of(server, number) == set()
    else:
        assert factors(server, account) == 1
        assert recovery_hashes(server, account)

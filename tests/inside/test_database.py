"""The database: what a thief reads in it, and what happens when it fails."""

import logging
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from threading import Timer

import flask_migrate
import pytest
from sqlalchemy import event
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import OperationalError

from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import ask_for_a_code
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.accounts import recover
from tests.kit.accounts import register_kim
from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import guess_password
from tests.kit.guesses import guess_wrong_codes
from tests.kit.journey import Journey
from tests.kit.journey import bytes_of
from tests.kit.journey import found_in
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import once
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.phone import scan
from tests.kit.reset_links import ask_for_link
from tests.kit.reset_links import choose
from tests.kit.reset_links import open_link
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tests.kit.stage import register
from tests.kit.work import counted_work

OF_THE_REQUEST = re.compile(
    r"\s*(INSERT INTO|UPDATE|DELETE FROM) (?!rate_limit_counters)"
)


def copy_a_secret(site, account):
    """Give everybody the secret of one user, as it is encrypted."""
    [(secret,)] = site.sql(
        "SELECT encrypted_secret FROM second_factors JOIN users ON id = user_id"
        " WHERE username = ?",
        account.username,
    )
    site.sql("UPDATE second_factors SET encrypted_secret = ?", secret)


def cells_of(site):
    """Return what stands in each cell of all tables, as text."""
    tables = site.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    rows = [row for [name] in tables for row in site.sql(f"SELECT * FROM {name}")]
    return {str(cell) for row in rows for cell in row}


@since("04a")
@attack(81, 55)
@never_red("step 03 has no database that could be stolen")
def test_a_stolen_database_holds_nothing_that_opens_the_door(site, clock):
    journey = Journey(site, clock).go()
    stolen = bytes_of(site)

    assert journey.account.username.encode() in stolen
    secrets = journey.secrets - {"000 000", "000000"}
    secrets |= {secret.replace("-", "") for secret in secrets}
    assert found_in(stolen, secrets) == []
    assert secrets.isdisjoint(cells_of(site))  # in the file they touch each other


@since("04a")
@attack(81)
def test_equal_passwords_have_hashes_that_differ(site):
    site.account_without_factor()
    site.account_without_factor()
    hashes = {row[0] for row in site.sql("SELECT password_hash FROM users")}

    assert len(hashes) == 2


@since("04a")
@attack(81)
def test_passwords_are_hashed_as_owasp_asks(step, clock):
    method = "scrypt:32768:8:3"
    app = step.load(step.folder).create_app(
        {"SECRET_KEY": "x" * 32, "TOTP_KEYS": "y" * 32, "DEVELOPMENT": True}
    )

    assert app.config.get("PASSWORD_HASH_METHOD") == method


@since("04a")
@attack(81)
def test_a_new_password_is_hashed_as_the_configuration_says(step, clock):
    site = step.start(clock, PASSWORD_HASH_METHOD="pbkdf2:sha256:3")
    site.account_without_factor()

    [[password_hash]] = site.sql("SELECT password_hash FROM users")
    assert password_hash.startswith("pbkdf2:sha256:3$")


@since("04a")
@attack(81)
@never_red("step 03 keeps its secrets in memory: another process has none")
def test_a_stolen_database_is_of_no_use_without_the_keys(site, account):
    stolen = site.start_again(TOTP_KEYS="a key that the thief made up", TESTING=False)
    visitor = stolen.visitor()

    visitor.give_password(account)
    assert visitor.fill_in(code=account.authenticator.code()).status == 422
    assert not visitor.is_logged_in()
    site.visitor().log_in(account)


@since("04c")
@attack(81)
def test_a_secret_moved_to_another_user_is_not_accepted(step, clock):
    site = step.start(clock, TESTING=False)
    victim, thief = site.account(), site.account()
    copy_a_secret(site, thief)

    for authenticator in (victim.authenticator, thief.authenticator):
        visitor = site.visitor()
        visitor.give_password(victim)
        assert visitor.fill_in(code=authenticator.code()).status == 422
        assert not visitor.is_logged_in()


# Rows that nobody can read


UNREADABLE_HASHES = [
    "5f4dcc3b5aa765d61d8327deb882cf99",
    "",
    "$",
    "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaJObG",
    "{SSHA}0c0blFTXXNuAMHECS4uxrj3ZieMoWImr",
    "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "pbkdf2:none:1$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "pbkdf2:sha256:0$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "pbkdf2:sha256:99999999999999999999$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "scrypt:3:8:1$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "scrypt:some:8:1$salt$5f4dcc3b5aa765d61d8327deb882cf99",
]


def errors_in(log):
    """Return the errors in a log, and forget them; no line has a traceback."""
    records = [record for record in log.records if record.levelno >= logging.ERROR]
    assert not any(record.exc_info for record in records)
    log.clear()
    return [record.getMessage() for record in records]


@since("04a")
@attack(160)
@pytest.mark.parametrize("stored", UNREADABLE_HASHES)
def test_a_hash_of_an_unknown_kind_is_rejected_like_a_wrong_password(
    step, clock, log, monkeypatch, stored
):
    site = step.start(clock, TESTING=False)
    owner = register(site.visitor(), username="kim")
    register(site.visitor(), username="lee")
    site.sql("UPDATE users SET password_hash = ? WHERE username = 'kim'", stored)
    errors_in(log)
    pages, costs = {}, []
    for name in ("kim", "lee", "nobody"):
        page = site.visitor().open("/login")
        with counted_work(site, monkeypatch) as (hashes, _):
            pages[name] = page.fill_in(username=name, password=GOOD_PASSWORD[:-1])
        costs.append(len(hashes))
        errors = errors_in(log)
        assert len(errors) == (name == "kim")

    assert {page.status for page in pages.values()} == {422}
    assert len({page.text for page in pages.values()}) == 1
    assert costs[0] >= costs[1] == costs[2] == 1
    for password in (owner.password, stored, "nobody has this", "password", "x"):
        page = site.visitor().open("/login")
        page = page.fill_in(username="kim", password=password)
        assert page.status in (422, 429), password
        for error in errors_in(log):
            assert "user 1:" in error
            assert password not in error or not password
            assert stored not in error or len(stored) < 2


@since("05")
@attack(160)
@pytest.mark.parametrize("stored", UNREADABLE_HASHES[:4])
def test_a_user_with_an_unknown_hash_gets_in_by_the_reset(site, kim, stored):
    site.sql("UPDATE users SET password_hash = ?", stored)
    assert site.visitor().give_password(kim).status == 422

    assert choose(open_link(site), kim.recovery_code()).path == "/login"
    kim.password = NEW_PASSWORD
    site.visitor().log_in(kim)


def lose_the_keys(site):
    """Start the same app with other keys, as after a move."""
    return site.start_again(TOTP_KEYS="keys of another house", TESTING=False)


def copy_a_row(site):
    """Give everybody the secret of somebody else."""
    copy_a_secret(site, site.account())
    return site.start_again(TESTING=False)


def write_nonsense(site):
    """Write something into the rows that was never encrypted."""
    site.sql("UPDATE second_factors SET encrypted_secret = 'GEZDGNBVGY3TQOJQ'")
    return site.start_again(TESTING=False)


@since("04d")
@attack(160)
@pytest.mark.parametrize("spoil", [lose_the_keys, copy_a_row, write_nonsense])
def test_a_secret_that_cannot_be_read_is_rejected_like_a_wrong_code(
    site, account, log, spoil
):
    broken = spoil(site)
    visitor = broken.visitor()
    assert visitor.give_password(account).path == "/login/code"
    errors_in(log)
    for code in (account.authenticator.code(), account.authenticator.wrong_code()):
        page = visitor.open("/login/code").fill_in(code=code)
        assert page.status == 422
        assert page.find(".error").text().startswith("That code did not work.")
        assert not visitor.is_logged_in()
        [error] = errors_in(log)
        assert "user 1:" in error
        assert account.authenticator.secret not in error

    for path in ("/enrol", "/"):  # or the password alone would set up another one
        assert visitor.open(path).path.startswith("/login"), path
    assert broken.visitor().give_password(account).path == "/login/code"
    assert recover(broken, account, account.recovery_code()).path == "/"


@since("04a")
@attack(160)
@never_red("step 03 keeps its secrets in memory: another process has none")
def test_a_code_that_could_not_be_checked_stays_good(site, account, clock):
    broken, code = lose_the_keys(site), account.authenticator.code()
    for _ in range(5):
        page = broken.visitor().give_password(account).fill_in(code=code)
        assert page.status == 422
    clock.move(15 * 60)
    code = account.authenticator.code()
    assert broken.visitor().give_password(account).fill_in(code=code).status == 422

    assert site.visitor().give_password(account).fill_in(code=code).path == "/"


@since("05")
@attack(160, 72)
@rate_limited
@never_red("on step 04 any number of wrong codes leads to no lockout")
def test_codes_that_could_not_be_checked_bring_on_no_lockout(site, account, clock):
    guess_wrong_codes(lose_the_keys(site), account, clock, MAX_WRONG_CODES_IN_A_ROW)
    clock.move(15 * 60)

    site.visitor().log_in(account)
    assert site.mails() == []


@since("05")
@attack(160, 79)
@rate_limited
def test_in_the_account_and_at_the_reset_an_unreadable_secret_is_no_500(
    site, kim, clock
):
    visitor = logged_in(site, kim)
    broken = write_nonsense(site)
    there = broken.visitor().take_cookies_of(visitor)
    at_reset = broken.visitor().take_cookies_of(open_link(site).visitor)
    for number in range(25):
        if number % 5 == 0:
            clock.move(15 * 60)
        page = prove(there, kim, "/account/recovery-codes", code="000000")
        assert page.status == 422
        if number < 5:
            assert choose(at_reset.open("/reset/new"), "000000").status == 422
    code = kim.recovery_code()
    page = prove(there, kim, "/account/recovery-codes", code=code)
    assert page.status in (200, 429)


@gap
@attack(160)
@since("04")
@until("05")
def test_no_operator_learns_that_the_keys_are_wrong_before_a_user_does(
    site, account, log
):
    log.clear()
    visitor = lose_the_keys(site).visitor()

    assert visitor.ask("GET", "/login").status == 200
    assert visitor.ask("GET", "/readyz").status != 503
    assert errors_in(log) == []


@since("04d")
@attack(70, 18)
def test_everything_outlives_a_restart(site, account):
    code = account.authenticator.code()
    site.visitor().give_password(account).fill_in(code=code)
    for _ in range(5):
        guess_password(site.visitor(), account.username)
    restarted = site.start_again()

    assert restarted.visitor().give_password(account).status == 429
    elsewhere = restarted.visitor(network="192.0.2.5")
    page = elsewhere.give_password(account)
    assert page.fill_in(code=code).status == 422
    assert page.fill_in(code=account.authenticator.code()).path == "/"


@since("04d")
def test_an_email_without_a_recipient_is_not_stored(site):
    nobody = text("INSERT INTO recovery_codes (code_hash, user_id) VALUES ('x', 999)")

    with site.engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(nobody)


@since("04d")
@attack(5)
def test_a_session_of_a_user_who_is_gone_is_no_login(site, account):
    visitor = logged_in(site, account)
    for table in ("recovery_codes", "second_factors", "users"):
        site.sql(f"DELETE FROM {table}")

    assert not visitor.is_logged_in()
    assert visitor.open("/").path.startswith("/login")


@since("04c")
@attack(130)
def test_a_session_whose_second_factor_was_removed_is_no_login(site, account):
    visitor = logged_in(site, account)
    site.sql("DELETE FROM second_factors")

    assert not visitor.is_logged_in()
    assert visitor.give_password(account).path == "/enrol"


@since("04c")
@attack(50)
def test_a_secret_waits_no_longer_once_it_is_confirmed(site, clock):
    visitor = site.visitor()
    register(visitor)
    assert site.sql("SELECT count(*) FROM pending_secrets") == [(1,)]
    visitor.fill_in(code=scan(visitor.page, clock).code())

    assert visitor.is_logged_in()
    assert site.sql("SELECT count(*) FROM pending_secrets") == [(0,)]


@pytest.fixture
def failing(step, clock):
    """Return a site whose next commits fail, but for those of the throttle."""
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    site.fails = False

    def note(connection, cursor, statement, *rest):
        if OF_THE_REQUEST.match(statement):
            connection.info["changed"] = True

    def fail(connection):
        changed = connection.info.pop("changed", False)
        if site.fails and changed:
            raise OperationalError("COMMIT", {}, Exception("disk full"))

    event.listen(site.engine, "before_cursor_execute", note)
    event.listen(site.engine, "commit", fail)
    return site


@since("04c")
@attack(118)
def test_a_code_whose_commit_fails_logs_no_user_in_and_stays_good(failing):
    account = failing.account()
    visitor = failing.visitor()
    page = visitor.give_password(account)
    cookies = dict(visitor.browser.cookies)
    code = account.authenticator.code()
    failing.fails = True

    answer = page.fill_in(code=code)

    assert answer.status == 500
    assert "Something went wrong on our side" in answer.text
    assert not visitor.is_logged_in()
    assert {n: c.value for n, c in visitor.browser.cookies.items()} == {
        n: c.value for n, c in cookies.items()
    }
    failing.fails = False
    assert page.fill_in(code=code).path == "/"


@since("04d")
@attack(69, 118)
def test_a_guess_is_spent_even_if_its_commit_fails(failing):
    account = failing.account()
    page = failing.visitor().give_password(account)
    code = account.authenticator.code()
    failing.fails = True
    for _ in range(5):
        assert page.fill_in(code=code).status == 500
    failing.fails = False

    assert page.fill_in(code=code).status == 429


@since("05")
@attack(118, 108)
def test_an_event_that_was_not_stored_sends_no_mail(failing):
    kim = register_kim(failing)
    visitor = logged_in(failing, kim)
    failing.mails()
    failing.fails = True
    assert prove(visitor, kim, "/account/recovery-codes").status == 500
    assert ask_for_link(failing.visitor()).status == 500
    failing.fails = False

    assert failing.mails() == []
    assert ask_for_link(failing.visitor()).status == 200
    assert len(failing.mails()) == 1


@since("04d")
@attack(118)
def test_a_recovery_code_whose_commit_fails_stays_good(failing):
    account = failing.account()
    visitor = failing.visitor()
    page = ask_for_a_code(visitor, account)
    failing.fails = True
    code = account.recovery_code()

    assert page.fill_in(recovery_code=code).status == 500
    assert not visitor.is_logged_in()
    failing.fails = False
    assert page.fill_in(recovery_code=code).path == "/"
    assert recover(failing, account, code).status == 422


@since("04d")
@attack(118)
def test_an_enrolment_whose_commit_fails_can_be_repeated(failing, clock):
    account, visitor = failing.account_without_factor(), failing.visitor()
    page = visitor.give_password(account)
    account.authenticator = scan(page, clock)
    code = account.authenticator.code()
    failing.fails = True

    assert page.fill_in(code=code).status == 500
    assert not visitor.is_logged_in()
    assert failing.sql("SELECT count(*) FROM second_factors") == [(0,)]
    assert failing.sql("SELECT count(*) FROM recovery_codes") == [(0,)]
    failing.fails = False
    assert page.fill_in(code=code).status == 200
    failing.visitor().log_in(account)


@since("04a")
@attack(118)
def test_a_registration_whose_commit_fails_leaves_nothing_behind(failing):
    failing.fails = True
    with pytest.raises(AssertionError):
        failing.account_without_factor()
    failing.fails = False

    assert failing.sql("SELECT count(*) FROM users") == [(0,)]


@since("05")
@attack(118, 85)
def test_a_reset_whose_commit_fails_leaves_link_and_code_good(failing):
    kim = register_kim(failing)
    page, code = open_link(failing), kim.recovery_code()
    failing.fails = True

    assert choose(page, code).status == 500
    failing.fails = False
    assert failing.visitor().give_password(kim).path == "/login/code"
    assert choose(page, code).path == "/login"
    kim.password = NEW_PASSWORD
    failing.visitor().log_in(kim)


@since("04a")
@attack(137)
def test_a_database_that_is_gone_is_owned_on_a_page_of_our_look(step, clock, tmp_path):
    good = step.start(clock)
    visitor = good.visitor()
    visitor.log_in(good.account())
    gone = step.start(
        clock,
        TESTING=False,
        PROPAGATE_EXCEPTIONS=False,
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/nowhere/door.db",
    )

    page = gone.visitor().take_cookies_of(visitor).ask("GET", "/")

    assert page.status in (500, 503)
    assert "Wait a minute" in page.text or "We'll be back shortly" in page.text
    assert "Traceback" not in page.html
    assert "OperationalError" not in page.html
    assert "Set-Cookie" not in page.headers


@since("04a")
@attack(137)
@never_red("step 03 has no database that anybody waits for")
def test_many_at_once_never_wait_for_one_another(step, clock):
    # who has one connection and waits for a second one waits for others who do so too
    one = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
    site = step.start(clock, SQLALCHEMY_ENGINE_OPTIONS=one)

    Journey(site, clock).go()


def end_all_sessions_after_the_next_commit(site):
    """Do what a logout on another device does, in the middle of a request."""

    def end_all_sessions(session):
        site.sql("UPDATE users SET session_token = 'of another session'")

    session = site.app.extensions["sqlalchemy"].session
    event.listen(session, "after_commit", end_all_sessions, once=True)


@since("04a")
@attack(33)
@never_red("in step 03 nothing ends the sessions of others")
def test_a_login_that_is_ended_while_its_code_is_checked_stays_ended(site, account):
    visitor = site.visitor()
    visitor.give_password(account)
    end_all_sessions_after_the_next_commit(site)
    visitor.fill_in(code=account.authenticator.code())

    assert not visitor.is_logged_in()


@since("04a")
@attack(33)
@never_red("in step 03 nothing ends the sessions of others")
def test_a_login_that_is_ended_while_an_authenticator_is_set_up_stays_ended(
    site, account_without_factor, clock
):
    visitor = site.visitor()
    authenticator = scan(visitor.give_password(account_without_factor), clock)
    end_all_sessions_after_the_next_commit(site)
    visitor.fill_in(code=authenticator.code())

    assert not visitor.is_logged_in()


@since("05")
@attack(34, 46)
def test_an_authenticator_is_not_set_up_by_a_login_that_is_ended_in_between(
    site, account_without_factor, clock
):
    visitor = site.visitor()
    authenticator = scan(visitor.give_password(account_without_factor), clock)
    end_all_sessions_after_the_next_commit(site)
    page = visitor.fill_in(code=authenticator.code())

    assert page.path.partition("?")[0] == "/login"
    assert not page.find_all(".recovery-code")
    assert site.sql("SELECT count(*) FROM second_factors") == [(0,)]
    assert site.visitor().give_password(account_without_factor).path == "/enrol"


@since("04")
@once
def test_two_that_migrate_at_once_do_it_once(step, tmp_path):
    environment = {
        "SECRET_KEY": "k" * 32,
        "TOTP_KEYS": "t" * 32,
        "DATABASE_URL": f"sqlite:///{tmp_path}/door.db",
    }
    command = [sys.executable, "-m", "flask", "--debug", "db", "upgrade"]
    both = [
        subprocess.Popen(
            command,
            cwd=step.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    output = [process.communicate(timeout=60)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], output


@gap
@attack(9)
@since("04")
@until("05")
def test_a_hash_with_old_parameters_stays_as_it_is(site, account):
    before = site.sql("SELECT password_hash FROM users")
    newer = site.start_again(PASSWORD_HASH_METHOD="pbkdf2:sha256:2")
    newer.visitor().log_in(account)

    assert site.sql("SELECT password_hash FROM users") == before


@gap
@attack(37)
@since("04")
@until("05")
def test_an_unused_session_lives_for_days(site, account, clock):
    visitor = logged_in(site, account)
    clock.move(3 * 24 * 60 * 60)

    assert visitor.is_logged_in()


@gap
@attack(100)
@since("04")
@until("05")
def test_an_old_key_stays_in_use_when_a_new_one_comes_first(site, account):
    before = site.sql("SELECT encrypted_secret FROM second_factors")
    old = site.config["TOTP_KEYS"]
    rotated = site.start_again(TOTP_KEYS=f"a key that came first,{old}")
    rotated.visitor().log_in(account)
    rotated.app.test_cli_runner().invoke(args=["keys", "rotate"])

    assert site.sql("SELECT encrypted_secret FROM second_factors") == before


def migrate(site, how, revision):
    """Run one of the migration commands on a site's database."""
    with site.app.app_context():
        how(revision=revision)


@since("04")
@never_red("step 03 has no database")
def test_a_request_waits_until_another_has_written(site, account):
    visitor = site.visitor()
    page = visitor.open("/login")
    with closing(sqlite3.connect(site.database, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        Timer(0.5, other.rollback).start()
        page = page.fill_in(username=account.username, password=account.password)

    assert page.path == "/login/code"


@since("04")
@never_red("step 03 has no database")
def test_a_page_is_read_while_another_request_writes(site, account):
    visitor = logged_in(site, account)
    with closing(sqlite3.connect(site.database)) as other:
        other.execute("BEGIN EXCLUSIVE")

        assert visitor.is_logged_in()


@since("05")
@attack(119)
@never_red("step 04 has no older database")
def test_a_database_of_an_older_step_keeps_its_users_there_and_back(step, clock):
    older = Stage("04", STEPS["04"]).start(clock)
    account = older.account()
    uri = older.config["SQLALCHEMY_DATABASE_URI"]
    newer = step.start(clock, SQLALCHEMY_DATABASE_URI=uri)

    for _ in range(2):
        migrate(newer, flask_migrate.upgrade, "head")
        newer.visitor().log_in(account)
        recover(newer, account, account.recovery_code())
        migrate(newer, flask_migrate.downgrade, "0001")
        older.visitor().log_in(account)


@since("06")
@attack(119, 72)
@rate_limited
@never_red("step 05 has no migration from an older step's lockouts")
def test_a_lockout_outlives_the_way_back_to_the_step_before(site, account, clock):
    guess_wrong_codes(site, account, clock, MAX_WRONG_CODES_IN_A_ROW)
    migrate(site, flask_migrate.downgrade, "0002")
    migrate(site, flask_migrate.upgrade, "head")
    clock.move(15 * 60)

    assert site.visitor().give_password(account).status == 422


@since("06")
@attack(119, 72)
@rate_limited
@never_red("step 05 has no migration from an older step's lockouts")
def test_a_lockout_of_the_step_before_is_there_after_the_upgrade_and_a_month(
    step, clock
):
    older = Stage("05", STEPS["05"]).start(clock)
    account = older.account()
    guess_wrong_codes(older, account, clock, MAX_WRONG_CODES_IN_A_ROW)
    newer = step.start(
        clock, SQLALCHEMY_DATABASE_URI=older.config["SQLALCHEMY_DATABASE_URI"]
    )
    migrate(newer, flask_migrate.upgrade, "head")
    for _ in range(2):
        clock.move(30 * 24 * 60 * 60)
        newer.run_hourly_tasks()

        assert newer.visitor().give_password(account).status == 422
        migrate(newer, flask_migrate.downgrade, "0002")
        assert older.visitor().give_password(account).status == 422
        migrate(newer, flask_migrate.upgrade, "head")


@since("05")
@attack(119)
@never_red("step 04 has no older database")
def test_a_migration_that_failed_has_done_nothing_and_works_the_second_time(
    step, clock
):
    older = Stage("04", STEPS["04"]).start(clock)
    account = older.account()
    newer = step.start(
        clock, SQLALCHEMY_DATABASE_URI=older.config["SQLALCHEMY_DATABASE_URI"]
    )
    tables = older.sql("SELECT name FROM sqlite_master ORDER BY name")
    older.sql("CREATE TABLE password_resets (in_the_way INTEGER)")

    with pytest.raises(OperationalError, match="password_resets"):
        migrate(newer, flask_migrate.upgrade, "head")

    older.sql("DROP TABLE password_resets")
    assert older.sql("SELECT name FROM sqlite_master ORDER BY name") == tables
    assert older.sql("SELECT version_num FROM alembic_version") == [("0001",)]
    migrate(newer, flask_migrate.upgrade, "head")
    newer.visitor().log_in(account)

"""The audit: one line for each event that matters to security, and no secret in it."""

import errno
import json
import re
import sqlite3
import sys
from datetime import UTC
from datetime import datetime
from itertools import count
from types import SimpleNamespace

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import ask_for_a_code
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import guess_wrong_codes
from tests.kit.journey import Journey
from tests.kit.journey import found_in
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.production import ORIGIN
from tests.kit.production import in_production
from tests.kit.reset_links import choose
from tests.kit.reset_links import form_behind
from tests.kit.reset_links import mailed_link
from tests.kit.reset_links import open_link
from tests.kit.stage import CONFIG
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import add_second_factor
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register

pytestmark = since("06")

LOGIN = ["password_verified", "logged_in"]
OF_THE_JOURNEY = [
    *["email_verified", "password_rejected", "password_verified", "code_rejected"],
    *["second_factor_enrolled", "logged_in", "logged_out"],
    *["password_verified", "code_rejected", "recovery_code_used", "logged_in"],
    *["logged_out", "password_verified", "code_rejected", "logged_in", "logged_out"],
    *["email_code_rejected", "email_verified"],
    *LOGIN,
    *["code_rejected", "reauthenticated", "code_rejected", "second_factor_replaced"],
    *["recovery_code_used", "reauthenticated", "password_changed"],
    *["reauthenticated", "recovery_codes_regenerated", "logged_out"],
    *["password_reset_requested", "reset_link_opened"],
    *["code_rejected", "password_changed"],
    *LOGIN,
    "logged_out",
]


@pytest.fixture
def audit(capsys):
    """Return a function that returns the lines since it was called last."""

    def lines():
        printed = capsys.readouterr().out.splitlines()
        return [json.loads(line) for line in printed if line.startswith("{")]

    return lines


def only(lines):
    """Return the one line that there has to be."""
    assert len(lines) == 1, lines
    return lines[0]


def events(lines):
    """Return what happened, and to whom."""
    return [(line["event"], line["user"]) for line in lines]


@attack(107)
def test_each_event_of_a_journey_is_one_line(site, clock, audit):
    Journey(site, clock).go()
    lines = audit()

    assert [line["event"] for line in lines] == OF_THE_JOURNEY
    users = [
        line["user"] for line in lines if line["event"] != "password_reset_requested"
    ]
    assert [user for user in users if user not in (1, 2)] == [None]
    assert users.count(2) == 1


@attack(106, 107)
def test_a_line_is_written_in_one_piece_so_that_no_process_comes_in_between(
    site, account, monkeypatch
):
    pieces = []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=pieces.append, flush=str))
    site.visitor().log_in(account)
    lines = [json.loads(piece) for piece in pieces if piece]

    assert events(lines) == [(event, 1) for event in LOGIN]
    assert all(piece.endswith("\n") for piece in pieces if piece)


@since("06e")
@attack(107)
def test_a_line_says_when_what_who_and_from_where(site, account, audit, clock):
    visitor = site.visitor("198.51.100.7")
    visitor.give_password(account)
    code, _ = account.authenticator.code(), audit()
    target, data = visitor.page.filled_in(code=code)
    answer = visitor.ask("POST", target, data=data)
    line = only(audit())

    assert datetime.fromisoformat(line["time"]).timestamp() == clock.now()
    assert datetime.fromisoformat(line["time"]).tzinfo == UTC
    assert line["event"] == "logged_in"
    assert line["user"] == 1
    assert line["network"] == "198.51.100.7"
    assert line["request"] == answer.headers["X-Request-ID"]
    assert line["status"] == answer.status == 302
    assert line["factor"] == "totp"
    assert len(line) == 7


@attack(107)
def test_each_request_has_a_name_of_its_own(visitor):
    names = [visitor.ask("GET", "/login").headers.get("X-Request-ID") for _ in range(9)]

    assert len(set(names)) == 9
    assert all(re.fullmatch("[0-9a-f]{16}", name or "") for name in names)


@attack(107)
def test_a_visitor_does_not_choose_the_name_of_the_request(visitor, audit):
    page = visitor.open("/login")
    values = page.filled_in(username="nobody", password="nothing at all")
    headers = {"X-Request-ID": "mine"}
    answer = visitor.ask("POST", values[0], data=values[1], headers=headers)

    assert answer.headers.get("X-Request-ID", "mine") != "mine"
    assert [line["request"] for line in audit()] == [answer.headers["X-Request-ID"]]


# What is no event, or did not happen


@attack(107)
@pytest.mark.parametrize("path", ["/", "/login", "/account", "/static/style.css"])
def test_opening_pages_leaves_no_line(site, account, audit, path):
    visitor = logged_in(site, account)
    assert audit()
    visitor.open(path)

    assert audit() == []


@since("06e")
@attack(107, 118)
@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        OperationalError("COMMIT", {}, sqlite3.OperationalError("disk is full")),
    ],
    ids=["of ours", "of the database"],
)
def test_a_request_that_failed_leaves_no_event_but_an_error_with_its_id(
    step, clock, audit, caplog, error
):
    site = step.start(clock, TESTING=False)
    visitor, account = site.visitor(), site.account()
    visitor.give_password(account)
    code, commits = account.authenticator.code(), count()
    assert ("password_verified", 1) in events(audit())

    @event.listens_for(site.app.extensions["sqlalchemy"].session, "before_commit")
    def fail(session):
        if next(commits):  # the first one counts the guess
            raise error

    page = visitor.fill_in(code=code)
    event.remove(site.app.extensions["sqlalchemy"].session, "before_commit", fail)
    assert page.status >= 500
    assert not visitor.is_logged_in()
    assert audit() == []
    if page.status == 500:  # a 503 is no failure of ours
        assert f"Request {page.headers['X-Request-ID']} failed." in caplog.text


@attack(107)
def test_a_recovery_code_that_stayed_good_leaves_no_line_of_its_use(
    site, account, audit
):
    visitor = logged_in(site, account)
    code, same = account.recovery_code(), {"password": account.password}
    audit()
    assert prove(visitor, account, "/account/password", code=code, **same).status == 422
    line = only(audit())
    assert events([line]) == [("new_password_rejected", 1)]
    assert line["flow"] == "account"
    account.recovery_codes = [code]
    page = ask_for_a_code(site.visitor(), account)
    assert page.fill_in(recovery_code=code).path == "/"

    assert ("recovery_code_used", 1) in events(audit())


@attack(107, 145)
def test_a_reset_that_was_refused_is_a_line_that_says_no_more(site, audit):
    owner = add_second_factor(
        site, register(site.visitor(), username="kim", email=ADDRESS)
    )
    page = form_behind(site, mailed_link(site))
    audit()
    for password in (owner.password, "aaaaaaaaaaaaaaaa"):
        page = choose(page, owner.recovery_codes[0], password)
        assert page.status == 422
        line = only(audit())
        assert events([line]) == [("new_password_rejected", 1)]
        assert line["flow"] == "reset"
    choose(page, owner.recovery_codes[0])

    assert events(audit()) == [("recovery_code_used", 1), ("password_changed", 1)]


@attack(107, 145)
def test_guesses_with_a_link_of_a_user_without_an_authenticator_are_lines(site, audit):
    account = register(site.visitor(), username="kim", email=ADDRESS)
    page = form_behind(site, mailed_link(site))
    audit()
    for number in range(6):
        guess = account.password if number % 2 else f"aaaaaaaaaaaaaaaa{number}"
        page.fill_in(password=guess, confirm=guess)

    seen = events(audit())
    assert seen == [("new_password_rejected", 1)] * 5 + [("rate_limited", 1)]


@since("06e")
@attack(107, 118)
def test_a_login_of_which_the_log_takes_no_line_is_one_and_is_in_the_error_log(
    step, clock, caplog, monkeypatch
):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    visitor, account = site.visitor(), site.account()

    def fail(*text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=fail, flush=fail))
    page = visitor.give_password(account)
    assert page.path == "/login/code"
    page = page.fill_in(code=account.authenticator.code())

    assert (page.status, page.path) == (200, "/")
    assert visitor.is_logged_in()
    assert caplog.text.count('"event": "logged_in"') == 1


# Attacks that leave a line


@since("06e")
@attack(107)
def test_a_wrong_password_is_a_line_with_the_user_if_there_is_one(site, account, audit):
    known, unknown = site.visitor(), site.visitor()
    audit()
    known.open("/login").fill_in(username=account.username, password="not this one")
    unknown.open("/login").fill_in(username="nobody", password="not this one")

    assert events(audit()) == [("password_rejected", 1), ("password_rejected", None)]


@attack(107)
def test_a_wrong_current_password_is_a_line(site, account, audit):
    visitor = logged_in(site, account)
    audit()
    path = "/account/recovery-codes"
    prove(visitor, account, path, current_password="not this one")
    prove(visitor, account, path, code=account.authenticator.wrong_code())

    lines = audit()
    assert events(lines) == [("password_rejected", 1), ("code_rejected", 1)]
    assert [line["status"] for line in lines] == [422, 422]


@attack(107)
def test_the_line_of_a_wrong_code_says_where_it_was_typed(site, kim, clock, audit):
    page = site.visitor().give_password(kim)
    page.fill_in(code=kim.authenticator.wrong_code())
    visitor = logged_in(site, kim)
    prove(visitor, kim, "/account/phone", code=kim.authenticator.wrong_code())
    page = prove(visitor, kim, "/account/phone")
    page.fill_in(code=scan(page, clock).wrong_code())
    choose(open_link(site), kim.authenticator.wrong_code())
    page = site.visitor().give_password(site.account_without_factor())
    page.fill_in(code=scan(page, clock).wrong_code())

    flows = [line["flow"] for line in audit() if line["event"] == "code_rejected"]
    assert flows == ["login", "account", "enrolment", "reset", "enrolment"]


@since("06e")
@attack(107, 12)
def test_a_code_that_was_used_before_is_a_line_and_counts_for_no_lockout(
    site, account, audit
):
    code = account.authenticator.code()
    site.visitor().give_password(account).fill_in(code=code)
    thief = site.visitor("203.0.113.9").give_password(account)
    audit()
    assert thief.fill_in(code=code).status == 422

    line = only(audit())
    assert events([line]) == [("code_rejected", 1)]
    assert line["flow"] == "login"
    assert site.sql("SELECT * FROM lockouts") == []


@since("06e")
@attack(107, 85, 155)
def test_a_link_that_was_used_is_not_opened_again_but_rejected_and_is_one_line(
    site, audit
):
    register(site.visitor(), username="kim", email=ADDRESS)
    link = mailed_link(site)
    audit()
    page = form_behind(site, link)
    assert events(audit()) == [("reset_link_opened", 1)]
    page.fill_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    audit()
    for _ in range(20):
        site.visitor().open(link)
        page.visitor.open(link)

    assert events(audit()) == [("reset_link_rejected", None)]


@since("06e")
@attack(107, 86)
def test_a_forged_link_is_rejected_in_a_browser_that_has_opened_a_good_one(site, audit):
    register(site.visitor(), username="kim", email=ADDRESS)
    page = form_behind(site, mailed_link(site))
    audit()
    page.visitor.open("/reset/aaaa.bbbb.cccc")

    assert events(audit()) == [("reset_link_rejected", None)]


@attack(107, 149)
def test_a_hundred_wrong_passwords_in_a_row_are_a_line_of_their_own(
    site, account, audit, clock
):
    for number in range(100):
        if number % 50 == 0:
            clock.move(15 * 60)
            audit()
        page = site.visitor(f"198.51.100.{number // 5 % 10}").open("/login")
        page.fill_in(username=account.username, password="not this one")
    lines = events(audit())
    assert lines == [("password_rejected", 1)] * 50 + [("password_locked", 1)]
    clock.move(15 * 60)
    assert site.visitor().give_password(account).status == 422

    assert events(audit()) == [("password_rejected", 1)]


@attack(107, 72)
def test_a_password_that_counts_as_stolen_is_a_line(site, account, audit, clock):
    guess_wrong_codes(site, account, clock, MAX_WRONG_CODES_IN_A_ROW)

    assert events(audit())[-1:] == [("login_locked", 1)]


# What stands in no line


@since("06e")
@attack(106)
def test_no_line_and_no_log_holds_a_secret_or_an_address(site, clock, capsys, log):
    journey = Journey(site, clock).go()
    text = capsys.readouterr().out + log.text

    assert '"event": "logged_in"' in text
    secrets = journey.secrets - {"password"} | {CONFIG["SECRET_KEY"]}
    secrets |= {CONFIG["TOTP_KEYS"], *(cookie.value for cookie in journey.cookies)}
    for row in site.sql("SELECT email, password_hash, session_token FROM users"):
        secrets |= {*row}
    assert found_in(text, secrets) == []
    assert "@" not in text


@attack(106)
@pytest.mark.parametrize(
    "name",
    [
        'kim\n{"event": "logged_in", "user": 1}',
        'kim\r\n\r\n{"event": "logged_in", "user": 1}',
        'kim", "event": "logged in',
        "kim\u2028kim\u0085kim",
        "kim\x1b[2J",
        "\U0001f600" * 50,
    ],
    ids=["line", "lines", "quotes", "separators", "escape", "faces"],
)
def test_a_name_with_a_new_line_is_one_line_and_is_not_in_it(visitor, capsys, name):
    page = visitor.open("/login")
    capsys.readouterr()
    page.fill_in(username=name, password="nothing at all")
    line = only(capsys.readouterr().out.splitlines())

    assert json.loads(line)["event"] == "password_rejected"
    assert "kim" not in line
    assert line.isascii()
    assert line.isprintable()


@since("06e")
@attack(106)
def test_a_password_typed_as_a_name_is_not_written_down(visitor, capsys):
    visitor.open("/login").fill_in(username=GOOD_PASSWORD, password=GOOD_PASSWORD)
    printed = capsys.readouterr().out

    assert "password_rejected" in printed
    assert GOOD_PASSWORD not in printed


@attack(106)
def test_a_proxy_s_header_does_not_break_the_line(step, clock, capsys):
    site = in_production(step, clock, PROXIES=1)
    page = site.visitor().open("/login")
    capsys.readouterr()
    forged = '", "event": "logged in\u00e9'
    headers = {"X-Forwarded-For": forged, "X-Forwarded-Proto": "https"}
    target, data = page.filled_in(username="nobody", password="nothing at all")
    page.visitor.send(target, data, headers=headers | {"Referer": ORIGIN})
    line = only(capsys.readouterr().out.splitlines())

    assert json.loads(line)["event"] == "password_rejected"
    assert line.isascii()


@attack(106)
def test_a_database_error_is_logged_without_its_values(step, clock, log):
    site = step.start(clock, TESTING=False)
    site.sql("""
        CREATE TRIGGER full BEFORE INSERT ON pending_registrations
        BEGIN SELECT RAISE(ABORT, 'no more'); END
    """)
    page = fill_in_registration(site.visitor(), email=ADDRESS, username="kimberly")

    assert page.status == 500
    assert "pending_registrations" in log.text
    for secret in (ADDRESS, "kimberly", "pbkdf2", GOOD_PASSWORD):
        assert secret not in log.text

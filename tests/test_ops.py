"""The operators' commands: users who need help, keys, old rows, the mail worker."""

import json
import sqlite3

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.marks import attack
from tests.marks import since
from tests.phone import scan
from tests.stage import GOOD_PASSWORD
from tests.stage import equip
from tests.stage import register
from tests.test_account import codes_on
from tests.test_recovery import recover
from tests.test_reset import NEW
from tests.test_reset import ask
from tests.test_reset import choose
from tests.test_reset import form_behind
from tests.test_reset import mailed_link
from tests.visitor import NotOfferedError

pytestmark = pytest.mark.ours

NAME = "kimberly"
ADDRESS = "kim@example.org"
REASON = "her phone fell into the sea"
CHANGES = ["disable", "enable", "reset-second-factor"]
COMMANDS = [
    ["user"],
    ["user", "list"],
    *(["user", change] for change in CHANGES),
    ["keys"],
    ["keys", "rotate"],
    ["prune"],
    ["mail-worker"],
]


@pytest.fixture
def owner(site):
    """Return the account of somebody whose mails we read."""
    return equip(site, register(site.visitor(), username=NAME, email=ADDRESS))


def run(site, *arguments, **how):
    """Run a command that has to succeed; return what it prints."""
    done = site.app.test_cli_runner().invoke(args=arguments, **how)
    assert done.exit_code == 0, done.output
    return done.output


def change(site, what, name=NAME):
    """Change a user, as an operator who has a reason."""
    return run(site, "user", what, name, "--reason", REASON)


def refused(site, *arguments, **how):
    """Run a command that has to fail with a message; return what it prints."""
    run(site, "user", "--help")
    done = site.app.test_cli_runner().invoke(args=arguments, **how)
    assert done.exit_code != 0
    assert isinstance(done.exception, SystemExit), "a trace instead of a message"
    return done.output


def lines_in(printed):
    """Return the audit lines in what a command prints."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def give_password(site, account, network="198.51.100.1"):
    """Give name and password in a new browser; return the page that follows."""
    return site.visitor(network).give_password(account)


def mailed_codes(site):
    """Return the codes in the mails that wait, all to the owner."""
    mails = site.mails()
    assert {mail.to for mail in mails} <= {ADDRESS}
    return [mail.code for mail in mails if "code" in mail.subject]


def enrol_again(site, owner, clock):
    """Set up another phone, by password and mailed code; return the last page."""
    page = give_password(site, owner)
    page = page.fill_in(email_code=mailed_codes(site)[-1])
    assert page.path == "/enrol", page.text
    return set_up_phone(page, owner, clock)


def set_up_phone(page, account, clock):
    """Scan the code on the page, and confirm it; return the page that follows."""
    account.phone = scan(page, clock)
    page = page.fill_in(code=account.phone.code())
    account.recovery_codes = codes_on(page)
    return page


# What operators see


@since("06")
@attack(62)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_what_it_is_for(site, command):
    text = run(site, *command, "--help")

    assert f"Usage: flask {' '.join(command)}" in text
    assert len(text.splitlines()[2].split()) > 3


@since("06")
@attack(62)
def test_the_list_shows_names_and_states_and_no_secret(site, owner):
    register(site.visitor(), username="newbie")
    equip(site, register(site.visitor(), username="vandal"))
    change(site, "disable", "vandal")
    lines = run(site, "user", "list").splitlines()

    assert [line.split(maxsplit=2)[1:] for line in lines] == [
        [NAME, "phone set up"],
        ["newbie", "no phone"],
        ["vandal", "disabled"],
    ]
    assert "@" not in "".join(lines)


@since("06")
@attack(62)
@pytest.mark.parametrize("what", CHANGES)
def test_a_command_asks_for_the_reason(site, owner, what):
    printed = run(site, "user", what, NAME, input=f"{REASON}\n")

    assert "Reason" in printed
    [line] = lines_in(printed)
    assert line["reason"] == REASON


@since("06")
@attack(62)
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("how", [{}, {"input": "\n"}, {"input": ""}], ids=repr)
def test_without_a_reason_nothing_is_changed(site, owner, what, how):
    visitor = site.visitor()
    visitor.log_in(owner)

    assert "Aborted" in refused(site, "user", what, NAME, **how)
    assert visitor.is_logged_in()


@since("06")
@attack(62)
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("reason", ["", " ", "\t\n"], ids=repr)
def test_a_blank_is_no_reason(site, owner, what, reason):
    visitor = site.visitor()
    visitor.log_in(owner)

    refused(site, "user", what, NAME, "--reason", reason)
    assert visitor.is_logged_in()


@since("06")
@attack(62)
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("name", ["nobody", "", ADDRESS, "1", "kim%", "\U0001f600"])
def test_a_user_who_does_not_exist_is_named(site, owner, what, name):
    visitor = site.visitor()
    visitor.log_in(owner)

    text = refused(site, "user", what, name, "--reason", REASON)
    assert "There is no user" in text
    assert name in text
    assert visitor.is_logged_in()


@since("06")
@attack(62)
def test_a_user_is_found_in_any_spelling_of_the_name(site, owner):
    change(site, "disable", " KIMBERLY ")

    assert give_password(site, owner).status == 422


# A user who is disabled


@since("06")
@attack(5)
def test_a_disabled_user_is_out_at_once(site, owner):
    visitor, pending = site.visitor(), site.visitor()
    visitor.log_in(owner)
    pending.give_password(owner)
    change(site, "disable")

    assert visitor.open("/account").path.startswith("/login")
    page = pending.page.fill_in(code=owner.phone.code())
    assert page.path == "/login"
    assert page.status == 200
    assert not pending.is_logged_in()


@since("06")
@attack(5, 1)
def test_a_disabled_user_is_refused_like_everybody_with_a_wrong_password(site, owner):
    change(site, "disable")
    right = give_password(site, owner)
    owner.password = "not the password at all"
    wrong = give_password(site, owner, network="198.51.100.2")

    assert right.status == wrong.status == 422
    assert right.text == wrong.text


@since("06")
@attack(5)
def test_a_password_reset_does_not_help_a_disabled_user(site, owner):
    before = mailed_link(site)
    change(site, "disable")
    choose(form_behind(site, before), owner.phone.code(), owner.password + " anew")
    for password in (owner.password, owner.password + " anew"):
        owner.password = password
        assert give_password(site, owner).status == 422
    link = mailed_link(site)
    page = choose(form_behind(site, link), owner.phone.code(), NEW)
    owner.password = NEW

    assert page.path == "/login"
    assert give_password(site, owner).status == 422


@since("06")
@attack(5)
def test_a_disabled_user_cannot_register_again(site, owner):
    change(site, "disable")
    with pytest.raises(NotOfferedError):
        register(site.visitor(), username=NAME, email="other@example.org")
    page = site.visitor().open("/register")
    values = {"username": "other", "email": ADDRESS}
    page.fill_in(password=GOOD_PASSWORD, confirm=GOOD_PASSWORD, **values)

    assert mailed_codes(site) == []


@since("06")
@attack(5)
def test_a_user_who_is_enabled_logs_in_and_old_sessions_stay_dead(site, owner):
    old = site.visitor()
    old.log_in(owner)
    change(site, "disable")
    change(site, "disable")
    change(site, "enable")

    assert not old.is_logged_in()
    site.visitor().log_in(owner)
    change(site, "enable")
    site.visitor().log_in(owner)


@since("06")
@attack(5)
def test_disabling_one_user_disturbs_no_other(site, owner):
    other = equip(site, register(site.visitor(), username="other"))
    visitor = site.visitor()
    visitor.log_in(other)
    change(site, "disable")
    change(site, "reset-second-factor")

    assert visitor.is_logged_in()
    site.visitor().log_in(other)


# A user whose phone is lost


@since("06")
@attack(35, 62)
def test_a_reset_ends_all_sessions_and_pending_logins(site, owner):
    visitor, pending = site.visitor(), site.visitor()
    visitor.log_in(owner)
    pending.give_password(owner)
    change(site, "reset-second-factor")

    assert not visitor.is_logged_in()
    assert visitor.open("/account").path.startswith("/login")
    assert pending.page.fill_in(code=owner.phone.code()).path == "/login"
    assert pending.open("/enrol").path == "/login"


@since("06")
@attack(62)
def test_after_a_reset_the_old_phone_and_recovery_codes_are_dead(site, owner, clock):
    old, codes = owner.phone, [owner.recovery_code() for _ in range(3)]
    change(site, "reset-second-factor")
    for path in ("/login/code", "/login/recovery"):
        page = give_password(site, owner).visitor.open(path)
        assert not page.find_all("[name=code], [name=recovery_code]")
    enrol_again(site, owner, clock)

    page = give_password(site, owner)
    assert page.fill_in(code=old.code()).status == 422
    assert recover(site, owner, codes[0]).status == 422
    assert recover(site, owner, owner.recovery_code()).path == "/"


@since("06")
@attack(62)
def test_after_a_reset_the_password_alone_leads_to_the_mailed_code(site, owner):
    change(site, "reset-second-factor")
    page = give_password(site, owner)

    assert page.path == "/register/verify"
    for path in ("/enrol", "/login/code", "/login/recovery", "/account", "/"):
        page = page.visitor.open(path)
        assert not page.find_all("#secret")
        assert page.path != "/account"
    assert not page.visitor.is_logged_in()
    for code in ("00000000", "000000", owner.phone.code()):
        page = page.visitor.open("/register/verify").fill_in(email_code=code)
        assert page.status == 422


@since("06")
@attack(62)
def test_password_and_mailed_code_set_up_another_phone(site, owner, clock):
    change(site, "reset-second-factor")
    page = enrol_again(site, owner, clock)

    assert len(owner.recovery_codes) == 10
    assert page.visitor.is_logged_in()
    page = give_password(site, owner)
    assert page.path == "/login/code"
    assert page.fill_in(code=owner.phone.code()).path == "/"
    assert mailed_codes(site) == []


@since("06")
@attack(62)
def test_the_mailed_code_works_in_the_session_that_asked_and_once(site, owner):
    change(site, "reset-second-factor")
    asked, other = give_password(site, owner), give_password(site, owner)
    first, second = mailed_codes(site)

    assert other.fill_in(email_code=first).status == 422
    assert asked.fill_in(email_code=first).path == "/enrol"
    stranger = site.visitor().open("/register/verify")
    assert stranger.path == "/login"
    assert other.fill_in(email_code=first).status == 422
    assert other.fill_in(email_code=second).path == "/enrol"


@since("06")
@attack(62, 116)
def test_a_mailed_code_opens_no_other_session_that_has_the_password(site, owner):
    change(site, "reset-second-factor")
    thief = give_password(site, owner)
    page = give_password(site, owner)
    page = page.fill_in(email_code=mailed_codes(site)[-1])
    assert page.path == "/enrol"

    later = give_password(site, owner)
    for page in (thief, later):
        page = page.visitor.open("/enrol")
        assert page.path == "/register/verify", page
        assert not page.find_all("#secret")


@since("06")
@attack(62, 82)
def test_the_mailbox_alone_registers_its_way_into_no_account(site, owner):
    change(site, "reset-second-factor")
    site.mails()
    thief = site.visitor("203.0.113.9").open("/register")
    values = {"username": "thief", "email": ADDRESS}
    page = thief.fill_in(password=GOOD_PASSWORD, confirm=GOOD_PASSWORD, **values)

    for code in mailed_codes(site):
        page = page.fill_in(email_code=code)
    assert not page.visitor.open("/enrol").find_all("#secret")


@since("06")
@attack(62, 82)
def test_the_mailbox_alone_gets_no_link_until_there_is_a_phone(site, owner, clock):
    def links():
        ask(site.visitor(), ADDRESS)
        return [mail.text for mail in site.mails() if "/reset/" in mail.text]

    assert len(links()) == 1
    change(site, "reset-second-factor")
    assert links() == []
    page = give_password(site, owner)
    page = page.fill_in(email_code=mailed_codes(site)[-1])
    assert links() == []
    set_up_phone(page, owner, clock)
    clock.move(60 * 60)
    assert len(links()) == 1


@since("06")
@attack(62, 82)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_link_from_before_sets_no_password_without_a_code(site, owner, is_open):
    link = mailed_link(site)
    page = form_behind(site, link)
    change(site, "reset-second-factor")
    if not is_open:
        page = site.visitor().open(link)

    data = {"csrf_token": page.find("[name=csrf_token]").attributes["value"]}
    data |= {"password": NEW, "confirm": NEW}
    page.visitor.send("/reset/new", data)
    page.visitor.send("/reset/new", data | {"code": "000000"})
    assert give_password(site, owner).path == "/register/verify"


@since("06")
@attack(62, 108)
def test_the_user_is_told_once_and_gets_no_link(site, owner):
    site.mails()
    change(site, "reset-second-factor")
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert "phone" in mail.subject
    assert "did not ask" in mail.text
    assert "://" not in mail.text
    assert site.mails() == []


@since("06")
@attack(62, 107)
@pytest.mark.parametrize("what", CHANGES)
def test_the_audit_line_has_the_reason_and_no_secret_is_shown(site, owner, what):
    rows = site.sql("SELECT * FROM users JOIN second_factors ON id = user_id")
    printed = change(site, what)
    [line] = lines_in(printed)

    assert line["reason"] == REASON
    assert line["user"] == 1
    assert line["event"].split()[-1] in ("disabled", "enabled", "reset")
    assert line["time"].endswith("+00:00")
    rows += site.sql("SELECT * FROM users")
    secrets = {text for row in rows for text in row if isinstance(text, str)}
    for secret in secrets | {owner.phone.secret, owner.password} - {NAME}:
        assert secret not in printed


@since("06")
@attack(62, 106)
def test_a_reason_of_two_lines_is_one_line_of_the_audit(site, owner):
    reason = 'one\n{"event": "logged in"}\r\ntwo \u2028 \ud800'
    printed = run(site, "user", "disable", NAME, "--reason", reason)

    [line] = lines_in(printed)
    assert line["reason"] == reason


@since("06")
@attack(107, 118)
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_cannot_be_committed_leaves_no_line(site, owner, what):
    run(site, "user", "--help")
    arguments = ["user", what, NAME, "--reason", REASON]
    event.listen(site.engine, "commit", fail)
    try:
        done = site.app.test_cli_runner().invoke(args=arguments)
    finally:
        event.remove(site.engine, "commit", fail)

    assert done.exit_code != 0
    assert lines_in(done.output) == []
    site.visitor().log_in(owner)


def fail(connection):
    """Fail, as a commit does on a full disk."""
    raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk is full"))

"""The operators' commands: users who need help, keys, old rows, the mail worker."""

import json
import sqlite3
import sys

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import codes_on
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.accounts import recover
from tests.kit.device_cookies import LOCKED
from tests.kit.device_cookies import MAX_WRONG_PASSWORDS_IN_A_ROW
from tests.kit.device_cookies import guess_in_a_row
from tests.kit.email_codes import ask_again
from tests.kit.email_codes import begin
from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import guess_wrong_codes
from tests.kit.marks import attack
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.reset_links import ask_for_link
from tests.kit.reset_links import choose
from tests.kit.reset_links import form_behind
from tests.kit.reset_links import mailed_link
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import add_second_factor
from tests.kit.stage import register
from tests.kit.visitor import NotOfferedError
from tests.kit.work import counted_work
from tests.kit.work import meanwhile

pytestmark = since("06")

NAME = "kimberly"
REASON = "her phone fell into the sea"
SET_UP = "An authenticator app was set up for your Door account"
CHANGES = ["disable", "enable", "reset-second-factor"]
COMMANDS = [
    ["user"],
    ["user", "list"],
    *(["user", change] for change in CHANGES),
    ["keys"],
    ["keys", "rotate"],
    ["keys", "check"],
    ["prune"],
    ["mail-worker"],
]

WITH_DATABASE = [
    ["user", "list"],
    *(["user", change, NAME, "--reason", REASON] for change in CHANGES),
    ["keys", "rotate"],
    ["keys", "check"],
    ["prune"],
]


@pytest.fixture
def owner(site):
    """Return the account of somebody whose mails we read."""
    return site.cached_account(register_somebody_known)


def register_somebody_known(site):
    """Register with the name and the address that the tests give; set up a phone."""
    return add_second_factor(
        site, register(site.visitor(), username=NAME, email=ADDRESS)
    )


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
    return set_up_authenticator(page, owner, clock)


def set_up_authenticator(page, account, clock):
    """Scan the code on the page, and confirm it; return the page that follows."""
    account.authenticator = scan(page, clock)
    page = page.fill_in(code=account.authenticator.code())
    account.recovery_codes = codes_on(page)
    return page


# What operators see


@attack(62)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_what_it_is_for(site, command):
    text = run(site, *command, "--help")

    assert f" {' '.join(command)} [OPTIONS]" in text
    assert len(text.splitlines()[2].split()) > 3


@since("06f")
@attack(62)
def test_the_list_shows_names_and_states_and_no_secret(site, owner):
    register(site.visitor(), username="newbie")
    add_second_factor(site, register(site.visitor(), username="vandal"))
    change(site, "disable", "vandal")
    lines = run(site, "user", "list").splitlines()

    assert [line.split(maxsplit=2)[1:] for line in lines] == [
        [NAME, "enrolled"],
        ["newbie", "not enrolled"],
        ["vandal", "disabled"],
    ]
    assert "@" not in "".join(lines)


def test_a_long_list_asks_the_database_no_more_often(site, owner, monkeypatch):
    with counted_work(site, monkeypatch) as (_, one):
        run(site, "user", "list")
    for _ in range(3):
        register(site.visitor())
    with counted_work(site, monkeypatch) as (_, four):
        run(site, "user", "list")

    assert len(four) == len(one)


@attack(62)
@pytest.mark.parametrize("what", CHANGES)
def test_a_command_asks_for_the_reason(site, owner, what):
    printed = run(site, "user", what, NAME, input=f"{REASON}\n")

    assert "Reason" in printed
    [line] = lines_in(printed)
    assert line["reason"] == REASON


@since("06f")
@attack(62)
@pytest.mark.parametrize("what", CHANGES)
def test_without_a_reason_nothing_is_changed(site, owner, what):
    visitor = logged_in(site, owner)

    for how in ({}, {"input": "\n"}, {"input": ""}):
        assert "Aborted" in refused(site, "user", what, NAME, **how), how
    for blank in ("", " ", "\t\n"):
        refused(site, "user", what, NAME, "--reason", blank)
    assert visitor.is_logged_in()


@attack(62)
@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("name", ["nobody", "", ADDRESS, "1", "kim%", "\U0001f600"])
def test_a_user_who_does_not_exist_is_named(site, owner, what, name):
    visitor = logged_in(site, owner)

    text = refused(site, "user", what, name, "--reason", REASON)
    assert "There is no user" in text
    assert name in text
    assert visitor.is_logged_in()


@attack(62)
def test_a_user_is_found_in_any_spelling_of_the_name(site, owner):
    change(site, "disable", " KIMBERLY ")

    assert give_password(site, owner).status == 422


# A user who is disabled


@since("06f")
@attack(5)
def test_a_disabled_user_is_out_at_once(site, owner):
    visitor, pending = site.visitor(), site.visitor()
    visitor.log_in(owner)
    pending.give_password(owner)
    change(site, "disable")

    assert visitor.open("/account").path.startswith("/login")
    page = pending.page.fill_in(code=owner.authenticator.code())
    assert page.path == "/login"
    assert page.status == 200
    assert not pending.is_logged_in()


@since("06f")
@attack(5, 107, 108)
@pytest.mark.parametrize("kind", ["code", "recovery_code"])
def test_a_login_that_an_operator_ends_halfway_is_none_and_consumes_no_code(
    site, owner, clock, capsys, kind
):
    page = give_password(site, owner)
    if kind == "recovery_code":
        page = page.visitor.open("/login/recovery")
    clock.move(30)
    code = {"code": owner.authenticator.code, "recovery_code": owner.recovery_code}
    typed = {kind: code[kind]()}
    site.mails(routine=True)
    capsys.readouterr()
    came = meanwhile(site, "FROM users", change, site, "disable")
    assert page.fill_in(**typed).path == "/login"
    assert len(came) == 2
    lines = lines_in(capsys.readouterr().out)
    assert "logged_in" not in [line["event"] for line in lines]
    assert site.mails(routine=True) == []

    change(site, "enable")
    page = give_password(site, owner)
    page = page.visitor.open(f"/login/{kind.removesuffix('_code')}")
    assert page.fill_in(**typed).path == "/"


@since("06f")
@attack(5, 1)
def test_a_disabled_user_is_refused_like_a_wrong_password(site, owner, monkeypatch):
    change(site, "disable")
    with counted_work(site, monkeypatch) as of_right:
        right = give_password(site, owner)
    owner.password = "not the password at all"
    with counted_work(site, monkeypatch) as of_wrong:
        wrong = give_password(site, owner, network="198.51.100.2")

    assert right.status == wrong.status == 422
    assert right.text == wrong.text
    assert [len(work) for work in of_right] == [len(work) for work in of_wrong]


@attack(5)
def test_a_password_reset_does_not_help_a_disabled_user(site, owner):
    before = mailed_link(site)
    change(site, "disable")
    anew = f"{owner.password} anew"
    choose(form_behind(site, before), owner.authenticator.code(), anew)
    for password in (owner.password, anew):
        owner.password = password
        assert give_password(site, owner).status == 422
    link = mailed_link(site)
    page = choose(form_behind(site, link), owner.authenticator.code(), NEW_PASSWORD)
    owner.password = NEW_PASSWORD

    assert page.path == "/login"
    assert give_password(site, owner).status == 422


@attack(5)
def test_a_disabled_user_cannot_register_again(site, owner):
    change(site, "disable")
    with pytest.raises(NotOfferedError):
        register(site.visitor(), username=NAME, email="other@example.org")
    page = site.visitor().open("/register")
    values = {"username": "other", "email": ADDRESS}
    page.fill_in(password=GOOD_PASSWORD, confirm=GOOD_PASSWORD, **values)

    assert mailed_codes(site) == []


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


@attack(5)
def test_disabling_one_user_disturbs_no_other(site, owner):
    other = add_second_factor(site, register(site.visitor(), username="other"))
    visitor = logged_in(site, other)
    change(site, "disable")
    change(site, "reset-second-factor")

    assert visitor.is_logged_in()
    site.visitor().log_in(other)


# A user whose phone is lost


@attack(35, 62)
def test_a_reset_ends_all_sessions_and_pending_logins(site, owner):
    visitor, pending = site.visitor(), site.visitor()
    visitor.log_in(owner)
    pending.give_password(owner)
    change(site, "reset-second-factor")

    assert not visitor.is_logged_in()
    assert visitor.open("/account").path.startswith("/login")
    assert pending.page.fill_in(code=owner.authenticator.code()).path == "/login"
    assert pending.open("/enrol").path == "/login"


@attack(35, 62)
def test_a_reset_takes_hold_of_the_user_first_and_lets_no_authenticator_slip_through(
    site, owner
):
    statements = []
    event.listen(
        site.engine,
        "before_cursor_execute",
        lambda *arguments: statements.append(arguments[2]),
    )
    change(site, "reset-second-factor")
    changes = [text for text in statements if not text.startswith("SELECT")]

    assert changes[0].startswith("UPDATE users SET session_token")


@attack(62)
def test_after_a_reset_the_old_authenticator_and_recovery_codes_are_dead(
    site, owner, clock
):
    old, codes = owner.authenticator, [owner.recovery_code() for _ in range(3)]
    change(site, "reset-second-factor")
    for table in ("second_factors", "recovery_codes"):
        assert site.sql(f"SELECT count(*) FROM {table}") == [(0,)]
    for path in ("/login/code", "/login/recovery"):
        page = give_password(site, owner).visitor.open(path)
        assert not page.find_all("[name=code], [name=recovery_code]")
    enrol_again(site, owner, clock)

    page = give_password(site, owner)
    assert page.fill_in(code=old.code()).status == 422
    assert recover(site, owner, codes[0]).status == 422
    assert recover(site, owner, owner.recovery_code()).path == "/"


@since("06f")
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
    for code in ("00000000", "000000", owner.authenticator.code()):
        page = page.visitor.open("/register/verify").fill_in(email_code=code)
        assert page.status == 422


@attack(62)
def test_a_link_that_was_sent_before_a_reset_is_dead(site, owner, clock):
    link = mailed_link(site)
    change(site, "reset-second-factor")
    assert site.visitor().open(link).path == "/reset"
    enrol_again(site, owner, clock)

    assert site.visitor().open(link).path == "/reset"


@since("06f")
@attack(62)
def test_password_and_mailed_code_set_up_another_authenticator(site, owner, clock):
    change(site, "reset-second-factor")
    page = enrol_again(site, owner, clock)

    assert len(owner.recovery_codes) == 10
    assert page.visitor.is_logged_in()
    page = give_password(site, owner)
    assert page.path == "/login/code"
    assert page.fill_in(code=owner.authenticator.code()).path == "/"
    assert mailed_codes(site) == []


@attack(62, 72)
def test_a_password_that_counts_as_stolen_sets_up_another_authenticator_after_a_reset(
    site, owner, clock
):
    guess_wrong_codes(site, owner, clock, MAX_WRONG_CODES_IN_A_ROW)
    assert site.visitor().give_password(owner).status == 422
    change(site, "reset-second-factor")
    page = enrol_again(site, owner, clock)

    assert page.visitor.is_logged_in()


@since("06g")
@attack(62, 149)
def test_a_password_that_strangers_locked_sets_up_another_authenticator_after_a_reset(
    site, owner, clock
):
    for _ in range(2):  # they may go on before the owner comes back
        guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW, NAME)
        assert LOCKED in give_password(site, owner).text
        change(site, "reset-second-factor")
    page = enrol_again(site, owner, clock)

    assert page.visitor.is_logged_in()


@attack(62)
def test_one_mailed_code_serves_one_of_the_sessions_that_wait(site, owner):
    change(site, "reset-second-factor")
    asked, other = give_password(site, owner), give_password(site, owner)
    [code] = mailed_codes(site)

    assert asked.fill_in(email_code=code).path == "/enrol"
    stranger = site.visitor().open("/register/verify")
    assert stranger.path == "/login"
    assert other.fill_in(email_code=code).status == 422
    ask_again(other)
    [another] = mailed_codes(site)
    assert other.fill_in(email_code=another).path == "/enrol"


@attack(62, 107)
def test_a_wrong_mailed_code_is_an_event_of_the_user_who_waits(site, owner, capsys):
    change(site, "reset-second-factor")
    page = give_password(site, owner)
    capsys.readouterr()
    page.fill_in(email_code="00000000")

    printed = capsys.readouterr().out.splitlines()
    [line] = [json.loads(text) for text in printed if text.startswith("{")]
    assert (line["event"], line["user"]) == ("email_code_rejected", 1)


@attack(62, 161)
def test_of_two_sessions_that_type_a_mailed_code_at_once_one_goes_on(site, owner):
    change(site, "reset-second-factor")
    slow, quick = give_password(site, owner), give_password(site, owner)
    [code] = mailed_codes(site)
    meanwhile(site, "FROM email_codes", quick.fill_in, email_code=code)

    assert slow.fill_in(email_code=code).status == 422
    assert not slow.visitor.open("/enrol").find_all("#secret")
    assert quick.visitor.open("/enrol").find_all("#secret")


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


@attack(62, 82)
def test_the_mailbox_alone_registers_its_way_into_no_account(site, owner):
    change(site, "reset-second-factor")
    site.mails()
    thief = site.visitor("203.0.113.9").open("/register")
    values = {"username": "thief", "email": ADDRESS}
    page = thief.fill_in(password=GOOD_PASSWORD, confirm=GOOD_PASSWORD, **values)

    assert page.path == "/register/verify"
    assert mailed_codes(site) == []
    assert not page.visitor.open("/enrol").find_all("#secret")


@attack(62, 153)
def test_a_password_thief_brings_the_owner_three_emails_and_keeps_no_user_out(
    site, owner, clock
):
    change(site, "reset-second-factor")
    codes = []
    for number in range(20):
        thief = give_password(site, owner, network=f"192.0.2.{number}")
        codes += mailed_codes(site)
        ask_again(thief)
        codes += mailed_codes(site)
    assert codes == [codes[0]] * 3

    page = give_password(site, owner)
    assert mailed_codes(site) == []
    page = page.fill_in(email_code=codes[0])
    assert set_up_authenticator(page, owner, clock).visitor.is_logged_in()


@attack(62, 153, 108)
def test_the_owner_is_told_that_an_authenticator_was_set_up_again(site, owner, clock):
    site.mails(routine=True)
    change(site, "reset-second-factor")
    site.mails()
    enrol_again(site, owner, clock)
    mails = site.mails(routine=True)

    assert [mail.to for mail in mails] == [ADDRESS]
    assert [mail.subject for mail in mails] == [SET_UP]
    assert "://" not in mails[0].text


@attack(62, 71)
@rate_limited
def test_after_five_wrong_mailed_codes_there_is_a_pause(site, owner):
    change(site, "reset-second-factor")
    page = give_password(site, owner)
    [code] = mailed_codes(site)
    for _ in range(5):
        page = page.visitor.open("/register/verify").fill_in(email_code="00000000")
        assert page.status == 422
    page = page.visitor.open("/register/verify").fill_in(email_code=code)

    assert page.status == 429
    assert not page.visitor.open("/enrol").find_all("#secret")


@attack(62, 28)
def test_a_mailed_code_is_not_enough_when_the_password_is_too_long_ago(
    site, owner, clock
):
    change(site, "reset-second-factor")
    page = give_password(site, owner)
    [code] = mailed_codes(site)
    clock.move(10 * 60 + 1)
    page = page.fill_in(email_code=code)

    assert not page.visitor.open("/enrol").find_all("#secret")
    assert give_password(site, owner).path == "/register/verify"


@attack(62)
@pytest.mark.parametrize("what", ["disable", "reset-second-factor"])
def test_an_operator_ends_a_session_that_has_proved_the_address(
    site, owner, clock, what
):
    change(site, "reset-second-factor")
    page = give_password(site, owner)
    page = page.fill_in(email_code=mailed_codes(site)[-1])
    authenticator = scan(page, clock)
    change(site, what)

    assert page.fill_in(code=authenticator.code()).path == "/login"
    assert not page.visitor.is_logged_in()
    assert not give_password(site, owner).visitor.open("/enrol").find_all("#secret")


@since("06f")
@attack(62, 82)
def test_the_mailbox_alone_gets_no_link_until_there_is_an_authenticator(
    site, owner, clock
):
    def links():
        ask_for_link(site.visitor(), ADDRESS)
        return [mail.text for mail in site.mails() if "/reset/" in mail.text]

    assert len(links()) == 1
    change(site, "reset-second-factor")
    assert links() == []
    page = give_password(site, owner)
    page = page.fill_in(email_code=mailed_codes(site)[-1])
    assert links() == []
    set_up_authenticator(page, owner, clock)
    clock.move(60 * 60)
    assert len(links()) == 1


@attack(62, 82)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_link_from_before_sets_no_password_without_a_code(site, owner, is_open):
    link = mailed_link(site)
    page = form_behind(site, link)
    change(site, "reset-second-factor")
    if not is_open:
        page = site.visitor().open(link)

    data = {"csrf_token": page.find("[name=csrf_token]").attributes["value"]}
    data |= {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    page.visitor.send("/reset/new", data)
    page.visitor.send("/reset/new", data | {"code": "000000"})
    assert give_password(site, owner).path == "/register/verify"


@since("06f")
@attack(62, 108)
def test_the_user_is_told_once_and_gets_no_link(site, owner):
    site.mails()
    change(site, "reset-second-factor")
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert "authenticator app" in mail.subject
    assert "did not ask" in mail.text
    assert "://" not in mail.text
    assert site.mails() == []


@attack(62, 107)
@pytest.mark.parametrize("what", CHANGES)
def test_the_audit_line_has_the_reason_and_no_secret_is_shown(site, owner, what):
    rows = site.sql("SELECT * FROM users JOIN second_factors ON id = user_id")
    printed = change(site, what)
    [line] = lines_in(printed)

    assert line["reason"] == REASON
    assert line["user"] == 1
    assert line["event"].split("_")[-1] in ("disabled", "enabled", "reset")
    assert line["time"].endswith("+00:00")
    rows += site.sql("SELECT * FROM users")
    secrets = {text for row in rows for text in row if isinstance(text, str)}
    for secret in secrets | {owner.authenticator.secret, owner.password} - {NAME}:
        assert secret not in printed


@attack(62, 106)
def test_a_reason_of_two_lines_is_one_line_of_the_audit(site, owner):
    reason = 'one\n{"event": "logged_in"}\r\ntwo \u2028 \ud800'
    printed = run(site, "user", "disable", NAME, "--reason", reason)

    [line] = lines_in(printed)
    assert line["reason"] == reason


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
    assert site.sql("SELECT count(*) FROM second_factors") == [(1,)]
    assert site.sql("SELECT disabled_at FROM users") == [(None,)]


@attack(118)
@pytest.mark.parametrize("command", WITH_DATABASE, ids=" ".join)
def test_a_command_without_its_database_says_what_to_do(step, clock, command):
    nowhere = step.start(clock, SQLALCHEMY_DATABASE_URI="sqlite:////nowhere/door.db")
    printed = refused(nowhere, *command)

    assert printed.startswith("Error: The database failed (OperationalError)")
    assert "flask db upgrade" in printed


def fail(connection):
    """Fail, as a commit does on a full disk."""
    raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk is full"))


# Keys


def workers_with(site, *keys):
    """Return the same app with other keys."""
    return site.start_again(TOTP_KEYS=",".join(keys))


def secrets_of(site):
    """Return what stands for each phone's secret in the database."""
    return site.sql(
        "SELECT user_id, encrypted_secret FROM second_factors ORDER BY user_id"
    )


@pytest.fixture
def keys(site):
    """Return an old key, which is in use, and a new one."""
    run(site, "keys", "rotate")
    return site.config["TOTP_KEYS"], "the new key that is to come first"


@attack(100)
def test_authenticators_work_while_the_keys_are_changed_and_after(site, owner, keys):
    old, new = keys
    both = workers_with(site, new, old)
    both.visitor().log_in(owner)
    before = secrets_of(site)
    run(both, "keys", "rotate")
    after = secrets_of(site)
    both.visitor().log_in(owner)
    late = add_second_factor(both, register(both.visitor(), username="late"))

    assert [user for user, _ in before] == [user for user, _ in after]
    assert not {secret for _, secret in before} & {secret for _, secret in after}
    alone = workers_with(site, new)
    for account in (owner, late):
        alone.visitor().log_in(account)
    assert recover(alone, owner, owner.recovery_code()).path == "/"


@attack(100, 160)
def test_without_the_command_the_old_key_is_still_needed(site, owner, keys, log):
    run(site, "keys", "rotate")
    old, new = keys
    workers_with(site, new, old).visitor().log_in(owner)
    alone = workers_with(site, new)

    page = give_password(alone, owner)
    assert page.fill_in(code=owner.authenticator.code()).status == 422
    assert "Second factor of user 1: none of TOTP_KEYS decrypts this" in log.text
    site.visitor().log_in(owner)


@attack(100, 160)
def test_the_check_says_how_many_secrets_the_keys_decrypt(site, owner, keys):
    old, new = keys
    both, alone = workers_with(site, new, old), workers_with(site, new)
    add_second_factor(both, register(both.visitor()))
    assert run(both, "keys", "check") == "TOTP_KEYS decrypt 2 of 2 secrets.\n"
    printed = refused(alone, "keys", "check")
    assert printed.startswith("TOTP_KEYS decrypt 1 of 2 secrets.\nError: Add the key")
    assert not [key for key in keys if key in printed]

    run(both, "keys", "rotate")
    assert "2 of 2" in run(alone, "keys", "check")
    assert "0 of 2" in refused(site, "keys", "check")


@attack(100, 160)
def test_the_check_finds_a_secret_that_was_copied_from_another_user(site, owner):
    add_second_factor(site, register(site.visitor()))
    copy = "(SELECT encrypted_secret FROM second_factors WHERE user_id = 1)"
    site.sql(f"UPDATE second_factors SET encrypted_secret = {copy}")

    assert "1 of 2" in refused(site, "keys", "check")


@attack(100, 160)
def test_the_check_finds_wrong_keys_when_no_user_is_enrolled_any_more(
    site, owner, monkeypatch
):
    site.sql("DELETE FROM second_factors")
    assert "0 of 0" in run(site, "keys", "check")
    assert "0 of 0" in refused(workers_with(site, "another key"), "keys", "check")


@attack(100)
def test_the_check_reads_all_batches(site, owner, monkeypatch):
    for _ in range(2):
        add_second_factor(site, register(site.visitor()))
    monkeypatch.setattr(site.module("cli"), "BATCH_SIZE", 1)

    assert "3 of 3" in run(site, "keys", "check")


@attack(100)
@pytest.mark.parametrize("done", range(4))
def test_a_rotation_that_was_interrupted_can_be_repeated(
    site, owner, keys, monkeypatch, done
):
    others = [add_second_factor(site, register(site.visitor())) for _ in range(2)]
    both = workers_with(site, *reversed(keys))
    door = sys.modules[both.app.import_name]
    reencrypt, secrets = door.crypto.reencrypt, []

    def rotate_some(secret):
        if len(secrets) == done:
            raise KeyboardInterrupt
        secrets.append(secret)
        return reencrypt(secret)

    before = dict(secrets_of(site))
    with monkeypatch.context() as patch:
        patch.setattr(door.cli, "BATCH_SIZE", 1)
        patch.setattr(door.crypto, "reencrypt", rotate_some)
        both.app.test_cli_runner().invoke(args=["keys", "rotate"])
    between = dict(secrets_of(site))
    assert sum(before[user] != between[user] for user in before) == done
    for account in (owner, *others):
        both.visitor("198.51.100.7").log_in(account)
    run(both, "keys", "rotate")
    run(both, "keys", "rotate")

    for account in (owner, *others):
        workers_with(site, keys[1]).visitor("198.51.100.8").log_in(account)


@attack(100, 49)
def test_an_authenticator_that_is_moved_at_the_same_moment_stays_moved(
    site, owner, keys, monkeypatch
):
    both = workers_with(site, *reversed(keys))
    door = sys.modules[both.app.import_name]
    reencrypt, visitor = door.crypto.reencrypt, both.visitor()
    visitor.log_in(owner)
    page = prove(visitor, owner, "/account/phone")

    def move_first(secret):
        monkeypatch.undo()
        owner.authenticator = scan(page, site.clock)
        assert page.fill_in(code=owner.authenticator.code()).path == "/account"
        return reencrypt(secret)

    monkeypatch.setattr(door.crypto, "reencrypt", move_first)
    run(both, "keys", "rotate")

    workers_with(site, keys[1]).visitor().log_in(owner)


@attack(100)
def test_a_code_that_meets_the_rotation_is_good_at_the_second_try(site, owner, keys):
    both, other = (workers_with(site, *reversed(keys)) for _ in range(2))
    page, code = both.visitor().give_password(owner), owner.authenticator.code()
    meanwhile(both, "JOIN second_factors", run, other, "keys", "rotate")
    page = page.fill_in(code=code)

    assert page.status == 422
    assert page.fill_in(code=code).path == "/"


@attack(100, 106, 107)
def test_the_rotation_is_a_line_of_the_audit_and_shows_no_key_and_no_secret(
    site, owner, keys
):
    both = workers_with(site, *reversed(keys))
    secrets = [*keys, owner.authenticator.secret, secrets_of(site)[0][1]]
    printed = run(both, "keys", "rotate")

    [line] = lines_in(printed)
    assert (line["event"], line["user"]) == ("totp_keys_rotated", None)
    assert line["secrets"] == 1
    assert "ten minutes" in printed
    for secret in (*secrets, secrets_of(site)[0][1]):
        assert secret not in printed


# Old rows


TABLES = (
    "rate_limit_counters",
    "pending_secrets",
    "pending_registrations",
    "email_codes",
    "lockouts",
)


@attack(133, 149)
def test_prune_deletes_what_is_too_old_to_matter(site, owner, clock):
    def rows():
        return [site.sql(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]

    page = give_password(site, site.account_without_factor())
    assert page.path == "/enrol"
    begin(site, email="new@example.org")
    site.mails()
    page = give_password(site, owner)
    page.fill_in(code=owner.authenticator.wrong_code())
    page = site.visitor().open("/login").fill_in(username="nobody", password="wrong")
    before = rows()
    assert min(before) > 0
    run(site, "prune")
    assert rows() == before
    clock.move(10 * 60)
    run(site, "prune")
    assert rows() == before
    clock.move(50 * 60)
    run(site, "prune")
    assert rows() == [0, 0, 1, 0, 2]
    clock.move(23 * 60 * 60)
    run(site, "prune")
    assert rows() == [0, 0, 1, 0, 2]
    clock.move(1)
    run(site, "prune")

    # wrong codes in a row of a user are counted until there is a right one
    assert rows() == [0, 0, 0, 0, 1]
    site.visitor().log_in(owner)
    run(site, "prune")
    assert rows()[4] == 0


@attack(133, 151)
def test_prune_leaves_out_rows_that_a_request_has_locked(site, monkeypatch):
    """PostgreSQL understands it; SQLite has one lock for all."""
    database, statements = site.module("db"), []
    monkeypatch.setattr(database.db.session, "execute", statements.append)
    site.run_hourly_tasks()

    assert len(statements) == len(TABLES)
    for statement in statements:
        text = str(statement.compile(dialect=postgresql.dialect()))
        assert text.startswith("DELETE FROM ")
        assert text.endswith("FOR UPDATE SKIP LOCKED)")

"""The wording and the look of our own steps, and their files: beyond the contract."""

import os
import re
import shutil
import stat
import subprocess
import sys
from datetime import UTC
from datetime import datetime
from urllib.parse import unquote

import pytest

from tests.kit.accounts import CHANGES
from tests.kit.accounts import ask_for_a_code
from tests.kit.accounts import change
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.accounts import recover
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.paths import everything_seen
from tests.kit.stage import CONFIG
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration

EIGHT_STARTERS = """
import sys
from multiprocessing import Barrier, Pool

from app import create_app


def start(number):
    cheap = {"PASSWORD_HASH_METHOD": "pbkdf2:sha256:1", "DEVELOPMENT": True}
    return create_app(cheap).config["SECRET_KEY"]


if __name__ == "__main__":
    number = int(sys.argv[1])
    together = Barrier(number)
    with Pool(number, together.wait) as pool:
        print(*pool.map(start, range(number), chunksize=1))
"""
LOGIN_REFUSED = "That username and password do not match. Check both and try again."
CODE_REFUSED = (
    "That code did not work. "
    "Wait for the next one and try again. Each code works only once."
)
RECOVERY_REFUSED = (
    "That recovery code did not work. "
    "Check it, or use another one. Each works only once."
)
PROOF_REFUSED = (
    "That password or code did not work. "
    "Check the password and use a new code. Each code works only once."
)
RESET_SENT = (
    "If there's an account with this address, an email is on its way. "
    "This app has no mail server yet, so look for the email in the terminal where it "
    "runs. You'll also need your authenticator app or a recovery code."
)
LONG = {"a": "x" * 17_000}
OTHERS_LOGGED_OUT = "You've been logged out on all other devices."
LINK_DEAD = "This link no longer works. Each link works once, for 20 minutes."


def error_on(page):
    """Return the words with which a page refuses a form."""
    return page.find(".error").text()


@since("06")
@attack(7)
def test_a_character_that_cannot_be_stored_is_refused_as_such(visitor):
    page = visitor.open("/login").fill_in(username="ad\0min", password="password")

    assert page.status == 422
    assert error_on(page) == (
        "Something in this form is not plain text. Clear the field and type it again."
    )


@since("02")
def test_the_code_page_takes_the_focus_and_says_how_much_time_there_is(
    visitor, account
):
    page = visitor.give_password(account)

    assert "autofocus" in page.find("[name=code]").attributes
    assert "You have ten minutes." in page.text


@since("03")
def test_the_page_for_a_recovery_code_takes_the_focus(visitor, account):
    page = ask_for_a_code(visitor, account)

    assert page.find("[autofocus]").attributes["name"] == "recovery_code"


@since("02")
def test_a_screen_reader_is_told_that_the_login_took_too_long(visitor, account, clock):
    page = visitor.give_password(account)
    clock.move(10 * 60 + 1)
    page = page.fill_in(code=account.authenticator.code())

    assert "ten minutes" in page.find("[role=status]").text()


@since("02")
@attack(28)
def test_a_login_that_took_too_long_says_so(visitor, account, clock):
    page = visitor.give_password(account)
    clock.move(10 * 60 + 1)
    page = page.fill_in(code=account.authenticator.code())

    words = "For your security, we only wait ten minutes for a code. Log in again."
    assert words in page.text
    assert "stopped waiting" not in visitor.open("/login").text


@since("03")
def test_a_refused_enrolment_says_what_to_do_and_what_time_it_is_here(site, clock):
    page = site.visitor().give_password(site.account_without_factor())
    page = page.fill_in(code="000000")

    advice = "Still not working? Set your phone's clock to automatic."
    now = datetime.fromtimestamp(clock.now(), UTC)
    here = f"It is {now:%H:%M:%S} UTC here."
    assert error_on(page) == f"{CODE_REFUSED} {advice} {here}"


@since("03")
def test_the_recovery_codes_come_with_good_advice(site, clock):
    page = enrol(site.visitor(), site.account_without_factor(), clock)

    assert "Your authenticator app is set up, and you're logged in." in page.text
    assert "You will not see them again" in page.text
    assert page.follow("I've saved them").path == "/"


@since("03")
@attack(59)
def test_after_a_recovery_code_the_page_says_how_many_are_left(site, account):
    first, second = account.recovery_code(), account.recovery_code()

    told = "You used a recovery code. You have {} left."
    assert told.format(9) in recover(site, account, first).text
    assert told.format(8) in recover(site, account, second).text
    assert error_on(recover(site, account, first)) == RECOVERY_REFUSED


@since("05")
@attack(59)
def test_when_two_recovery_codes_are_left_or_fewer_the_page_says_what_to_do(
    site, account
):
    advice = "You're running low. Create new codes on your account page."
    for left in range(9, -1, -1):
        page = recover(site, account, account.recovery_code())
        assert f"You have {left} left." in page.text
        assert (advice in page.text) == (left <= 2), left
    assert advice not in page.visitor.open("/").text


@since("05")
def test_the_account_page_says_what_is_set_up_and_leads_to_each_change(site, account):
    visitor = logged_in(site, account)
    page = visitor.open("/").follow("Your account")

    assert page.path == "/account"
    assert "10 of 10 left" in page.text
    assert "password and a code, and logs you out on all other devices" in page.text
    for words, path in zip(
        ("Change password", "Move to a new authenticator app", "Create new codes"),
        CHANGES,
        strict=True,
    ):
        assert visitor.open("/account").follow(words).path == path


@since("05")
@attack(1)
@pytest.mark.parametrize("path", CHANGES)
def test_a_refused_proof_says_what_to_do_and_takes_the_focus(site, account, path):
    visitor = logged_in(site, account)
    page = prove(visitor, account, path, current_password="wrong", code="123456")

    assert error_on(page) == PROOF_REFUSED
    assert page.title.startswith("Error: ")
    assert page.find("[autofocus]").text() == PROOF_REFUSED


@since("05")
def test_a_change_says_what_happened_to_other_devices(site, account):
    visitor = logged_in(site, account)

    page = change(visitor, account, "/account/password")
    assert f"Your password has been changed. {OTHERS_LOGGED_OUT}" in page.text
    assert "Your password has been changed" not in visitor.open("/account").text
    page = change(visitor, account, "/account/phone")
    assert f"Your new authenticator app is set up. {OTHERS_LOGGED_OUT}" in page.text
    page = change(visitor, account, "/account/recovery-codes")
    assert "You will not see them again" in page.text
    assert page.follow("I've saved them").path in ("/", "/account")


@since("05")
def test_a_refused_code_of_a_new_authenticator_says_what_to_do(site, account, clock):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    assert "You have ten minutes." in page.text
    page = page.fill_in(code="000000")

    assert error_on(page).startswith(CODE_REFUSED)


@since("05")
@attack(72)
def test_a_session_that_ends_after_too_many_wrong_codes_says_so(site, account, clock):
    visitor = logged_in(site, account)
    for count in range(20):
        if count % 5 == 0:
            clock.move(15 * 60)
        wrong = account.authenticator.wrong_code()
        page = prove(visitor, account, "/account/phone", code=wrong)

    words = "There were too many wrong codes, so we've logged you out. Log in again."
    assert page.path == "/login"
    assert words in page.text
    assert words not in visitor.open("/login").text


@since("05")
def test_the_page_that_asks_for_a_link_says_the_same_for_every_address(
    visitor, account
):
    page = visitor.open("/login").follow("Forgot your password?")
    assert "Send me a link" in page.text
    assert "We send a code" not in page.text
    page = page.fill_in(email="nobody@example.org")

    assert RESET_SENT in page.text
    assert page.path == "/login"


@since("05")
@attack(86)
def test_a_dead_link_says_what_to_do(visitor):
    page = visitor.open("/reset/x.y.z")

    assert page.path == "/reset"
    assert LINK_DEAD in page.text
    assert page.find("[name=email]")


@since("05")
@attack(48)
def test_a_refused_mailed_code_says_what_to_do(site):
    page = fill_in_registration(site.visitor())
    for text, words in (
        ("00000000", "That code did not work. Use the code from the latest email."),
        ("1234567", "Enter the eight digits from the email."),
    ):
        page = page.fill_in(email_code=text)
        assert error_on(page) == words
        assert page.find("[name=email_code]").attributes["value"] == ""


@since("03")
def test_the_authenticator_shows_the_name_of_the_door(site):
    account = site.account_without_factor()
    page = site.visitor().give_password(account)

    assert page.find(f"a[href^='otpauth://totp/Door:{account.username}?']")
    assert page.find("svg[role=img][aria-label]")


@since("03")
def test_the_focus_stays_above_the_qr_code_until_something_is_wrong(site):
    page = site.visitor().give_password(site.account_without_factor())

    assert not page.find_all("[autofocus]")
    assert "autofocus" in page.fill_in(code="1").find("[name=code]").attributes


@since("03")
@until("03")
def test_the_log_says_at_the_start_that_second_factors_are_forgotten(step, caplog):
    step.make(CONFIG)

    assert "a restart deletes them" in caplog.text


@attack(115)
@pytest.mark.parametrize(
    ("method", "path", "how", "status", "words", "way_out"),
    [
        ("GET", "/nothing/here", {}, 404, "Page not found", "/"),
        ("POST", "/login", {}, 400, "This form has expired", "/login"),
        ("GET", "/logout", {}, 405, "That does not work here", "/"),
        ("POST", "/logout", {}, 400, "This form has expired", "/"),
        ("POST", "/login", {"data": LONG}, 413, "text is too long", "/login"),
        ("GET", "/static/nothing.css", {}, 404, "Page not found", "/"),
    ],
)
def test_an_error_has_a_page_that_leads_on(
    visitor, method, path, how, status, words, way_out
):
    visitor.open("/login")
    page = visitor.ask(method, path, **how)

    assert page.status == status
    assert words in page.find("h1").text()
    assert "stylesheet" in page.html
    assert visitor.ask("GET", way_out).status < 400
    assert page.find("main a").attributes["href"] in (way_out, "/")
    assert page.headers["Cache-Control"] == "no-store"


@attack(94)
def test_a_form_whose_session_is_gone_leads_back_to_itself(site, account):
    page = site.visitor().open("/login?next=/a%3Fb%3D1")
    form = page.filled_in(username=account.username, password=account.password)
    page = site.visitor().send(*form)

    assert page.status == 400
    assert page.find("h1").text() == "Your browser sent no cookie"
    assert "Allow cookies for this site, open the form again" in page.text
    assert unquote(page.follow("Back to the form").path) == "/login?next=/a?b=1"


@gap
@attack(140)
@until("03")
def test_without_a_secret_key_a_restart_or_a_second_process_logs_users_out(step, clock):
    site = step.start(clock, SECRET_KEY="")
    visitor = site.visitor()
    visitor.log_in(site.account())
    assert visitor.is_logged_in()

    other = site.start_again().visitor().take_cookies_of(visitor)

    assert not other.is_logged_in()


@since("04")
@attack(140)
@pytest.mark.races
def test_eight_that_start_together_agree_on_one_key_that_only_we_may_read(
    step, tmp_path
):
    shutil.copytree(step.folder / "app", tmp_path / "app")
    (tmp_path / "eight.py").write_text(EIGHT_STARTERS, "utf-8")
    environment = {k: v for k, v in os.environ.items() if k != "SECRET_KEY"}

    def keys(number):
        command = [sys.executable, "eight.py", str(number)]
        output = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "SECRET_KEY is not set" in output.stderr
        return set(output.stdout.split())

    [key] = keys(8)
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert keys(1) == {key}  # after a restart
    files = list((tmp_path / "instance").iterdir())
    assert {file.name for file in files} == {"secret_key", "totp_keys"}
    if os.name == "posix":  # elsewhere a mode means nothing
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_every_page_needs_nothing_from_another_host(step, visitor, account):
    for page in everything_seen(step, visitor, account):
        for element in page.find_all("[src], link[href], form[action]"):
            of = element.attributes
            address = of.get("src") or of.get("href") or of["action"]
            assert address.startswith("/")
            assert not address.startswith("//")
        assert not page.find_all("[style], script:not([src]), style")


def test_each_page_is_named_in_its_title_and_has_one_heading(step, visitor, account):
    titles = set()
    for page in everything_seen(step, visitor, account):
        assert len(page.find_all("h1")) == 1
        assert page.title == f"{page.find('h1').text()} · Door"
        titles.add((page.path.partition("?")[0], page.title))

    assert len({title for _, title in titles}) == len(titles)


def test_every_field_has_a_label_and_what_describes_it_is_there(step, visitor, account):
    for page in everything_seen(step, visitor, account):
        for field in page.find_all("input:not([type=hidden], [hidden])"):
            assert page.find(f"label[for={field.attributes['id']}]").text()
            for name in field.attributes.get("aria-describedby", "").split():
                assert page.find(f"#{name}").text()


@since("02")
def test_hint_and_error_are_both_read_with_the_field_of_the_code(visitor, account):
    visitor.give_password(account)
    page = visitor.fill_in(code="12345")

    names = page.find("[name=code]").attributes["aria-describedby"].split()
    hint, error = (page.find(f"#{name}").text() for name in names)
    assert "authenticator app" in hint
    assert error == error_on(page)


def test_a_refused_form_says_so_in_the_title_and_takes_the_focus(visitor):
    page = visitor.open("/login").fill_in(username="kim", password="wrong")

    assert page.title.startswith("Error: ")
    assert page.find("[autofocus]").text() == LOGIN_REFUSED
    assert page.find("[name=username]").attributes["value"] == "kim"
    assert page.find("[name=password]").attributes["value"] == ""


def test_an_empty_field_is_named_and_takes_the_focus(visitor):
    page = visitor.open("/login").fill_in(username="kim", password="")

    password = page.find("[name=password]").attributes
    error = page.find(f"#{password['aria-describedby'].split()[-1]}")
    assert page.status == 422
    assert password["aria-invalid"] == "true"
    assert "autofocus" in password
    assert "password" in error.text()


@attack(80)
def test_a_button_that_shows_the_password_is_made_by_a_script_of_our_own(visitor):
    page = visitor.open("/login")

    script = visitor.open(page.find("script[src]").attributes["src"])
    assert script.status == 200
    assert "Show password" in script.html


@since("03")
def test_the_way_back_to_the_authenticator_keeps_where_the_login_leads(site, account):
    page = site.visitor().give_password(account, to="/login?next=/account")
    page = page.follow("Use a recovery code instead")
    page = page.follow("Use your authenticator app instead")

    assert page.path == "/login/code?next=/account"


@since("04d")
def test_the_way_to_the_registration_and_back_keeps_where_the_login_leads(site):
    page = site.visitor().open("/login?next=/account").follow("Create an account")
    assert page.path == "/register?next=/account"

    assert page.follow("Log in").path == "/login?next=/account"


@since("05")
def test_beginning_again_keeps_where_the_login_leads(site):
    page = site.visitor().open("/register?next=/account")
    values = {"username": "kim", "email": "kim@example.org"}
    page = page.fill_in(password=GOOD_PASSWORD, confirm=GOOD_PASSWORD, **values)
    page = page.follow("Start again")

    assert page.path == "/register?next=/account"


@since("02")
@attack(115)
@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 minute."), (60, "1 minute."), (61, "2 minutes."), (720, "12 minutes.")],
)
def test_a_wait_that_is_told_is_long_enough(visitor, account, clock, seconds, words):
    page = visitor.give_password(account)
    wrong = account.authenticator.wrong_code()
    for _ in range(6):
        page = page.fill_in(code=wrong)
    clock.move(15 * 60 - seconds)
    page = visitor.give_password(account).fill_in(code=wrong)

    assert page.status == 429
    assert page.find("h1").text() == "Too many attempts"
    assert int(page.headers["Retry-After"]) == seconds
    assert f"Try again in {words}" in page.text
    assert page.find("main a").attributes["href"] == "/login/code"

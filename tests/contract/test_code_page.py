"""The code page: which codes open the door, and how often."""

from urllib.parse import quote

import pytest

from tests.kit.accounts import prove
from tests.kit.clock import BusyClock
from tests.kit.journey import Journey
from tests.kit.journey import found_in
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.phone import RFC_6238
from tests.kit.reset_links import choose
from tests.kit.reset_links import mailed_link
from tests.kit.stage import CONFIG
from tools.totp import TIME_STEP
from tools.totp import totp

pytestmark = since("02")

USED = "That code was used a moment ago. Wait for the next one."


def try_code(site, account, code):
    """Log in from a new browser with a code; return where that leads."""
    return site.visitor().give_password(account).fill_in(code=code)


def test_the_password_alone_is_not_enough(visitor, account):
    page = visitor.give_password(account)

    assert page.path == "/login/code"
    assert not visitor.is_logged_in()


@attack(3)
def test_with_the_password_alone_only_the_login_opens(visitor, account):
    visitor.give_password(account)

    for path in ("/", "/enrol", "/account", "/account/password", "/static/../"):
        assert visitor.ask("GET", path).status in (302, 404), path


@until("02")
@attack(11)
@pytest.mark.parametrize(("moment", "code"), RFC_6238)
def test_the_codes_of_the_rfc_work_at_their_moments(site, account, clock, moment, code):
    clock.move_to(moment)

    page = try_code(site, account, code)

    assert page.path == "/"


@since("03")
@attack(11)
@never_red("step 02 follows the same recipe, with the secret of the RFC")
@pytest.mark.parametrize("moment", [moment for moment, _ in RFC_6238])
def test_the_recipe_of_the_rfc_works_at_its_moments(step, clock, moment):
    clock.move_to(moment)
    site = step.start(clock)
    account = site.account()

    code = totp(account.authenticator.secret, moment // TIME_STEP + 1)

    assert try_code(site, account, code).path == "/"


@attack(12)
def test_a_code_works_once(site, account):
    code = account.authenticator.code()
    first = try_code(site, account, code)
    second = try_code(site, account, code)

    assert first.path == "/"
    assert second.status == 422


@attack(14)
def test_a_used_code_stays_used_as_long_as_the_window_is_open(site, account, clock):
    code = account.authenticator.code()
    used_at = clock.now()
    try_code(site, account, code)

    for seconds in (1, 31, 59, 60):
        clock.move_to(used_at + seconds)
        assert try_code(site, account, code).status == 422, seconds


@attack(12, 14)
def test_after_a_code_the_one_before_it_is_used_up_as_well(site, account, clock):
    clock.move(10 * TIME_STEP)
    earlier = account.authenticator.code_from(-1)
    try_code(site, account, account.authenticator.code())

    assert try_code(site, account, earlier).status == 422


@attack(12, 14)
def test_after_a_code_from_ahead_the_present_one_is_used_up(site, account, clock):
    clock.move(10 * TIME_STEP)
    present = account.authenticator.code_from(0)
    page = try_code(site, account, account.authenticator.code_from(1))

    assert page.path == "/"
    assert try_code(site, account, present).status == 422


@attack(12)
def test_a_used_code_stays_used_however_it_is_spelt(site, account):
    code = account.authenticator.code()
    try_code(site, account, code)

    for spelt in (
        f"{code[:3]} {code[3:]}",
        f"\t{code[:1]}\N{NO-BREAK SPACE}{code[1:]}\n",
        "".join(chr(ord(digit) + 0xFEE0) for digit in code),
        f"0{code}",
    ):
        assert try_code(site, account, spelt).status == 422, ascii(spelt)


def test_a_pasted_code_with_a_blank_in_the_middle_works(site, account):
    for blank in (" ", "\N{NO-BREAK SPACE}", "\t", "  "):
        code = account.authenticator.code()

        page = try_code(site, account, f" {code[:3]}{blank}{code[3:]}\n")

        assert page.path == "/", ascii(blank)


@attack(21)
def test_digits_of_other_scripts_are_no_code(site, account):
    code = account.authenticator.code()
    for zero in ("\N{FULLWIDTH DIGIT ZERO}", "\N{ARABIC-INDIC DIGIT ZERO}"):
        spelt = "".join(chr(ord(zero) + int(digit)) for digit in code)

        assert try_code(site, account, spelt).status == 422


@attack(19)
@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_that_is_a_little_off_does_no_harm(site, account, clock, steps):
    clock.move(10 * TIME_STEP)

    assert try_code(site, account, account.authenticator.code_from(steps)).path == "/"


@attack(19)
def test_a_code_from_outside_the_drift_window_is_refused(site, account, clock):
    clock.move(2000 * TIME_STEP)

    for steps in (-1000, -2, 2, 1000):
        code = account.authenticator.code_from(steps)
        assert try_code(site, account, code).status == 422, steps


@attack(20)
def test_leading_zeros_belong_to_the_code(site, account, clock):
    now = clock.now() // TIME_STEP
    secret = account.authenticator.secret
    moments = range(now + 10, now + 100_000)
    time_step = next(t for t in moments if totp(secret, t).startswith("000"))
    clock.move_to(time_step * TIME_STEP)
    code = totp(secret, time_step)

    assert try_code(site, account, code.lstrip("0")).status == 422
    assert try_code(site, account, code).path == "/"


@attack(21)
def test_anything_but_six_digits_is_refused_and_spends_nothing(visitor, account):
    page = visitor.give_password(account)
    too_short = ("", " ", "12345", "12345a", "123-456", "1e5")
    too_long = ("1234567", "12345678", "123456a", "123456-", "123456.0", "123456e1")
    for text in too_short + too_long:
        page = page.fill_in(code=text)

        assert page.status == 422, text

    assert page.fill_in(code=account.authenticator.code()).path == "/"


@attack(7, 21)
def test_odd_text_as_a_code_is_refused_in_words_and_spends_nothing(visitor, account):
    page = visitor.give_password(account)
    for text in ("1" * 10_000, "\0" * 6, "123\x00456", "\ud800", "²²²²²²", "+12345"):
        target, data = page.filled_in(code="")
        data["code"] = text.encode(errors="surrogatepass")
        page = visitor.send(target, data)

        assert page.status == 422, ascii(text)

    data["code"] = "1" * 1_000_000
    assert visitor.send(target, data).status == 413
    assert page.fill_in(code=account.authenticator.code()).path == "/"


@attack(7)
def test_a_code_that_is_missing_or_a_file_is_refused(visitor, account):
    target, data = visitor.give_password(account).filled_in(code="")
    token = data["csrf_token"].encode()
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    file = part.replace(b'"%s"', b'"%s"; filename="c"')
    body = part % (b"csrf_token", token) + file % (b"code", b"123456") + b"--b--\r\n"
    multipart = "multipart/form-data; boundary=b"

    del data["code"]
    assert visitor.ask("POST", target, data=data).status == 422
    answer = visitor.ask("POST", target, data=body, content_type=multipart)
    assert answer.status == 422


@attack(25)
def test_a_wrong_code_leaves_the_login_pending(visitor, account):
    visitor.give_password(account)
    page = visitor.fill_in(code=account.authenticator.wrong_code())

    assert page.status == 422
    assert page.path == "/login/code"
    assert page.fill_in(code=account.authenticator.code()).path == "/"


# The same form, sent twice


def sent_twice(site, account, to="/login", path=None, **values):
    """Fill in a page of the login; return a visitor with the form that was sent."""
    visitor = site.visitor()
    page = visitor.give_password(account, to)
    page = visitor.open(path) if path else page
    form = page.filled_in(**values)
    return visitor, form


@attack(164)
@pytest.mark.parametrize("to", ["/login", "/login?next=/%3Fa=b"])
def test_a_second_click_is_taken_on_to_where_the_first_one_led(site, account, to):
    visitor, form = sent_twice(site, account, to, code=account.authenticator.code())
    first, second = (visitor.ask("POST", form[0], data=form[1]) for _ in range(2))

    assert first.status == second.status == 302
    assert first.headers["Location"] == second.headers["Location"]
    assert first.headers["Location"] == ("/?a=b" if "next" in to else "/")
    assert not second.headers.get_all("Set-Cookie")  # that of the first one stays
    assert visitor.is_logged_in()


@attack(12, 164)
def test_of_two_copies_sent_at_once_one_logs_in_and_the_other_changes_nothing(
    site, account
):
    code = account.authenticator.code()
    visitor, form = sent_twice(site, account, code=code)
    copy = site.visitor().take_cookies_of(visitor)
    visitor.ask("POST", form[0], data=form[1])
    second = copy.ask("POST", form[0], data=form[1])

    assert second.status == 422
    assert USED in second.text
    assert not second.headers.get_all("Set-Cookie")  # that of the first one stays
    assert visitor.is_logged_in()
    assert not copy.is_logged_in()


@attack(12, 13, 30, 164)
def test_a_thief_who_sends_the_form_again_from_elsewhere_is_not_logged_in(
    site, account
):
    visitor, form = sent_twice(site, account, code=account.authenticator.code())
    stranger, pending = site.visitor(), site.visitor()
    stranger.open("/login")
    pending.give_password(account)
    visitor.send(*form)
    for thief in (site.visitor(), stranger, pending):
        answer = thief.ask("POST", form[0], data=form[1])
        assert answer.status == 400
        assert not thief.is_logged_in()

    visitor.log_out()
    assert visitor.ask("POST", form[0], data=form[1]).status == 400
    assert not visitor.is_logged_in()


@attack(93, 164)
@never_red("step 01 has no second page that could be sent twice")
def test_a_second_click_is_no_way_to_another_site(site, account):
    for there in ("//evil.example", "https://evil.example", "/\\evil.example"):
        query = f"?next={quote(there, safe='')}"
        code = account.authenticator.code()
        visitor, form = sent_twice(site, account, f"/login{query}", code=code)
        visitor.send(*form)
        answer = visitor.ask("POST", f"/login/code{query}", data=form[1])
        assert answer.headers.get("Location", "/") == "/", there
        visitor.log_out()


@attack(93, 164)
def test_of_those_who_are_in_only_the_login_s_forms_are_taken_on(site, account):
    visitor, form = sent_twice(site, account, code=account.authenticator.code())
    visitor.send(*form)
    for path in ("/logout", "/login", "/register", "/enrol", "/account/password"):
        answer = visitor.ask("POST", path, data=form[1])
        assert answer.status in (400, 404), path

    assert visitor.is_logged_in()


@since("03")
@attack(56, 164)
def test_a_recovery_code_is_sent_twice_and_logs_in_once(site, account):
    code = account.recovery_code()
    way = {"path": "/login/recovery", "recovery_code": code}
    visitor, form = sent_twice(site, account, **way)
    copy = site.visitor().take_cookies_of(visitor)
    first = visitor.ask("POST", form[0], data=form[1])
    second = visitor.ask("POST", form[0], data=form[1])

    assert first.status == second.status == 302
    assert first.headers["Location"] == second.headers["Location"]
    assert copy.ask("POST", form[0], data=form[1]).status == 422
    assert visitor.is_logged_in()
    assert not copy.is_logged_in()


@since("05")
@attack(72, 164)
@rate_limited
@never_red("on step 04 any number of wrong codes leads to no lockout")
def test_codes_that_were_used_count_towards_no_lockout_at_the_login(
    site, account, clock
):
    owner, copy = site.visitor(), site.visitor()
    copy.give_password(account)
    page, code = owner.give_password(account), account.authenticator.code()
    page.fill_in(code=code)
    for _ in range(5):
        assert USED in copy.open("/login/code").fill_in(code=code).text
    for number in range(19):
        if number % 5 == 0:
            clock.move(15 * 60)
            copy.give_password(account)
        page = copy.open("/login/code").fill_in(code=account.authenticator.wrong_code())
        assert page.status == 422
    clock.move(15 * 60)

    site.visitor().log_in(account)
    assert site.mails() == []


@since("05")
@attack(72, 164)
@rate_limited
@never_red("step 04 has no account page and no reset")
@pytest.mark.parametrize("way", ["/account/recovery-codes", "/reset/new"])
def test_codes_that_were_used_count_towards_no_lockout_elsewhere(site, kim, clock, way):
    visitor, code = site.visitor(), kim.authenticator.code()
    busy = BusyClock(clock, visitor)

    def open_form():
        """Open the form that asks for a code; the reset has one behind a link."""
        if way == "/reset/new":
            visitor.open(mailed_link(site))
        return visitor.open(way)

    def send(code):
        if way == "/reset/new":
            return choose(visitor.open(way), code)
        return prove(visitor, kim, way, code=code)

    visitor.give_password(kim).fill_in(code=code)
    open_form()
    for _ in range(5):
        assert send(code).status == 422
    for number in range(19):
        if number % 5 == 0:
            busy.move(15 * 60)
        if number % 10 == 0:
            busy.move(20 * 60)
            open_form()
        assert send(kim.authenticator.wrong_code()).status == 422
    busy.move(15 * 60)
    open_form()

    assert send(kim.authenticator.code()).status == 200
    assert visitor.page.path in ("/login", "/account/recovery-codes")


@attack(80)
def test_the_code_field_suits_an_authenticator_and_never_gives_a_code_back(
    visitor, account
):
    page = visitor.give_password(account)
    field = page.find("[name=code]").attributes
    again = page.fill_in(code="123").find("[name=code]").attributes

    assert field["autocomplete"] == "one-time-code"
    assert field["inputmode"] == "numeric"
    assert "maxlength" not in field  # or a pasted blank cuts off a digit
    assert again["value"] == ""


@attack(28)
def test_a_login_that_was_pending_too_long_begins_again_and_says_so(
    visitor, account, clock
):
    page = visitor.give_password(account)
    clock.move(10 * 60 + 1)
    code = account.authenticator.code()
    page = page.fill_in(code=code)

    assert page.path == "/login"
    assert not visitor.is_logged_in()
    assert visitor.give_password(account).fill_in(code=code).path == "/"


@attack(28)
def test_a_pending_login_lives_ten_minutes(visitor, account, clock):
    page = visitor.give_password(account)
    clock.move(10 * 60 - 1)

    assert page.fill_in(code=account.authenticator.code()).path == "/"


@attack(28)
def test_looking_at_the_code_page_keeps_no_login_pending(visitor, account, clock):
    visitor.give_password(account)
    for _ in range(3):
        clock.move(4 * 60)
        page = visitor.open("/login/code")

    assert page.path == "/login"


@attack(106)
def test_no_log_line_holds_a_secret(site, clock, log, capsys):
    journey = Journey(site, clock).go()

    written = log.text + capsys.readouterr().out
    secrets = journey.secrets - {"password"} | {CONFIG["SECRET_KEY"]}
    assert found_in(written, secrets) == []


@gap
@attack(106)
@until("05")
def test_a_thief_who_guesses_codes_leaves_no_line_in_the_log(
    visitor, account, log, capsys
):
    visitor.give_password(account)
    log.clear()
    capsys.readouterr()
    for _ in range(5):
        visitor.open("/login/code").fill_in(code=account.authenticator.wrong_code())

    assert log.text + capsys.readouterr().out == ""


@gap
@attack(13, 18)
@until("02")
def test_a_code_works_once_more_after_a_restart(site, account):
    code = account.authenticator.code()
    try_code(site, account, code)

    page = try_code(site.start_again(), account, code)

    assert page.path == "/"


@gap
@attack(72)
@until("04")
@rate_limited
def test_a_thief_with_the_password_can_guess_codes_forever(visitor, account, clock):
    for _ in range(4):
        visitor.give_password(account)
        for _ in range(5):
            page = visitor.open("/login/code").fill_in(
                code=account.authenticator.wrong_code()
            )
            assert page.status == 422
        clock.move(15 * 60)

    visitor.give_password(account)
    assert visitor.fill_in(code=account.authenticator.code()).path == "/"


@attack(3)
def test_the_pages_after_the_password_belong_to_that_browser_alone(site, account):
    site.visitor().give_password(account)

    assert site.visitor().open("/login/code").path == "/login"

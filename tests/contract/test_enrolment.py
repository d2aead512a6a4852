"""Enrolment: how a phone gets its secret, and who may see it."""

import base64
import re
from urllib.parse import parse_qs
from urllib.parse import unquote
from urllib.parse import urlsplit

import pytest
from sqlalchemy import event

from tests.kit.journey import Journey
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.phone import scan
from tests.kit.stage import Account
from tests.kit.stage import enrol
from tools.totp import TIME_STEP

pytestmark = since("03")


def secret_on(page):
    """Return the secret that an enrolment page shows."""
    return page.find("#secret").text(strip=True)


@attack(45)
def test_a_user_without_an_authenticator_reaches_nothing_but_enrolment(site):
    visitor = site.visitor()
    page = visitor.give_password(site.account_without_factor())

    assert page.path == "/enrol"
    for path in ("/", "/login/code", "/login/recovery", "/account"):
        answer = visitor.ask("GET", path)
        assert answer.status in (302, 404), path
    _, data = page.filled_in(code="000000")
    for path in ("/login/code", "/login/recovery"):
        assert visitor.open(path).path == "/enrol"
        answer = visitor.ask("POST", path, data=data | {"recovery_code": "a"})
        assert answer.headers.get("Location") == "/enrol"
    assert not visitor.is_logged_in()


@attack(3)
def test_without_the_password_there_is_no_enrolment(site):
    assert site.visitor().open("/enrol").path == "/login"


def test_a_right_code_activates_the_authenticator_and_logs_in(site, clock):
    account, visitor = site.account_without_factor(), site.visitor()
    page = enrol(visitor, account, clock)

    assert page.status == 200
    assert visitor.is_logged_in()


@attack(46)
def test_a_wrong_code_activates_nothing(site):
    account, visitor = site.account_without_factor(), site.visitor()
    page = visitor.give_password(account).fill_in(code="000000")

    assert page.status == 422
    assert not visitor.is_logged_in()
    assert site.visitor().give_password(account).path == "/enrol"


def test_a_reload_shows_the_same_secret(site):
    visitor = site.visitor()
    secret = secret_on(visitor.give_password(site.account_without_factor()))

    assert secret_on(visitor.open("/enrol")) == secret
    assert secret_on(visitor.fill_in(code="000000")) == secret


def test_an_enrolment_that_took_too_long_begins_again_with_another_secret(site, clock):
    account, visitor = site.account_without_factor(), site.visitor()
    page = visitor.give_password(account)
    authenticator = scan(page, clock)
    clock.move(10 * 60 + 1)
    page = page.fill_in(code=authenticator.code())

    assert page.path == "/login"
    assert secret_on(visitor.give_password(account)) != authenticator.secret


@attack(24)
def test_a_secret_has_160_random_bits(site):
    account = site.account_without_factor()
    secrets = {secret_on(site.visitor().give_password(account)) for _ in range(4)}

    assert len(secrets) == 4
    for secret in secrets:
        assert re.fullmatch("[A-Z2-7]{32}", secret)
        assert len(base64.b32decode(secret)) * 8 == 160


@attack(12, 16)
def test_neither_the_code_that_confirmed_the_authenticator_nor_the_one_before_logs_in(
    site, clock
):
    clock.move(10 * TIME_STEP)
    account = site.account_without_factor()
    page = site.visitor().give_password(account)
    account.authenticator = scan(page, clock)
    codes = account.authenticator.code(), account.authenticator.code_from(-1)
    page.fill_in(code=codes[0])

    for code in codes:
        assert site.visitor().give_password(account).fill_in(code=code).status == 422


@attack(16)
def test_a_login_code_is_no_recovery_code_and_enrols_no_authenticator(site, account):
    code = account.authenticator.code()
    visitor = site.visitor()
    visitor.give_password(account).fill_in(code=code)
    other = site.visitor()
    other.give_password(account)
    page = other.open("/login/recovery")

    assert page.fill_in(recovery_code=code).status == 422
    assert other.open("/enrol").path == "/login/code"


@attack(50)
@never_red("step 02 shows its one secret nowhere")
def test_the_secret_is_never_shown_again(site, clock):
    journey = Journey(site, clock).go()
    secret = journey.account.authenticator.secret

    shown = [page for page in journey.pages if "otpauth:" in page.html]
    assert {page.path for page in shown} <= {"/enrol", "/account/phone"}
    for page in shown:
        assert secret not in page.html or page.path == shown[-1].path
    after = journey.pages[journey.pages.index(shown[-1]) + 1 :]
    assert len(after) > 8 or journey.site.stage.number > "04"
    for page in after:
        assert secret not in page.html
        assert "otpauth:" not in page.html


@attack(50)
def test_the_waiting_secret_is_gone_from_a_second_tab_too(site, clock):
    account, visitor = site.account_without_factor(), site.visitor()
    enrol(visitor, account, clock)
    page = visitor.open("/enrol")

    assert page.path == "/login"
    visitor.give_password(account)
    assert visitor.open("/enrol").path == "/login/code"


@since("04a")
@never_red("in the step before nobody comes in between")
@attack(7)
def test_a_tab_that_is_confirmed_while_another_one_loads_is_no_failure_of_ours(site):
    visitor = site.visitor()
    visitor.give_password(site.account_without_factor())

    def delete_before_reading(connection, cursor, statement, *others):
        if statement.startswith("SELECT pending_secrets"):
            cursor.execute("DELETE FROM pending_secrets")

    event.listen(site.engine, "before_cursor_execute", delete_before_reading)

    assert visitor.open("/enrol").status == 200


@attack(51)
def test_the_qr_code_is_part_of_a_page_that_is_not_kept(site):
    page = site.visitor().give_password(site.account_without_factor())

    assert page.find("svg")
    assert not page.find_all("img, object, embed, iframe")
    assert page.headers["Cache-Control"] == "no-store"


@attack(52)
@pytest.mark.parametrize("issuer", ["Door 03", "A + B & C", "Café", "\u6249", "a%20b"])
def test_an_issuer_may_have_any_letters(step, clock, issuer):
    site = step.start(clock, ISSUER=issuer)
    account = site.account_without_factor()
    page = site.visitor().give_password(account)
    uri = urlsplit(page.find("a[href^=otpauth]").attributes["href"])
    fields = parse_qs(uri.query)

    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == f"/{issuer}:{account.username}"
    assert fields["issuer"] == [issuer]
    assert fields["secret"] == [secret_on(page)]
    assert "+" not in uri.query  # some apps read it as a plus


@attack(46, 116)
def test_a_password_thief_who_enrols_first_learns_nothing_about_the_owner_s_secret(
    site, clock
):
    account = site.account_without_factor()
    thief = site.visitor()
    seen_by_thief = scan(thief.give_password(account), clock)
    enrol(site.visitor(), account, clock)

    assert account.authenticator.secret != seen_by_thief.secret
    site.visitor().log_in(account)
    thief.open("/enrol")
    page = thief.give_password(account)
    assert page.fill_in(code=seen_by_thief.code()).status == 422
    assert not thief.is_logged_in()


@since("04")
def test_an_enrolment_that_is_confirmed_ends_none_of_another_user(site, clock):
    page = site.visitor().give_password(site.account_without_factor())
    authenticator = scan(page, clock)
    enrol(site.visitor(), site.account_without_factor(), clock)
    page.fill_in(code=authenticator.code())

    assert page.visitor.is_logged_in()


@attack(116)
def test_a_thief_s_open_enrolment_is_over_once_the_owner_has_enrolled(site, clock):
    account = site.account_without_factor()
    thief = site.visitor()
    page = thief.give_password(account)
    authenticator = scan(page, clock)
    enrol(site.visitor(), account, clock)

    page = page.fill_in(code=authenticator.code())

    assert page.path == "/login/code"
    assert not thief.is_logged_in()


@attack(71)
@rate_limited
def test_after_five_wrong_codes_enrolment_pauses_for_a_quarter_of_an_hour(site, clock):
    account, visitor = site.account_without_factor(), site.visitor()
    page = visitor.give_password(account)
    authenticator = scan(page, clock)
    for _ in range(5):
        page = page.fill_in(code=authenticator.wrong_code())
        assert page.status == 422
    assert page.fill_in(code=authenticator.code()).status == 429
    assert not visitor.is_logged_in()

    clock.move(15 * 60)
    enrol(site.visitor(), account, clock)
    site.visitor().log_in(account)


@attack(93)
def test_enrolment_cannot_be_confirmed_from_another_site(site, clock):
    visitor = site.visitor()
    authenticator = scan(visitor.give_password(site.account_without_factor()), clock)

    answer = visitor.ask("POST", "/enrol", data={"code": authenticator.code()})
    assert answer.status == 400
    assert visitor.open("/enrol").path == "/enrol"


@attack(7, 21)
def test_odd_text_spends_no_guess_of_the_enrolment(site, clock):
    visitor = site.visitor()
    page = visitor.give_password(site.account_without_factor())
    authenticator = scan(page, clock)
    for text in ("", "12345", "\0" * 6, "1" * 10_000, "\ud800", "abcdef"):
        target, data = page.filled_in(code="")
        data["code"] = text.encode(errors="surrogatepass")
        page = visitor.send(target, data)
        assert page.status == 422, ascii(text)

    assert page.fill_in(code=authenticator.code()).status == 200


@gap
@attack(13, 18, 130)
@until("03")
def test_a_restart_forgets_the_second_factors_and_a_thief_with_the_password_enrols(
    site, account, clock
):
    thief = site.start_again().visitor()

    enrol(thief, Account(account.username, account.password), clock)

    assert thief.is_logged_in()


@gap
@attack(130)
@until("03")
def test_a_session_outlives_the_second_factor_that_it_began_with(site, account):
    visitor = site.visitor()
    visitor.log_in(account)
    restarted = site.start_again()
    after = restarted.visitor().take_cookies_of(visitor)

    assert restarted.visitor().give_password(account).path == "/enrol"
    assert after.is_logged_in()


@attack(43)
def test_the_page_with_the_recovery_codes_has_a_log_out_that_works(site, clock):
    visitor = site.visitor()
    page = enrol(visitor, site.account_without_factor(), clock)
    token = page.find("form[action$='/logout'] [name=csrf_token]").attributes["value"]

    assert visitor.send("/logout", {"csrf_token": token}).path == "/login"
    assert not visitor.is_logged_in()

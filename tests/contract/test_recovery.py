"""Recovery codes, for the day the phone is lost."""

import base64

from tests.kit.accounts import ask_for_a_code
from tests.kit.accounts import recover
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.stage import enrol
from tests.kit.visitor import NotOfferedError

pytestmark = since("03")


@attack(55)
def test_ten_codes_of_120_bits_are_shown_once(site, clock):
    account, visitor = site.account_without_factor(), site.visitor()
    enrol(visitor, account, clock)

    assert len(set(account.recovery_codes)) == 10
    for code in account.recovery_codes:
        assert len(base64.b32decode(code.replace("-", "").upper())) * 8 == 120
    for path in ("/", "/enrol", "/login/recovery"):
        html = visitor.open(path).html
        assert not any(code in html for code in account.recovery_codes)


@attack(59)
def test_a_recovery_code_takes_the_place_of_the_authenticator_which_still_works(
    site, account
):
    assert recover(site, account, account.recovery_code()).path == "/"

    site.visitor().log_in(account)


@attack(56)
def test_a_recovery_code_works_once(site, account):
    code = account.recovery_code()

    assert recover(site, account, code).path == "/"
    assert recover(site, account, code).status == 422


@attack(56)
def test_a_recovery_code_may_be_typed_in_any_way_but_only_once(site, account):
    first, second, third = (account.recovery_code() for _ in range(3))
    for code, spelt in (
        (first, first.upper()),
        (second, f"  {second.replace('-', '')}\n"),
        (third, third.replace("-", " ")),
    ):
        assert recover(site, account, spelt).path == "/", spelt
        assert recover(site, account, code).status == 422
        assert recover(site, account, spelt).status == 422


@attack(61)
def test_a_recovery_code_without_the_password_opens_nothing(site, account):
    visitor = site.visitor()
    token = visitor.open("/login").find("[name=csrf_token]").attributes["value"]
    code = account.recovery_code()
    data = {"csrf_token": token, "recovery_code": code}

    assert visitor.send("/login/recovery", data).path == "/login"
    assert not visitor.is_logged_in()
    assert recover(site, account, code).path == "/"


@attack(71)
@rate_limited
def test_after_five_wrong_recovery_codes_there_is_a_pause(site, account, clock):
    page = ask_for_a_code(site.visitor(), account)
    for _ in range(5):
        page = page.fill_in(recovery_code="kq3v-7hzn-2xda-m4tc-p6wl-ye5s")
        assert page.status == 422

    good = account.recovery_code()
    assert page.fill_in(recovery_code=good).status == 429
    clock.move(15 * 60)
    assert recover(site, account, good).path == "/"


@attack(71)
@rate_limited
def test_a_pause_at_the_code_page_leaves_the_recovery_codes_alone(site, account):
    visitor = site.visitor()
    visitor.give_password(account)
    for _ in range(6):
        visitor.open("/login/code").fill_in(code=account.authenticator.wrong_code())

    page = visitor.open("/login/recovery")
    assert page.fill_in(recovery_code=account.recovery_code()).path == "/"


@attack(7)
def test_odd_text_as_a_recovery_code_is_refused_in_words(site, account, clock):
    visitor = site.visitor()
    for text in ("", "\0", "\ud800", "x" * 101, "x" * 10_000, "--", "123456"):
        clock.move(15 * 60)  # each of them may count as an attempt
        page = ask_for_a_code(visitor, account)
        target, data = page.filled_in(recovery_code="")
        data["recovery_code"] = text.encode(errors="surrogatepass")
        page = visitor.send(target, data)

        assert page.status == 422, ascii(text)
        assert page.find("[name=recovery_code]").attributes["value"] == ""


@attack(28)
def test_a_recovery_code_too_must_come_within_ten_minutes(site, account, clock):
    page = ask_for_a_code(site.visitor(), account)
    clock.move(10 * 60 + 1)
    code = account.recovery_code()

    assert page.fill_in(recovery_code=code).path == "/login"
    assert recover(site, account, code).path == "/"


@gap
@attack(59)
@until("04")
def test_the_owner_is_not_told_that_a_recovery_code_was_used(site, account):
    recover(site, account, account.recovery_code())

    assert not is_told_by_mail(site)


def is_told_by_mail(site):
    """Tell whether the use of a recovery code was told; not every step has mails."""
    try:
        mails = site.mails()
    except NotOfferedError:
        return False
    return any("recovery code" in mail.subject for mail in mails)


@since("05")
@attack(108)
@never_red("step 04 sends no mail at all")
def test_a_wrong_recovery_code_is_not_told_as_used(site, account):
    recover(site, account, "kq3v-7hzn-2xda-m4tc-p6wl-ye5s")

    assert not is_told_by_mail(site)


@since("03")
def test_a_browser_remembers_no_recovery_code(visitor, account):
    field = ask_for_a_code(visitor, account).find("[name=recovery_code]").attributes

    assert field["autocomplete"] == "off"


@since("04")
@attack(59)
def test_the_codes_of_another_user_are_not_counted_as_ones_own(site):
    site.account()
    account = site.account()

    page = recover(site, account, account.recovery_code())

    assert "9 left" in page.text
    assert "19 left" not in page.text


@since("05")
@attack(59)
def test_the_account_page_counts_the_recovery_codes_that_are_left(site):
    site.account()
    account = site.account()
    for left in range(9, -1, -1):
        visitor = site.visitor()
        page = ask_for_a_code(visitor, account)
        page.fill_in(recovery_code=account.recovery_code())
        assert f"{left} of 10 left" in visitor.open("/account").text

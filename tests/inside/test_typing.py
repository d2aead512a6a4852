"""What people type, paste and reload, and what our own steps make of it."""

from types import SimpleNamespace

import pytest

from tests.kit.accounts import change
from tests.kit.accounts import logged_in
from tests.kit.accounts import recover
from tests.kit.accounts import register_kim
from tests.kit.email_codes import begin
from tests.kit.email_codes import mailed_code
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.reset_links import open_link
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register

# A code as apps, chats and emails hand it over; {0} and {1} are its halves.
COPIES = {
    "as it is": "{0}{1}",
    "a blank": " {0} {1} ",
    "a no-break space": "{0}\u00a0{1}",
    "a narrow space": "{0}\u202f{1}",
    "a hyphen": "{0}-{1}",
    "an en dash": "{0}\u2013{1}",
    "a minus": "{0}\u2212{1}",
    "a point": "{0}.{1}",
    "a line break": "{0}\r\n{1}",
    "a zero-width space": "\u200b{0}{1}\u200b",
    "a word joiner": "{0}\u2060{1}",
    "a soft hyphen": "{0}\u00ad{1}",
    "a byte order mark": "\ufeff{0}{1}",
    "marks of direction": "\u200e\u202a{0}{1}\u202c\u200f",
    "isolated": "\u2066{0}{1}\u2069",
}
# Digits of other scripts are refused on purpose: two spellings of a code are two codes.
OTHER_DIGITS = {"full width": 0xFF10, "Arabic": 0x0660, "Devanagari": 0x0966}
as_copied = pytest.mark.parametrize("form", COPIES.values(), ids=COPIES.keys())
in_other_digits = pytest.mark.parametrize(
    "zero", OTHER_DIGITS.values(), ids=OTHER_DIGITS.keys()
)
HTTPS = "https://localhost"


def copied(form, code):
    """Return a code as it comes out of something that copied it."""
    half = len(code) // 2
    return form.format(code[:half], code[half:])


def in_digits(zero, code):
    """Return a code in the digits of another script."""
    return "".join(chr(zero + int(digit)) for digit in code)


def error_on(page):
    """Return the words with which a page rejects a form."""
    return page.find(".error").text()


# Codes


@since("02")
@as_copied
def test_a_code_is_taken_as_it_was_copied(site, account, form):
    page = site.visitor().give_password(account)
    page = page.fill_in(code=copied(form, account.authenticator.code()))

    assert page.path == "/"


@since("02")
@attack(21)
@in_other_digits
def test_a_code_in_digits_of_another_script_is_refused(site, account, zero):
    page = site.visitor().give_password(account)
    page = page.fill_in(code=in_digits(zero, account.authenticator.code()))

    assert error_on(page) == "Enter the six digits from your app."


@since("03")
@as_copied
def test_a_recovery_code_is_taken_as_it_was_copied(site, account, form):
    code = copied(form, account.recovery_code().upper())

    assert recover(site, account, code).path == "/"


@since("03")
def test_in_a_recovery_code_0_is_o_and_8_is_b_but_1_may_be_two_letters(site):
    hash_code = site.module("recovery_codes").hash_code

    assert hash_code("0008-8AAA") == hash_code("ooob-baaa")
    assert hash_code("111") not in (hash_code("iii"), hash_code("lll"))


@since("05")
@as_copied
def test_an_email_code_is_taken_as_it_was_copied(site, form):
    page = begin(site)

    page = page.fill_in(email_code=copied(form, mailed_code(site)))
    assert page.path == "/enrol"


@since("05")
@in_other_digits
def test_an_email_code_in_digits_of_another_script_is_refused(site, zero):
    page = begin(site)

    page = page.fill_in(email_code=in_digits(zero, mailed_code(site)))
    assert error_on(page) == "Enter the eight digits from the email."


# Usernames


@pytest.mark.parametrize("spelling", [str.capitalize, str.upper, " {} ".format])
def test_a_username_from_a_phone_s_keyboard_is_the_same_name(site, account, spelling):
    page = site.visitor().open("/login")
    name = spelling(account.username)
    page = page.fill_in(username=name, password=account.password)

    assert not page.find_all(".error")
    assert page.path != "/login"


@since("02")
@attack(63)
def test_a_name_in_another_spelling_brings_no_further_attempts(visitor, account):
    spellings = [account.username, account.username.upper(), f"{account.username} "]
    for name in spellings * 2:
        page = visitor.open("/login").fill_in(username=name, password="wrong")

    assert page.status == 429


@pytest.mark.parametrize("name", ["nobody@example.org", "kim@example.org", "@"])
def test_an_email_address_as_a_username_is_told_what_a_username_is(site, account, name):
    page = site.visitor().open("/login").fill_in(username=name, password="password")

    assert page.status == 422
    assert error_on(page) == (
        "A username has no @. Enter the name you chose, not your email address."
    )
    assert page.find("[name=username]").attributes["value"] == name


def test_no_phone_corrects_a_username(site):
    pages = [site.visitor().open("/login")]
    if site.stage.number >= "04":
        pages.append(site.visitor().open("/register"))
    for page in pages:
        field = page.find("[name=username]").attributes
        assert field["autocapitalize"] == "none"
        assert field["autocorrect"] == "off"
        assert field["spellcheck"] == "false"
        assert field["autocomplete"] == "username"


@since("05")
@attack(80)
@pytest.mark.parametrize("path", ["password", "phone", "recovery-codes"])
def test_a_password_manager_learns_whose_password_it_is(site, account, path):
    page = logged_in(site, account).open(f"/account/{path}")

    assert whose_password(page.form("current_password")) == account.username


@since("05")
@attack(80)
def test_a_password_manager_learns_whose_password_is_new(site):
    kim = register_kim(site)

    assert whose_password(open_link(site).form("password")) == kim.username


def whose_password(form):
    """Return the name that a form tells password managers, and no server."""
    [field] = form.css("[autocomplete=username]")
    assert "hidden" in field.attributes
    assert "name" not in field.attributes
    return field.attributes["value"]


# Passwords


@since("04b")
@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("🐙🎈🌵🚲🧀🎺🦔🏔🪁🍉🧦🛶🎲🦉🕯", None),
        ("🙂" * 15, "too easy to guess"),
        ("?!" * 8, "too easy to guess"),
        ("kimberly--door--kimberly", "too close to your name"),
        ("kimberly" + "!" * 9, "too close to your name"),
    ],
)
def test_each_refusal_of_a_password_gives_its_own_reason(site, password, words):
    visitor = site.visitor()
    page = fill_in_registration(visitor, username="kimberly", password=password)

    if words:
        assert words in error_on(page)
    else:
        assert page.path != "/register"


# Where the login leads


@pytest.mark.parametrize("query", ["x=%C3%BC", "x=%E6%89%89&y=%F0%9F%90%99", "x=a%20b"])
def test_a_login_leads_back_to_an_address_that_is_not_ascii(site, account, query):
    visitor = site.visitor()
    page = visitor.open(f"/?{query}")
    assert page.path.startswith("/login?next=")

    assert visitor.log_in(account, page.path).path == f"/?{query}"


# The recovery codes


@since("03")
@attack(55)
def test_a_reload_of_the_recovery_codes_says_that_they_are_not_shown_again(site):
    visitor = site.visitor()
    page = visitor.give_password(site.account_without_factor())
    authenticator = scan(page, site.clock)
    target, data = page.filled_in(code=authenticator.code())
    shown = visitor.send(target, data)
    assert len(shown.find_all(".recovery-code")) == 10
    again = visitor.send(target, data)

    assert again.path == "/"
    assert not again.find_all(".recovery-code")
    assert "were shown once and are not shown again" in again.text
    told_where = "You can create new codes on your account page." in again.text
    assert told_where == (site.stage.number >= "05")


@since("05")
@attack(55)
def test_a_reload_of_new_recovery_codes_says_so_and_makes_no_others(site, account):
    visitor = logged_in(site, account)
    page = visitor.open("/account/recovery-codes")
    target, data = page.filled_in(
        current_password=account.password, code=account.authenticator.code()
    )
    codes = [code.text() for code in visitor.send(target, data).find_all("li code")]
    again = visitor.send(target, data)

    assert "were shown once and are not shown again" in again.text
    assert recover(site, account, codes[0]).path == "/"


@since("05")
@attack(94)
def test_another_form_of_the_account_that_expired_is_no_reload(site, account):
    visitor = logged_in(site, account)
    target, data = visitor.open("/account/recovery-codes").filled_in(
        current_password=account.password, code="123456"
    )
    change(visitor, account, "/account/password")

    page = visitor.send(target, data)
    assert page.status == 400
    assert page.find("h1").text() == "This form has expired"


@since("03")
def test_the_recovery_codes_end_in_a_button_and_a_script_of_our_own(site):
    visitor = site.visitor()
    page = enrol(visitor, site.account_without_factor(), site.clock)

    assert page.find("a.button").text() == "I've saved them, continue"
    script = page.find("main script").attributes["src"]
    assert "Download codes" in visitor.ask("GET", script).html


# The issuer


@since("04b")
@attack(78)
def test_a_password_is_not_made_of_the_name_that_the_authenticator_shows(step, clock):
    site = step.start(clock, ISSUER="Quxelbrond9")
    page = fill_in_registration(site.visitor(), password="Quxelbrond9 kz4 Quxelbrond9")

    assert "the name of this site" in error_on(page)


@since("03")
@pytest.mark.parametrize("issuer", ["Door: at work", "Door at work"])
def test_the_code_page_names_the_issuer_as_the_authenticator_shows_it(
    step, clock, issuer
):
    site = step.start(clock, ISSUER=issuer)
    page = site.visitor().give_password(site.account_without_factor())
    link = page.find("a[href^='otpauth:']").attributes["href"]
    label = link.removeprefix("otpauth://totp/").partition("?")[0]
    page = site.visitor().give_password(site.account())

    assert label.partition(":")[0] == "Door%20at%20work"
    assert "“Door at work”" in page.find(".hint").text()


# Forms that are rejected before they are read


@attack(94)
@pytest.mark.parametrize("referrer", [None, "https://example.org/"])
def test_a_form_without_a_referrer_says_what_to_allow(step, clock, referrer):
    visitor = step.start(clock, BASE_URL=HTTPS).visitor()
    page = visitor.ask("GET", "/login", base_url=HTTPS)
    target, data = page.filled_in(username="kim", password="wrong")
    headers = {"Referer": referrer} if referrer else {}
    page = visitor.ask("POST", target, data=data, headers=headers, base_url=HTTPS)

    assert page.status == 400
    assert page.find("h1").text() == "We cannot check this form"
    assert "Allow the Referer header" in page.text


# Two steps on one computer


def test_a_step_s_session_cookie_is_named_after_its_folder(step, visitor):
    visitor.open("/login")

    assert list(visitor.browser.cookies) == [f"session-{step.folder.name}"]


# A code that begins with zeros


@since("05")
@attack(80)
@never_red("the step before sends no code")
def test_an_email_code_may_begin_with_a_zero(site, monkeypatch):
    module, address = site.module("registration"), "kim@example.org"

    def is_small(nonce):
        email_code = SimpleNamespace(nonce=nonce, email=address)
        return int(module.derive_code(email_code)) < 10**7

    with site.app.app_context():
        nonce = next(filter(is_small, map("nonce {}".format, range(1000))))
    chosen = SimpleNamespace(token_urlsafe=lambda size: nonce)
    monkeypatch.setattr(module, "secrets", chosen)
    page = fill_in_registration(site.visitor(), email=address)
    [mail] = site.mails()

    assert len(mail.code) == 8
    assert mail.code[0] == "0"
    assert page.fill_in(email_code=mail.code).path == "/enrol"


@since("04b")
@attack(76)
def test_letters_that_only_look_alike_are_other_letters_in_a_password(site):
    wide = "four lamps under one umbrell\N{FULLWIDTH LATIN SMALL LETTER A}"
    account = register(site.visitor(), password=wide)
    account.password = "four lamps under one umbrella"
    assert site.visitor().give_password(account).status == 422

    account.password = wide
    assert site.visitor().give_password(account).path == "/enrol"

"""The steps in a real browser: what is seen, focused, scanned and kept."""

from urllib.parse import parse_qs
from urllib.parse import unquote
from urllib.parse import urlsplit

import pytest

from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.real_browser import WIDTHS
from tests.kit.real_browser import Screen
from tests.kit.real_browser import axe_faults
from tests.kit.real_browser import enrol
from tests.kit.real_browser import recovery_codes_on
from tests.kit.real_browser import scanned_authenticator
from tests.kit.servers import FlaskRun
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import Account

pytestmark = pytest.mark.browser

SCHEMES = ("light", "dark")


@pytest.fixture
def account(screen):
    """Return an account with all that the step asks for."""
    return screen.site.account()


def open_enrolment(screen):
    """Give the password of a user who is not enrolled yet."""
    return screen.give_password(screen.site.account_without_factor())


# The whole way


@since("03")
@attack(52)
def test_a_user_scans_the_code_logs_in_and_comes_back_without_the_authenticator(screen):
    account = screen.site.account_without_factor()
    enrol(screen, account)
    assert len(set(account.recovery_codes)) == 10
    screen.follow("I've saved them")
    assert screen.path == "/"
    screen.log_out()
    assert screen.path == "/login"

    screen.log_in(account)
    assert screen.path == "/"
    screen.log_out()

    screen.give_password(account).follow("Use a recovery code instead")
    screen.fill_in(recovery_code=account.recovery_code())
    assert screen.path == "/"
    assert "You have 9 left." in screen.text
    assert not screen.complaints()


@since("05")
@attack(52, 82, 49)
def test_a_user_forgets_the_password_and_moves_to_a_new_authenticator(
    profile, step, request
):
    if request.config.getoption("--app"):
        pytest.skip("not run with --app: the test starts the app itself")
    profile.clear_cookies()
    with FlaskRun(step) as site:
        screen = Screen(site, site.url, profile)
        account = Account("kim", GOOD_PASSWORD)
        register_in(screen, account)
        enrol_here(screen, account)
        old_authenticator = account.authenticator
        screen.log_out()

        screen.open("/login").follow("Forgot your password?")
        screen.fill_in(email="kim@example.org")
        assert "an email is on its way" in screen.text
        screen.open(urlsplit(site.next_mail_to("kim@example.org").link).path)
        assert screen.path == "/reset/new"
        new = "a kettle among seven clouds"
        screen.fill_in(password=new, confirm=new, code=account.recovery_code())
        assert screen.path == "/login"
        screen.give_password(account)
        assert screen.status == 422  # it is the old password
        account.password = new
        screen.give_password(account).fill_in(code=old_authenticator.code_from(1))
        assert screen.path == "/"

        screen.follow("Your account").follow("Move to a new authenticator app")
        screen.fill_in(current_password=new, code=account.recovery_code())
        account.authenticator, _ = scanned_authenticator(screen)
        screen.fill_in(code=account.authenticator.code_from(0))
        assert "Your new authenticator app is set up." in screen.text
        assert "8 of 10 left" in screen.text
        screen.log_out()

        screen.give_password(account).fill_in(code=old_authenticator.code_from(1))
        assert screen.status == 422
        screen.fill_in(code=account.authenticator.code_from(1))
        assert screen.path == "/"
        assert not screen.complaints()
        assert not screen.requests_to_others()
        screen.tab.close()


def register_in(screen, account):
    """Register, and type in the code from the email; the enrolment comes next."""
    address = f"{account.username}@example.org"
    password = {"password": account.password, "confirm": account.password}
    screen.open("/login").follow("Create an account")
    screen.fill_in(username=account.username, email=address, **password)
    assert screen.path == "/register/verify"
    screen.fill_in(email_code=screen.site.next_mail_to(address).code)
    assert screen.path == "/enrol"


def enrol_here(screen, account):
    """Enrol on the page that is open, by the code of this time step."""
    account.authenticator, _ = scanned_authenticator(screen)
    screen.fill_in(code=account.authenticator.code_from(0))
    account.recovery_codes = recovery_codes_on(screen)
    screen.follow("I've saved them")


# The QR code


@since("03")
@attack(52)
def test_an_authenticator_reads_the_qr_code_wide_and_narrow_light_and_dark(screen):
    open_enrolment(screen)
    secret = screen.find("#secret").text_content()
    for scheme in SCHEMES:
        screen.prefer(scheme)
        for width in WIDTHS:
            screen.resize(width)
            authenticator, uri = scanned_authenticator(screen)

            assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
            assert authenticator.secret == "".join(secret.split()), (scheme, width)


@since("03")
@attack(52)
@pytest.mark.parametrize("issuer", ["A + B & C", "Café", "\u6249"])
def test_an_authenticator_shows_the_issuer_that_is_configured(new_screen, issuer):
    screen = open_enrolment(new_screen(ISSUER=issuer))
    _, uri = scanned_authenticator(screen)

    assert unquote(uri.path).partition(":")[0] == f"/{issuer}"
    assert parse_qs(uri.query)["issuer"] == [issuer]


@since("03")
def test_the_recovery_codes_are_on_the_printed_page_and_its_header_is_not(screen):
    enrol(screen, screen.site.account_without_factor())
    shown = recovery_codes_on(screen)
    screen.tab.emulate_media(media="print")

    assert recovery_codes_on(screen) == shown
    assert len(shown) == 10
    assert not screen.find("header").is_visible()


# Every page


def password_pages(screen, account):
    """Stop at the password page, and rejected there."""
    screen.open("/login")
    yield "login"
    screen.fill_in(username=account.username, password="a wrong password")
    yield "login rejected"
    screen.give_password(account)


def registration_pages(screen):
    """Stop at the page that makes an account, and rejected there."""
    screen.open("/register")
    yield "registration"
    screen.fill_in(username="k", email="kim@example.org", password="short", confirm="x")
    yield "registration rejected"


def enrolment_pages(screen, account):
    """Enrol, wrongly first, and come back to the code page."""
    yield "enrol"
    screen.fill_in(code="000000")
    yield "enrol rejected"
    enrol(screen, account)
    yield "recovery codes"
    screen.follow("I've saved them").log_out()
    screen.give_password(account).follow("Use a recovery code instead")
    yield "recovery"
    screen.fill_in(recovery_code="not-a-code-of-ours")
    yield "recovery rejected"
    screen.fill_in(recovery_code=account.recovery_code())
    yield "home, told how many codes are left"
    screen.log_out().give_password(account)


def verify_pages(screen):
    """Stop where the email code is asked for, rejected there, and sent another one."""
    screen.open("/register")
    screen.fill_in(
        username="lee",
        email="lee@example.org",
        password=GOOD_PASSWORD,
        confirm=GOOD_PASSWORD,
    )
    yield "verify"
    screen.fill_in(email_code="00000000")
    yield "verify rejected"
    screen.press(screen.find("button", "Send another code"))
    yield "verify, told of another email"


def reset_pages(screen, account):
    """Forget the password, follow the link, and set a new one."""
    screen.open("/reset")
    yield "reset"
    screen.fill_in(email="kim@example")
    yield "reset rejected"
    screen.fill_in(email=address_of(screen, account))
    yield "login, told that an email is on its way"
    screen.open("/reset/not-a-link")
    yield "reset, told that the link is dead"
    screen.open(link_in_mail_to(screen, account))
    yield "new password"
    new = {"password": f"{GOOD_PASSWORD}, too", "confirm": f"{GOOD_PASSWORD}, too"}
    screen.fill_in(**new, code=account.authenticator.wrong_code())
    yield "new password rejected"
    screen.fill_in(**new, code=account.authenticator.code())
    account.password = new["password"]
    yield "login, told that the password is changed"
    screen.log_in(account)


def address_of(screen, account):
    """Return the address that belongs to an account."""
    question = "SELECT email FROM users WHERE username = ?"
    return screen.site.sql(question, account.username)[0][0]


def link_in_mail_to(screen, account):
    """Return the path of the link that was emailed to the user of an account."""
    address = address_of(screen, account)
    mails = [mail for mail in screen.site.mails() if mail.to == address]
    return urlsplit(mails[-1].link).path


def account_pages(screen, account):
    """Look at the account, and change everything in it."""
    screen.open("/account")
    yield "account"
    screen.follow("Change password")
    yield "change password"
    screen.fill_in(current_password="x", password="short", confirm="y", code="0")
    yield "change password rejected"
    password = f"{GOOD_PASSWORD}, again"
    new = {"password": password, "confirm": password}
    screen.fill_in(current_password="x", **new, code="000000")
    yield "change password rejected as a whole"
    code = account.authenticator.code()
    screen.fill_in(current_password=account.password, **new, code=code)
    account.password = password
    yield "account, told that the password is changed"
    screen.follow("Move to a new authenticator app")
    yield "new authenticator"
    screen.fill_in(current_password="x", code="000000")
    yield "new authenticator rejected"
    code = account.authenticator.code()
    screen.fill_in(current_password=account.password, code=code)
    yield "new authenticator, secret"
    screen.fill_in(code="000000")
    yield "new authenticator, code rejected"
    account.authenticator, _ = scanned_authenticator(screen)
    screen.fill_in(code=account.authenticator.code())
    yield "account, told that the new authenticator is set up"
    screen.site.clock.move(15 * 60)  # the rate limit is five attempts in this time
    screen.follow("Create new codes")
    yield "new codes"
    screen.fill_in(current_password="x", code="000000")
    yield "new codes rejected"
    code = account.authenticator.code()
    screen.fill_in(current_password=account.password, code=code)
    account.recovery_codes = recovery_codes_on(screen)
    yield "new recovery codes"
    screen.open("/account").log_out()


def code_pages(screen, account):
    """Stop at the code page, rejected and rate-limited there; then log in."""
    yield "code"
    screen.fill_in(code=account.authenticator.wrong_code())
    yield "code rejected"
    while screen.status == 422:
        screen.fill_in(code=account.authenticator.wrong_code())
    yield "429"
    screen.site.clock.move(15 * 60)
    screen.log_in(account)


def error_pages(screen):
    """Stop at each page that says what went wrong."""
    for name, path in (("404", "/nothing"), ("405", "/logout"), ("500", "/broken")):
        screen.open(path)
        yield name
    token = screen.open("/login").form("username").locator("[name=csrf_token]")
    token.evaluate("field => field.value = 'x'.repeat(20000)")
    screen.fill_in(username="admin", password="password")
    yield "413"
    screen.open("/login").context.clear_cookies()
    screen.fill_in(username="admin", password="password")
    yield "400"


def pages_of(screen):
    """Go to every page of a step, and stop at each."""
    account = screen.site.account_without_factor()
    if screen.site.stage.number >= "04":
        yield from registration_pages(screen)
    yield from password_pages(screen, account)
    if screen.site.stage.number == "02":
        account = screen.site.account()
    if screen.site.stage.number >= "03":
        yield from enrolment_pages(screen, account)
    if screen.site.stage.number >= "02":
        yield from code_pages(screen, account)
    if screen.site.stage.number >= "05":
        yield from verify_pages(screen)
        yield from reset_pages(screen, account)
        yield from account_pages(screen, account)
        screen.log_in(account)
    yield "home"
    yield from error_pages(screen)


def faults_of(screen):
    """Return what is wrong with a page, light and dark, narrow and wide."""
    faults = screen.complaints()
    for scheme in SCHEMES:
        screen.prefer(scheme)
        for width in WIDTHS:
            screen.resize(width)
            if screen.tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"wider than {width} px ({scheme})")
    # The scheme is dark now; nothing but the contrast can differ in the light.
    faults += axe_faults(screen)
    screen.prefer("light")
    return faults + axe_faults(screen, runOnly=["color-contrast"])


def expected_status(name):
    """Return the status that a page should come with."""
    if name.isdecimal():
        return int(name)
    return 422 if "rejected" in name else 200


@attack(51)
def test_every_page_is_accessible_and_asks_no_other_host(new_screen):
    screen = new_screen(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    screen.site.app.add_url_rule("/broken", view_func=lambda: 1 / 0)
    faults = {}
    for name in pages_of(screen):
        assert screen.status == expected_status(name), name
        if found := faults_of(screen):
            faults[name] = found

    assert faults == {}
    assert screen.requests_to_others() == []


# Focus


OUTLINE = """field => {
  const {outlineStyle, outlineWidth, outlineColor} = getComputedStyle(field);
  return [outlineStyle, parseFloat(outlineWidth), outlineColor];
}"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(screen):
    screen.open("/login")
    reached = []
    for _ in range(5):
        screen.tab.keyboard.press("Tab")
        style, width, colour = screen.focused.evaluate(OUTLINE)
        reached.append(screen.focused.evaluate("it => it.name || it.textContent"))

        assert (style, width >= 2) == ("solid", True), reached[-1]
        assert colour != "rgba(0, 0, 0, 0)"
    assert reached[1:3] == ["username", "password"]
    assert reached[3:] == ["Show password", "Continue"]


def test_a_rejected_login_is_what_a_screen_reader_reads_first(screen):
    screen.open("/login").fill_in(username="admin", password="wrong")

    assert screen.status == 422
    assert screen.tab.title().startswith("Error: ")
    assert screen.focused.get_attribute("role") == "alert"
    assert "do not match" in screen.focused.inner_text()


@since("02")
def test_the_code_field_waits_for_the_code_and_for_another_one(screen, account):
    screen.give_password(account)
    assert screen.find("[name=code]:focus").is_visible()
    screen.fill_in(code=account.authenticator.wrong_code())

    assert screen.status == 422
    field = screen.find("[name=code]:focus")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.input_value() == ""
    for name in field.get_attribute("aria-describedby").split():
        assert screen.find(f"#{name}").is_visible()


@since("05")
def test_the_field_for_the_email_code_waits_for_it(screen):
    pages = verify_pages(screen)
    assert next(pages) == "verify"
    assert screen.find("[name=email_code]:focus").is_visible()
    assert next(pages) == "verify rejected"

    assert screen.find("[name=email_code]:focus").input_value() == ""


@since("05")
def test_a_rejected_reauthentication_is_what_a_screen_reader_reads_first(
    screen, account
):
    screen.log_in(account).open("/account/phone")
    screen.fill_in(current_password="x", code="000000")

    assert screen.status == 422
    assert screen.tab.title().startswith("Error: ")
    assert screen.focused.get_attribute("role") == "alert"
    assert "did not work" in screen.focused.inner_text()


@since("03")
def test_the_enrolment_page_begins_at_its_top(screen):
    open_enrolment(screen)
    screen.find("#secret")

    assert screen.focused.count() == 0
    assert screen.tab.evaluate("scrollY") == 0


# Typing


def test_a_button_shows_the_password_until_the_form_is_sent(screen):
    screen.open("/login")
    screen.find("[name=username]").fill("admin")  # so that the form could be sent
    field = screen.find("[name=password]")
    field.fill("password")
    for name, kind in (("Show", "text"), ("Hide", "password"), ("Show", "text")):
        screen.find("button", f"{name} password").click()
        assert field.get_attribute("type") == kind
    screen.find("button", "Hide password")
    field.evaluate("it => it.form.addEventListener('submit', e => e.preventDefault())")
    screen.find("main button:not([type])").click()

    assert field.get_attribute("type") == "password"
    assert field.input_value() == "password"


def test_without_javascript_one_logs_in_and_no_button_promises_more(
    browser, new_screen
):
    with browser.new_context(java_script_enabled=False) as context:
        screen = new_screen(context)
        account = screen.site.account()
        screen.open("/login")
        assert "Show password" not in screen.text

        assert screen.log_in(account).path == "/"
        assert account.username in screen.text


@since("02")
@pytest.mark.parametrize("way", ["typed", "pasted"])
def test_a_code_may_have_the_blank_that_the_authenticator_shows(screen, account, way):
    screen.give_password(account)
    screen.form("code")
    code = account.authenticator.code()
    text = f"{code[:3]} {code[3:]}"
    if way == "typed":
        screen.tab.keyboard.type(text)  # the field has the focus
    else:
        screen.context.grant_permissions(["clipboard-read", "clipboard-write"])
        screen.tab.evaluate("text => navigator.clipboard.writeText(text)", text)
        screen.tab.keyboard.press("ControlOrMeta+V")
    assert screen.find("[name=code]").input_value() == text
    screen.send(screen.form("code"))

    assert screen.path == "/"


# Leaving


@attack(40)
def test_back_after_the_logout_shows_nothing_of_the_page(screen, account):
    screen.log_in(account)
    assert account.username in screen.text
    screen.log_out()
    screen.tab.go_back()  # a page that is still in memory ends in a time-out

    assert screen.path == "/login"
    assert account.username not in screen.text


@since("05")
@attack(40)
@pytest.mark.parametrize("path", ["", "/password", "/phone", "/recovery-codes"])
def test_back_after_the_logout_shows_nothing_of_the_account(screen, account, path):
    screen.log_in(account).open(f"/account{path}")
    screen.find("h1")
    screen.log_out()
    screen.tab.go_back()

    assert screen.path == "/login"


@since("05")
@attack(40, 50)
def test_back_after_the_logout_does_not_show_the_new_secret(screen, account):
    pages = account_pages(screen.log_in(account), account)
    while next(pages) != "new authenticator, secret":
        pass
    assert screen.find("#secret").is_visible()
    screen.log_out()
    screen.tab.go_back()

    assert screen.path == "/login"


@attack(92)
def test_a_login_stays_on_this_site_in_the_address_bar_too(screen, account):
    for target in ("//example.com", "/%09/example.com", "/%5Cexample.com"):
        screen.log_in(account, to=f"/login?next={target}")

        assert screen.tab.url == screen.address + "/"
    assert screen.requests_to_others() == []

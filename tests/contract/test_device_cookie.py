"""The cookie by which a browser is known that completed a login: a key to no door."""

import hashlib
import itertools
import json
import sqlite3
from base64 import urlsafe_b64decode
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.kit.accounts import ask_for_a_code
from tests.kit.accounts import change
from tests.kit.accounts import recover
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.production import in_production
from tests.kit.stage import CONFIG
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import add_second_factor
from tests.kit.stage import enrol
from tests.kit.stage import register
from tests.kit.tokens import key_for
from tests.kit.work import counted_work
from tests.kit.work import kinds

pytestmark = rate_limited

ADDRESS = "kim@example.org"
NEW = "six violins paint the harbour"
DEVICE = "device"
OWNER, THIEF = "192.0.2.1", "203.0.113.9"
LIMIT = 5  # guesses in a quarter of an hour, of one network at one account
WINDOW = 15 * 60
DAY = 24 * 60 * 60
A_YEAR = 365 * DAY
MAX_WRONG_PASSWORDS_IN_A_ROW = 100
REFUSED = "That username and password do not match."
LOCKED = "There were too many wrong passwords for this username."


@pytest.fixture
def kim(site):
    """Return the account of somebody whose mails we read."""
    return site.cached_account(register_kim)


def register_kim(site):
    """Return an account whose address we know."""
    return add_second_factor(
        site, register(site.visitor(), username="kim", email=ADDRESS)
    )


def device_of(visitor):
    """Return the device cookie of a browser."""
    cookie = visitor.browser.cookies.get(DEVICE)
    assert cookie, "this browser has no device cookie"
    return cookie.value


def known(site, account, network=OWNER):
    """Return a browser in which somebody logged in and out."""
    visitor = site.visitor(network=network)
    visitor.log_in(account)
    visitor.log_out()
    return visitor


def with_device(site, value, network=THIEF):
    """Return a new browser with a device cookie of our choice."""
    visitor = site.visitor(network=network)
    visitor.browser.keep({DEVICE: SimpleNamespace(key=DEVICE, value=value)})
    return visitor


def stranger(site, number):
    """Return a new browser in a network of its own."""
    return site.visitor(network=f"198.51.{number // 100}.{number % 100}")


def guess(visitor, name="kim", password="wrong"):
    """Try a password; return the page that answers."""
    return visitor.open("/login").fill_in(username=name, password=password)


NUMBERS = itertools.count(1000)  # of strangers who come once


def use_up_passwords(site, name="kim"):
    """Let strangers use up all guesses that an account has from everywhere."""
    strangers = [stranger(site, next(NUMBERS)) for _ in range(11)]
    for visitor in strangers[:10]:
        for _ in range(LIMIT):
            assert guess(visitor, name).status == 422
    assert guess(strangers[10], name).status == 429


def use_up(site, account, path, **wrong):
    """Let a stranger with the password use up the guesses at a page of the login."""
    visitor = stranger(site, 50)
    visitor.give_password(account)
    for _ in range(LIMIT):
        assert visitor.open(path).fill_in(**wrong).status == 422
    assert visitor.open(path).fill_in(**wrong).status == 429


# What strangers cannot use up


@since("06")
@attack(146)
def test_a_browser_known_from_before_gets_in_although_strangers_used_up_all_passwords(
    site, kim
):
    owner = known(site, kim)
    use_up_passwords(site)

    assert site.visitor(network=OWNER).give_password(kim).status == 429
    owner.log_in(kim)


@since("06")
@attack(146)
@pytest.mark.parametrize("network", ["2001:db8:0:9::1", "203.0.113.77"])
def test_it_is_the_browser_that_is_known_and_not_its_network(site, kim, network):
    owner = known(site, kim)
    use_up_passwords(site)
    owner.browser.network = network

    owner.log_in(kim)


@since("06")
@attack(146, 72)
def test_a_browser_known_from_before_has_codes_that_a_password_thief_cannot_use_up(
    site, kim
):
    owner = known(site, kim)
    use_up(site, kim, "/login/code", code=kim.authenticator.wrong_code())
    use_up(site, kim, "/login/recovery", recovery_code="wrong")

    assert recover(site, kim, kim.recovery_codes[0]).status == 429
    page = ask_for_a_code(owner, kim).fill_in(recovery_code=kim.recovery_code())
    assert page.path == "/"


@since("06")
@attack(146, 72)
def test_codes_of_the_authenticator_neither(site, kim):
    owner = known(site, kim)
    use_up(site, kim, "/login/code", code=kim.authenticator.wrong_code())

    stranger_page = site.visitor(network=OWNER).give_password(kim)
    assert stranger_page.fill_in(code=kim.authenticator.code()).status == 429
    owner.log_in(kim)


@since("06")
@attack(146)
def test_all_browsers_of_an_owner_are_known(site, kim):
    first, second = known(site, kim), known(site, kim)
    assert device_of(first) != device_of(second)
    use_up_passwords(site)

    first.log_in(kim)
    first.log_out()
    use_up_passwords(site)
    second.log_in(kim)


@since("06")
@attack(146, 71)
def test_a_known_browser_has_five_guesses_and_no_more(site, kim, clock):
    owner = known(site, kim)
    for _ in range(LIMIT):
        assert guess(owner).status == 422
    page = owner.give_password(kim)
    assert page.status == 429
    assert 0 < int(page.headers["Retry-After"]) <= WINDOW
    owner.browser.network = "203.0.113.77"
    assert owner.give_password(kim).status == 429
    clock.move(WINDOW)

    owner.log_in(kim)


@since("06")
@attack(146, 71)
def test_guesses_of_a_known_browser_are_counted_with_it_alone(site, kim):
    owner = known(site, kim)
    for _ in range(LIMIT + 1):
        page = guess(owner)
    assert page.status == 429

    neighbour = site.visitor(network=OWNER)
    for _ in range(LIMIT):
        assert guess(neighbour).status == 422
    assert guess(neighbour).status == 429


@since("06")
@attack(146, 26)
def test_wrong_codes_of_a_known_browser_bring_a_pause_as_well(site, kim, clock):
    owner = known(site, kim)
    assert device_of(owner)
    page = owner.give_password(kim)
    for _ in range(LIMIT):
        page = owner.open("/login/code")
        assert page.fill_in(code=kim.authenticator.wrong_code()).status == 422
    page = owner.open("/login/code")
    assert page.fill_in(code=kim.authenticator.code()).status == 429
    assert not owner.is_logged_in()
    clock.move(WINDOW)

    owner.log_in(kim)


@since("06")
@attack(146, 131)
def test_a_complete_login_gives_a_known_browser_its_guesses_back(site, kim):
    owner = known(site, kim)
    copy = with_device(site, device_of(owner))
    for visitor in (owner, copy):  # the login has renewed the cookie of the first
        for _ in range(LIMIT - 1):
            assert guess(visitor).status == 422
        visitor.log_in(kim)
        visitor.log_out()


# When it is set, and how


def answer_to_code(site, account):
    """Log in with a code; return the browser, and the answer that logged it in."""
    visitor = site.visitor()
    visitor.give_password(account)
    target, data = visitor.page.filled_in(code=account.authenticator.code())
    return visitor, visitor.ask("POST", target, data=data)


@since("06")
@attack(146)
@pytest.mark.ours
def test_the_cookie_is_set_by_a_complete_login_and_by_nothing_less(site, kim):
    visitor = site.visitor()
    guess(visitor)
    page = visitor.give_password(kim)
    page = page.fill_in(code=kim.authenticator.wrong_code())
    visitor.open("/login/recovery").fill_in(recovery_code="wrong")
    assert DEVICE not in visitor.browser.cookies
    page.fill_in(code=kim.authenticator.code())

    assert device_of(visitor)


@since("06")
@attack(146)
@pytest.mark.ours
def test_a_recovery_code_and_an_enrolment_set_it_as_well(site, kim, clock):
    visitor = site.visitor()
    ask_for_a_code(visitor, kim).fill_in(recovery_code=kim.recovery_code())
    assert device_of(visitor)

    visitor = site.visitor()
    account = register(visitor)
    assert DEVICE not in visitor.browser.cookies
    enrol(visitor, account, clock)
    assert device_of(visitor)


@since("06")
@attack(146)
@pytest.mark.ours
def test_each_login_renews_it_and_each_one_is_another(site, kim, clock):
    visitor, seen = site.visitor(), set()
    for _ in range(3):
        visitor.log_in(kim)
        seen.add(device_of(visitor))
        visitor.log_out()
        assert device_of(visitor) in seen  # a logout leaves it

    assert len(seen) == 3
    for old in seen:
        assert with_device(site, old).give_password(kim).path == "/login/code"


@since("06")
@attack(103, 146)
@pytest.mark.ours
def test_no_script_no_other_site_and_no_other_host_gets_it(step, clock):
    for site, name, secure in (
        (step.start(clock), "device", []),
        (in_production(step, clock), "__Host-device", ["Secure"]),
    ):
        visitor, answer = answer_to_code(site, site.account())
        found = [
            cookie
            for cookie in answer.headers.get_all("Set-Cookie")
            if "device" in cookie.partition("=")[0]
        ]
        assert len(found) == 1
        pair, *attributes = [part.strip() for part in found[0].split(";")]
        assert pair.startswith(f"{name}=")
        lasting = [a for a in attributes if a.startswith(("Expires", "Max-Age"))]
        assert f"Max-Age={A_YEAR}" in lasting
        wanted = ["HttpOnly", "Path=/", "SameSite=Lax", *secure]
        assert sorted(set(attributes) - set(lasting)) == sorted(wanted)
        assert answer.headers["Cache-Control"] == "no-store"
        assert visitor.is_logged_in()


@since("06")
@attack(146)
@pytest.mark.ours
def test_over_https_a_cookie_that_a_neighbour_could_plant_is_not_read(step, clock):
    site = in_production(step, clock)
    account = site.account()
    owner = site.visitor(network=OWNER)
    owner.log_in(account)
    owner.log_out()
    cookies = owner.browser.cookies
    assert "__Host-device" in cookies
    value = cookies["__Host-device"].value
    use_up_passwords(site, account.username)
    plain = with_device(site, value)

    assert plain.give_password(account).status == 429
    owner.log_in(account)


@since("06")
@attack(106, 146)
@pytest.mark.ours
def test_it_says_who_and_which_and_when_and_nothing_that_is_secret(site, kim, clock):
    visitor = site.visitor()
    visitor.log_in(kim)
    value = device_of(visitor)
    content, *_ = value.split(".")
    number, device = json.loads(urlsafe_b64decode(content + "=="))
    [(user_id, password_hash)] = site.sql("SELECT id, password_hash FROM users")

    assert number == user_id
    assert len(device) == 22
    assert password_hash.rpartition("$")[2] not in value
    files = site.database.parent.glob(f"{site.database.name}*")
    kept = b"".join(path.read_bytes() for path in files)
    assert device.encode() not in kept  # and a stolen database makes no cookie


@since("06")
@attack(118, 146)
@pytest.mark.ours
def test_a_login_that_fails_leaves_no_cookie(step, clock):
    site = step.start(clock, TESTING=False)
    account = site.account()
    visitor = site.visitor()
    page = visitor.give_password(account)
    session, commits = site.app.extensions["sqlalchemy"].session, itertools.count()

    def fail(session):
        if next(commits):  # the first one counts the guess
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk full"))

    code = account.authenticator.code()
    event.listen(session, "before_commit", fail)
    answer = page.fill_in(code=code)
    event.remove(session, "before_commit", fail)
    assert answer.status >= 500
    assert DEVICE not in visitor.browser.cookies

    assert page.fill_in(code=code).path == "/"
    assert device_of(visitor)


@since("06")
@attack(146)
def test_after_a_year_a_browser_is_a_stranger_again(site, kim, clock):
    owner, other = known(site, kim), known(site, kim)
    clock.move(A_YEAR - 60)
    use_up_passwords(site)
    with_device(site, device_of(owner)).log_in(kim)
    clock.move(WINDOW + 61)
    use_up_passwords(site)

    assert with_device(site, device_of(other)).give_password(kim).status == 429


# What it does not do


@since("06")
@attack(146, 3)
def test_a_known_browser_needs_the_password_and_a_code(site, kim):
    owner = known(site, kim)
    thief = with_device(site, device_of(owner))

    for path in ("/", "/account", "/account/phone", "/login/code", "/enrol"):
        assert thief.open(path).path.startswith("/login"), path
    assert guess(thief).status == 422
    assert thief.open("/login/code").path == "/login"
    page = thief.give_password(kim)
    assert page.path == "/login/code"
    for path in ("/", "/account", "/enrol"):
        assert thief.open(path).path.startswith("/login"), path
    page = thief.open("/login/code").fill_in(code=kim.authenticator.wrong_code())
    assert page.status == 422
    assert not thief.is_logged_in()


@since("06")
@attack(146, 33)
def test_a_logout_and_a_password_change_end_the_session_whatever_cookie_stays(
    site, kim
):
    visitor = site.visitor()
    visitor.log_in(kim)
    copy = site.visitor().take_cookies_of(visitor)
    assert copy.is_logged_in()
    visitor.log_out()

    assert device_of(copy) == device_of(visitor)
    assert not copy.is_logged_in()


@since("06")
@attack(146, 22)
def test_the_cookie_of_one_user_is_none_for_another(site, kim):
    other = site.account()
    visitor = known(site, other)
    use_up_passwords(site)

    assert with_device(site, device_of(visitor)).give_password(kim).status == 429
    visitor.log_in(other)


@since("06")
@attack(146, 22)
def test_guesses_at_another_user_are_not_counted_with_the_cookie(site, kim):
    other = site.account()
    visitor = known(site, other)
    assert device_of(visitor)
    for _ in range(LIMIT):
        assert guess(visitor, "kim").status == 422
    assert guess(visitor, "kim").status == 429

    visitor.log_in(other)


@since("06")
@attack(146, 6)
@pytest.mark.parametrize("name", ["KIM", " kim "])
def test_a_known_browser_is_known_however_the_name_is_spelt(site, kim, name):
    owner = known(site, kim)
    use_up_passwords(site)

    assert guess(owner, name, kim.password).path == "/login/code"


def forged_from(site, value):
    """Return cookies that somebody might make out of one of their own."""
    content, at, signature = value.split(".")
    other = json.loads(urlsafe_b64decode(content + "=="))
    yield from ("", "x", "a.b.c", ".", "..", "é", "null", "[1,2]", value[:-1])
    yield f"{content}.{at}.{'A' * len(signature)}"
    yield f"{content}.{at}."
    yield f"{content}.{at}"
    yield f"{content}.AAAAAA.{signature}"
    yield f"{content[:-2]}AA.{at}.{signature}"
    yield f"{content}.{at}.{signature}.{signature}"
    yield f"{value}x"
    yield json.dumps(other)


@since("06")
@attack(146, 7)
def test_a_cookie_that_we_did_not_sign_is_none(site, kim):
    owner = known(site, kim)
    use_up_passwords(site)
    for value in forged_from(site, device_of(owner)):
        thief = with_device(site, value)
        assert thief.give_password(kim).status == 429, value

    session = owner.browser.cookies[site.app.config["SESSION_COOKIE_NAME"]].value
    assert with_device(site, session).give_password(kim).status == 429
    owner.log_in(kim)


def signed(key, salt, content):
    """Return a cookie that is signed as ours are, but for key and salt."""
    how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeTimedSerializer(key, salt=salt, signer_kwargs=how).dumps(content)


@since("06")
@attack(146, 86)
@pytest.mark.ours
def test_a_cookie_signed_with_another_key_or_for_another_password_is_none(site, kim):
    device_of(known(site, kim))
    [(number, salt)] = site.sql("SELECT id, password_hash FROM users")
    content, good = [number, "x" * 22], key_for("device cookie")
    keys = [CONFIG["SECRET_KEY"], CONFIG["TOTP_KEYS"], "", b"secret"]
    keys += [key_for(purpose) for purpose in ("rate limit", "email code", "")]
    use_up_passwords(site)
    forged = [signed(key, salt, content) for key in keys]
    forged += [signed(good, other, content) for other in ("", "itsdangerous")]
    forged.append(signed(good, salt, [number + 1, "x" * 22]))
    for value in forged:
        assert with_device(site, value).give_password(kim).status == 429, value

    with_device(site, signed(good, salt, content)).log_in(kim)


@since("06")
@attack(146, 86)
@pytest.mark.ours
def test_a_cookie_of_another_site_of_ours_is_none(site, kim):
    owner = known(site, kim)
    twin = site.start_again(SECRET_KEY="another key, as long as one has to be")
    value = device_of(known(twin, kim))
    use_up_passwords(site)

    assert with_device(site, value).give_password(kim).status == 429
    owner.log_in(kim)


@since("06")
@attack(146, 7)
@never_red("step 05 reads no cookie but the session")
@pytest.mark.parametrize("name", ["nobody", "", " ", "kim\0", "k" * 256, "kimé"])
def test_a_cookie_with_any_name_does_no_harm(site, kim, name):
    owner = known(site, kim)

    assert guess(owner, name, GOOD_PASSWORD).status == 422


# When it ends


@since("06")
@attack(146, 34)
def test_a_password_change_ends_the_cookies_of_all_other_browsers(site, kim):
    thief, owner = known(site, kim), site.visitor(network=OWNER)
    owner.log_in(kim)
    old = device_of(owner)
    change(owner, kim, "/account/password")
    use_up_passwords(site)

    assert thief.give_password(kim).status == 429
    assert with_device(site, old).give_password(kim).status == 429
    owner.log_out()
    owner.log_in(kim)


@since("06")
@attack(146, 83)
def test_a_reset_ends_all_cookies(site, kim):
    owner, copy = known(site, kim), known(site, kim)
    assert device_of(owner) != device_of(copy)
    reset(site, kim)
    use_up_passwords(site)

    for visitor in (owner, copy):
        assert visitor.give_password(kim).status == 429


def reset(site, account, password=NEW):
    """Set another password by a link; return the page that answers."""
    visitor = site.visitor(network=OWNER)
    visitor.open("/reset").fill_in(email=ADDRESS)
    [mail] = [mail for mail in site.mails() if "/reset/" in mail.text]
    page = visitor.open(urlsplit(mail.link).path)
    values = {"password": password, "confirm": password}
    page = page.fill_in(code=account.authenticator.code(), **values)
    assert page.path == "/login", page.text
    account.password = password
    return page


@since("06")
@attack(146, 34)
@pytest.mark.parametrize("path", ["/account/phone", "/account/recovery-codes"])
def test_other_changes_leave_the_cookies_of_other_browsers(site, kim, path):
    other, owner = known(site, kim), site.visitor(network=OWNER)
    owner.log_in(kim)
    change(owner, kim, path)
    use_up_passwords(site)

    other.log_in(kim)


@since("06")
@attack(146, 9)
@pytest.mark.ours
def test_a_newer_hash_of_the_same_password_leaves_this_browser_known(site, kim):
    owner = known(site, kim)
    newer = site.start_again(PASSWORD_HASH_METHOD="pbkdf2:sha256:2")
    visitor = newer.visitor(network=OWNER).take_cookies_of(owner)
    visitor.log_in(kim)
    visitor.log_out()
    use_up_passwords(newer)

    visitor.log_in(kim)


# What it does not skip


@since("06")
@attack(146, 72)
def test_a_known_browser_skips_no_lockout_after_wrong_codes(site, kim, clock):
    owner = known(site, kim)
    assert device_of(owner)
    for _ in range(4):
        visitor = site.visitor(network=THIEF)
        visitor.give_password(kim)
        for _ in range(LIMIT):
            page = visitor.open("/login/code")
            page.fill_in(code=kim.authenticator.wrong_code())
        clock.move(WINDOW)

    page = owner.give_password(kim)
    assert page.status == 422
    assert REFUSED in page.text
    reset(site, kim)
    owner.log_in(kim)


@since("06")
@attack(146, 72)
def test_wrong_codes_of_known_browsers_and_of_strangers_are_counted_together(
    site, kim, clock
):
    owner, thief = known(site, kim), known(site, kim)
    assert device_of(owner) != device_of(thief)
    for visitor in (owner, site.visitor(network=THIEF)) * 2:
        visitor.give_password(kim)
        for _ in range(LIMIT):
            page = visitor.open("/login/code")
            page.fill_in(code=kim.authenticator.wrong_code())
        clock.move(WINDOW)

    for visitor in (owner, thief, site.visitor()):
        assert visitor.give_password(kim).status == 422


@since("06")
@attack(146, 5)
@pytest.mark.ours
def test_a_disabled_user_does_not_get_in_from_a_known_browser(site, kim):
    owner = known(site, kim)
    device_of(owner)
    command = ["user", "disable", "kim", "--reason", "a call"]
    assert site.app.test_cli_runner().invoke(args=command).exit_code == 0

    page = owner.give_password(kim)
    assert page.status == 422
    assert REFUSED in page.text


# What the owner is told


def told(site):
    """Return the subjects of all emails that were sent meanwhile."""
    return [mail.subject for mail in site.mails(routine=True)]


NEW_BROWSER = "Your Door account was used in a new browser"


@since("06")
@attack(146, 108)
def test_a_login_in_a_new_browser_is_told_and_in_a_known_one_it_is_not(site, kim):
    told(site)
    owner = known(site, kim)
    mails = site.mails(routine=True)
    assert [mail.subject for mail in mails] == [NEW_BROWSER]
    mail = mails[0]
    assert mail.to == ADDRESS
    assert "://" not in mail.text
    owner.log_in(kim)
    owner.log_out()
    owner.log_in(kim)
    assert told(site) == []

    thief = site.visitor(network=THIEF)
    thief.give_password(kim)
    assert told(site) == []
    thief.fill_in(code=kim.authenticator.code())
    assert told(site) == [NEW_BROWSER]


@since("06")
@attack(146, 108)
@pytest.mark.parametrize("forge", [lambda value: "", lambda value: value + "x"])
def test_a_login_with_a_cookie_that_is_none_is_told(site, kim, forge):
    value = device_of(known(site, kim))
    told(site)
    with_device(site, forge(value)).log_in(kim)

    assert told(site) == [NEW_BROWSER]


@since("06")
@attack(146, 108)
def test_a_login_after_a_reset_is_told_even_in_the_owner_s_browser(site, kim):
    owner = known(site, kim)
    reset(site, kim)
    told(site)
    owner.log_in(kim)

    assert told(site) == [NEW_BROWSER]


@since("06")
@attack(146, 108)
def test_a_recovery_code_in_a_new_browser_is_told_as_such_too(site, kim):
    told(site)
    recover(site, kim, kim.recovery_code())

    assert sorted(told(site)) == [
        "A recovery code for your Door account was used",
        NEW_BROWSER,
    ]


@since("06")
@attack(108)
def test_a_first_authenticator_is_told_once_and_as_no_new_browser(site, clock):
    account = register(site.visitor())
    told(site)
    enrol(site.visitor(), account, clock)

    assert told(site) == ["An authenticator app was set up for your Door account"]


# A hundred wrong passwords in a row


def guess_in_a_row(site, clock, times, name="kim"):
    """Let strangers guess passwords from everywhere, as fast as the pauses let them."""
    for number in range(times):
        if number % (10 * LIMIT) == 0:
            clock.move(WINDOW)
        visitor = stranger(site, number // LIMIT % 10)
        page = guess(visitor, name)
        assert page.status == 422
    clock.move(WINDOW)
    return page


@since("06")
@attack(149)
def test_after_a_hundred_wrong_passwords_no_stranger_s_password_is_looked_at(
    site, kim, clock
):
    before = guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    assert REFUSED in before.text
    assert guess(stranger(site, 70), "kim", kim.password).path == "/login/code"
    guess_in_a_row(site, clock, 1)

    answers = []
    for number, password in enumerate(("wrong", kim.password, "wrong", kim.password)):
        page = guess(stranger(site, 71 + number), " KIM", password)
        assert page.status == 422
        assert page.path == "/login"
        answers.append(page.text)
    assert len(set(answers)) == 1
    assert LOCKED in answers[0]
    assert "Forgot your password?" in page.find("[role=alert], .error").text()
    clock.move(30 * DAY)
    assert site.visitor(network=OWNER).give_password(kim).status == 422


@since("06")
@attack(149)
def test_a_known_browser_still_takes_the_password_and_ends_the_row(site, kim, clock):
    owner = known(site, kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)
    assert site.visitor().give_password(kim).status == 422
    page = guess(owner)
    assert page.status == 422
    assert LOCKED not in page.text
    owner.log_in(kim)

    site.visitor(network="203.0.113.77").log_in(kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    site.visitor(network=OWNER).log_in(kim)


@since("06")
@attack(149)
def test_half_a_login_in_a_known_browser_does_not_end_the_row(site, kim, clock):
    owner = known(site, kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)
    assert owner.give_password(kim).path == "/login/code"

    page = site.visitor(network="203.0.113.77").give_password(kim)
    assert LOCKED in page.text


@since("06")
@attack(149)
def test_a_cookie_of_another_user_or_of_an_old_password_is_no_way_around(
    site, kim, clock
):
    value = device_of(known(site, site.account()))
    old = device_of(known(site, kim))
    reset(site, kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)

    for other in (value, old, "x"):
        page = with_device(site, other).give_password(kim)
        assert page.status == 422
        assert LOCKED in page.text


@since("06")
@attack(149, 82)
def test_a_reset_ends_the_row(site, kim, clock):
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)
    assert LOCKED in site.visitor().give_password(kim).text
    reset(site, kim)

    site.visitor(network=OWNER).log_in(kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    site.visitor(network=OWNER).log_in(kim)


@since("06")
@attack(149)
@never_red("step 05 counts no passwords in a row")
def test_a_complete_login_ends_the_row_before_it_is_full(site, kim, clock):
    for _ in range(2):
        guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
        site.visitor(network=OWNER).log_in(kim)


@since("06")
@attack(149)
@never_red("step 05 counts no passwords in a row")
def test_guesses_that_the_pause_stops_are_not_in_the_row(site, kim, clock):
    for _ in range(MAX_WRONG_PASSWORDS_IN_A_ROW + LIMIT):
        guess(stranger(site, 1))
    clock.move(WINDOW)

    site.visitor(network=OWNER).log_in(kim)


@since("06")
@attack(149, 108)
def test_the_owner_is_told_once_what_to_do(site, kim, clock):
    told(site)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    assert told(site) == []
    guess_in_a_row(site, clock, 1)
    mails = site.mails(routine=True)
    assert [m.subject for m in mails] == [
        "Your Door password is locked. Please reset it"
    ]
    mail = mails[0]
    assert mail.to == ADDRESS
    assert "a hundred wrong passwords" in mail.text
    assert "://" not in mail.text

    guess_in_a_row(site, clock, 60)
    assert told(site) == []


@since("06")
@attack(1, 149)
def test_unknown_names_get_the_same_answers(site, kim, clock, monkeypatch):
    for name in ("kim", "nobody"):
        guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW, name)
    site.mails()
    texts, costs = set(), []
    for number, (name, password) in enumerate(
        [("kim", "wrong"), ("nobody", "wrong"), ("kim", kim.password)]
    ):
        page = stranger(site, 80 + number).open("/login")
        with counted_work(site, monkeypatch) as (hashes, statements):
            page = page.fill_in(username=name, password=password)
        assert page.status == 422
        texts.add(page.text)
        costs.append((len(hashes), kinds(statements)))

    assert len(texts) == 1
    assert LOCKED in texts.pop()
    assert costs[0] == costs[1] == costs[2]
    assert costs[0][0] == 1


@since("06")
@attack(72, 149)
def test_while_the_codes_are_locked_a_right_password_costs_what_a_wrong_one_does(
    site, kim, clock, monkeypatch
):
    device_of(known(site, kim))
    for _ in range(4):
        visitor = site.visitor(network=THIEF)
        visitor.give_password(kim)
        for _ in range(LIMIT):
            page = visitor.open("/login/code")
            page.fill_in(code=kim.authenticator.wrong_code())
        clock.move(WINDOW)
    costs = []
    for number, password in enumerate(("wrong", kim.password)):
        page = stranger(site, number).open("/login")
        with counted_work(site, monkeypatch) as (hashes, statements):
            page = page.fill_in(username="kim", password=password)
        assert page.status == 422
        costs.append((len(hashes), kinds(statements)))

    assert costs[0] == costs[1]


@since("06")
@attack(133, 149)
@pytest.mark.ours
def test_rows_of_unknown_names_are_deleted_a_day_later(site, kim, clock):
    names = ["nobody", "somebody", "kim"]
    for number, name in enumerate(names):
        guess(stranger(site, number), name)
    clock.move(DAY)
    guess(stranger(site, 9), "somebody")
    site.run_hourly_tasks()
    assert site.sql("SELECT count(*) FROM lockouts") == [(3,)]
    clock.move(1)
    site.run_hourly_tasks()
    assert site.sql("SELECT count(*) FROM lockouts") == [(2,)]
    clock.move(30 * DAY)
    site.run_hourly_tasks()

    assert site.sql("SELECT attempts, user_id FROM lockouts") == [(1, 1)]


@since("06")
@attack(149)
@never_red("step 05 counts no passwords in a row")
def test_a_user_who_registers_a_name_that_was_guessed_gets_in(site, clock):
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW, "kim")
    visitor = site.visitor(network=OWNER)
    account = register(visitor, username="kim", email=ADDRESS)
    account.authenticator = scan(visitor.page, clock)
    visitor.fill_in(code=account.authenticator.code())
    assert visitor.is_logged_in()

    site.visitor(network="203.0.113.77").log_in(account)


@since("06")
@attack(149, 5)
@pytest.mark.ours
def test_guesses_at_a_disabled_user_are_counted_and_tell_nothing(site, kim, clock):
    command = ["user", "disable", "kim", "--reason", "a call"]
    assert site.app.test_cli_runner().invoke(args=command).exit_code == 0
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)

    page = site.visitor(network=OWNER).give_password(kim)
    assert LOCKED in page.text

"""The cookie by which a browser is known that completed a login: a key to no door."""

import json
from base64 import urlsafe_b64decode

import pytest

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import ask_for_a_code
from tests.kit.accounts import change
from tests.kit.accounts import recover
from tests.kit.device_cookies import A_YEAR
from tests.kit.device_cookies import DAY
from tests.kit.device_cookies import LOCKED
from tests.kit.device_cookies import MAX_WRONG_PASSWORDS_IN_A_ROW
from tests.kit.device_cookies import OWNER
from tests.kit.device_cookies import REFUSED
from tests.kit.device_cookies import THIEF
from tests.kit.device_cookies import device_of
from tests.kit.device_cookies import guess
from tests.kit.device_cookies import guess_in_a_row
from tests.kit.device_cookies import known
from tests.kit.device_cookies import stranger
from tests.kit.device_cookies import use_up_passwords
from tests.kit.device_cookies import with_device
from tests.kit.guesses import LIMIT
from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import WINDOW
from tests.kit.guesses import guess_wrong_codes
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.reset_links import choose
from tests.kit.reset_links import open_link
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import enrol
from tests.kit.stage import register
from tests.kit.work import counted_work
from tests.kit.work import kinds

pytestmark = [since("06"), rate_limited]


def use_up(site, account, path, **wrong):
    """Let a stranger with the password use up the guesses at a page of the login."""
    visitor = stranger(site, 50)
    visitor.give_password(account)
    for _ in range(LIMIT):
        assert visitor.open(path).fill_in(**wrong).status == 422
    assert visitor.open(path).fill_in(**wrong).status == 429


# What strangers cannot use up


@since("06g")
@attack(146)
@pytest.mark.parametrize("network", [OWNER, "2001:db8:0:9::1", "203.0.113.77"])
def test_a_known_browser_gets_in_from_anywhere_when_strangers_used_up_all_passwords(
    site, kim, network
):
    owner = known(site, kim)
    use_up_passwords(site)

    assert site.visitor(network=OWNER).give_password(kim).status == 429
    owner.browser.network = network
    owner.log_in(kim)


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


@attack(146, 72)
def test_codes_of_the_authenticator_neither(site, kim):
    owner = known(site, kim)
    use_up(site, kim, "/login/code", code=kim.authenticator.wrong_code())

    stranger_page = site.visitor(network=OWNER).give_password(kim)
    assert stranger_page.fill_in(code=kim.authenticator.code()).status == 429
    owner.log_in(kim)


@attack(146)
def test_all_browsers_of_an_owner_are_known(site, kim):
    first, second = known(site, kim), known(site, kim)
    assert device_of(first) != device_of(second)
    use_up_passwords(site)

    first.log_in(kim)
    first.log_out()
    use_up_passwords(site)
    second.log_in(kim)


@since("06g")
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
    neighbour = site.visitor(network=OWNER)  # whose guesses are counted apart
    for _ in range(LIMIT):
        assert guess(neighbour).status == 422
    assert guess(neighbour).status == 429
    clock.move(WINDOW)

    owner.log_in(kim)


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


@since("06g")
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


@since("06g")
@attack(146, 22)
def test_the_cookie_of_one_user_is_none_for_another(site, kim):
    other = site.account()
    visitor = known(site, other)
    use_up_passwords(site)

    assert with_device(site, device_of(visitor)).give_password(kim).status == 429
    visitor.log_in(other)


@attack(146, 22)
def test_guesses_at_another_user_are_not_counted_with_the_cookie(site, kim):
    other = site.account()
    visitor = known(site, other)
    assert device_of(visitor)
    for _ in range(LIMIT):
        assert guess(visitor, "kim").status == 422
    assert guess(visitor, "kim").status == 429

    visitor.log_in(other)


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


@attack(146, 7)
@never_red("step 05 reads no cookie but the session")
@pytest.mark.parametrize("name", ["nobody", "", " ", "kim\0", "k" * 256, "kimé"])
def test_a_cookie_with_any_name_does_no_harm(site, kim, name):
    owner = known(site, kim)

    assert guess(owner, name, GOOD_PASSWORD).status == 422


# When it ends


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


@attack(146, 83)
def test_a_reset_ends_all_cookies(site, kim):
    owner, copy = known(site, kim), known(site, kim)
    assert device_of(owner) != device_of(copy)
    reset(site, kim)
    use_up_passwords(site)

    for visitor in (owner, copy):
        assert visitor.give_password(kim).status == 429


def reset(site, account):
    """Set another password by a link."""
    page = choose(open_link(site), account.authenticator.code())
    assert page.path == "/login", page.text
    account.password = NEW_PASSWORD


@attack(146, 34)
@pytest.mark.parametrize("path", ["/account/phone", "/account/recovery-codes"])
def test_other_changes_leave_the_cookies_of_other_browsers(site, kim, path):
    other, owner = known(site, kim), site.visitor(network=OWNER)
    owner.log_in(kim)
    change(owner, kim, path)
    use_up_passwords(site)

    other.log_in(kim)


# What it does not skip


@attack(146, 72)
def test_a_known_browser_skips_no_lockout_after_wrong_codes(site, kim, clock):
    owner = known(site, kim)
    assert device_of(owner)
    guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW)

    page = owner.give_password(kim)
    assert page.status == 422
    assert REFUSED in page.text
    reset(site, kim)
    owner.log_in(kim)


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


# What the owner is told


def told(site):
    """Return the subjects of all emails that were sent meanwhile."""
    return [mail.subject for mail in site.mails(routine=True)]


NEW_BROWSER = "Your Door account was used in a new browser"


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


@attack(146, 108)
@pytest.mark.parametrize("forge", [lambda value: "", lambda value: value + "x"])
def test_a_login_with_a_cookie_that_is_none_is_told(site, kim, forge):
    value = device_of(known(site, kim))
    told(site)
    with_device(site, forge(value)).log_in(kim)

    assert told(site) == [NEW_BROWSER]


@attack(146, 108)
def test_a_login_after_a_reset_is_told_even_in_the_owner_s_browser(site, kim):
    owner = known(site, kim)
    reset(site, kim)
    told(site)
    owner.log_in(kim)

    assert told(site) == [NEW_BROWSER]


@attack(146, 108)
def test_a_recovery_code_in_a_new_browser_is_told_as_such_too(site, kim):
    told(site)
    recover(site, kim, kim.recovery_code())

    used = "A recovery code for your Door account was used"
    assert sorted(told(site)) == [used, NEW_BROWSER]


@attack(108)
def test_a_first_authenticator_is_told_once_and_as_no_new_browser(site, clock):
    account = register(site.visitor())
    told(site)
    enrol(site.visitor(), account, clock)

    assert told(site) == ["An authenticator app was set up for your Door account"]


# A hundred wrong passwords in a row


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


@attack(149)
def test_a_known_browser_still_takes_the_password_and_ends_the_row(site, kim, clock):
    owner = known(site, kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)
    assert site.visitor().give_password(kim).status == 422
    page = guess(owner)
    assert page.status == 422
    assert LOCKED not in page.text
    assert owner.give_password(kim).path == "/login/code"
    elsewhere = site.visitor(network="203.0.113.77")
    assert LOCKED in elsewhere.give_password(kim).text  # half a login ends nothing
    owner.log_in(kim)

    elsewhere.log_in(kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    site.visitor(network=OWNER).log_in(kim)


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


@attack(149, 82)
def test_a_reset_ends_the_row(site, kim, clock):
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW)
    assert LOCKED in site.visitor().give_password(kim).text
    reset(site, kim)

    site.visitor(network=OWNER).log_in(kim)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    site.visitor(network=OWNER).log_in(kim)


@attack(149)
@never_red("step 05 counts no passwords in a row")
def test_a_complete_login_ends_the_row_before_it_is_full(site, kim, clock):
    for _ in range(2):
        guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
        site.visitor(network=OWNER).log_in(kim)


@attack(149)
@never_red("step 05 counts no passwords in a row")
def test_guesses_that_the_pause_stops_are_not_in_the_row(site, kim, clock):
    for _ in range(MAX_WRONG_PASSWORDS_IN_A_ROW + LIMIT):
        guess(stranger(site, 1))
    clock.move(WINDOW)

    site.visitor(network=OWNER).log_in(kim)


@attack(149, 108)
def test_the_owner_is_told_once_what_to_do(site, kim, clock):
    told(site)
    guess_in_a_row(site, clock, MAX_WRONG_PASSWORDS_IN_A_ROW - 1)
    assert told(site) == []
    guess_in_a_row(site, clock, 1)
    mails = site.mails(routine=True)
    subject = "Your Door password is locked. Please reset it"
    assert [mail.subject for mail in mails] == [subject]
    mail = mails[0]
    assert mail.to == ADDRESS
    assert "a hundred wrong passwords" in mail.text
    assert "://" not in mail.text

    guess_in_a_row(site, clock, 60)
    assert told(site) == []


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


@attack(72, 149)
def test_while_the_codes_are_locked_a_right_password_costs_what_a_wrong_one_does(
    site, kim, clock, monkeypatch
):
    device_of(known(site, kim))
    guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW)
    costs = []
    for number, password in enumerate(("wrong", kim.password)):
        page = stranger(site, number).open("/login")
        with counted_work(site, monkeypatch) as (hashes, statements):
            page = page.fill_in(username="kim", password=password)
        assert page.status == 422
        costs.append((len(hashes), kinds(statements)))

    assert costs[0] == costs[1]


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

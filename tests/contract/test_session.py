"""Sessions and cookies: how they begin, what they hold, how they end."""

import pytest

from tests.kit.accounts import change
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.answers import content_of
from tests.kit.answers import token_of
from tests.kit.journey import Journey
from tests.kit.journey import found_in
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.paths import addresses_of
from tests.kit.stage import STEPS

CLEAR = '"cache", "storage"'


def secret_of(page):
    """Return what the token of a page has of its session."""
    return token_of(page).partition(".")[0]


@attack(43)
def test_logging_out_ends_the_login_on_this_browser(visitor, account):
    visitor.log_in(account)
    page = visitor.log_out()

    assert page.path.startswith("/login")
    assert not visitor.is_logged_in()


@attack(43)
def test_logging_out_clears_the_cache_and_no_other_cookies(visitor, account):
    visitor.log_in(account)
    token = token_of(visitor.open("/"))
    answer = visitor.ask("POST", "/logout", data={"csrf_token": token})

    assert answer.headers["Clear-Site-Data"] == CLEAR


@attack(43)
def test_logging_out_works_when_the_login_is_over_already(visitor, account):
    token = token_of(visitor.open("/login"))
    answer = visitor.ask("POST", "/logout", data={"csrf_token": token})

    assert answer.status == 302
    assert answer.headers["Clear-Site-Data"] == CLEAR


@attack(43)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_cannot_log_a_visitor_out(visitor, account, method):
    visitor.log_in(account)

    assert visitor.ask(method, "/logout").status == 405
    assert visitor.is_logged_in()


@attack(43)
def test_another_site_cannot_log_a_visitor_out(visitor, account):
    visitor.log_in(account)

    assert visitor.ask("POST", "/logout").status == 400
    assert visitor.is_logged_in()


@attack(29)
def test_a_cookie_that_was_planted_before_the_login_stays_outside(site, account):
    attacker, victim = site.visitor(), site.visitor()
    attacker.open("/login")
    victim.take_cookies_of(attacker)
    victim.log_in(account)

    assert victim.is_logged_in()
    assert not attacker.is_logged_in()


@attack(29)
def test_the_session_changes_at_each_turn_of_the_login(visitor, account):
    seen = [secret_of(visitor.open("/login"))]
    for turn in (visitor.give_password, visitor.log_in, lambda _: visitor.log_out()):
        turn(account)
        seen.append(secret_of(visitor.open("/login")))

    assert len(set(seen)) == 4


@since("02")
@attack(29)
def test_the_session_changes_when_the_code_is_right(visitor, account):
    page = visitor.give_password(account)
    before = secret_of(page)

    assert secret_of(page.fill_in(code=account.authenticator.code())) != before


@attack(29)
def test_a_form_from_before_the_login_is_too_old_after_it(visitor, account):
    form = visitor.open("/login").filled_in(username="x", password="wrong")
    visitor.log_in(account)

    assert visitor.send(*form).status == 400


def test_scripts_cannot_read_the_cookie_and_other_sites_cannot_send_it(visitor):
    answer = visitor.open("/login")

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Expires" not in cookie
    assert "Max-Age" not in cookie


def test_no_session_outlives_the_browser(visitor, account):
    visitor.log_in(account)

    cookies = visitor.browser.cookies
    cookies.pop("device", None)  # it knows the browser again, and lets nobody in
    assert cookies
    for name, cookie in cookies.items():
        assert not getattr(cookie, "expires", None), name
        assert not getattr(cookie, "max_age", None), name


@pytest.mark.parametrize("value", ["", "x", "a.b.c", ".", "eyJ4IjoxfQ.aaaa.bbbb", "é"])
def test_a_cookie_that_we_did_not_sign_is_no_session(visitor, value):
    visitor.open("/login")
    name = next(iter(visitor.browser.cookies), "session")
    answer = visitor.ask("GET", "/", headers={"Cookie": f"{name}={value}"})

    assert answer.status == 302


@gap
@attack(33)
@until("03")
def test_a_copied_cookie_still_works_after_logout(site, account):
    victim = logged_in(site, account)
    thief = site.visitor().take_cookies_of(victim)
    victim.log_out()

    assert thief.is_logged_in()


@since("02")
@attack(38)
@never_red("step 01 sets no lasting cookie either")
def test_the_cookies_that_outlive_the_browser_are_no_login(site, visitor, account):
    visitor.log_in(account)
    lasting = {
        name: cookie
        for name, cookie in visitor.browser.cookies.items()
        if getattr(cookie, "expires", None)
    }
    later = site.visitor()
    later.browser.keep(lasting)

    assert not later.is_logged_in()


@since("03")
@attack(42)
@never_red("step 02 has the same cookies, and its one secret is in the book")
def test_no_cookie_holds_a_secret(site, clock):
    journey = Journey(site, clock).go()

    everything = b"\n".join(content_of(cookie) for cookie in journey.cookies)
    assert len(journey.cookies) > 10
    assert found_in(everything, journey.secrets) == []


@since("03")
@attack(42)
def test_no_cookie_says_which_recovery_code_was_used(site, account):
    visitor, code = site.visitor(), account.recovery_code()
    visitor.give_password(account)
    form = visitor.open("/login/recovery").filled_in(recovery_code=code)
    visitor.ask("POST", form[0], data=form[1])  # a message waits for the next page

    for cookie in visitor.browser.cookies.values():
        assert code.encode() not in content_of(cookie)
    assert visitor.is_logged_in()


@since("02")
@attack(30)
def test_a_copy_of_a_pending_login_still_has_to_show_a_new_code(site, account):
    owner = site.visitor()
    page = owner.give_password(account)
    thief = site.visitor().take_cookies_of(owner)
    code = account.authenticator.code()
    page.fill_in(code=code)

    assert owner.is_logged_in()
    assert not thief.is_logged_in()
    assert thief.open("/login/code").fill_in(code=code).status == 422
    assert not thief.is_logged_in()


@gap
@attack(30)
@since("02")
@until("03")
def test_a_copy_of_a_pending_login_outlives_the_logout_of_its_owner(site, account):
    owner = site.visitor()
    page = owner.give_password(account)
    thief = site.visitor().take_cookies_of(owner)
    page.fill_in(code=account.authenticator.code())
    owner.log_out()

    thief.open("/login/code").fill_in(code=account.authenticator.code())
    assert thief.is_logged_in()


@since("02")
@attack(29, 130)
def test_a_session_that_a_password_alone_began_is_no_login(site):
    before = site.start_other_step("01")
    visitor = before.visitor()
    visitor.log_in(before.account())
    assert visitor.is_logged_in()

    intruder = site.visitor().take_cookies_of(visitor)

    assert not intruder.is_logged_in()


@since("02")
@attack(7, 130)
@never_red("before step 02 there is no earlier step")
def test_no_session_of_an_earlier_step_makes_the_server_stumble(step, site):
    for number in [n for n in STEPS if n < step.number]:
        earlier = site.start_other_step(number)
        pending, complete = earlier.visitor(), earlier.visitor()
        pending.give_password(earlier.account_without_factor())
        complete.log_in(earlier.account())
        for visitor in (pending, complete):
            here = site.visitor().take_cookies_of(visitor)
            for path in addresses_of(step):
                assert here.open(path).status == 200, path


@since("04b")
@attack(33)
def test_a_copied_cookie_is_dead_after_logout(site, account):
    victim = logged_in(site, account)
    thief = site.visitor().take_cookies_of(victim)
    assert thief.is_logged_in()
    victim.log_out()

    assert not thief.is_logged_in()
    assert thief.open("/").path.startswith("/login")


@since("04b")
@attack(33)
def test_every_logout_ends_the_cookies_that_were_copied_before_it(site, account):
    victim = site.visitor()
    for _ in range(3):
        victim.log_in(account)
        thief = site.visitor().take_cookies_of(victim)
        victim.log_out()

        assert not thief.is_logged_in()


@since("04b")
@attack(33)
def test_logging_out_ends_the_sessions_on_all_devices_and_of_no_other_user(site):
    account, other = site.account(), site.account()
    phone, laptop = logged_in(site, account), logged_in(site, account)
    stranger = logged_in(site, other)
    phone.log_out()

    assert not laptop.is_logged_in()
    assert stranger.is_logged_in()


@since("04b")
@attack(30)
def test_a_copy_of_a_pending_login_is_dead_after_logout(site, account):
    owner = site.visitor()
    page = owner.give_password(account)
    thief = site.visitor().take_cookies_of(owner)
    page.fill_in(code=account.authenticator.code())
    owner.log_out()

    assert thief.open("/login/code").path == "/login"


@since("05")
@attack(4, 34)
def test_a_change_after_a_switch_of_users_is_that_of_the_new_one(site):
    first, second = site.account(), site.account()
    visitor = logged_in(site, first)
    page = visitor.open("/account/password")
    values = {"current_password": first.password, "code": first.authenticator.code()}
    visitor.log_in(second)

    assert page.fill_in(**values).status == 400
    change(visitor, second, "/account/password")
    site.visitor().log_in(first)
    site.visitor().log_in(second)


@since("05")
@attack(4)
def test_a_new_authenticator_that_one_user_began_is_not_offered_to_the_next(site):
    first, second = site.account(), site.account()
    visitor = logged_in(site, first)
    secret = prove(visitor, first, "/account/phone").find("#secret").text(strip=True)
    visitor.log_in(second)

    page = visitor.open("/account/phone")
    assert secret not in page.html
    assert page.find("[name=current_password]")


@since("04b")
def test_the_page_says_that_logging_out_ends_all_sessions(visitor, account):
    page = visitor.log_in(account)

    assert "When you log out, you're logged out on all devices." in page.text

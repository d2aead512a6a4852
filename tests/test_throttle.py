"""How often one may guess."""

import pytest

from tests.marks import attack
from tests.marks import gap
from tests.marks import since
from tests.marks import throttling
from tests.marks import until

LIMIT = 5
WINDOW = 15 * 60


def guess_password(visitor, username="admin", password="wrong"):
    """Try a password; return the status of the answer."""
    page = visitor.open("/login")
    return page.fill_in(username=username, password=password).status


def guess_code(visitor, code):
    """Try a code; return the status of the answer."""
    return visitor.open("/login/code").fill_in(code=code).status


def use_up_codes(visitor, account):
    """Guess wrong codes up to the limit, from a pending login."""
    visitor.give_password(account)
    for _ in range(LIMIT):
        assert guess_code(visitor, account.phone.wrong_code()) == 422


@gap
@attack(63)
@until("01")
def test_passwords_may_be_guessed_for_ever(visitor, account):
    for _ in range(100):
        assert guess_password(visitor) == 422

    assert visitor.give_password(account).path == "/"


@since("02")
@attack(63)
@throttling
@pytest.mark.parametrize("username", ["admin", "stranger"])
def test_after_five_wrong_passwords_there_is_a_pause(visitor, username):
    for _ in range(LIMIT):
        assert guess_password(visitor, username) == 422

    assert guess_password(visitor, username) == 429


@since("02")
@attack(63)
@throttling
def test_the_pause_does_not_tell_the_right_password_from_a_wrong_one(site, account):
    visitor = site.visitor()
    for _ in range(LIMIT):
        guess_password(visitor)

    right, wrong = site.visitor(), site.visitor()
    page = right.give_password(account)
    assert page.status == guess_password(wrong) == 429
    assert page.html == wrong.page.html
    assert right.open("/login/code").path == "/login"


@since("02")
@attack(63)
def test_the_pause_ends_after_a_quarter_of_an_hour(visitor, account, clock):
    for _ in range(20):
        guess_password(visitor)
    clock.move(WINDOW - 1)
    assert visitor.give_password(account).status == 429
    clock.move(1)

    assert visitor.give_password(account).status == 200


@since("02")
@attack(63)
@pytest.mark.parametrize(
    ("attacker", "owner"),
    [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")],
)
def test_a_guesser_does_not_lock_the_owner_out(site, account, attacker, owner):
    guesser = site.visitor(network=attacker)
    for _ in range(LIMIT + 1):
        status = guess_password(guesser)

    assert status == 429
    assert site.visitor(network=owner).give_password(account).status == 200


@since("02")
@attack(63)
def test_the_addresses_of_one_home_are_one_network(site):
    for number in range(LIMIT):
        visitor = site.visitor(network=f"2001:db8::{number:x}:1")
        assert guess_password(visitor) == 422

    assert guess_password(site.visitor(network="2001:db8::ffff")) == 429


@since("02")
@attack(63)
@pytest.mark.parametrize("network", ["", "unix:", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_an_odd_address_is_no_way_around_the_pause(site, network):
    for _ in range(LIMIT):
        assert guess_password(site.visitor(network=network)) == 422

    assert guess_password(site.visitor(network=network)) == 429


@since("02")
@attack(71)
@throttling
def test_after_five_wrong_codes_there_is_a_pause(visitor, account):
    use_up_codes(visitor, account)

    assert guess_code(visitor, account.phone.wrong_code()) == 429


@since("02")
@attack(26)
def test_a_right_code_in_the_pause_is_answered_like_a_wrong_one_and_not_used_up(
    visitor, account, clock
):
    use_up_codes(visitor, account)
    clock.move(WINDOW - 1)
    visitor.give_password(account)
    code = account.phone.code()
    assert guess_code(visitor, account.phone.wrong_code()) == 429
    assert guess_code(visitor, code) == 429
    clock.move(1)

    assert visitor.open("/login/code").fill_in(code=code).path == "/"


@since("02")
@attack(68)
@throttling
def test_new_pending_logins_bring_no_new_guesses(site, account):
    wrong = account.phone.wrong_code()
    for _ in range(LIMIT):
        visitor = site.visitor()
        visitor.give_password(account)
        assert guess_code(visitor, wrong) == 422

    assert guess_code(visitor, wrong) == 429


@since("02")
@attack(68)
def test_another_network_brings_no_new_guesses_at_the_code(site, account):
    use_up_codes(site.visitor(), account)
    elsewhere = site.visitor(network="192.0.2.9")
    elsewhere.give_password(account)

    assert guess_code(elsewhere, account.phone.wrong_code()) == 429


@since("02")
@attack(68)
def test_a_right_password_gives_no_guess_back(visitor, account):
    for _ in range(LIMIT - 1):
        guess_password(visitor)
    assert visitor.give_password(account).status == 200

    assert guess_password(visitor) == 429


@since("02")
@attack(68)
def test_a_complete_login_gives_the_guesses_of_its_account_back(visitor, account):
    for _ in range(LIMIT - 1):
        guess_password(visitor)
    visitor.give_password(account)
    for _ in range(LIMIT - 1):
        guess_code(visitor, account.phone.wrong_code())
    assert visitor.open("/login/code").fill_in(code=account.phone.code()).path == "/"

    use_up_codes(visitor, account)


@since("02")
@attack(68)
def test_the_owner_s_login_gives_no_guess_back_to_another_network(site, account):
    guesser = site.visitor(network="192.0.2.9")
    for _ in range(LIMIT):
        guess_password(guesser)
    site.visitor().log_in(account)

    assert guess_password(guesser) == 429


@since("02")
@attack(32)
@throttling
def test_an_old_cookie_does_not_rewind_the_count(site, account):
    visitor = site.visitor()
    visitor.give_password(account)
    old = site.visitor().take_cookies_of(visitor)
    wrong = account.phone.wrong_code()
    for _ in range(LIMIT):
        again = site.visitor().take_cookies_of(old)
        assert guess_code(again, wrong) == 422

    assert guess_code(site.visitor().take_cookies_of(old), wrong) == 429


@gap
@attack(65)
@since("02")
@until("03")
def test_one_password_may_be_tried_on_thirty_names_from_one_network(site):
    for number in range(30):
        assert guess_password(site.visitor(), f"user{number}", "Winter2026") == 422


@gap
@attack(67)
@since("02")
@until("03")
def test_a_botnet_may_guess_one_password_from_each_network(site, account):
    for number in range(60):
        visitor = site.visitor(network=f"192.0.2.{number}")
        assert guess_password(visitor) == 422

    assert site.visitor(network="192.0.2.250").give_password(account).status == 200


@gap
@attack(69, 70)
@since("02")
@until("03")
def test_a_second_worker_brings_five_more_guesses(site):
    for worker in (site, site.another_worker()):
        visitor = worker.visitor()
        for _ in range(LIMIT):
            assert guess_password(visitor) == 422

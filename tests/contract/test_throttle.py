"""How often one may guess."""

from contextlib import suppress

import pytest

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.clock import BusyClock
from tests.kit.email_codes import ask_again
from tests.kit.email_codes import begin
from tests.kit.guesses import LIMIT
from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import WINDOW
from tests.kit.guesses import guess_password
from tests.kit.guesses import guess_wrong_codes
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import last
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.phone import scan
from tests.kit.reset_links import ask_for_link
from tests.kit.reset_links import choose
from tests.kit.reset_links import open_link
from tests.kit.stage import fill_in_registration
from tests.kit.stage import new_name
from tests.kit.visitor import NotOfferedError

pytestmark = pytest.mark.rate_limited

LIMIT_OF_NETWORK = 20
HOUR = 60 * 60
GROWING = ["rate_limit_counters", "pending_secrets"]
RENEWAL = "/account/recovery-codes"
REFUSED = "That username and password do not match."


def guess_code(visitor, code):
    """Try a code; return the status of the answer."""
    return visitor.open("/login/code").fill_in(code=code).status


def use_up_codes(visitor, account):
    """Guess wrong codes up to the limit, from a pending login."""
    visitor.give_password(account)
    for _ in range(LIMIT):
        assert guess_code(visitor, account.authenticator.wrong_code()) == 422


@gap
@attack(63)
@until("01")
def test_passwords_can_be_guessed_forever(visitor, account):
    for _ in range(100):
        assert guess_password(visitor, account.username) == 422

    assert visitor.give_password(account).path == "/"


@since("02")
@attack(63)
@last
def test_after_five_wrong_passwords_for_a_stranger_there_is_a_pause(visitor):
    stranger = new_name()  # whose passwords no other test guesses
    for _ in range(LIMIT):
        assert guess_password(visitor, stranger) == 422

    assert guess_password(visitor, stranger) == 429


@since("02")
@attack(63)
def test_the_pause_does_not_tell_the_right_password_from_a_wrong_one(site, account):
    visitor = site.visitor()
    for _ in range(LIMIT):
        guess_password(visitor, account.username)

    right, wrong = site.visitor(), site.visitor()
    page = right.give_password(account)
    assert page.status == guess_password(wrong, account.username) == 429
    assert page.html == wrong.page.html
    assert right.open("/login/code").path == "/login"


@since("02")
@attack(63)
def test_the_pause_ends_after_a_quarter_of_an_hour(visitor, account, clock):
    for _ in range(20):
        guess_password(visitor, account.username)
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
        status = guess_password(guesser, account.username)

    assert status == 429
    assert site.visitor(network=owner).give_password(account).status == 200


@since("04d")
@attack(63)
def test_the_addresses_of_one_home_are_one_network(site, account):
    for number in range(LIMIT):
        visitor = site.visitor(network=f"2001:db8::{number:x}:1")
        assert guess_password(visitor, account.username) == 422

    visitor = site.visitor(network="2001:db8::ffff")
    assert guess_password(visitor, account.username) == 429


@since("02")
@attack(63)
def test_a_name_and_a_network_are_told_from_others_that_spell_the_same(site, account):
    stranger = site.visitor(network="2.0.0.9")
    for _ in range(LIMIT + 1):
        status = guess_password(stranger, f"{account.username}1")
    assert status == 429

    assert guess_password(site.visitor(network="12.0.0.9"), account.username) == 422


@since("02")
@attack(63)
@pytest.mark.parametrize("network", ["", "unix:", "fe80::1%eth0", "::ffff:192.0.2.1"])
def test_an_odd_address_is_no_way_around_the_pause(site, account, network):
    for _ in range(LIMIT):
        assert guess_password(site.visitor(network=network), account.username) == 422

    assert guess_password(site.visitor(network=network), account.username) == 429


@since("02")
@attack(63)
def test_a_network_that_the_visitor_names_is_no_way_around_the_pause(visitor, account):
    for number in range(LIMIT + 1):
        page = visitor.open("/login")
        form = page.filled_in(username=account.username, password="wrong")
        named = f"192.0.2.{number}"
        headers = {"X-Forwarded-For": named, "X-Real-IP": named}
        page = visitor.send(*form, headers=headers | {"Forwarded": f"for={named}"})

    assert page.status == 429


@since("02")
@attack(71)
@last
def test_after_five_wrong_codes_there_is_a_pause(visitor, account):
    use_up_codes(visitor, account)

    assert guess_code(visitor, account.authenticator.wrong_code()) == 429


@since("02")
@attack(26)
def test_a_right_code_in_the_pause_is_answered_like_a_wrong_one_and_not_used_up(
    visitor, account, clock
):
    use_up_codes(visitor, account)
    clock.move(WINDOW - 1)
    visitor.give_password(account)
    code = account.authenticator.code()
    assert guess_code(visitor, account.authenticator.wrong_code()) == 429
    assert guess_code(visitor, code) == 429
    clock.move(1)

    assert visitor.open("/login/code").fill_in(code=code).path == "/"


@since("02")
@attack(68)
def test_neither_new_pending_logins_nor_other_networks_bring_new_guesses(site, account):
    wrong = account.authenticator.wrong_code()
    for number in range(LIMIT + 1):
        visitor = site.visitor(network=f"192.0.2.{number}")
        visitor.give_password(account)
        assert guess_code(visitor, wrong) == (422 if number < LIMIT else 429)


@since("02")
@attack(68)
def test_a_right_password_gives_no_guess_back(visitor, account):
    for _ in range(LIMIT - 1):
        guess_password(visitor, account.username)
    assert visitor.give_password(account).status == 200

    assert guess_password(visitor, account.username) == 429


@since("02")
@attack(68)
def test_a_complete_login_gives_the_guesses_of_its_account_back(visitor, account):
    for _ in range(LIMIT - 1):
        guess_password(visitor, account.username)
    visitor.give_password(account)
    for _ in range(LIMIT - 1):
        guess_code(visitor, account.authenticator.wrong_code())
    assert guess_code(visitor, account.authenticator.code()) == 200
    assert visitor.is_logged_in()

    use_up_codes(visitor, account)


@since("02")
@attack(68)
def test_the_owner_s_login_gives_no_guess_back_to_another_network(site, account):
    guesser = site.visitor(network="192.0.2.9")
    for _ in range(LIMIT):
        guess_password(guesser, account.username)
    site.visitor().log_in(account)

    assert guess_password(guesser, account.username) == 429


@since("02")
@attack(32)
def test_an_old_cookie_does_not_rewind_the_count(site, account):
    visitor = site.visitor()
    visitor.give_password(account)
    old = site.visitor().take_cookies_of(visitor)
    wrong = account.authenticator.wrong_code()
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
        assert guess_password(visitor, account.username) == 422

    assert site.visitor(network="192.0.2.250").give_password(account).status == 200


@gap
@attack(67)
@since("02")
@until("03")
def test_an_ipv6_customer_changes_the_address_and_guesses_on(site, account):
    for number in range(10 * LIMIT):
        visitor = site.visitor(network=f"2001:db8::{number:x}")
        assert guess_password(visitor, account.username) == 422


@gap
@attack(69, 70)
@since("02")
@until("03")
def test_a_second_worker_brings_five_more_guesses(site, account):
    for worker in (site, site.start_again()):
        visitor = worker.visitor()
        for _ in range(LIMIT):
            assert guess_password(visitor, account.username) == 422


@since("04d")
@attack(65)
def test_one_password_on_many_names_is_stopped_after_twenty(site):
    for number in range(20):
        assert guess_password(site.visitor(), f"user{number}") == 422

    assert guess_password(site.visitor(), "user20") == 429
    elsewhere = site.visitor(network="192.0.2.8")
    assert guess_password(elsewhere, "user20") == 422


@since("04d")
@attack(65)
def test_a_class_behind_one_address_logs_in(site):
    accounts = [site.account() for _ in range(15)]
    for account in accounts:
        guess_password(site.visitor(), account.username)
        site.visitor().log_in(account)


@since("04d")
@attack(121)
def test_own_logins_in_between_do_not_clear_the_count_of_a_sprayer(site, account):
    for number in range(20):
        assert guess_password(site.visitor(), f"user{number}") == 422
        if number in (4, 9, 14):
            site.visitor().log_in(account)

    assert guess_password(site.visitor(), "user20") == 429


@since("04d")
@attack(121)
def test_a_login_of_the_window_before_gives_a_sprayer_nothing_back(
    site, account, clock
):
    guess_password(site.visitor(), "somebody")
    clock.move(WINDOW - 60)
    visitor = site.visitor()
    for _ in range(LIMIT):
        page = visitor.give_password(account)
    clock.move(60)
    for number in range(20):
        assert guess_password(site.visitor(), f"user{number}") == 422
    page.fill_in(code=account.authenticator.code())

    assert visitor.is_logged_in()
    assert guess_password(site.visitor(), "user20") == 429


@since("04d")
@attack(67)
def test_a_botnet_is_stopped_after_fifty_guesses_at_one_account(site, account):
    for number in range(50):
        visitor = site.visitor(network=f"192.0.2.{number}")
        assert guess_password(visitor, account.username) == 422

    last = site.visitor(network="192.0.2.200")
    assert guess_password(last, account.username) == 429


@since("04d")
@attack(123)
def test_many_networks_of_one_customer_are_stopped_after_a_hundred(site):
    for number in range(100):
        visitor = site.visitor(network=f"2001:db8:0:{number:x}::1")
        assert guess_password(visitor, f"user{number}") == 422

    next_door = site.visitor(network="2001:db8:0:ffff::1")
    assert guess_password(next_door, "somebody") == 429
    assert guess_password(site.visitor(network="2001:db8:1::1"), "somebody") == 422


@since("04d")
@attack(123, 146)
def test_of_a_hundred_guesses_of_one_customer_ten_may_be_for_one_account(site, account):
    for number in range(10):
        visitor = site.visitor(network=f"2001:db8:0:{number:x}::1")
        assert guess_password(visitor, account.username) == 422

    next_door = site.visitor(network="2001:db8:0:ffff::1")
    assert guess_password(next_door, account.username.upper()) == 429
    assert guess_password(next_door, "somebody") == 422
    for elsewhere in ("2001:db8:1::1", "192.0.2.1"):
        site.visitor(network=elsewhere).log_in(account)


@since("04d")
@attack(146)
def test_a_complete_login_gives_its_customer_the_guesses_at_the_account_back(
    site, account
):
    def guess_nine_times():
        for number in range(9):
            visitor = site.visitor(network=f"2001:db8:0:{number:x}::1")
            assert guess_password(visitor, account.username) == 422

    guess_nine_times()
    site.visitor(network="2001:db8:0:fff::1").log_in(account)
    guess_nine_times()
    for number, status in ((0xFE, 422), (0xFF, 429)):
        visitor = site.visitor(network=f"2001:db8:0:{number:x}::1")
        assert guess_password(visitor, account.username) == status


@gap
@attack(146)
@since("04")
@until("05")
@pytest.mark.parametrize(
    "networks",
    [
        [f"192.0.2.{number}" for number in range(10)],
        [f"2001:db8:{number:x}:{half}::1" for number in range(5) for half in (1, 2)],
    ],
    ids=["ten addresses", "five customers"],
)
def test_strangers_use_up_the_guesses_of_a_named_owner_who_has_to_wait(
    site, account, networks
):
    owner = site.visitor(network="198.51.100.1")
    owner.log_in(account)
    owner.log_out()
    for network in networks:
        for _ in range(LIMIT):
            stranger = site.visitor(network=network)
            assert guess_password(stranger, account.username) == 422

    assert owner.give_password(account).status == 429


@gap
@attack(149)
@since("04")
@until("05")
def test_wrong_passwords_in_a_row_have_no_end(site, account, clock):
    for _ in range(30):
        stranger = site.visitor(network="192.0.2.66")
        for _ in range(LIMIT):
            assert guess_password(stranger, account.username) == 422
        clock.move(WINDOW)

    assert site.visitor().give_password(account).status == 200


@since("04d")
@attack(63)
def test_an_ipv4_address_in_ipv6_spelling_is_the_same_network(site, account):
    for _ in range(LIMIT):
        guess_password(site.visitor(network="::ffff:192.0.2.1"), account.username)

    assert guess_password(site.visitor(network="192.0.2.1"), account.username) == 429
    other = site.visitor(network="::ffff:192.0.2.2")
    assert guess_password(other, account.username) == 422


@since("04d")
@attack(26)
def test_a_clock_that_is_set_right_makes_no_user_wait_longer(visitor, account, clock):
    for _ in range(LIMIT + 1):
        guess_password(visitor, account.username)
    clock.move(-60 * 60)  # the server's clock was wrong
    clock.move(WINDOW)

    assert guess_password(visitor, account.username) == 422


@since("04a")
@attack(69, 70)
@never_red("in one process the seconds come in their order")
def test_a_server_whose_clock_is_a_second_late_gives_no_guess_back(
    visitor, account, clock
):
    for _ in range(LIMIT + 1):
        guess_password(visitor, account.username)
    clock.move(-1)  # it counts after another that was in the next second

    assert guess_password(visitor, account.username) == 429


@since("04d")
@attack(133)
@never_red("step 03 has no tables that could grow")
def test_a_throttled_network_fills_no_table(site):
    for number in range(21):
        guess_password(site.visitor(), f"user{number}")
    rows = site.sql("SELECT count(*) FROM rate_limit_counters")
    for number in range(100):
        guess_password(site.visitor(), f"other{number}")

    assert site.sql("SELECT count(*) FROM rate_limit_counters") == rows


@gap
@attack(133)
@since("04")
@until("04")
def test_old_counts_and_abandoned_enrolments_stay_forever(site, account, clock):
    for number in range(15):
        guess_password(site.visitor(), f"user{number}")
    for _ in range(4):
        site.account_without_factor()
    before = [site.sql(f"SELECT count(*) FROM {t}") for t in GROWING]
    clock.move(7 * 24 * HOUR)
    with suppress(NotOfferedError):
        site.run_hourly_tasks()
    site.visitor().log_in(account)
    site.account_without_factor()

    assert [site.sql(f"SELECT count(*) FROM {t}") for t in GROWING] > before


@since("04a")
@attack(135)
@never_red("the counts of step 03 are apart as well")
def test_counts_of_different_kinds_do_not_touch_each_other(site, account):
    visitor = site.visitor()
    use_up_codes(visitor, account)
    assert guess_code(visitor, account.authenticator.wrong_code()) == 429

    page = visitor.open("/login/recovery")
    assert page.fill_in(recovery_code="not-a-code").status == 422
    assert guess_password(site.visitor(), account.username) == 422
    named_like_the_network = guess_password(site.visitor(), "127.0.0.1/32")
    assert named_like_the_network == 422


@since("04d")
@attack(81)
@never_red("step 03 keeps its counts in memory")
def test_the_names_of_counts_cannot_be_found_out_without_the_key(step, clock):
    seen = []
    for key in ("a key for tests, as long as a real one", "another of the same length"):
        site = step.start(clock, SECRET_KEY=key)
        guess_password(site.visitor(), "somebody")
        seen.append(set(site.sql("SELECT bucket FROM rate_limit_counters")))

    assert len(seen[0]) == len(seen[1]) > 0
    assert not seen[0] & seen[1]


@since("04d")
@attack(81)
@never_red("step 03 keeps its counts in memory")
def test_the_counts_are_stored_without_the_typed_name(site):
    guess_password(site.visitor(), "a name that was a password by mistake")

    for (bucket,) in site.sql("SELECT bucket FROM rate_limit_counters"):
        assert len(bucket) == 64
        assert set(bucket) <= set("0123456789abcdef")


# Wherever something is checked


def a_code(kim, is_right):
    """Return a code of the authenticator, or none."""
    return kim.authenticator.code() if is_right else kim.authenticator.wrong_code()


def a_recovery_code(kim, is_right):
    """Return a recovery code, or none."""
    return kim.recovery_codes[0] if is_right else "kq3v-7hzn-2xda-m4tc-p6wl-ye5s"


# Each of these returns how to guess, wrong or right, as often as one likes


def at_the_login(site, kim):
    """Guess the password like a stranger."""
    visitor = site.visitor(network="192.0.2.22")
    return lambda is_right: visitor.open("/login").fill_in(
        username=kim.username, password=kim.password if is_right else "a wrong password"
    )


def at_the_current_password(site, kim):
    """Guess the password again, when something is to be changed."""
    visitor = logged_in(site, kim)

    def guess(is_right):
        password = kim.password if is_right else "a wrong password"
        return prove(visitor, kim, RENEWAL, current_password=password)

    return guess


def at_the_code_of_the_account(site, kim):
    """Guess a code, when something is to be changed."""
    visitor = logged_in(site, kim)
    return lambda is_right: prove(visitor, kim, RENEWAL, code=a_code(kim, is_right))


def at_the_recovery_code_of_the_account(site, kim):
    """Guess a recovery code, when something is to be changed."""
    visitor = logged_in(site, kim)
    return lambda is_right: prove(
        visitor, kim, RENEWAL, code=a_recovery_code(kim, is_right)
    )


def at_the_new_authenticator(site, kim):
    """Guess the first code of another authenticator app."""
    page = prove(logged_in(site, kim), kim, "/account/phone")
    new = scan(page, site.clock)

    def guess(is_right):
        return page.fill_in(code=new.code() if is_right else new.wrong_code())

    return guess


def at_the_reset_request(site, kim):
    """Ask for a mail with a link: each counts, there is no wrong one."""
    visitor = site.visitor(network="192.0.2.20")
    return lambda is_right: visitor.open("/reset").fill_in(email=f"  {ADDRESS.title()}")


def at_the_reset_code(site, kim):
    """Guess a code at the reset."""
    page = open_link(site)
    return lambda is_right: choose(page, a_code(kim, is_right))


def at_the_recovery_code_of_the_reset(site, kim):
    """Guess a recovery code at the reset."""
    page = open_link(site)
    return lambda is_right: choose(page, a_recovery_code(kim, is_right))


def at_the_mailed_code(site, kim):
    """Guess the code that was mailed to a new address."""
    page = begin(site, email="lee@example.org")
    mails = site.mails()

    def guess(is_right):
        if not is_right:
            return page.fill_in(email_code="00000000")
        ask_again(page)
        mails.extend(site.mails())
        return page.fill_in(email_code=mails[-1].code)

    return guess


def at_the_wish_for_another_mail(site, kim):
    """Ask for another mailed code: each counts."""
    visitor = site.visitor(network="192.0.2.21")
    page = fill_in_registration(visitor, email="sam@example.org")
    site.mails()
    return lambda is_right: ask_again(page)


VERIFIERS = [
    at_the_current_password,
    at_the_code_of_the_account,
    at_the_recovery_code_of_the_account,
    at_the_reset_request,
    at_the_reset_code,
    at_the_recovery_code_of_the_reset,
    at_the_mailed_code,
    at_the_wish_for_another_mail,
]
PLACES = [  # each with a count of its own
    at_the_login,
    at_the_current_password,
    at_the_new_authenticator,
    at_the_reset_request,
    at_the_reset_code,
    at_the_mailed_code,
    at_the_wish_for_another_mail,
]
# where each request counts, right or wrong, it is the network's
WISHES = [at_the_reset_request, at_the_wish_for_another_mail]


def status_of_wrong(verifier):
    """Return with which status a wrong guess is answered; a wish is never wrong."""
    return 200 if verifier in WISHES else 422


def use_up(guess, verifier):
    """Guess wrong up to the limit."""
    for _ in range(LIMIT_OF_NETWORK if verifier in WISHES else LIMIT):
        assert guess(is_right=False).status == status_of_wrong(verifier)


@since("05")
@attack(71)
@pytest.mark.parametrize("verifier", VERIFIERS)
def test_wherever_something_is_checked_or_asked_for_there_is_a_pause(
    site, kim, clock, verifier
):
    guess = verifier(site, kim)
    began = clock.now()
    use_up(guess, verifier)

    for is_right in (False, True):
        page = guess(is_right=is_right)
        assert page.status == 429
        assert 0 < int(page.headers["Retry-After"]) <= WINDOW
    clock.move_to(began + WINDOW - 1)
    assert guess(is_right=True).status == 429
    clock.move_to(max(clock.now(), began + WINDOW) + 3 * 30)
    assert guess(is_right=True).status == 200


@since("05")
@attack(135)
@pytest.mark.parametrize("place", PLACES)
def test_a_pause_in_one_place_is_no_pause_in_another(site, kim, place):
    others = [other for other in PLACES if other is not place]
    guess = place(site, kim)
    guesses = [other(site, kim) for other in others]
    use_up(guess, place)
    assert guess(is_right=True).status == 429

    for other, guess in zip(others, guesses, strict=True):
        status = guess(is_right=False).status
        assert status == status_of_wrong(other), other.__name__
    site.visitor().log_in(kim)


@since("05")
@attack(135)
def test_a_network_that_used_up_one_wish_still_has_the_others(site, kim):
    page = begin(site, email="lee@example.org")
    for wish in (fill_in_registration, ask_for_link):
        answers = [wish(site.visitor()).status for _ in range(LIMIT_OF_NETWORK + 1)]
        assert (answers[0], answers[-1]) == (200, 429)

    assert ask_again(page).status == 200


@since("05")
@attack(71, 135)
@pytest.mark.parametrize(
    "verifier", [at_the_current_password, at_the_code_of_the_account, at_the_reset_code]
)
def test_a_pause_of_one_user_is_no_pause_for_another(site, kim, verifier):
    other = site.account()
    visitor = logged_in(site, other)
    use_up(verifier(site, kim), verifier)

    page = prove(visitor, other, RENEWAL)
    assert page.status == 200


@since("05")
@attack(71)
def test_another_network_or_link_brings_no_new_guesses_at_the_reset(site, kim):
    use_up(at_the_reset_code(site, kim), at_the_reset_code)
    page = open_link(site)
    elsewhere = site.visitor(network="192.0.2.9").take_cookies_of(page.visitor)

    assert choose(page, kim.authenticator.code()).status == 429
    page = elsewhere.open("/reset/new")
    assert choose(page, kim.authenticator.code()).status == 429


@since("05")
@attack(71)
def test_a_pause_at_the_reset_uses_up_neither_link_nor_code(site, kim, clock):
    page = open_link(site)
    for _ in range(LIMIT):
        assert choose(page, kim.authenticator.wrong_code()).status == 422
    clock.move(WINDOW - 1)
    code = kim.authenticator.code()
    assert choose(page, code).status == 429
    clock.move(1)

    assert choose(page, code).path == "/login"


@since("05")
@attack(71)
def test_another_session_of_the_user_brings_no_new_guesses(site, kim):
    visitors = [logged_in(site, kim) for _ in range(LIMIT)]
    for visitor in visitors:
        page = prove(visitor, kim, "/account/phone", current_password="wrong")
        assert page.status == 422

    assert prove(visitors[0], kim, "/account/password").status == 429


@since("05")
@attack(71, 131)
@pytest.mark.parametrize("wrong", ["current_password", "code"])
def test_a_complete_login_gives_the_guesses_in_the_account_back(site, kim, wrong):
    visitor = logged_in(site, kim)
    for _ in range(LIMIT):
        assert prove(visitor, kim, RENEWAL, **{wrong: "000000"}).status == 422
    assert prove(visitor, kim, RENEWAL).status == 429

    visitor = logged_in(site, kim)
    assert prove(visitor, kim, RENEWAL).status == 200


@since("05")
@attack(71, 131)
def test_slips_at_the_first_authenticator_do_not_count_at_the_next_one(site, clock):
    account = site.account_without_factor()
    page = site.visitor().give_password(account)
    first = scan(page, clock)
    for _ in range(LIMIT - 1):
        page = page.fill_in(code=first.wrong_code())
    page.fill_in(code=first.code())
    account.authenticator = first
    page = prove(logged_in(site, account), account, "/account/phone")
    for _ in range(LIMIT):
        page = page.fill_in(code=first.wrong_code())

    assert page.status == 422


@since("05")
@attack(71)
def test_guesses_at_the_new_authenticator_are_counted(site, kim, clock):
    visitor = logged_in(site, kim)
    page = prove(visitor, kim, "/account/phone")
    new = scan(page, clock)
    for _ in range(LIMIT):
        assert page.fill_in(code=new.wrong_code()).status == 422

    assert page.fill_in(code=new.wrong_code()).status == 429
    assert page.fill_in(code=new.code()).status == 429
    clock.move(WINDOW)
    assert page.fill_in(code=new.code()).status == 422  # and the proof is too old
    site.visitor().log_in(kim)


@since("05")
@attack(71, 91, 133)
def test_a_network_that_asks_for_links_for_many_addresses_fills_no_table(site):
    visitor = site.visitor()
    for number in range(21):
        page = visitor.open("/reset").fill_in(email=f"k{number}@example.org")
        assert page.status == (200 if number < LIMIT_OF_NETWORK else 429)
    tables = ("rate_limit_counters", "outbox_emails")
    kept = [site.sql(f"SELECT count(*) FROM {t}") for t in tables]
    for number in range(21, 60):
        page = visitor.open("/reset").fill_in(email=f"k{number}@example.org")
        assert page.status == 429

    assert [site.sql(f"SELECT count(*) FROM {t}") for t in tables] == kept
    elsewhere = site.visitor(network="192.0.2.8").open("/reset")
    assert elsewhere.fill_in(email="k99@example.org").status == 200


@since("05")
@attack(135)
def test_an_address_typed_as_a_name_is_counted_nowhere(site, kim):
    for _ in range(LIMIT + 1):
        status = guess_password(site.visitor(), ADDRESS)

    assert status == 422
    assert site.visitor().open("/reset").fill_in(email=ADDRESS).status == 200
    assert guess_password(site.visitor(), "kim") == 422


# Twenty wrong codes in a row


def guess_wrong_recovery_codes(site, account, clock, number):
    """Guess recovery codes with the password, as fast as the pauses let one."""
    guesser = site.visitor(network="192.0.2.66")
    for count in range(number):
        if count % LIMIT == 0:
            clock.move(WINDOW)
            guesser.give_password(account)
        page = guesser.open("/login/recovery").fill_in(recovery_code=f"wrong-{count}")
        assert page.status == 422, count


def guess_at_the_reset(site, account, clock, number):
    """Guess codes with a link from the mailbox, as fast as the pauses let one."""
    for count in range(number):
        if count % LIMIT == 0:
            clock.move(WINDOW)
        if count % (2 * LIMIT) == 0:
            page = open_link(site)
        page = choose(page, account.authenticator.wrong_code())
        assert page.status == 422, count
    return page


def guess_in_the_account(site, account, clock, number):
    """Guess codes in a session that was left open; return the visitor."""
    visitor = logged_in(site, account)
    paths = ("/account/password", "/account/phone", RENEWAL)
    for count in range(number):
        if count % LIMIT == 0:
            clock.move(WINDOW)
        path = paths[count % 3]
        prove(visitor, account, path, code=account.authenticator.wrong_code())
    return visitor


@since("05")
@attack(6, 72)
@pytest.mark.parametrize("guess", [guess_wrong_codes, guess_wrong_recovery_codes])
def test_after_twenty_wrong_codes_the_password_counts_as_stolen(
    site, kim, clock, guess
):
    guess(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW)

    [mail] = site.mails()
    assert mail.to == ADDRESS
    assert "password" in mail.subject
    assert "reset" in mail.subject
    assert "http" not in mail.text
    right = site.visitor().give_password(kim)
    wrong = site.visitor()
    assert guess_password(wrong, kim.username) == right.status == 422
    assert REFUSED in right.text
    assert right.text == wrong.page.text
    assert right.title == wrong.page.title
    for name in ("KIM", "Kim", " kim "):
        assert guess_password(site.visitor(), name, kim.password) == 422, name
    clock.move(7 * 24 * HOUR)
    assert site.visitor().give_password(kim).status == 422
    assert site.mails() == []


@since("05")
@attack(72)
def test_wrong_codes_of_both_kinds_are_counted_together(site, kim, clock):
    guess_wrong_codes(site, kim, clock, 10)
    guess_wrong_recovery_codes(site, kim, clock, 9)
    assert site.visitor().give_password(kim).path == "/login/code"
    guess_wrong_recovery_codes(site, kim, clock, 1)

    assert site.visitor().give_password(kim).status == 422


@since("05")
@attack(72)
@never_red("nothing happens on step 04 after any number of wrong codes")
def test_nineteen_wrong_codes_in_a_row_do_nothing(site, kim, clock):
    visitor = logged_in(site, kim)
    busy = BusyClock(clock, visitor)
    guess_wrong_codes(site, kim, busy, MAX_WRONG_CODES_IN_A_ROW - 1)

    assert visitor.is_logged_in()
    clock.move(WINDOW)
    site.visitor().log_in(kim)
    if site.stage.number >= "05":
        assert site.mails() == []


@since("05")
@attack(30, 33, 72)
def test_a_stolen_password_ends_pending_logins_and_sessions(site, kim, clock):
    visitor = logged_in(site, kim)
    busy = BusyClock(clock, visitor)
    guess_wrong_codes(site, kim, busy, MAX_WRONG_CODES_IN_A_ROW - 1)
    pending, guesser = site.visitor(), site.visitor(network="192.0.2.66")
    page = pending.give_password(kim)
    guesser.give_password(kim)
    assert visitor.is_logged_in()
    guesser.open("/login/code").fill_in(code=kim.authenticator.wrong_code())

    assert page.fill_in(code=kim.authenticator.code()).path == "/login"
    assert not pending.is_logged_in()
    assert not visitor.is_logged_in()


@since("05")
@attack(72)
@never_red("nothing happens on step 04 after any number of wrong codes")
def test_a_complete_login_starts_the_count_anew(site, kim, clock):
    for _ in range(2):
        guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
        clock.move(WINDOW)
        site.visitor().log_in(kim)


@since("05")
@attack(72, 133)
def test_wrong_codes_are_counted_over_months(site, kim, clock):
    guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
    clock.move(90 * 24 * HOUR)
    site.visitor().log_in(site.account())  # who sweeps old counts away
    guess_wrong_codes(site, kim, clock, 1)

    assert site.visitor().give_password(kim).status == 422


@since("05")
@attack(26, 72)
def test_wrong_codes_in_the_pause_are_not_counted(site, kim, clock):
    guess_wrong_codes(site, kim, clock, LIMIT)
    visitor = site.visitor()
    visitor.give_password(kim)
    for _ in range(MAX_WRONG_CODES_IN_A_ROW):
        assert guess_code(visitor, kim.authenticator.wrong_code()) == 429
    clock.move(WINDOW)

    site.visitor().log_in(kim)
    assert site.mails() == []


@since("05")
@attack(72, 82)
@pytest.mark.parametrize("kind", ["phone", "recovery"])
def test_a_reset_with_a_code_makes_a_stolen_password_good_again(site, kim, clock, kind):
    guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW)
    clock.move(WINDOW)
    site.mails()
    page = open_link(site)
    page = choose(page, kim.authenticator.code(), password=kim.password)
    assert page.status == 422
    code = kim.authenticator.code() if kind == "phone" else kim.recovery_code()
    page = choose(page, code)
    assert page.path == "/login"

    assert guess_password(site.visitor(), "kim", kim.password) == 422
    kim.password = NEW_PASSWORD
    site.visitor().log_in(kim)
    guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
    clock.move(WINDOW)
    site.visitor().log_in(kim)


@since("05")
@attack(72)
def test_after_twenty_wrong_codes_at_the_reset_only_a_recovery_code_serves(
    site, kim, clock
):
    guess_at_the_reset(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW)
    clock.move(WINDOW)
    page = open_link(site)

    for _ in range(2):
        assert choose(page, kim.authenticator.code()).status == 422
    clock.move(5 * 60)
    site.visitor().log_in(kim)
    assert choose(page, kim.recovery_code()).path == "/login"
    kim.password = NEW_PASSWORD
    site.visitor().log_in(kim)
    clock.move(HOUR)
    page = open_link(site)  # where the authenticator serves again
    page = choose(page, kim.authenticator.code(), "five crows on a red tractor")
    assert page.path == "/login"


@since("05")
@attack(72)
def test_after_twenty_wrong_codes_in_the_account_the_session_ends(site, kim, clock):
    visitor = guess_in_the_account(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
    assert visitor.is_logged_in()
    copy = site.visitor().take_cookies_of(visitor)
    wrong = kim.authenticator.wrong_code()
    page = prove(visitor, kim, RENEWAL, code=wrong)

    assert page.path == "/login"
    assert "logged you out" in page.text
    assert not visitor.is_logged_in()
    assert not copy.is_logged_in()
    clock.move(WINDOW)
    visitor = guess_in_the_account(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
    assert visitor.is_logged_in()  # the login has begun the count anew
    assert site.mails() == []
    clock.move(WINDOW)
    assert prove(visitor, kim, RENEWAL).status == 200


@since("05")
@attack(72, 135)
def test_wrong_codes_on_one_route_lock_no_other(site, kim, clock):
    visitor = guess_in_the_account(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
    busy = BusyClock(clock, visitor)
    guess_wrong_codes(site, kim, busy, MAX_WRONG_CODES_IN_A_ROW - 1)
    guess_at_the_reset(site, kim, busy, MAX_WRONG_CODES_IN_A_ROW - 1)
    clock.move(WINDOW)

    assert visitor.is_logged_in()
    assert prove(visitor, kim, RENEWAL).status == 200
    assert visitor.is_logged_in()  # whoever is locked out is led to the login
    site.visitor().log_in(kim)
    clock.move(WINDOW)
    assert choose(open_link(site), kim.authenticator.code()).path == "/login"


@since("05")
@attack(72, 135)
@never_red("nothing happens on step 04 after any number of wrong codes")
def test_a_password_that_counts_as_stolen_locks_no_other_user(site, kim, clock):
    other = site.account()
    guess_wrong_codes(site, kim, clock, MAX_WRONG_CODES_IN_A_ROW)

    site.visitor().log_in(other)

"""How often one may guess."""

import pytest

from tests.marks import attack
from tests.marks import gap
from tests.marks import last
from tests.marks import never_red
from tests.marks import since
from tests.marks import until

pytestmark = pytest.mark.throttling

LIMIT = 5
WINDOW = 15 * 60


def guess_password(visitor, username, password="wrong"):
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
        assert guess_password(visitor, account.username) == 422

    assert visitor.give_password(account).path == "/"


@since("02")
@attack(63)
@last
def test_after_five_wrong_passwords_for_a_stranger_there_is_a_pause(visitor):
    for _ in range(LIMIT):
        assert guess_password(visitor, "stranger") == 422

    assert guess_password(visitor, "stranger") == 429


@since("02")
@attack(63)
def test_after_five_wrong_passwords_for_a_user_there_is_a_pause(visitor, account):
    for _ in range(LIMIT):
        assert guess_password(visitor, account.username) == 422

    assert guess_password(visitor, account.username) == 429


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


@since("02")
@attack(63)
def test_the_addresses_of_one_home_are_one_network(site, account):
    for number in range(LIMIT):
        visitor = site.visitor(network=f"2001:db8::{number:x}:1")
        assert guess_password(visitor, account.username) == 422

    assert (
        guess_password(site.visitor(network="2001:db8::ffff"), account.username) == 429
    )


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
        guess_code(visitor, account.phone.wrong_code())
    assert visitor.open("/login/code").fill_in(code=account.phone.code()).path == "/"

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
        assert guess_password(visitor, account.username) == 422

    assert site.visitor(network="192.0.2.250").give_password(account).status == 200


@gap
@attack(69, 70)
@since("02")
@until("03")
def test_a_second_worker_brings_five_more_guesses(site, account):
    for worker in (site, site.another_worker()):
        visitor = worker.visitor()
        for _ in range(LIMIT):
            assert guess_password(visitor, account.username) == 422


@since("04")
@attack(65)
def test_one_password_on_many_names_is_stopped_after_twenty(site):
    for number in range(20):
        assert guess_password(site.visitor(), f"user{number}") == 422

    assert guess_password(site.visitor(), "user20") == 429
    elsewhere = site.visitor(network="192.0.2.8")
    assert guess_password(elsewhere, "user20") == 422


@since("04")
@attack(65)
@never_red("step 03 has no limit for a network")
def test_thirty_honest_logins_from_one_network_are_not_stopped(site, account):
    for _ in range(30):
        site.visitor().log_in(account)


@since("04")
@attack(65)
def test_a_class_behind_one_address_logs_in(site):
    accounts = [site.account() for _ in range(15)]
    for account in accounts:
        guess_password(site.visitor(), account.username)
        site.visitor().log_in(account)


@since("04")
@attack(121)
def test_own_logins_in_between_do_not_clear_the_count_of_a_sprayer(site, account):
    for number in range(20):
        assert guess_password(site.visitor(), f"user{number}") == 422
        if number in (4, 9, 14):
            site.visitor().log_in(account)

    assert guess_password(site.visitor(), "user20") == 429


@since("04")
@attack(67)
def test_a_botnet_is_stopped_after_fifty_guesses_at_one_account(site, account):
    for number in range(50):
        visitor = site.visitor(network=f"192.0.2.{number}")
        assert guess_password(visitor, account.username) == 422

    last = site.visitor(network="192.0.2.200")
    assert guess_password(last, account.username) == 429


@since("04")
@attack(67)
@never_red("step 03 has no cap")
def test_below_the_cap_the_owner_is_not_locked_out(site, account):
    for number in range(45):
        guess_password(site.visitor(network=f"192.0.2.{number}"), account.username)

    site.visitor(network="198.51.100.1").log_in(account)


@since("04")
@attack(123)
def test_many_networks_of_one_customer_are_stopped_after_a_hundred(site):
    for number in range(100):
        visitor = site.visitor(network=f"2001:db8:0:{number:x}::1")
        assert guess_password(visitor, f"user{number}") == 422

    next_door = site.visitor(network="2001:db8:0:ffff::1")
    assert guess_password(next_door, "somebody") == 429
    assert guess_password(site.visitor(network="2001:db8:1::1"), "somebody") == 422


@since("04")
@attack(63)
def test_an_ipv4_address_in_ipv6_spelling_is_the_same_network(site, account):
    for _ in range(LIMIT):
        guess_password(site.visitor(network="::ffff:192.0.2.1"), account.username)

    assert guess_password(site.visitor(network="192.0.2.1"), account.username) == 429
    other = site.visitor(network="::ffff:192.0.2.2")
    assert guess_password(other, account.username) == 422


@since("04")
@attack(26)
def test_nobody_is_told_to_wait_longer_than_the_window(visitor, account, clock):
    for _ in range(LIMIT + 1):
        guess_password(visitor, account.username)
    clock.move(-60 * 60)  # the server's clock was wrong, and is set right

    assert guess_password(visitor, account.username) == 429
    assert int(visitor.page.headers["Retry-After"]) <= WINDOW


@since("04")
@attack(133)
@never_red("step 03 has no tables that could grow")
def test_a_throttled_network_fills_no_table(site):
    for number in range(20):
        guess_password(site.visitor(), f"user{number}")
    rows = site.sql("SELECT count(*) FROM attempts")
    for number in range(100):
        guess_password(site.visitor(), f"other{number}")

    assert site.sql("SELECT count(*) FROM attempts") == rows


@since("04")
@attack(133)
@never_red("step 03 has no tables that could grow")
def test_old_counts_and_abandoned_enrolments_are_swept_away(site, account, clock):
    for number in range(20):
        guess_password(site.visitor(), f"user{number}")
    for _ in range(5):
        site.newcomer()
    clock.move(WINDOW + 1)
    site.visitor().log_in(account)
    site.newcomer()

    assert site.sql("SELECT count(*) FROM attempts")[0][0] < 5
    assert site.sql("SELECT count(*) FROM waiting_secrets") == [(1,)]


@since("04")
@attack(135)
@never_red("the counts of step 03 are apart as well")
def test_counts_of_different_kinds_do_not_touch_each_other(site, account):
    visitor = site.visitor()
    use_up_codes(visitor, account)
    assert guess_code(visitor, account.phone.wrong_code()) == 429

    page = visitor.open("/login/recovery")
    assert page.fill_in(recovery_code="not-a-code").status == 422
    assert guess_password(site.visitor(), account.username) == 422
    named_like_the_network = guess_password(site.visitor(), "127.0.0.1/32")
    assert named_like_the_network == 422


@since("04")
@attack(81)
@never_red("step 03 keeps its counts in memory")
def test_the_names_of_counts_cannot_be_found_out_without_the_key(step, clock):
    seen = []
    for key in ("a key for tests, as long as a real one", "another of the same length"):
        site = step.start(clock, SECRET_KEY=key)
        guess_password(site.visitor(), "somebody")
        seen.append(set(site.sql("SELECT bucket FROM attempts")))

    assert len(seen[0]) == len(seen[1]) > 0
    assert not seen[0] & seen[1]


@since("04")
@attack(81)
@never_red("step 03 keeps its counts in memory")
def test_what_was_typed_is_not_stored_with_the_counts(site):
    guess_password(site.visitor(), "a name that was a password by mistake")

    for (bucket,) in site.sql("SELECT bucket FROM attempts"):
        assert len(bucket) == 64
        assert set(bucket) <= set("0123456789abcdef")

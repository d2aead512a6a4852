"""Attacks on apps of other people that got the package of *Add it to your app*."""

import re
from functools import partial

import pytest
from itsdangerous import URLSafeTimedSerializer

from tests.kit.phone import scan
from tests.kit.stage import CONFIG
from tests.kit.stage import codes_on
from tests.recipes.hosts import ALL
from tests.recipes.hosts import DAY_SECONDS
from tests.recipes.hosts import LIMIT
from tests.recipes.hosts import NEW
from tests.recipes.hosts import PASSWORD
from tests.recipes.hosts import is_login

WINDOW_SECONDS = 15 * 60
THIEF = "203.0.113.9"  # the network of a thief
OURS = ("/account", "/account/phone", "/account/recovery-codes", "/two-factor/set-up")


ON_POSTGRESQL = pytest.param("shop on PostgreSQL", marks=pytest.mark.races)


@pytest.fixture(params=[*ALL, ON_POSTGRESQL])
def host(request, start_host):
    """Start a host with the package."""
    name, _, is_on_postgres = request.param.partition(" on ")
    postgres = request.getfixturevalue("postgres") if is_on_postgres else None
    return start_host(name, postgres)


def recover(host, account, code):
    """Give the password and a recovery code in a new browser; return the visitor."""
    visitor = host.visitor()
    host.password(visitor, account)
    visitor.open("/login/recovery").fill_in(recovery_code=code)
    return visitor


def wrong_codes(host, account, how_many, network="127.0.0.1"):
    """Give the password and wrong codes; return the last page."""
    visitor = host.visitor(network)
    page = host.password(visitor, account)
    for _ in range(how_many):
        page = page.fill_in(code=account.authenticator.wrong_code())
    return page


# A password alone


def test_a_password_alone_opens_no_page(host):
    thief = host.visitor()
    host.password(thief, host.account("ann"))
    assert not thief.is_logged_in()
    owner, account = host.enrolled("ann")
    assert owner.is_logged_in()

    thief = host.visitor()
    page = host.password(thief, account)

    assert page.path == "/login/code"
    assert not thief.is_logged_in()
    for path in OURS:
        assert is_login(thief.open(path)), path
    assert host.logged_in(account).is_logged_in()


@pytest.mark.parametrize("kept", ["session", "remember_token"])
def test_sessions_and_remember_cookies_of_before_open_no_page(host, kept):
    visitor, cookies = host.visitor(), host.old_cookies["ann"]
    if kept not in cookies:
        assert host.host.remember is None
        return
    visitor.browser.client.set_cookie(kept, cookies[kept])

    for path in ("/", *OURS, "/enrol", "/login/code", "/login/recovery"):
        assert is_login(visitor.open(path)), path
    assert not visitor.is_logged_in()


def test_users_of_before_keep_their_password_and_set_up_a_phone(host):
    page = host.enrol(host.visitor(), host.account("ann"))

    assert len(page.find_all(".recovery-code")) == 10
    assert page.headers["Cache-Control"] == "no-store"
    [(count,)] = host.sql("SELECT count(*) FROM two_factor_users")
    assert count == 1


def test_a_forgotten_door_lets_nobody_in_and_is_written_to_the_log(host, caplog):
    owner, _ = host.enrolled("ann")
    thief = host.visitor()

    for visitor in (thief, owner):
        caplog.clear()
        assert visitor.ask("GET", "/door/bob").status == 200
        page = visitor.open("/")
        assert is_login(page), page.text
        if host.host.has_flask_login:
            assert "forgotten_door calls login_user" in caplog.text


def test_the_next_user_of_the_browser_needs_a_code_as_well(host):
    visitor, _ = host.enrolled("ann")
    _, other = host.enrolled("bob")
    visitor.log_out()

    host.password(visitor, other)

    assert not visitor.is_logged_in()
    visitor, _ = host.enrolled("eve")  # who does not log out
    host.password(visitor, other)
    assert not visitor.is_logged_in()


def test_a_session_that_a_thief_has_planted_is_worth_nothing_to_them(host):
    _, account = host.enrolled("ann")
    thief, victim = host.visitor(), host.visitor()
    thief.open("/login")
    thief.browser.client.set_cookie("session", "planted")
    victim.take_cookies_of(thief)

    page = host.password(victim, account)
    thief.take_cookies_of(thief)
    page.fill_in(code=account.authenticator.code())

    assert victim.is_logged_in()
    assert not thief.is_logged_in()
    assert is_login(thief.open("/login/code"))


# Codes


def test_a_code_works_once_and_an_older_one_not_at_all(host):
    _, account = host.enrolled("ann")
    first, second = host.visitor(), host.visitor()
    pages = [host.password(visitor, account) for visitor in (first, second)]
    code = account.authenticator.code()

    assert pages[0].fill_in(code=code).path == "/"
    page = pages[1].fill_in(code=code)

    assert (page.status, "used a moment ago" in page.text) == (422, True)
    page = page.fill_in(code=account.authenticator.code_from(-1))
    assert page.status == 422
    assert not second.is_logged_in()


def test_a_form_that_is_sent_again_logs_nobody_in_and_nobody_out(host):
    _, account = host.enrolled()
    owner, stranger, pending = (host.visitor() for _ in range(3))
    host.password(pending, account)
    page = host.password(owner, account)
    form = page.filled_in(code=account.authenticator.code())

    for visitor in (owner, owner, stranger, pending):
        visitor.send(*form)

    assert owner.is_logged_in()
    assert not stranger.is_logged_in()
    assert not pending.is_logged_in()


def test_five_wrong_codes_and_then_not_even_the_right_one(host):
    _, account = host.enrolled("ann")
    page = wrong_codes(host, account, LIMIT)
    assert page.status == 422

    page = page.fill_in(code=account.authenticator.code())

    assert page.status == 429
    assert 0 < int(page.headers["Retry-After"]) <= WINDOW_SECONDS
    assert host.told("rate_limited") == [{"action": "login_code"}]
    page = host.password(host.start().visitor(), account)  # a restart changes nothing
    assert page.fill_in(code=account.authenticator.code()).status == 429
    assert len(host.told("rate_limited")) == 1
    host.clock.move(WINDOW_SECONDS)
    assert host.logged_in(account).is_logged_in()


def test_five_wrong_passwords_and_then_not_even_the_right_one(host):
    account = host.account("ann")
    account.password = "wrong"
    for _ in range(LIMIT):
        assert host.password(host.visitor(), account).status < 429

    account.password = PASSWORD

    assert host.password(host.visitor(), account).status == 429
    assert host.password(host.visitor("192.0.2.7"), account).path == "/enrol"


def test_one_customer_of_ipv6_has_ten_attempts_at_a_user_and_not_five_per_64(host):
    account = host.account("ann")
    account.password = "wrong"

    for number in range(10):
        page = host.password(host.visitor(f"2001:db8:1:{number:x}::1"), account)
        assert page.status < 429

    assert host.password(host.visitor("2001:db8:1:ffff::1"), account).status == 429
    assert host.password(host.visitor("2001:db8:2::1"), account).status < 429


def test_logins_of_their_owner_use_up_no_attempts(host):
    _, account = host.enrolled("ann")

    for _ in range(7):
        assert host.logged_in(account).is_logged_in()

    [(spent,)] = host.sql("SELECT max(count) FROM two_factor_rate_limit_counters")
    assert spent == 0


def test_a_stranger_who_uses_up_the_attempts_does_not_keep_the_owner_out(host):
    owner, account = host.enrolled("ann")
    owner.log_out()
    for number in range(50):
        stranger = host.visitor(f"203.0.113.{number}")
        account.password = "wrong"
        host.password(stranger, account)
    account.password = PASSWORD
    assert host.password(host.visitor("192.0.2.7"), account).status == 429

    page = host.password(owner, account)
    page.fill_in(code=account.authenticator.code())

    assert owner.is_logged_in()
    assert host.told("logged_in")[-1]["new_browser"] is False


def test_a_device_cookie_is_of_one_user_ends_with_the_password_and_is_no_factor(host):
    owner, account = host.enrolled("ann")
    cookie = owner.browser.cookies["device"].value
    _, contents = URLSafeTimedSerializer("").loads_unsafe(cookie)
    assert "ann" not in contents
    thief = host.visitor(THIEF)
    thief.browser.client.set_cookie("device", cookie)
    assert not thief.is_logged_in()
    bob = host.account("bob")
    bob.password = "wrong"

    for _ in range(LIMIT):
        host.password(thief, bob)
    assert host.password(thief, bob).status == 429  # as from a strange browser
    assert host.password(host.visitor(THIEF), bob).status == 429

    account.password = "wrong"
    for _ in range(LIMIT):
        assert host.password(thief, account).status < 429
    assert host.password(thief, account).status == 429
    owner.open("/account/password").fill_in(current_password=PASSWORD, password=NEW)
    account.password = "wrong"
    assert host.password(thief, account).status < 429  # in the bucket of a stranger


def test_after_twenty_wrong_codes_in_a_row_the_password_counts_as_stolen(host):
    owner, account = host.enrolled("ann")
    for _ in range(4):
        assert owner.is_logged_in()
        wrong_codes(host, account, LIMIT, THIEF)
        host.clock.move(WINDOW_SECONDS)

    assert host.told("login_locked") == [{}]
    assert not owner.is_logged_in()
    visitor = host.visitor()
    page = host.password(visitor, account)
    assert is_login(page)
    assert "Set a new password" in page.text


def test_a_code_that_was_used_before_is_told_of(host):
    _, account = host.enrolled("ann")
    host.clock.move(60)
    code = account.authenticator.code()
    pages = [host.password(host.visitor(), account) for _ in range(2)]
    statuses = [page.fill_in(code=code).status for page in pages]

    assert statuses == [200, 422]
    assert host.told("code_rejected") == [{"flow": "login"}]


def test_a_copied_cookie_is_dead_after_the_logout(host):
    owner, _ = host.enrolled("ann")
    twin = host.visitor().take_cookies_of(owner)
    assert twin.is_logged_in()

    owner.log_out()

    assert not owner.is_logged_in()
    assert not twin.is_logged_in()
    assert host.told("logged_out") == [{}]


def test_a_recovery_code_works_once_and_for_its_owner(host):
    _, account = host.enrolled("ann")
    _, other = host.enrolled("bob")
    code = account.recovery_code()

    visitor = recover(host, account, code.upper().replace("-", " "))

    assert visitor.is_logged_in()
    assert "You have 9 left." in visitor.page.text
    assert host.told("recovery_code_used") == [{"codes_left": 9}]
    assert not recover(host, account, code).is_logged_in()
    assert not recover(host, other, account.recovery_code()).is_logged_in()


def test_two_new_digits_of_odd_kinds_are_refused_and_cost_nothing(host):
    visitor = host.visitor()
    page = host.password(visitor, host.account("ann"))

    for code in ("", "１２３４５６", "12345", "1234567", "\0" * 6, "x" * 5000):
        page = visitor.open("/enrol").fill_in(code=code)
        assert page.status == 422, code
    page = visitor.open("/enrol")
    assert page.fill_in(code=scan(page, host.clock).code()).status == 200


# Enrolment


def test_each_session_has_a_secret_of_its_own_and_the_first_one_wins(host):
    owner, thief = host.visitor(), host.visitor(THIEF)
    account = host.account("ann")
    pages = [host.password(visitor, account) for visitor in (owner, thief)]
    phones = [scan(page, host.clock) for page in pages]
    assert phones[0].secret != phones[1].secret
    assert scan(owner.open("/enrol"), host.clock).secret == phones[0].secret

    assert pages[0].fill_in(code=phones[0].code()).status == 200
    page = pages[1].fill_in(code=phones[1].code())

    assert is_login(page)
    assert owner.is_logged_in()
    assert not thief.is_logged_in()


def test_a_thief_who_enrols_first_is_told_of_and_thrown_out_by_an_operator(host):
    thief, account = host.enrolled("ann")
    assert host.told("second_factor_enrolled") == [{}]  # an email to the owner

    done = host.command("reset", account.username, "--reason", "not their phone")

    assert done.exit_code == 0, done.output
    assert host.told("second_factor_reset") == [{"reason": "not their phone"}]
    assert not thief.is_logged_in()
    assert host.password(thief, account).path == "/login/recovery"
    assert thief.open("/enrol").path == "/login/recovery"
    for code in account.recovery_codes[:2]:
        assert not recover(host, account, code).is_logged_in()


def test_the_owner_sets_up_a_phone_with_the_code_that_an_operator_gives_them(host):
    _, account = host.enrolled("ann")
    done = host.command("reset", account.username, "--reason", "lost")
    code = re.search(r": ([\w-]+)$", done.output.strip())[1]
    owner = host.visitor()
    page = host.password(owner, account)

    page = page.fill_in(recovery_code=code)

    assert page.path == "/enrol"
    assert not owner.is_logged_in()
    account.authenticator = scan(page, host.clock)
    page.fill_in(code=account.authenticator.code())
    assert owner.is_logged_in()
    assert host.logged_in(account).is_logged_in()
    assert not recover(host, account, code).is_logged_in()


def test_a_reset_ends_a_pending_login_of_before(host):
    _, account = host.enrolled("ann")
    pending = host.visitor()
    host.password(pending, account)

    host.command("reset", account.username, "--reason", "lost")

    for path in ("/login/code", "/login/recovery", "/enrol"):
        assert is_login(pending.open(path)), path


def test_a_set_up_code_is_valid_for_a_day(host):
    _, account = host.enrolled("ann")
    done = host.command("reset", account.username, "--reason", "lost")
    code = re.search(r": ([\w-]+)$", done.output.strip())[1]
    host.clock.move(DAY_SECONDS + 1)
    owner = host.visitor()

    page = host.password(owner, account).fill_in(recovery_code=code)

    assert page.status == 422
    assert owner.open("/enrol").path == "/login/recovery"


def test_a_command_for_a_stranger_or_without_a_reason_does_nothing(host):
    owner, account = host.enrolled("ann")

    assert "no user" in host.command("reset", "nobody", "--reason", "why").output
    done = host.command("reset", account.username, "--reason", " ")

    assert done.exit_code == 2
    assert owner.is_logged_in()


# Secrets


def test_secrets_are_encrypted_and_bound_to_their_owner(host, caplog):
    _, account = host.enrolled("ann")
    _, other = host.enrolled("bob")
    users = "two_factor_users"
    stored = host.sql(f"SELECT user_id, encrypted_secret FROM {users}")
    assert account.authenticator.secret not in str(stored)
    assert not any(code in str(stored) for code in account.recovery_codes)
    (first, secret), (second, _) = sorted(stored, key=str)
    change = f"UPDATE {users} SET encrypted_secret = :secret WHERE user_id = :owner"
    host.sql(change, secret=secret, owner=second)

    visitor = host.visitor()
    page = host.password(visitor, other)
    page = page.fill_in(code=account.authenticator.code())

    assert page.status == 422
    assert not visitor.is_logged_in()
    assert "another owner" in caplog.text
    assert recover(host, other, other.recovery_code()).is_logged_in()


def test_a_row_that_no_key_decrypts_counts_as_no_wrong_code(host, caplog):
    owner, account = host.enrolled("ann")
    host.sql("UPDATE two_factor_users SET encrypted_secret = 'gAAAA'")

    for _ in range(5):
        page = wrong_codes(host, account, LIMIT)
        assert page.status == 422
        host.clock.move(WINDOW_SECONDS)

    assert host.told("login_locked") == []
    assert host.command("check-keys").exit_code == 1
    assert host.command("rotate-keys").exit_code == 0
    assert "unreadable" in caplog.text


def test_keys_are_rotated_while_the_app_runs(host):
    _, account = host.enrolled("ann")
    old, new = CONFIG["TOTP_KEYS"], "a new key that is as long as the old one is"
    config = host.host.config
    host.host.config = lambda database: config(database) | {"TOTP_KEYS": f"{new},{old}"}
    host.start()
    assert host.logged_in(account).is_logged_in()

    assert host.command("rotate-keys").exit_code == 0

    host.host.config = lambda database: config(database) | {"TOTP_KEYS": new}
    host.start()
    assert "decrypt 1 of 1" in host.command("check-keys").output
    assert host.logged_in(account).is_logged_in()


def test_a_secret_that_is_pending_while_the_keys_change_is_replaced(host):
    visitor, account = host.visitor(), host.account("ann")
    host.password(visitor, account)
    host.sql("UPDATE two_factor_pending_secrets SET encrypted_secret = 'gAAAA'")

    page = visitor.open("/enrol")

    assert page.fill_in(code=scan(page, host.clock).code()).status == 200


# The app around it


def test_a_form_that_the_host_refuses_stays_unsaved(host):
    owner, _ = host.enrolled("ann")

    page = owner.open("/").fill_in(**{host.host.thing: "x" * 30})

    assert page.status == 400
    assert host.things("ann") == 0
    owner.open("/two-factor/")
    owner.open("/").fill_in(**{host.host.thing: "a thing"})
    assert host.things("ann") == 1


def test_a_user_who_is_deleted_leaves_nothing_and_their_number_is_used_again(host):
    owner, account = host.enrolled("ann")
    twin = host.logged_in(account)
    row = host.row_of("ann")

    owner.open("/").fill_in(sure="y")

    for table in ("two_factor_users", "two_factor_recovery_codes"):
        assert host.sql(f"SELECT count(*) FROM {table}") == [(0,)]
    password = host.password_hash_of("bob")
    row |= {key: password for key in row if key in ("password_hash", "secret", "hash")}
    host.insert(row)
    for visitor in (owner, twin):
        assert not visitor.is_logged_in()
        assert is_login(visitor.open("/account"))
    assert host.password(host.visitor(), host.account("ann")).path == "/enrol"


def test_a_changed_password_ends_all_logins_but_this_one(host):
    owner, account = host.enrolled("ann")
    other = host.logged_in(account)
    page = owner.open("/account/password")

    page.fill_in(current_password=PASSWORD, password=NEW)

    assert owner.is_logged_in()
    assert not other.is_logged_in()
    account.password = NEW
    assert host.logged_in(account).is_logged_in()


def test_a_login_ends_after_half_an_hour_without_a_request_and_after_twelve(host):
    owner, account = host.enrolled("ann")
    for _ in range(3):
        host.clock.move(29 * 60)
        assert owner.is_logged_in()

    host.clock.move(31 * 60)

    assert not owner.is_logged_in()
    owner = host.logged_in(account)
    for _ in range(29):
        host.clock.move(25 * 60)
        is_in = owner.is_logged_in()
    assert not is_in


def test_a_pending_login_ends_after_ten_minutes(host):
    _, account = host.enrolled("ann")
    visitor = host.visitor()
    page = host.password(visitor, account)
    host.clock.move(601)

    page = page.fill_in(code=account.authenticator.code())

    assert is_login(page)
    assert "only wait ten minutes" in page.text
    assert not visitor.is_logged_in()


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil"]
)
def test_the_login_leads_to_no_other_site(host, target):
    _, account = host.enrolled("ann")
    visitor = host.visitor()
    page = host.password(visitor, account, to=f"/login?next={target}")

    page = page.fill_in(code=account.authenticator.code())

    assert page.path == "/"


def test_the_login_leads_to_the_page_that_was_asked_for(host):
    _, account = host.enrolled("ann")
    visitor = host.visitor()
    page = host.password(visitor, account, to="/login?next=/two-factor/phone")

    page = page.fill_in(code=account.authenticator.code())

    assert page.path == "/account/phone"


# Later


def test_a_new_phone_needs_password_and_code_and_ends_other_logins(host):
    owner, account = host.enrolled("ann")
    other = host.logged_in(account)
    old = account.authenticator
    page = owner.open("/account/phone")
    page = page.fill_in(current_password="wrong", code=old.code())
    assert page.status == 422
    page = page.fill_in(current_password=PASSWORD, code=old.wrong_code())
    assert page.status == 422

    page = page.fill_in(current_password=PASSWORD, code=old.code())
    account.authenticator = scan(page, host.clock)
    page = page.fill_in(code=account.authenticator.code())

    assert page.path == "/account"
    assert account.authenticator.secret != old.secret
    assert owner.is_logged_in()
    assert not other.is_logged_in()
    assert wrong_codes(host, account, 1).fill_in(code=old.code()).status == 422
    assert host.logged_in(account).is_logged_in()


def test_new_recovery_codes_replace_the_old_ones(host):
    owner, account = host.enrolled("ann")
    old = account.recovery_codes
    page = owner.open("/account/recovery-codes")

    page = page.fill_in(current_password=PASSWORD, code=account.authenticator.code())

    new = codes_on(page)
    assert len(new) == 10
    assert not set(old) & set(new)
    assert owner.is_logged_in()
    assert not recover(host, account, old[0]).is_logged_in()
    assert recover(host, account, new[0]).is_logged_in()


def test_twenty_wrong_codes_on_the_account_pages_log_out(host):
    owner, account = host.enrolled("ann")
    values = {"current_password": PASSWORD, "code": account.authenticator.wrong_code()}

    for _ in range(4):
        for _ in range(LIMIT):
            page = owner.open("/account/phone")
            page = page.fill_in(**values)
        host.clock.move(WINDOW_SECONDS)

    assert is_login(page)
    assert not owner.is_logged_in()


# Bring it to your users


def test_a_second_factor_is_offered_first_and_asked_for_later(host, monkeypatch):
    kind = type(host.two_factor)
    monkeypatch.setattr(kind, "must_enrol", lambda self, user: False)
    account = host.account("ann")
    early, late = host.visitor(), host.visitor()
    for visitor in (early, late):
        assert host.password(visitor, account).path == "/"
    thief = host.visitor().take_cookies_of(early)
    assert is_login(thief.open("/enrol"))
    page = thief.open("/account").follow("Set up your authenticator app")
    assert page.fill_in(current_password="wrong").status == 422

    page = early.open("/two-factor/set-up").fill_in(current_password=PASSWORD)
    account.authenticator = scan(page, host.clock)
    page.fill_in(code=account.authenticator.code())

    assert early.is_logged_in()
    assert not thief.is_logged_in()
    assert not late.is_logged_in()
    assert host.password(host.visitor(), account).path == "/login/code"
    bob = host.visitor()
    host.password(bob, host.account("bob"))
    assert bob.is_logged_in()
    monkeypatch.setattr(kind, "must_enrol", lambda self, user: True)
    assert not bob.is_logged_in()


def test_after_a_reset_even_a_user_who_need_not_enrol_needs_the_set_up_code(
    host, monkeypatch
):
    kind = type(host.two_factor)
    monkeypatch.setattr(kind, "must_enrol", lambda self, user: False)
    account, visitor = host.account("ann"), host.visitor()
    host.password(visitor, account)
    page = visitor.open("/two-factor/set-up").fill_in(current_password=PASSWORD)
    page.fill_in(code=scan(page, host.clock).code())
    output = host.command("reset", account.username, "--reason", "lost").output

    owner, thief = host.visitor(), host.visitor(THIEF)
    page = host.password(owner, account)
    host.password(thief, account)

    assert not owner.is_logged_in()
    assert thief.open("/enrol").path == "/login/recovery"
    page = page.fill_in(recovery_code=output.split()[-1])
    page.fill_in(code=scan(page, host.clock).code())
    assert owner.is_logged_in()


def test_a_login_that_ends_while_its_code_is_verified_stays_ended(host, monkeypatch):
    _, account = host.enrolled("ann")
    visitor = host.visitor()
    page = host.password(visitor, account)
    end = partial(host.module("store").end_sessions, host.id_of("ann"))
    host.after(monkeypatch, "store", "verify_and_consume_code", end)
    page.fill_in(code=account.authenticator.code())

    assert not visitor.is_logged_in()


def test_a_user_who_may_no_longer_log_in_is_out_at_once(host, monkeypatch):
    owner, account = host.enrolled("ann")
    pending = host.visitor()
    page = host.password(pending, account)

    monkeypatch.setattr(type(host.two_factor), "may_log_in", lambda self, user: False)

    assert not owner.is_logged_in()
    assert is_login(page.fill_in(code=account.authenticator.code()))
    assert is_login(host.password(host.visitor(), account))


def test_a_listener_that_fails_changes_nothing_and_is_logged(host, caplog):
    @host.two_factor.on_event
    def fail(event, user, **details):
        raise ValueError("no mail server")

    owner, _ = host.enrolled("ann")

    assert owner.is_logged_in()
    assert "no mail server" in caplog.text


def test_old_rows_are_pruned_and_what_counts_stays(host):
    _, account = host.enrolled("ann")
    wrong_codes(host, account, 1)
    host.visitor()
    host.password(host.visitor(), host.account("bob"))
    host.clock.move(WINDOW_SECONDS + 1)

    assert host.command("prune").exit_code == 0

    assert host.sql("SELECT count(*) FROM two_factor_pending_secrets") == [(0,)]
    # the one wrong code in a row
    assert host.sql("SELECT count FROM two_factor_rate_limit_counters") == [(1,)]

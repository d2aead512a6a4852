"""The doors that one host has and others lack: links, tokens, a box, a table."""

from functools import partial

import pytest
from flask import session
from itsdangerous import URLSafeTimedSerializer

from tests.kit.phone import scan
from tests.recipes.hosts import DAY_SECONDS
from tests.recipes.hosts import LIMIT
from tests.recipes.hosts import NEW
from tests.recipes.hosts import PASSWORD
from tests.recipes.hosts import is_login


@pytest.fixture
def tracker(start_host):
    """Start the app with tokens."""
    return start_host("tracker")


KNOWN = {"username": "ann", "password": PASSWORD}


def link(shop, kind, user_id=1):
    """Return the path of a link that the shop has sent by email."""
    token = URLSafeTimedSerializer(shop.app.secret_key, salt=kind).dumps(user_id)
    return f"/{kind}/{token}"


def test_a_magic_link_asks_for_the_code_as_well(shop):
    _, account = shop.enrolled("ann")
    visitor = shop.visitor()

    page = visitor.open(link(shop, "magic"))

    assert page.path == "/login/code"
    assert not visitor.is_logged_in()
    page.fill_in(code=account.authenticator.code())
    assert visitor.is_logged_in()


def test_a_reset_by_email_needs_the_second_factor_and_ends_all_logins(shop):
    owner, account = shop.enrolled("ann")
    thief = shop.visitor()
    page = thief.open(link(shop, "reset"))

    for code in ("", account.authenticator.wrong_code()):
        page = page.fill_in(new=NEW, code=code)
        assert "did not work" in page.text
    assert owner.is_logged_in()
    assert is_login(page.fill_in(new=NEW, code=account.authenticator.code()))

    assert not owner.is_logged_in()
    assert not thief.is_logged_in()
    account.password = NEW
    assert shop.logged_in(account).is_logged_in()


def test_a_user_who_has_no_phone_yet_resets_with_the_link_alone(shop):
    page = shop.visitor().open(link(shop, "reset"))

    assert not page.find_all("[name=code]")
    assert is_login(page.fill_in(new=NEW))


def test_guesses_at_the_code_of_a_reset_are_limited(shop):
    _, account = shop.enrolled("ann")
    page = shop.visitor().open(link(shop, "reset"))
    for _ in range(LIMIT):
        page = page.fill_in(new=NEW, code=account.authenticator.wrong_code())

    page = page.fill_in(new=NEW, code=account.authenticator.code())

    assert page.status == 429


def test_a_locked_login_can_be_reset_with_a_recovery_code(shop):
    _, account = shop.enrolled("ann")
    for _ in range(4):
        visitor = shop.visitor()
        page = shop.password(visitor, account)
        for _ in range(LIMIT):
            page = page.fill_in(code=account.authenticator.wrong_code())
        shop.clock.move(15 * 60)
    assert is_login(shop.password(shop.visitor(), account))

    page = shop.visitor().open(link(shop, "reset"))
    assert is_login(page.fill_in(new=NEW, code=account.recovery_code()))

    account.password = NEW
    assert shop.logged_in(account).is_logged_in()


def test_the_code_of_a_reset_works_at_no_other_door(shop):
    _, account = shop.enrolled("ann")
    code = account.authenticator.code()
    shop.visitor().open(link(shop, "reset")).fill_in(new=NEW, code=code)
    account.password = NEW

    page = shop.password(shop.visitor(), account)

    assert page.fill_in(code=code).status == 422


def test_a_box_that_the_host_does_not_want_to_keep_does_nothing(shop):
    visitor = shop.visitor()
    shop.enrol(visitor, shop.account("ann"), remember=True)
    assert {*visitor.browser.cookies} == {"session", "device"}
    shop.clock.move(60)
    assert visitor.is_logged_in()
    shop.clock.move(DAY_SECONDS)

    assert not visitor.is_logged_in()


def test_a_ticked_box_keeps_a_login_with_both_factors_for_so_long(clinic):
    _, account = clinic.enrolled("ann")
    plain = clinic.logged_in(account)
    ticked = clinic.logged_in(account, remember=True)
    twin = clinic.visitor().take_cookies_of(ticked)
    clinic.clock.move(13 * DAY_SECONDS)
    assert ticked.is_logged_in()
    assert not plain.is_logged_in()

    clinic.clock.move(2 * DAY_SECONDS)

    assert not ticked.is_logged_in()
    ticked = clinic.logged_in(account, remember=True)
    twin = clinic.visitor().take_cookies_of(ticked)
    ticked.log_out()
    assert not twin.is_logged_in()


def test_a_retired_user_of_the_clinic_is_out_at_once(clinic):
    owner, account = clinic.enrolled("ann")

    clinic.sql('UPDATE "user" SET retired = :yes', yes=True)

    assert not owner.is_logged_in()
    assert is_login(clinic.password(clinic.visitor(), account))


def ask_for_token(tracker, **values):
    """Ask the API for a token; return the status and, if there is one, the token."""
    client = tracker.app.test_client()
    reply = client.post("/api/tokens", json=values)
    return reply.status_code, (reply.json or {}).get("token")


def test_a_token_needs_a_code_and_nobody_without_a_phone_gets_one(tracker):
    assert ask_for_token(tracker, **KNOWN, code="123456") == (401, None)
    _, account = tracker.enrolled("ann")

    assert ask_for_token(tracker, **KNOWN) == (401, None)
    wrong = account.authenticator.wrong_code()
    assert ask_for_token(tracker, **KNOWN, code=wrong) == (401, None)
    code = account.authenticator.code()
    status, token = ask_for_token(tracker, **KNOWN, code=code)

    assert status == 200
    assert ask_for_token(tracker, **KNOWN, code=code) == (401, None)
    headers = {"Authorization": f"Bearer {token}"}
    client = tracker.app.test_client()
    assert client.get("/api/issues", headers=headers).json == {"issues": []}
    for path in ("", "phone", "recovery-codes", "set-up"):
        reply = client.get(f"/two-factor/{path}", headers=headers)
        assert reply.status_code == 302
        assert reply.location == "/login"


def test_a_recovery_code_gets_a_token_once(tracker):
    _, account = tracker.enrolled("ann")
    known = KNOWN | {"code": account.recovery_code()}

    assert ask_for_token(tracker, **known)[0] == 200
    assert ask_for_token(tracker, **known)[0] == 401


def test_guesses_at_the_door_of_the_api_are_limited(tracker):
    _, account = tracker.enrolled("ann")
    wrong = account.authenticator.wrong_code()
    for _ in range(LIMIT):
        assert ask_for_token(tracker, **KNOWN, code=wrong)[0] == 401

    assert ask_for_token(tracker, **KNOWN, code=account.authenticator.code())[0] == 429


def test_an_owner_who_asks_for_tokens_uses_up_no_attempts(tracker):
    _, account = tracker.enrolled("ann")

    for _ in range(7):
        code = account.authenticator.code()
        assert ask_for_token(tracker, **KNOWN, code=code)[0] == 200


@pytest.mark.parametrize("name", ["\ud800", "\0", 7, None, "x" * 5000, ["ann"]])
def test_names_that_are_none_are_counted_and_break_nothing(tracker, name):
    with tracker.app.test_request_context("/api/tokens"):
        tracker.two_factor.count_attempt_now(name)

    counted = tracker.sql("SELECT count(*) FROM two_factor_rate_limit_counters")
    assert counted[0][0] >= 1


@pytest.mark.parametrize("code", ["\ud800", "\0", 7, None, "x" * 5000, "１２３４５６"])
def test_codes_that_are_none_are_refused_and_break_nothing(tracker, code):
    tracker.enrolled("ann")
    with tracker.app.test_request_context("/api/tokens"):
        user = tracker.two_factor.load_user(tracker.id_of("ann"))

        assert tracker.two_factor.check_code(user, code) is False


def test_a_session_that_a_thief_planted_on_the_server_gets_another_id(clinic):
    _, account = clinic.enrolled("ann")
    victim = clinic.visitor()
    victim.browser.client.set_cookie("session", "planted")
    page = clinic.password(victim, account)
    pending = victim.browser.cookies["session"].value

    page.fill_in(code=account.authenticator.code())

    ids = {"planted", pending, victim.browser.cookies["session"].value}
    assert len(ids) == 3
    assert clinic.sql("SELECT sid FROM server_session WHERE sid = 'planted'") == []


def test_a_form_of_another_session_is_refused_in_words(start_host):
    wiki = start_host("wiki")
    _, account = wiki.enrolled("ann")
    visitor = wiki.visitor()
    page = wiki.password(visitor, account)
    wiki.password(visitor, account)  # in another tab

    page = page.fill_in(code=account.authenticator.code())

    assert page.status == 422
    assert "This form has expired." in page.text
    assert page.fill_in(code=account.authenticator.code()).path == "/"


def test_a_login_keeps_the_rest_of_the_session(shop):
    shop.app.add_url_rule("/cart", "cart", lambda: str(session.get("cart")))
    shop.app.add_url_rule("/fill", "fill", lambda: session.update(cart=3) or "ok")
    visitor = shop.visitor()
    visitor.open("/fill")

    shop.enrol(visitor, shop.account("ann"))

    assert visitor.open("/cart").text == "3"


def test_a_new_user_inherits_nothing_from_one_whom_raw_sql_has_deleted(shop):
    owner, _ = shop.enrolled("ann")
    row = shop.row_of("ann") | {"password_hash": shop.password_hash_of("bob")}
    with shop.app.app_context():
        db = shop.two_factor.db
        db.session.execute(db.text('DELETE FROM "user" WHERE id = 1'))
        db.session.commit()
    assert not owner.is_logged_in()
    assert shop.sql("SELECT count(*) FROM two_factor_users") == [(1,)]

    shop.insert(row)

    assert not owner.is_logged_in()
    assert shop.password(shop.visitor(), shop.account("ann")).path == "/enrol"


def test_a_set_up_code_is_asked_for_again_when_it_is_replaced_meanwhile(
    shop, monkeypatch
):
    _, account = shop.enrolled("ann")
    output = shop.command("reset", account.username, "--reason", "lost").output
    owner = shop.visitor()
    page = shop.password(owner, account)
    page = page.fill_in(recovery_code=output.split()[-1])
    phone = scan(page, shop.clock)
    replace = "UPDATE two_factor_recovery_codes SET code_hash = 'of another code'"
    shop.after(monkeypatch, "store", "find_code_hashes", partial(shop.sql, replace))
    page.fill_in(code=phone.code())

    assert not owner.is_logged_in()
    assert shop.sql("SELECT encrypted_secret FROM two_factor_users") == [(None,)]


def test_a_user_who_has_enrolled_meanwhile_keeps_the_phone(shop, monkeypatch):
    thief, account = shop.visitor(), shop.account("ann")
    page = shop.password(thief, account)
    phone = scan(page, shop.clock)
    enrol = "UPDATE two_factor_users SET encrypted_secret = 'of the owner'"
    shop.after(monkeypatch, "views", "verify_first_code", partial(shop.sql, enrol))
    page.fill_in(code=phone.code())

    assert not thief.is_logged_in()
    stored = shop.sql("SELECT encrypted_secret FROM two_factor_users")
    assert stored == [("of the owner",)]


def test_a_secret_that_is_replaced_while_keys_are_rotated_stays_the_new_one(
    shop, monkeypatch
):
    shop.enrolled("ann")
    replace = "UPDATE two_factor_users SET encrypted_secret = 'a newer one'"
    shop.after(monkeypatch, "cli", "find_secrets", partial(shop.sql, replace))
    assert shop.command("rotate-keys").exit_code == 0

    stored = shop.sql("SELECT encrypted_secret FROM two_factor_users")
    assert stored == [("a newer one",)]


def test_a_door_that_is_locked_takes_recovery_codes_alone(tracker):
    _, account = tracker.enrolled("ann")
    for _ in range(4):
        for _ in range(LIMIT):
            wrong = account.authenticator.wrong_code()
            assert ask_for_token(tracker, **KNOWN, code=wrong)[0] == 401
        tracker.clock.move(15 * 60)

    code = account.authenticator.code()
    assert ask_for_token(tracker, **KNOWN, code=code)[0] == 401

    assert ask_for_token(tracker, **KNOWN, code=account.recovery_code())[0] == 200

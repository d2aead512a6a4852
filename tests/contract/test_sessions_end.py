"""How long a login lives, and what the next one renews."""

import pytest
from sqlalchemy import event

from tests.kit.accounts import CHANGES
from tests.kit.accounts import change
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since

pytestmark = since("06")

MINUTE = 60  # seconds
HOUR = 60 * MINUTE
IDLE = 30 * MINUTE
LIFETIME = 12 * HOUR
NEWER = "pbkdf2:sha256:2"


def stay(visitor, clock, seconds):
    """Open a page every quarter of an hour, for some time; tell whether that works."""
    for _ in range(seconds // (15 * MINUTE)):
        clock.move(15 * MINUTE)
        if not visitor.is_logged_in():
            return False
    return True


# A session that nobody uses


@since("06e")
@attack(37)
@pytest.mark.parametrize("seconds", [IDLE + 1, HOUR, 3 * 24 * HOUR])
def test_an_unused_session_ends_after_half_an_hour(site, account, clock, seconds):
    visitor = logged_in(site, account)
    clock.move(seconds)

    for path in ("/", "/account", *CHANGES):
        assert visitor.open(path).path.startswith("/login"), path
    assert not visitor.is_logged_in()


@since("04a")
@never_red("a session of the step before lives for days")
@attack(37)
def test_a_session_lives_on_after_a_break_of_half_an_hour(site, account, clock):
    visitor = logged_in(site, account)
    clock.move(IDLE)

    assert visitor.is_logged_in()


@since("04a")
@never_red("a session of the step before lives for days")
@attack(37)
@pytest.mark.parametrize("path", ["/", "/account", "/account/password", "/login"])
def test_a_user_who_opens_a_page_from_time_to_time_stays_logged_in(
    site, account, clock, path
):
    visitor = logged_in(site, account)
    for _ in range(4):
        clock.move(29 * MINUTE)
        visitor.open(path)
        visitor.open("/")

    assert visitor.is_logged_in()


@attack(37)
@pytest.mark.parametrize("path", ["/static/style.css", "/healthz", "/nothing"])
def test_a_request_that_needs_no_login_keeps_no_session_alive(
    site, account, clock, path
):
    visitor = logged_in(site, account)
    clock.move(20 * MINUTE)
    visitor.ask("GET", path)
    clock.move(20 * MINUTE)

    assert not visitor.is_logged_in()


NEW_KEY = "another key, as long as one has to be"


@attack(163)
@never_red("Flask knows earlier keys; the step before has no setting for them")
def test_a_key_that_is_changed_by_plan_ends_no_session(site, account, clock):
    visitor = logged_in(site, account)
    open_form = visitor.open("/account/recovery-codes")
    keys = {"SECRET_KEY": NEW_KEY, "SECRET_KEY_FALLBACKS": [site.config["SECRET_KEY"]]}
    after = site.start_again(**keys).visitor().take_cookies_of(visitor)
    values = {"current_password": account.password, "code": account.recovery_code()}

    assert after.is_logged_in()
    assert after.send(*open_form.filled_in(**values)).status == 400
    clock.move(60)
    assert after.open("/account/recovery-codes").fill_in(**values).status == 200


@since("04a")
@never_red("no step before has a session that survives another key")
@attack(163)
def test_a_key_that_was_stolen_and_replaced_opens_nothing(site, account):
    visitor = logged_in(site, account)
    after = site.start_again(SECRET_KEY=NEW_KEY).visitor().take_cookies_of(visitor)

    assert not after.is_logged_in()


@attack(37)
def test_a_form_that_was_left_open_for_too_long_changes_nothing(site, account, clock):
    visitor = logged_in(site, account)
    page = visitor.open("/account/recovery-codes")
    clock.move(IDLE + 1)
    values = {
        "current_password": account.password,
        "code": account.authenticator.code(),
    }

    assert page.fill_in(**values).path.startswith("/login")
    site.visitor().log_in(account)


@attack(37)
def test_a_session_that_ended_leads_back_to_its_page(site, account, clock):
    visitor = logged_in(site, account)
    clock.move(IDLE + 1)
    page = visitor.open("/account")
    page = page.fill_in(username=account.username, password=account.password)

    assert page.fill_in(code=account.authenticator.code()).path == "/account"


# Half a day


@attack(37)
def test_a_session_ends_after_twelve_hours_whatever_is_done(site, account, clock):
    visitor = logged_in(site, account)

    assert stay(visitor, clock, LIFETIME)
    clock.move(1)
    assert not visitor.is_logged_in()
    assert not visitor.is_logged_in()


@attack(37)
@pytest.mark.parametrize("path", CHANGES)
def test_password_and_code_begin_twelve_hours_anew(site, account, clock, path):
    visitor = logged_in(site, account)
    assert stay(visitor, clock, LIFETIME - HOUR)
    change(visitor, account, path)

    assert stay(visitor, clock, LIFETIME)
    clock.move(1)
    assert not visitor.is_logged_in()


@attack(37)
def test_a_refused_change_begins_nothing_anew(site, account, clock):
    visitor = logged_in(site, account)
    assert stay(visitor, clock, LIFETIME - 15 * MINUTE)
    code = account.authenticator.wrong_code()
    assert prove(visitor, account, "/account/phone", code=code).status == 422
    clock.move(15 * MINUTE + 1)

    assert not visitor.is_logged_in()


@attack(37)
def test_another_login_of_the_same_user_does_not_extend_this_one(site, account, clock):
    visitor = logged_in(site, account)
    assert stay(visitor, clock, LIFETIME - 15 * MINUTE)
    other = logged_in(site, account)
    clock.move(15 * MINUTE + 1)

    assert not visitor.is_logged_in()
    assert other.is_logged_in()


# Cookies that somebody copied


@attack(37, 33)
def test_a_copied_cookie_ends_by_itself_while_the_owner_goes_on(site, account, clock):
    owner = logged_in(site, account)
    thief = site.visitor().take_cookies_of(owner)
    assert stay(owner, clock, 2 * IDLE)

    assert not thief.is_logged_in()
    assert owner.is_logged_in()


@never_red("in the step before no session is over by itself")
@attack(37, 33)
def test_logging_out_of_a_session_that_is_over_ends_the_copies_that_are_not(
    site, account, clock
):
    owner = logged_in(site, account)
    thief = site.visitor().take_cookies_of(owner)
    button = owner.open("/").filled_in()
    assert stay(thief, clock, 2 * IDLE)
    owner.send(*button)

    assert not thief.is_logged_in()


@attack(37, 130)
def test_a_session_of_the_step_before_asks_for_a_login(site, account):
    visitor = logged_in(site, account)
    cookies = visitor.browser.cookies
    sessions = site.app.session_interface.get_signing_serializer(site.app)
    cookie = site.app.config["SESSION_COOKIE_NAME"]
    session = sessions.loads(cookies[cookie].value)
    for name in ("logged_in_at", "last_seen_at"):
        assert name in session
        older = {key: value for key, value in session.items() if key != name}
        visitor.browser.client.set_cookie(cookie, sessions.dumps(older))

        assert not visitor.is_logged_in()
        assert visitor.open("/").path.startswith("/login")


# Hashes with old parameters


def hashes_of(site):
    """Return the password hashes in the database."""
    return [row[0] for row in site.sql("SELECT password_hash FROM users ORDER BY id")]


@attack(9)
def test_the_next_login_renews_a_hash_with_old_parameters_once(site, account):
    newer = site.start_again(PASSWORD_HASH_METHOD=NEWER)
    before = hashes_of(site)
    newer.visitor().log_in(account)
    renewed = hashes_of(site)
    newer.visitor().log_in(account)

    assert before[0].startswith("pbkdf2:sha256:1$")
    assert renewed[0].startswith(f"{NEWER}$")
    assert hashes_of(site) == renewed
    site.visitor().log_in(account)


@attack(9)
def test_a_wrong_password_renews_nothing_and_other_users_stay(site, account):
    other = site.account()
    newer = site.start_again(PASSWORD_HASH_METHOD=NEWER)
    before = hashes_of(site)
    right, account.password = account.password, account.password + "?"
    newer.visitor().give_password(account)
    assert hashes_of(site) == before
    account.password = right
    newer.visitor().log_in(account)

    assert hashes_of(site)[0] != before[0]
    assert hashes_of(site)[1] == before[1]
    newer.visitor().log_in(other)


def be_impatient(connection, record):
    """Wait for no other connection."""
    connection.execute("PRAGMA busy_timeout = 0")


@since("05")
@never_red("the step before renews no hash")
@attack(9)
def test_a_user_who_is_logged_in_changes_the_account_with_an_old_hash(site, account):
    newer = site.start_again(PASSWORD_HASH_METHOD=NEWER)
    event.listen(newer.engine, "connect", be_impatient)
    visitor = site.visitor()
    visitor.log_in(account)
    there = newer.visitor().take_cookies_of(visitor)
    page = prove(there, account, "/account/recovery-codes")

    assert page.status == 200, page
    assert len(page.find_all(".recovery-code")) == 10

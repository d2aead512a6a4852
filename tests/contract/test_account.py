"""The account page: what is set up, and how its owner, and nobody else, changes it."""

import pytest
from pyotp import TOTP

from tests.kit.accounts import CHANGES
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import change
from tests.kit.accounts import codes_on
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.accounts import recover
from tests.kit.answers import token_of
from tests.kit.clock import BusyClock
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.paths import pages_of
from tests.kit.phone import scan
from tests.kit.reset_links import choose
from tests.kit.reset_links import open_link
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import add_second_factor
from tests.kit.stage import register

pytestmark = since("05")

TEN_MINUTES = 10 * 60


def proof(account, path):
    """Return good values for a form of the account page."""
    values = {"current_password": account.password}
    if path == "/account/password":
        values |= {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    return values | {"code": account.authenticator.code()}


def delete_user(site):
    """Delete all users, with all that they have."""
    for table in ("recovery_codes", "second_factors", "users"):
        site.sql(f"DELETE FROM {table}")


def fresh(path):
    """Return a password that is not the one of the other change."""
    if path != "/account/password":
        return {}
    return {"password": "five crows on a red tractor"}


def is_in(visitor):
    """Tell whether the account page opens, without a word about another login."""
    return visitor.ask("GET", "/account").status == 200


# Who gets there


@attack(3, 45)
def test_the_account_belongs_to_those_who_are_logged_in(site, account):
    stranger, pending, newcomer = (site.visitor() for _ in range(3))
    pending.give_password(account)
    newcomer.give_password(site.account_without_factor())
    for visitor in (stranger, pending, newcomer):
        for path in ("/account", *CHANGES):
            page = visitor.open(path)
            assert page.path.startswith(("/login", "/enrol")), path
    assert logged_in(site, account).open("/account").status == 200


@attack(5)
@pytest.mark.parametrize("path", CHANGES)
def test_a_deleted_user_changes_nothing_and_is_asked_to_log_in(site, account, path):
    visitor = logged_in(site, account)
    page, values = visitor.open(path), proof(account, path)
    delete_user(site)

    assert page.fill_in(**values).path.startswith("/login")
    for path in ("/account", *CHANGES):
        assert visitor.open(path).path.startswith("/login"), path
    assert site.mails() == []


@attack(5, 128)
def test_a_user_who_is_deleted_between_two_authenticators_is_asked_to_log_in(
    site, account
):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    code = scan(page, account.authenticator.clock).code()
    delete_user(site)

    assert page.fill_in(code=code).path.startswith("/login")


# The proof that each change asks for


@attack(49, 57, 79)
@pytest.mark.parametrize("path", CHANGES)
def test_each_change_asks_for_the_password_and_a_code(site, account, path):
    visitor, wrong = logged_in(site, account), account.authenticator.wrong_code()
    for values in (
        {"current_password": "a wrong password"},
        {"code": wrong},
        {"code": "kq3v-7hzn-2xda-m4tc-p6wl-ye5s"},
        {"current_password": "", "code": ""},
        {"code": ""},
    ):
        page = prove(visitor, account, path, **values)
        assert page.status == 422, values
        assert not page.find_all("#secret, .recovery-code")
        assert page.find("[name=code]").attributes["value"] == ""
        assert not page.find("[name=current_password]").attributes.get("value")

    assert site.mails() == []
    site.visitor().log_in(account)
    assert recover(site, account, account.recovery_code()).path == "/"


@attack(49, 57, 79)
@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("missing", ["current_password", "code"])
def test_a_proof_with_a_field_left_out_is_none(site, account, path, missing):
    visitor = logged_in(site, account)
    target, data = visitor.open(path).filled_in(**proof(account, path))
    del data[missing]

    page = visitor.send(target, data)

    assert page.status == 422
    assert site.mails() == []
    site.visitor().log_in(account)


@attack(1, 79)
@pytest.mark.parametrize("path", CHANGES)
def test_a_refused_proof_does_not_tell_which_half_was_wrong(site, account, path):
    visitor = logged_in(site, account)
    wrong = account.authenticator.wrong_code()
    first = prove(visitor, account, path, current_password="a wrong password")
    second = prove(visitor, account, path, code=wrong)
    third = prove(visitor, account, path, code="not-a-recovery-code")

    assert first.status == second.status == third.status == 422
    assert first.text == second.text == third.text


@attack(79)
def test_a_wrong_password_uses_up_no_code(site, account):
    visitor, code = logged_in(site, account), account.authenticator.code()
    recovery_code = account.recovery_code()
    for typed in (code, recovery_code):
        page = prove(visitor, account, CHANGES[2], current_password="wrong", code=typed)
        assert page.status == 422

    assert codes_on(prove(visitor, account, CHANGES[2], code=recovery_code))


@attack(22, 61)
@pytest.mark.parametrize("path", CHANGES)
def test_password_and_codes_of_another_user_prove_nothing(site, path):
    owner, other = site.account(), site.account()
    other.password = NEW_PASSWORD
    visitor = logged_in(site, owner)
    for values in (
        {"code": other.authenticator.code()},
        {"code": other.recovery_code()},
        {"current_password": other.password},
    ):
        assert prove(visitor, owner, path, **values).status == 422, values

    other.password = GOOD_PASSWORD
    site.visitor().log_in(other)
    site.visitor().log_in(owner)


@attack(54)
@pytest.mark.parametrize("path", CHANGES)
def test_an_id_in_a_form_of_the_account_is_not_looked_at(site, path):
    victim, thief = site.account(), site.account()
    [[number]] = site.sql("SELECT id FROM users WHERE username = ?", victim.username)
    ids = {"id": number, "user_id": number, "user": number}
    ids |= {"username": victim.username, "sub": number}
    visitor = logged_in(site, thief)
    target, data = visitor.open(path).filled_in(**proof(thief, path))
    query = "&".join(f"{name}={value}" for name, value in ids.items())
    page = visitor.send(f"{target}?{query}", data | ids)
    if path == "/account/phone":
        target, data = page.filled_in(code=scan(page, thief.authenticator.clock).code())
        page = visitor.send(f"{target}?{query}", data | ids)

    assert page.status == 200
    site.visitor().log_in(victim)
    assert recover(site, victim, victim.recovery_code()).path == "/"


@attack(16)
@pytest.mark.parametrize("path", CHANGES)
def test_a_code_that_was_used_at_the_login_changes_nothing(site, account, path):
    visitor, code = site.visitor(), account.authenticator.code()
    visitor.give_password(account).fill_in(code=code)
    assert is_in(visitor)

    assert prove(visitor, account, path, code=code).status == 422
    assert prove(visitor, account, path, code=f"{code[:3]} {code[3:]}").status == 422
    site.visitor().log_in(account)


@attack(16, 56, 87, 131)
@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("kind", ["phone", "recovery"])
def test_a_code_that_changed_something_is_used_up_everywhere(site, kim, path, kind):
    visitor = logged_in(site, kim)
    code = kim.authenticator.code() if kind == "phone" else kim.recovery_code()
    assert change(visitor, kim, path, code=code.upper()).status == 200

    for other in CHANGES:
        assert prove(visitor, kim, other, code=code).status == 422, other
    assert site.visitor().give_password(kim).fill_in(code=code).status == 422
    assert recover(site, kim, code).status == 422
    page = choose(open_link(site), code, password="five crows on a red tractor")
    assert page.status == 422
    site.visitor().log_in(kim)


@attack(16, 82)
@pytest.mark.parametrize("kind", ["phone", "recovery"])
def test_a_code_that_reset_the_password_changes_nothing_more(site, kim, kind):
    code = kim.authenticator.code() if kind == "phone" else kim.recovery_code()
    assert choose(open_link(site), code).path == "/login"
    kim.password = NEW_PASSWORD
    assert site.visitor().give_password(kim).fill_in(code=code).status == 422
    assert recover(site, kim, code).status == 422
    visitor = logged_in(site, kim)

    for path in CHANGES:
        values = {"code": code} | fresh(path)
        assert prove(visitor, kim, path, **values).status == 422, path


@attack(16)
def test_the_code_that_confirmed_a_new_authenticator_is_used_up(site, account, clock):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    clock.move(5 * 60)  # or the code that was the proof used up this time step
    account.authenticator = scan(page, clock)
    code, before = account.authenticator.code(), account.authenticator.code_from(-1)
    assert page.fill_in(code=code).path == "/account"

    for used in (code, before):
        page = site.visitor().give_password(account).fill_in(code=used)
        assert page.status == 422
        assert prove(visitor, account, CHANGES[0], code=used).status == 422
    site.visitor().log_in(account)


@attack(131)
def test_a_user_who_lost_the_authenticator_replaces_it_with_recovery_codes(
    site, account
):
    visitor = site.visitor()
    visitor.give_password(account)
    page = visitor.open("/login/recovery")
    page.fill_in(recovery_code=account.recovery_code())
    for path in CHANGES:
        page = change(visitor, account, path, code=account.recovery_code())
        assert page.status == 200, path

    assert len(account.recovery_codes) == 10
    site.visitor().log_in(account)
    assert recover(site, account, account.recovery_code()).path == "/"


@attack(93)
@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("token", [None, "", "of another session"])
def test_another_site_changes_nothing_in_the_account(site, account, path, token):
    visitor = logged_in(site, account)
    target, data = visitor.open(path).filled_in(**proof(account, path))
    data["csrf_token"] = token_of(site.visitor().open("/login")) if token else token
    if token is None:
        del data["csrf_token"]

    assert visitor.send(target, data).status == 400
    assert is_in(visitor)
    assert site.mails() == []
    site.visitor().log_in(account)


@attack(95)
@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_changes_nothing_in_the_account(site, account, path, method):
    visitor = logged_in(site, account)
    _, data = visitor.open(path).filled_in(**proof(account, path))
    page = visitor.ask(method, path, query_string=data)

    assert page.status == 200
    assert not page.find_all("#secret, .recovery-code")
    assert site.mails() == []
    assert is_in(visitor)
    site.visitor().log_in(account)


@attack(94)
@pytest.mark.parametrize("path", CHANGES)
def test_a_form_of_the_account_may_stay_open_for_hours(site, account, clock, path):
    visitor = logged_in(site, account)
    page = visitor.open(path)
    BusyClock(clock, visitor).move(8 * 60 * 60)

    assert page.fill_in(**proof(account, path)).status == 200
    assert len(site.mails()) == (path != "/account/phone")


# What every change does


@attack(30, 33, 34, 35, 57)
@pytest.mark.parametrize("path", CHANGES)
def test_after_a_change_all_other_sessions_and_pending_logins_are_dead(
    site, account, path
):
    other, pending = logged_in(site, account), site.visitor()
    visitor = logged_in(site, account)
    page = pending.give_password(account)
    copies = [site.visitor().take_cookies_of(v) for v in (visitor, pending)]
    start_other_step = logged_in(site, site.account())
    code = account.authenticator.code()
    change(visitor, account, path)

    assert is_in(visitor)
    for dead in (other, *copies):
        assert not dead.is_logged_in()
        assert dead.open("/login/code").path == "/login"
        assert dead.open("/account").path.startswith("/login")
    assert page.fill_in(code=code).path == "/login"
    assert not pending.is_logged_in()
    assert is_in(start_other_step)


@attack(29, 34)
@pytest.mark.parametrize("path", CHANGES)
def test_a_change_begins_a_new_session_for_its_owner(site, account, path):
    visitor = logged_in(site, account)
    form = visitor.open(path).filled_in(**proof(account, path))
    old = site.visitor().take_cookies_of(visitor)
    page = change(visitor, account, path)

    assert page.status == 200
    assert not old.is_logged_in()
    answer = visitor.send(*form)  # a form of the session before: not carried out
    assert answer.status == 400 or "are not shown again" in answer.text
    assert is_in(visitor)
    visitor.log_out()
    assert not visitor.is_logged_in()


@attack(29, 128)
def test_the_proof_for_a_new_authenticator_begins_a_new_session(site, account):
    visitor = logged_in(site, account)
    planted = site.visitor().take_cookies_of(visitor)
    form = visitor.open("/account/phone").filled_in(code="000000")
    page = prove(visitor, account, "/account/phone")

    assert page.find("#secret")
    assert not planted.open("/account/phone").find_all("#secret")
    assert visitor.send(*form).status == 400


@attack(59, 108)
@pytest.mark.parametrize("path", CHANGES)
def test_a_recovery_code_used_for_a_change_is_told_as_well(site, account, path):
    visitor = logged_in(site, account)
    change(visitor, account, path, code=account.recovery_code())

    subjects = sorted(mail.subject for mail in site.mails())
    assert len(subjects) == 2
    assert sum("recovery code for your" in subject for subject in subjects) == 1
    assert site.mails() == []


@attack(118)
@pytest.mark.parametrize("path", CHANGES)
def test_a_change_that_cannot_be_kept_changes_nothing(step, clock, path):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    account = site.account()
    visitor = logged_in(site, account)
    page = visitor.open(path)
    assert page.status == 200
    values = proof(account, path)
    if path == "/account/phone":
        page = page.fill_in(**values)
        values = {"code": scan(page, clock).code()}
    fail = "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    site.sql(f"CREATE TRIGGER broken BEFORE INSERT ON outbox_emails {fail}")
    answer = page.fill_in(**values)
    site.sql("DROP TRIGGER broken")

    assert answer.status == 500
    assert "Set-Cookie" not in answer.headers
    assert site.mails() == []
    assert is_in(visitor)
    assert page.fill_in(**values).status == 200
    assert len(site.mails()) == 1


# The password


@since("05e")
@attack(79)
def test_a_new_password_takes_the_place_of_the_old_one(site, account):
    visitor, old = logged_in(site, account), account.password
    page = change(visitor, account, "/account/password")

    assert page.path == "/account"
    site.visitor().log_in(account)
    page = site.visitor().open("/login")
    assert page.fill_in(username=account.username, password=old).status == 422


@since("05e")
@attack(75, 78, 79)
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"password": "too short"}, "Use at least 15."),
        ({"password": "x" * 257}, "at most 256"),
        ({"password": "passwordpassword"}, "too easy to guess"),
        ({"password": "kimberly kimberly door"}, "too close to your name"),
        ({"password": "mailbox_of_hers@example"}, "too close to your name"),
        ({"password": GOOD_PASSWORD}, "Choose a different one"),
        ({"confirm": "nine boats over a noisy lake"}, "do not match"),
        ({"password": "", "confirm": ""}, "Enter a password"),
    ],
)
def test_a_new_password_that_will_not_do_is_refused_and_the_code_stays_good(
    site, values, words
):
    known = {"username": "kimberly", "email": "mailbox_of_hers@example.org"}
    account = add_second_factor(site, register(site.visitor(), **known))
    other, visitor = logged_in(site, account), logged_in(site, account)
    code = account.authenticator.code()
    page = prove(visitor, account, "/account/password", code=code, **values)

    assert page.status == 422
    assert words in page.text
    for name in ("current_password", "password", "confirm"):
        assert not page.find(f"[name={name}]").attributes.get("value")
    assert site.mails() == []
    assert is_in(other)
    assert change(visitor, account, "/account/password", code=code).status == 200


@since("05e")
@attack(56, 79)
def test_a_recovery_code_stays_good_when_the_new_password_will_not_do(site, account):
    visitor, code = logged_in(site, account), account.recovery_code()
    weak = {"password": "passwordpassword", "code": code}

    assert prove(visitor, account, "/account/password", **weak).status == 422
    assert site.mails() == []
    assert change(visitor, account, "/account/password", code=code).status == 200


@since("05e")
@attack(76)
def test_the_current_and_the_new_password_may_be_composed_in_two_ways(site):
    composed, decomposed = "n\u00e9es de la lune rousse", "ne\u0301es de la lune rousse"
    account = add_second_factor(site, register(site.visitor(), password=composed))
    visitor = logged_in(site, account)
    account.password = decomposed
    page = prove(visitor, account, "/account/password", password=decomposed)
    assert page.status == 422  # the new one is the old one
    new = "quatre n\u00e9es sous une lampe"
    page = prove(
        visitor,
        account,
        "/account/password",
        password=new.replace("\u00e9", "e\u0301"),
        confirm=new,
    )

    assert page.path == "/account"
    account.password = new
    site.visitor().log_in(account)


@attack(7)
@pytest.mark.parametrize("path", CHANGES)
def test_odd_text_in_a_form_of_the_account_is_refused_in_words(site, account, path):
    visitor = logged_in(site, account)
    target, data = visitor.open(path).filled_in(current_password="", code="")
    fields = set(data) - {"csrf_token"}
    for number, text in enumerate(("\0", "\ud800", "x" * 3_000, "\u202e\r\nBcc: a@b")):
        odd = dict.fromkeys(fields, text.encode(errors="surrogatepass"))
        page = visitor.send(target, data | odd)
        assert page.status == 422, number
        assert page.find(".error").text()
    for field in fields:
        page = visitor.send(target, {k: v for k, v in data.items() if k != field})
        assert page.status == 422

    assert is_in(visitor)


@attack(80)
@pytest.mark.parametrize("path", CHANGES)
def test_password_managers_know_which_field_is_which(site, account, path):
    page = logged_in(site, account).open(path)
    kinds = {"current_password": "current-password", "code": "one-time-code"}
    if path == "/account/password":
        kinds |= {"password": "new-password", "confirm": "new-password"}

    for name, kind in kinds.items():
        assert page.find(f"[name={name}]").attributes["autocomplete"] == kind
        if name != "code":
            assert page.find(f"[name={name}]").attributes["type"] == "password"
    names = [field.attributes["name"] for field in page.find_all("input[name]")]
    assert names[-1] == "code"  # it ages: the passwords come first


# The phone


@since("05f")
@attack(49)
def test_the_old_authenticator_works_until_the_new_one_is_confirmed_and_then_never(
    site, account, clock
):
    visitor = logged_in(site, account)
    page, old = prove(visitor, account, "/account/phone"), account.authenticator
    other = logged_in(site, account)
    new = scan(page, clock)
    page = page.fill_in(code=new.code())
    assert page.path == "/account"
    assert not other.is_logged_in()

    for wait in (0, 15 * 60):
        clock.move(wait)
        page = site.visitor().give_password(account)
        for code in (old.code_from(0), old.code_from(1), old.code()):
            assert page.fill_in(code=code).status == 422
    clock.move(15 * 60)
    account.authenticator = new
    visitor = logged_in(site, account)
    assert prove(visitor, account, "/account/phone", code=old.code()).status == 422


@since("05f")
@attack(46)
def test_a_move_that_is_broken_off_leaves_the_old_authenticator(site, account, clock):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    new = scan(page, clock)
    visitor.log_out()

    site.visitor().log_in(account)
    page = site.visitor().give_password(account)
    assert page.fill_in(code=new.code()).status == 422
    assert site.mails() == []


@attack(46)
def test_a_wrong_code_of_the_new_authenticator_leaves_the_old_one(site, account, clock):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    new = scan(page, clock)
    for code in (
        new.wrong_code(),
        account.authenticator.code(),
        account.recovery_code(),
        "",
    ):
        page = page.fill_in(code=code)
        assert page.status == 422, code
        assert scan(page, clock).secret == new.secret
    site.visitor().log_in(account)

    assert page.fill_in(code=new.code()).path == "/account"
    assert visitor.is_logged_in()


@attack(49)
def test_a_code_at_the_very_end_of_the_ten_minutes_locks_no_user_out(
    site, account, clock, monkeypatch
):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    began, new = clock.now(), scan(page, clock)
    clock.move_to(began + TEN_MINUTES)
    verify = TOTP.verify_and_get_timecode

    def verify_slowly(totp, *args, **how):
        found = verify(totp, *args, **how)
        clock.move(1)
        return found

    monkeypatch.setattr(TOTP, "verify_and_get_timecode", verify_slowly)
    page = page.fill_in(code=new.code_from(0))
    monkeypatch.undo()

    if "new authenticator app is set up" in page.text:
        account.authenticator = new
    clock.move(5 * 60)
    site.visitor().log_in(account)


@since("05f")
@attack(46, 50)
def test_the_new_secret_is_shown_again_to_its_own_session_alone(site, account, clock):
    other, visitor = logged_in(site, account), logged_in(site, account)
    before = site.visitor().take_cookies_of(visitor)
    pending = site.visitor()
    pending.give_password(account)
    secret = scan(prove(visitor, account, "/account/phone"), clock).secret

    assert scan(visitor.open("/account/phone"), clock).secret == secret
    for somebody in (other, before, pending, site.visitor()):
        for path in (*CHANGES, "/account", "/enrol", "/login/code"):
            html = somebody.open(path).html
            assert secret not in html
            assert "otpauth:" not in html
    for path in ("/account", "/", "/account/password", "/enrol"):
        assert secret not in visitor.open(path).html


@attack(50)
def test_the_new_secret_is_never_shown_after_it_was_confirmed(step, site, account):
    visitor = logged_in(site, account)
    copy = site.visitor()
    page = prove(visitor, account, "/account/phone")
    copy.take_cookies_of(visitor)
    authenticator = scan(page, account.authenticator.clock)
    page = page.fill_in(code=authenticator.code())
    assert page.path == "/account"

    pages = [page] + [visitor.open(path) for path in pages_of(step)]
    pages += [copy.open(path) for path in pages_of(step)]
    for page in pages:
        assert authenticator.secret not in page.html
        assert "otpauth:" not in page.html
    account.authenticator = authenticator
    again = prove(visitor, account, "/account/phone")
    assert scan(again, authenticator.clock).secret != authenticator.secret


@attack(50)
def test_no_secret_waits_once_the_new_authenticator_is_confirmed(site, account):
    before = site.sql("SELECT session_id FROM pending_secrets")
    page = change(logged_in(site, account), account, "/account/phone")

    assert page.path == "/account"
    assert site.sql("SELECT session_id FROM pending_secrets") == before


@since("05f")
@attack(49)
def test_a_code_without_the_proof_sets_up_no_authenticator(site, account, clock):
    thief, owner = logged_in(site, account), logged_in(site, account)
    target, data = owner.open("/account/phone").filled_in(code="")
    authenticator = scan(prove(owner, account, "/account/phone"), clock)
    _, data = thief.open("/account/phone").filled_in(code="")
    for code in (authenticator.code(), account.authenticator.code()):
        data = {"csrf_token": data["csrf_token"], "code": code}
        assert thief.send(target, data).status == 422

    assert not thief.page.find_all("#secret")
    site.visitor().log_in(account)


@since("05f")
@attack(128)
def test_the_proof_for_a_new_authenticator_is_good_for_ten_minutes(
    site, account, clock
):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    began = clock.now()
    new = scan(page, clock)
    clock.move_to(began + TEN_MINUTES - 1)

    assert page.fill_in(code=new.code_from(0)).path == "/account"


@attack(128)
def test_after_ten_minutes_a_session_that_was_left_asks_for_proof_again(
    site, account, clock
):
    visitor = logged_in(site, account)
    page = prove(visitor, account, "/account/phone")
    left = scan(page, clock)
    clock.move(TEN_MINUTES + 1)
    thief = site.visitor().take_cookies_of(visitor)

    assert page.fill_in(code=left.code()).status == 422
    for somebody in (thief, visitor):
        page = somebody.open("/account/phone")
        assert not page.find_all("#secret")
        assert page.find("[name=current_password]")
    page = prove(visitor, account, "/account/phone")
    assert scan(page, clock).secret != left.secret
    assert page.fill_in(code=left.code()).status == 422
    site.visitor().log_in(account)


@attack(128)
@pytest.mark.parametrize("path", ["/account/password", "/account/recovery-codes"])
def test_the_proof_for_a_new_authenticator_proves_nothing_else(site, account, path):
    visitor = logged_in(site, account)
    prove(visitor, account, "/account/phone")
    page = prove(visitor, account, path, current_password="", code="")

    assert page.status == 422
    assert not codes_on(page)
    site.visitor().log_in(account)


@attack(34, 49, 128)
@pytest.mark.parametrize("path", ["/account/password", "/account/recovery-codes"])
def test_a_move_that_a_thief_began_ends_with_the_owner_s_change(
    site, account, clock, path
):
    thief, owner = logged_in(site, account), logged_in(site, account)
    page = prove(thief, account, "/account/phone")
    authenticator = scan(page, clock)
    # the proof does not log the owner out: only a confirmed phone does
    change(owner, account, path)

    assert page.fill_in(code=authenticator.code()).path.startswith("/login")
    assert not thief.is_logged_in()
    assert owner.is_logged_in()
    site.visitor().log_in(account)


# The recovery codes


@since("05f")
@attack(55, 57)
def test_new_recovery_codes_take_the_place_of_the_old_ones_and_are_shown_once(
    step, site, account
):
    old, visitor = list(account.recovery_codes), logged_in(site, account)
    change(visitor, account, "/account/recovery-codes")

    assert len(set(account.recovery_codes) - set(old)) == 10
    for path in pages_of(step):
        html = visitor.open(path).html
        assert not any(code in html for code in account.recovery_codes)
    for code in old[:3]:
        assert recover(site, account, code).status == 422
    assert recover(site, account, account.recovery_codes[9]).path == "/"


# Two browsers of one user


@attack(34)
@pytest.mark.parametrize("second", CHANGES)
@pytest.mark.parametrize("first", CHANGES)
def test_of_two_browsers_the_later_one_has_to_log_in_again(
    site, account, first, second
):
    one, other = logged_in(site, account), logged_in(site, account)
    page, values = other.open(second), proof(account, second)
    change(one, account, first)

    assert page.fill_in(**values).path.startswith("/login")
    assert not other.is_logged_in()
    other.log_in(account)
    assert one.is_logged_in()  # a login ends no other session
    assert change(other, account, second, **fresh(second)).status == 200
    assert other.is_logged_in()
    assert not one.is_logged_in()

"""Over a limit nothing is done any more: no hash, no email, no row, no code used up."""

from urllib.parse import urlsplit

import pytest
from zxcvbn import matching

from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import logged_in
from tests.kit.accounts import prove
from tests.kit.email_codes import ask_again
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register
from tests.kit.work import counted_work

KIM = "kim@example.org"
MANY = 50  # more than any limit from one network
COUNTERS = "rate_limit_counters"

pytestmark = [
    rate_limited,
    never_red("the step before has the order as well"),
]


# Each of these returns what is sent again and again, and then what would be right


def give_password(site, kim):
    """Log in."""
    page = site.visitor().open("/login")
    return lambda good: page.fill_in(
        username=kim.username, password=kim.password if good else "wrong"
    )


def give_code(site, kim):
    """Give the code of the authenticator."""
    page = site.visitor().give_password(kim)
    wrong, right = kim.authenticator.wrong_code(), kim.authenticator.code()
    return lambda good: page.fill_in(code=right if good else wrong)


def give_recovery_code(site, kim):
    """Give a recovery code in its place."""
    visitor = site.visitor()
    visitor.give_password(kim)
    page, right = visitor.open("/login/recovery"), kim.recovery_code()
    return lambda good: page.fill_in(recovery_code=right if good else "wrong")


def give_first_code(site, kim):
    """Give the first code of an authenticator."""
    account = register(site.visitor(), username="lee")
    page = site.visitor().give_password(account)
    phone = scan(page, site.clock)
    wrong, right = phone.wrong_code(), phone.code()
    return lambda good: page.fill_in(code=right if good else wrong)


def create_account(site, kim):
    """Create an account: while the name is taken, and then with another one."""
    visitor = site.visitor()
    return lambda good: fill_in_registration(
        visitor, username="robin" if good else kim.username
    )


def give_email_code(site, kim):
    """Give the code that was sent to a new address."""
    page = fill_in_registration(site.visitor(), email="lee@example.org")
    [right] = [mail.code for mail in site.mails() if mail.to == "lee@example.org"]
    wrong = f"{(int(right) + 1) % 10**8:08}"
    return lambda good: page.fill_in(email_code=right if good else wrong)


def ask_for_another_code(site, kim):
    """Have the code sent once more."""
    page = fill_in_registration(site.visitor(), email="lee@example.org")
    return lambda good: ask_again(page)


def ask_for_link(site, kim):
    """Ask for a reset link."""
    page = site.visitor().open("/reset")
    return lambda good: page.fill_in(email=KIM)


def set_password(site, kim):
    """Set a new password behind a link."""
    site.visitor().open("/reset").fill_in(email=KIM)
    [link] = [mail.link for mail in site.mails() if "Reset" in mail.subject]
    page = site.visitor().open(urlsplit(link).path)
    wrong, right = kim.authenticator.wrong_code(), kim.authenticator.code()
    new = {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    return lambda good: page.fill_in(code=right if good else wrong, **new)


def change_password(site, kim):
    """Change the password."""
    visitor = logged_in(site, kim)
    right = kim.authenticator.code()
    return lambda good: prove(
        visitor,
        kim,
        "/account/password",
        code=right,
        current_password=kim.password if good else "wrong",
    )


def confirm_authenticator(site, kim):
    """Give the first code of a new authenticator."""
    visitor = logged_in(site, kim)
    page = prove(visitor, kim, "/account/phone")
    phone = scan(page, site.clock)
    wrong, right = phone.wrong_code(), phone.code()
    return lambda good: page.fill_in(code=right if good else wrong)


WAYS = [
    give_password,
    give_code,
    give_recovery_code,
    give_first_code,
    create_account,
]
WAYS_WITH_EMAIL = [
    give_email_code,
    ask_for_another_code,
    ask_for_link,
    set_password,
    change_password,
    confirm_authenticator,
]


def rows_of(site):
    """Return the rows of all tables but that of the limits."""
    tables = site.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    names = [name for [name] in tables if name != COUNTERS]
    return {name: site.sql(f"SELECT * FROM {name}") for name in names}


@pytest.fixture
def measured(monkeypatch):
    """Return the passwords that the meter reads, as it does so."""
    passwords, look_up = [], matching.dictionary_match

    def noting(password, *dictionaries, **named):
        passwords.append(password)
        return look_up(password, *dictionaries, **named)

    monkeypatch.setattr(matching, "dictionary_match", noting)
    return passwords


def assert_nothing_is_done(site, monkeypatch, measured, way):
    """Use up a limit, then send what is right, and look for what it did."""
    kim = register(site.visitor(), username="kim", email=KIM)
    enrol(site.visitor(), kim, site.clock)
    send = way(site, kim)
    for _ in range(MANY):
        if site.stage.number >= "05":
            site.mails()
        before = rows_of(site)
        if send(False).status == 429:
            break
    else:
        pytest.fail("there is no limit")
    assert rows_of(site) == before
    measured.clear()
    with counted_work(site, monkeypatch) as (hashes, _):
        assert send(True).status == 429
    assert hashes == measured == []
    assert rows_of(site) == before


@since("04d")
@attack(71)
@pytest.mark.parametrize("way", WAYS)
def test_over_a_limit_nothing_is_done_with_what_is_right(
    site, monkeypatch, measured, way
):
    assert_nothing_is_done(site, monkeypatch, measured, way)


@since("05")
@attack(71)
@pytest.mark.parametrize("way", WAYS_WITH_EMAIL)
def test_nor_is_it_where_emails_and_accounts_are_concerned(
    site, monkeypatch, measured, way
):
    assert_nothing_is_done(site, monkeypatch, measured, way)

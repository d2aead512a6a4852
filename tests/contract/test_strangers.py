"""Whatever strangers do, they take nothing from anybody else: no email, try or row."""

import re
from urllib.parse import urlsplit

import pytest

from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import prove
from tests.kit.email_codes import ask_again
from tests.kit.email_codes import wrong
from tests.kit.marks import attack
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.reset_links import ask_for_link
from tests.kit.stage import STEPS
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register

pytestmark = [since("05"), rate_limited]

KIM, LEE = "kim@example.org", "lee@example.org"
MINUTE, DAY = 60, 24 * 60 * 60
LIMIT_OF_NETWORK, LIMIT_PER_IPV6_48 = 20, 100
WEAK = "aaaaaaaaaaaaaaaaaaaaaaaa"


def stranger(site, number):
    """Return a stranger from a network of its own."""
    return site.visitor(network=f"192.0.2.{number}")


def ask_for_account(visitor, address=LEE):
    """Register with an address; return the page that answers."""
    return fill_in_registration(visitor, email=address)


def ask_twice(visitor, address=LEE):
    """Have the email code sent once more; return the page that answers."""
    page = visitor.open("/register/verify")
    assert page.status == 200
    return ask_again(page)


def open_link(site, mail):
    """Open the link of an email; return the page to which it leads."""
    return site.visitor().open(urlsplit(mail.link).path)


# Emails that anybody may ask for


@attack(147)
@pytest.mark.parametrize("every", [1, 6, 19, 20])
def test_an_owner_who_asks_has_a_link_that_works_however_often_strangers_ask(
    site, kim, clock, every
):
    inbox = []
    for minute in range(100):
        if minute % every == 0:
            assert ask_for_link(stranger(site, minute)).status == 200
            inbox += site.mails()
        if minute % 7 == 0:
            assert ask_for_link(site.visitor()).status == 200
            inbox += site.mails()
            assert open_link(site, inbox[-1]).path == "/reset/new"
        clock.move(MINUTE)

    links = [mail.link for mail in inbox]
    assert max(map(links.count, links)) <= 3
    assert len(set(links)) <= 5
    ask_for_link(site.visitor())
    page = open_link(site, [*inbox, *site.mails()][-1])
    code = kim.authenticator.code()
    page = page.fill_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD, code=code)
    assert page.path == "/login", page.text


@attack(147)
def test_a_link_ends_at_its_time_however_often_it_was_sent(site, kim, clock):
    ask_for_link(site.visitor())
    [first] = site.mails()
    clock.move(20 * MINUTE - 1)
    ask_for_link(stranger(site, 1))
    [second] = site.mails()
    assert second == first
    assert open_link(site, second).path == "/reset/new"
    clock.move(1)

    assert open_link(site, second).path == "/reset"


@attack(146, 91)
@pytest.mark.parametrize(
    ("ask", "address", "subject"),
    [
        (ask_for_link, KIM, "Reset your Door password"),
        (ask_for_account, LEE, "Your Door code"),
        (ask_for_account, KIM, "You already have a Door account"),
    ],
    ids=["link", "code", "notice"],
)
def test_emails_that_strangers_ask_for_are_few_and_bring_the_owner_no_pause(
    site, kim, ask, address, subject
):
    inbox = []
    for number in range(30):
        for _ in range(2):
            assert ask(stranger(site, number), address).status == 200
        inbox += site.mails()
    assert [mail.subject for mail in inbox] == [subject] * 3
    assert len({mail.text for mail in inbox}) == 1

    owner = site.visitor()
    page = ask(owner, address)
    assert page.status == 200
    assert site.mails() == []
    if "code" in subject:
        assert page.fill_in(email_code=inbox[0].code).path == "/enrol"
    if "Reset" in subject:
        assert open_link(site, inbox[0]).path == "/reset/new"


@attack(146, 91)
def test_wishes_of_strangers_for_another_code_bring_no_pause_to_its_owner(site):
    owner = site.visitor()
    ask_for_account(owner)
    inbox = site.mails()
    for number in range(5):
        visitor = stranger(site, number)
        ask_for_account(visitor)
        for _ in range(LIMIT_OF_NETWORK):
            assert ask_twice(visitor).status == 200
            inbox += site.mails()
        assert ask_twice(visitor).status == 429

    assert len(inbox) == 3
    page = ask_twice(owner)
    assert page.status == 200
    assert "already had three" in page.text
    assert page.fill_in(email_code=inbox[0].code).path == "/enrol"


@attack(146, 48)
def test_wrong_email_codes_of_strangers_are_counted_with_them_alone(site):
    page = ask_for_account(site.visitor())
    [mail] = site.mails()
    for number in range(12):
        other = ask_for_account(stranger(site, number))
        for _ in range(5):
            assert other.fill_in(email_code=wrong(mail.code)).status == 422
        assert other.fill_in(email_code=mail.code).status == 429

    assert page.fill_in(email_code=wrong(mail.code)).status == 422
    assert page.fill_in(email_code=mail.code).path == "/enrol"


@attack(71, 91, 146)
@pytest.mark.parametrize("ask", [ask_for_link, ask_for_account, ask_twice])
def test_a_network_may_ask_twenty_times_and_a_48_a_hundred_times(site, ask):
    def answers(network, times):
        visitor = site.visitor(network=network)
        if ask is ask_twice:
            visitor.take_cookies_of(waiting)
        return [ask(visitor).status for _ in range(times)]

    waiting = site.visitor(network="198.51.100.1")
    ask_for_account(waiting)
    assert answers("192.0.2.1", LIMIT_OF_NETWORK + 1) == [200] * 20 + [429]
    for number in range(LIMIT_PER_IPV6_48 // 10):
        assert answers(f"2001:db8:0:{number:x}::1", 10) == [200] * 10

    assert answers("2001:db8:0:ffff::1", 1) == [429]
    for elsewhere in ("2001:db8:1::1", "192.0.2.2"):
        assert answers(elsewhere, 1) == [200]


# Rows of others


def leave_rows_behind(site):
    """Let somebody leave a row in every table."""
    account = register(site.visitor(), username="lee", email=LEE)
    enrol(site.visitor(), account, site.clock)
    abandoned = register(site.visitor(), username="robin")
    site.visitor().give_password(abandoned)
    for name in ("lee", "nobody"):
        site.visitor().open("/login").fill_in(username=name, password="wrong")
    page = site.visitor().give_password(account)
    page.fill_in(code=account.authenticator.wrong_code())
    if site.stage.number >= "05":
        ask_for_link(site.visitor(), LEE)
        ask_for_account(site.visitor(), "sam@example.org")
        site.mails()


def watch_rows(site):
    """Note from now on which of the rows that are there somebody changes."""
    tables = site.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    site.sql("CREATE TABLE touched (what TEXT)")
    for (table,) in tables:
        site.sql(f"CREATE TABLE seen_{table} AS SELECT rowid AS row FROM {table}")
        for what in ("UPDATE", "DELETE"):
            site.sql(
                f"CREATE TRIGGER {what}_{table} BEFORE {what} ON {table}"
                f" WHEN OLD.rowid IN (SELECT row FROM seen_{table}) BEGIN"
                f" INSERT INTO touched VALUES ('{what} {table}'); END"
            )
    return [table for (table,) in tables]


def do_everything(site, network):
    """Register, enrol, log in, change and reset, right and wrong."""
    visitor = site.visitor(network=network)
    kim = register(visitor, username="kim", email=KIM)
    enrol(visitor, kim, site.clock)
    visitor.log_out()
    visitor.open("/login").fill_in(username="kim", password="wrong")
    page = visitor.give_password(kim)
    page.fill_in(code=kim.authenticator.wrong_code())
    visitor.log_in(kim)
    if site.stage.number >= "05":
        for path in ("/account/recovery-codes", "/account/phone"):
            assert prove(visitor, kim, path).status == 200
        visitor.log_out()
        page = ask_again(ask_for_account(visitor, "ann@example.org"))
        page.fill_in(email_code="00000000")
        ask_for_link(visitor)
        mails = site.mails()
        [link] = [mail for mail in mails if "Reset" in mail.subject]
        page = visitor.open(urlsplit(link.link).path)
        code = kim.authenticator.code()
        page.fill_in(password=WEAK, confirm=WEAK, code=code)
        page = page.fill_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD, code=code)
        assert page.path == "/login", page.text


def tables_of(number):
    """Return the tables of our own step: a reader's app may have more."""
    files = (STEPS[number] / "migrations" / "versions").glob("*.py")
    text = "".join(file.read_text("utf-8") for file in files)
    return re.findall(r'create_table\(\s*"(\w+)"', text)


@since("04")
@attack(151)
@pytest.mark.parametrize("later", [0, 3 * DAY], ids=["at once", "days later"])
def test_no_request_touches_a_row_of_another_user_however_old(site, clock, later):
    leave_rows_behind(site)
    tables = watch_rows(site)
    ours = [table for table in tables if table in tables_of(site.stage.number)]
    empty = [t for t in ours if site.sql(f"SELECT count(*) FROM {t}") == [(0,)]]
    assert empty in ([], ["outbox_emails"])  # all were sent
    clock.move(later)
    do_everything(site, "198.51.100.1")

    assert site.sql("SELECT * FROM touched") == []


# The one lock of SQLite

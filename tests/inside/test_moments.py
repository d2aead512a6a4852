"""Two requests in one moment: the other one comes where it hurts most, each time."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import prove
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register

pytestmark = since("05")

KIM = "kim@example.org"
OTHER_PASSWORD = "six violins paint the harbour"  # noqa: S105  of nobody


def meanwhile(monkeypatch, module, name, act):
    """Let something else happen once, at the moment when a function is called.

    It happens in a thread of its own, which shares no request and no transaction.
    """
    function, waiting = getattr(module, name), [act]

    def called(*arguments, **named):
        if waiting:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(waiting.pop()).result()
        return function(*arguments, **named)

    monkeypatch.setattr(module, name, called)


@attack(109)
def test_a_sender_that_was_slower_sends_nothing(site, monkeypatch):
    for name in ("kim", "lee", "sam"):
        fill_in_registration(site.visitor(), email=f"{name}@example.org")
    faster = []
    meanwhile(
        monkeypatch, site.module("outbox"), "claim", lambda: faster.extend(site.mails())
    )
    slower = site.mails()

    assert len(faster) == 3
    assert slower == []


@attack(48)
def test_a_second_click_on_an_email_code_leads_on_and_makes_no_second_user(
    site, monkeypatch
):
    page = fill_in_registration(site.visitor(), username="kim", email=KIM)
    [mail] = site.mails()
    other = site.visitor().take_cookies_of(page.visitor)
    twin, answers = other.open(page.path), []
    meanwhile(
        monkeypatch,
        site.module("registration"),
        "derive_code",
        lambda: answers.append(twin.fill_in(email_code=mail.code)),
    )
    answers.append(page.fill_in(email_code=mail.code))

    assert answers[0].path == "/enrol"
    assert answers[1].path in ("/enrol", "/login")
    assert site.sql("SELECT count(*) FROM users") == [(1,)]


@attack(85)
def test_of_two_who_use_a_link_at_once_the_first_sets_the_password(site, monkeypatch):
    kim = register(site.visitor(), username="kim", email=KIM)
    enrol(site.visitor(), kim, site.clock)
    site.visitor().open("/reset").fill_in(email=KIM)
    [link] = [mail.link for mail in site.mails() if "Reset" in mail.subject]
    pages = [site.visitor().open(urlsplit(link).path) for _ in range(2)]
    code = kim.authenticator.code()

    def be_faster():
        new = {"password": OTHER_PASSWORD, "confirm": OTHER_PASSWORD}
        page = pages[1].fill_in(code=kim.recovery_code(), **new)
        assert page.path == "/login"

    meanwhile(monkeypatch, site.module("passwords"), "hash_password", be_faster)
    new = {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    assert pages[0].fill_in(code=code, **new).path == "/reset"

    kim.password = OTHER_PASSWORD
    assert site.visitor().give_password(kim).fill_in(code=code).path == "/"


@attack(46)
def test_an_authenticator_that_is_confirmed_while_its_owner_logs_out_is_none(
    site, monkeypatch
):
    kim, visitor, elsewhere = site.account(), site.visitor(), site.visitor()
    for browser in (visitor, elsewhere):
        browser.log_in(kim)
    page = prove(visitor, kim, "/account/phone")
    phone = scan(page, site.clock)
    meanwhile(
        monkeypatch, site.module("enrolment"), "verify_first_code", elsewhere.log_out
    )
    page = page.fill_in(code=phone.code())

    assert page.path.partition("?")[0] == "/login"
    visitor.log_in(kim)

"""Where a login leads: to the page that was asked for, and never to another site."""

import itertools

import pytest
from ada_url import URL

from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.phone import scan

LISTED = [
    "//e.com",
    "/\\e.com",
    "http:e.com",
    "http://e.com",
    "https:///e.com",
    "https:e.com",
    "/\t/e.com",
    "\t//e.com",
    "/\n/e.com",
    "/\r\n/e.com",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "//[::1",
    "//[::1]",
    "///e.com",
    "/\\/e.com",
    "\\\\e.com",
    "//e.com\\@localhost",
    "//localhost@e.com",
    "/%09/e.com",
    "\N{FULLWIDTH SOLIDUS}/e.com",
    "/\N{FULLWIDTH SOLIDUS}e.com",
    "/\0/e.com",
    " //e.com",
    "@e.com",
    "http://localhost@e.com",
    "..//e.com",
    "/..//e.com",
    "e.com",
    "?next=//e.com",
    "",
]
COMBINED = [
    "".join(parts) + "e.com"
    for parts in itertools.product(["/", "\\", "http:"], ["/", "\\", "\t"], "/\\")
]


def encoded(target):
    """Return a target for the query of an address."""
    return "".join(f"%{byte:02x}" for byte in target.encode())


def lands_on(visitor, page):
    """Return the host on which a browser lands, judged by the rules of WHATWG."""
    location = page.headers.get("Location", "")
    return URL(location, base=f"http://{visitor.browser.host}/login").hostname


def last_answer_of_a_login(visitor, account, target):
    """Log in by hand, and return the answer that leads away from the login."""
    at = f"?next={encoded(target)}"
    page = visitor.open(f"/login{at}")
    where, data = page.filled_in(username=account.username, password=account.password)
    answer = visitor.ask("POST", where, data=data)
    if not account.authenticator:
        return answer
    assert lands_on(visitor, answer) == visitor.browser.host
    page = visitor.open(answer.headers["Location"])
    where, data = page.filled_in(code=account.authenticator.code())
    return visitor.ask("POST", where, data=data)


@attack(92)
def test_a_login_never_leads_to_another_site(site, account):
    for target in site.some(LISTED + COMBINED):
        visitor = site.visitor()

        answer = last_answer_of_a_login(visitor, account, target)

        assert answer.status == 302, target
        assert lands_on(visitor, answer) == visitor.browser.host, target
        assert visitor.is_logged_in(), target


@attack(92)
@pytest.mark.parametrize("target", ["/account?x=1", "/a/b?c=d&e=f%20g#h", "/~x/"])
def test_a_login_leads_to_the_page_that_was_asked_for(visitor, account, target):
    answer = last_answer_of_a_login(visitor, account, target)

    assert answer.headers["Location"] == target


@since("03")
@attack(92)
@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/account?x=1", "/account?x=1"),
        ("//e.com", "/"),
        (r"/\e.com", "/"),
        ("javascript:x", "/"),
    ],
)
def test_enrolment_leads_to_the_page_that_was_asked_for(site, clock, target, leads_to):
    to = f"/login?next={encoded(target)}"
    page = site.visitor().give_password(site.account_without_factor(), to)
    page = page.fill_in(code=scan(page, clock).code())

    links = [link.attributes["href"] for link in page.find_all("a[href]")]
    assert leads_to in links
    assert target == leads_to or target not in links


@since("03")
@attack(92)
@pytest.mark.parametrize(
    ("target", "leads_to"), [("/account?x=1", "/account?x=1"), ("//e.com", "/")]
)
def test_a_recovery_code_leads_to_the_page_that_was_asked_for(
    visitor, account, target, leads_to
):
    visitor.give_password(account, to=f"/login?next={encoded(target)}")
    page = visitor.open(f"/login/recovery?next={encoded(target)}")
    where, data = page.filled_in(recovery_code=account.recovery_code())
    answer = visitor.ask("POST", where, data=data)

    assert answer.headers.get("Location") == leads_to

"""Reset links as ours are signed and kept, and who steps in between two lines."""

import socket

import pytest
import requests

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import prove
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.phone import scan
from tests.kit.reset_links import ask_for_link
from tests.kit.reset_links import choose
from tests.kit.reset_links import claims_of
from tests.kit.reset_links import form_behind
from tests.kit.reset_links import mailed_link
from tests.kit.reset_links import opens_form
from tests.kit.reset_links import password_works
from tests.kit.servers import FlaskRun
from tests.kit.stage import register
from tests.kit.tokens import key_for
from tests.kit.tokens import signed
from tests.kit.work import commits
from tests.kit.work import meanwhile

pytestmark = since("05")

HERE = "127.0.0.1"
PURPOSE = "password reset"


@attack(82)
def test_a_link_alone_sets_no_password_if_an_authenticator_is_set_up_in_the_same_moment(
    site, clock
):
    account = register(site.visitor(), email=ADDRESS)
    page = form_behind(site, mailed_link(site))
    owner = site.visitor()
    code = scan(owner.give_password(account), clock).code()
    meanwhile(site, "second_factors", owner.fill_in, code=code)
    page = page.fill_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD)

    assert page.find_all("[name=code]")
    assert owner.is_logged_in()
    assert password_works(site, account, account.password)


@attack(49)
def test_a_code_of_a_secret_that_is_replaced_while_it_is_verified_resets_nothing(
    site, kim, clock
):
    mover = site.visitor()
    mover.log_in(kim)
    prove(mover, kim, "/account/phone", code=kim.recovery_code())
    code = scan(mover.page, clock).code()
    page = form_behind(site, mailed_link(site))
    clock.move(30)
    came = meanwhile(site, "second_factors", mover.fill_in, code=code)

    assert choose(page, kim.authenticator.code()).status == 422
    assert came[1].path == "/account"
    assert password_works(site, kim, kim.password)


@attack(84)
def test_a_letter_that_waits_for_the_mail_server_does_not_show_in_the_work(site, kim):
    with socket.create_server((HERE, 0)) as nobody:
        port = nobody.getsockname()[1]
    site = site.start_again(MAIL_SERVER=HERE, MAIL_PORT=port, MAIL_SUPPRESS_SEND=False)
    addresses = (ADDRESS, "unknown@example.org")
    for address in addresses:
        ask_for_link(site.visitor(), address)
    site.mails()  # that of the account waits for another try, the other is gone
    costs = []
    for address in addresses:
        page = site.visitor().open("/reset")
        before = commits(site)
        page.fill_in(email=address)
        costs.append(commits(site) - before)

    assert costs[0] == costs[1] > 0


@attack(90)
@pytest.mark.races
def test_the_log_of_the_development_server_shows_no_link(step):
    with FlaskRun(step) as server:
        link = f"{server.url}/reset/aaaa.bbbb.cccc"
        for address in (link, f"{link}?a=b", f"{link}/", f"{link}\xff"):
            for method in ("GET", "HEAD", "POST"):
                requests.request(method, address, timeout=5, allow_redirects=False)
        requests.get(f"{server.url}/login", timeout=5)

    written = server.output.read_text()
    assert "GET /login" in written
    assert ".bbbb." not in written


@attack(86)
def test_the_claims_of_a_link_signed_as_we_sign_open_the_form(site, kim):
    claims = claims_of(mailed_link(site))

    assert claims.keys() == {"sub", "aud", "jti", "exp"}
    assert opens_form(site, signed(claims, key_for(PURPOSE)))


@attack(86)
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_link_signed_by_another_algorithm_is_refused(site, kim, algorithm):
    claims = claims_of(mailed_link(site))

    assert not opens_form(site, signed(claims, key_for(PURPOSE), algorithm))


@attack(86)
@pytest.mark.parametrize(
    "change",
    [
        {"sub": None},
        {"aud": None},
        {"jti": None},
        {"exp": None},
        {"aud": "email code"},
        {"aud": ""},
        {"aud": []},
        {"exp": 0},
        {"exp": -1},
        {"exp": "soon"},
        {"exp": [2**40]},
        {"nbf": 2**40},
        {"iat": 2**40},
        {"jti": ""},
        {"jti": "x" * 22},
        {"jti": 7},
        {"jti": ["x"]},
        {"sub": "2"},
        {"sub": "0"},
        {"sub": "-1"},
        {"sub": "999999"},
        {"sub": 1},
        {"sub": ["1"]},
    ],
    ids=str,
)
def test_a_link_that_says_something_else_is_refused_even_if_signed(
    site, kim, clock, change
):
    claims = claims_of(mailed_link(site)) | change
    claims = {name: value for name, value in claims.items() if value is not None}

    assert not opens_form(site, signed(claims, key_for(PURPOSE)))


@attack(86)
def test_a_signed_link_of_one_user_does_not_open_the_form_of_another(site, kim):
    register(site.visitor(), email="lee@example.org")
    mine, theirs = mailed_link(site, "lee@example.org"), mailed_link(site)
    mixed = claims_of(mine) | {"sub": claims_of(theirs)["sub"]}

    assert not opens_form(site, signed(mixed, key_for(PURPOSE)))
    assert opens_form(site, mine.rpartition("/")[2])

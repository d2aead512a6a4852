"""A forgotten password: what the mailbox alone is worth, and for how long."""

import hmac
import socket
from urllib.parse import urlsplit

import jwt
import pytest

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.accounts import change
from tests.kit.accounts import logged_in
from tests.kit.accounts import recover
from tests.kit.answers import assert_alike
from tests.kit.answers import content_of
from tests.kit.answers import token_of
from tests.kit.email_codes import LOOK_ALIKES
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import rate_limited
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.production import PRODUCTION
from tests.kit.reset_links import ask_for_link
from tests.kit.reset_links import choose
from tests.kit.reset_links import claims_of
from tests.kit.reset_links import form_behind
from tests.kit.reset_links import mailed_link
from tests.kit.reset_links import opens_form
from tests.kit.reset_links import password_works
from tests.kit.stage import CONFIG
from tests.kit.stage import add_second_factor
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register
from tests.kit.tokens import key_for
from tests.kit.tokens import part
from tests.kit.tokens import signed
from tests.kit.work import counted_work
from tests.kit.work import kinds
from tests.kit.work import measured
from tests.kit.work import typical_ratio

pytestmark = since("05")

LIFETIME = 20 * 60  # seconds
PURPOSE = "password reset"
HERE = "127.0.0.1"


@pytest.fixture
def owner(site):
    """Return the account of somebody whose mails we read."""
    return site.cached_account(register_kimberly)


def register_kimberly(site):
    """Return an account whose address we know."""
    return add_second_factor(
        site, register(site.visitor(), username="kimberly", email=ADDRESS)
    )


def is_dead(site, link):
    """Tell whether a link is refused, with the page that asks for another one."""
    page = site.visitor().open(link)
    assert page.status == 200
    assert page.path in ("/reset", "/reset/new")
    if page.path == "/reset":
        assert page.form("email")
        assert not page.find_all("[name=password]")
    return page.path == "/reset"


# What the reset does


@since("05d")
@attack(82, 83)
def test_a_user_with_the_link_and_a_code_sets_a_new_password(site, owner):
    page = form_behind(site, mailed_link(site))
    page = choose(page, owner.authenticator.code())

    assert page.path == "/login"
    assert page.status == 200
    assert not password_works(site, owner, owner.password)
    assert password_works(site, owner, NEW_PASSWORD)
    owner.password = NEW_PASSWORD
    site.visitor().log_in(owner)


@attack(83)
def test_after_a_reset_no_session_is_left_and_the_code_is_asked_for(site, owner):
    visitor = site.visitor()
    choose(form_behind(site, mailed_link(site), visitor), owner.authenticator.code())

    assert not visitor.is_logged_in()
    for path in ("/enrol", "/login/code", "/account", "/account/password"):
        assert visitor.open(path).path.startswith("/login"), path
        assert visitor.page.form("username", "password")


@since("05d")
@attack(82)
def test_the_link_alone_sets_no_password(site, owner):
    link = mailed_link(site)
    page = form_behind(site, link)
    token = link.rpartition("/")[2]
    for code in ("", " ", owner.authenticator.wrong_code(), token, "abcd-efgh", "None"):
        refused = choose(page, code)
        assert refused.status == 422, code
        assert refused.find(".error").text()
        assert refused.find("[name=code]").attributes["value"] == ""
    target, data = page.filled_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    del data["code"]
    assert page.visitor.send(target, data).status == 422

    assert not password_works(site, owner, NEW_PASSWORD)
    assert password_works(site, owner, owner.password)


@since("05d")
@attack(82, 22)
def test_the_code_of_another_user_is_refused_with_a_link(site, owner):
    thief = site.account()
    page = form_behind(site, mailed_link(site))

    assert choose(page, thief.authenticator.code()).status == 422
    assert choose(page, thief.recovery_code()).status == 422
    assert not password_works(site, owner, NEW_PASSWORD)


@since("05d")
@attack(82, 131)
def test_a_recovery_code_takes_the_place_of_the_authenticator_once_and_is_told(
    site, owner
):
    code = owner.recovery_code()
    page = choose(form_behind(site, mailed_link(site)), code.upper().replace("-", " "))
    assert page.path == "/login"
    subjects = [mail.subject for mail in site.mails() if mail.to == ADDRESS]
    assert len(subjects) == 2
    assert any("recovery code" in subject for subject in subjects)
    assert any("password was changed" in subject for subject in subjects)

    owner.password = NEW_PASSWORD
    assert recover(site, owner, code).status == 422
    page = form_behind(site, mailed_link(site))
    assert choose(page, code, "nine copper kettles sing").status == 422
    site.visitor().log_in(owner)


@attack(16)
def test_a_code_that_was_used_to_log_in_sets_no_password(site, owner):
    code = owner.authenticator.code()
    site.visitor().give_password(owner).fill_in(code=code)
    page = form_behind(site, mailed_link(site))

    assert choose(page, code).status == 422
    assert choose(page, owner.authenticator.code()).path == "/login"


@attack(83, 34)
def test_a_reset_ends_sessions_and_pending_logins_those_of_its_own_browser_too(
    site, owner
):
    elsewhere, here = logged_in(site, owner), logged_in(site, owner)
    pending, copy = site.visitor(), site.visitor().take_cookies_of(here)
    pending.give_password(owner)
    choose(form_behind(site, mailed_link(site), here), owner.authenticator.code())

    for visitor in (elsewhere, here, copy):
        assert not visitor.is_logged_in()
    assert pending.open("/login/code").path == "/login"


def test_a_user_without_an_authenticator_resets_with_the_link_alone_and_sets_one_up(
    site,
):
    account = register(site.visitor(), email=ADDRESS)
    page = form_behind(site, mailed_link(site))
    assert not page.find_all("[name=code]")
    page = page.fill_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD)

    assert page.path == "/login"
    page = page.fill_in(username=account.username, password=NEW_PASSWORD)
    assert page.path == "/enrol"


@attack(82)
def test_a_form_without_a_code_is_no_use_once_there_is_an_authenticator(site):
    account = register(site.visitor(), email=ADDRESS)
    page = form_behind(site, mailed_link(site))
    form = page.filled_in(password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    add_second_factor(site, account)

    assert page.visitor.send(*form).status == 422
    assert password_works(site, account, account.password)


@attack(63)
@rate_limited
def test_after_a_reset_the_password_page_is_open_again(site, owner):
    for _ in range(6):
        page = site.visitor().open("/login")
        page = page.fill_in(username=owner.username, password="wrong")
    assert page.status == 429
    choose(form_behind(site, mailed_link(site)), owner.authenticator.code())
    owner.password = NEW_PASSWORD

    site.visitor().log_in(owner)


# Asking for a link


@since("05c")
@attack(84)
def test_known_and_unknown_addresses_get_the_same_answer(site, owner):
    fill_in_registration(site.visitor(), email="unproved@example.org")
    addresses = (ADDRESS, "unknown@example.org", "unproved@example.org")
    pages = [ask_for_link(site.visitor(), address) for address in addresses]

    assert pages[0].path == "/login"
    words = "If there's an account with this address, an email is on its way."
    assert words in pages[0].text
    for page in pages[1:]:
        assert_alike(pages[0], page)


@attack(84)
def test_a_known_address_costs_as_many_hashes_statements_and_letters(
    site, owner, monkeypatch
):
    fill_in_registration(site.visitor(), email="unproved@example.org")
    site.mails()
    costs = []
    for address in (ADDRESS, "unknown@example.org", "unproved@example.org"):
        page = site.visitor().open("/reset")
        with counted_work(site, monkeypatch) as (hashes, statements):
            page.fill_in(email=address)
        letters = site.sql("SELECT kind, count(*) FROM outbox_emails GROUP BY kind")
        costs.append((len(hashes), kinds(statements), letters))
        site.mails()

    assert costs[0] == costs[1] == costs[2]
    assert costs[0][0] == 0
    assert costs[0][2] == [("password_reset", 1)]


@attack(84)
@pytest.mark.alone
def test_a_known_address_takes_as_long_with_a_mail_server_that_says_nothing(step):
    site = step.start(None)
    register(site.visitor(), email=ADDRESS)
    with socket.create_server((HERE, 0)) as silent:
        mail = {"MAIL_PORT": silent.getsockname()[1], "MAIL_IN_BACKGROUND": True}
        site = site.start_again(MAIL_SUPPRESS_SEND=False, MAIL_SERVER=HERE, **mail)
        seconds = measured(site, "/reset")

    assert max(seconds[0]) < 2
    assert 0.8 < typical_ratio(*seconds) < 1.25


@since("05c")
@attack(84, 124)
def test_only_the_address_of_an_account_gets_a_link(site, owner):
    fill_in_registration(site.visitor(), email="unproved@example.org")
    site.mails()
    for address in ("unknown@example.org", "unproved@example.org", "x@kim.example.org"):
        ask_for_link(site.visitor(), address)
        assert site.mails() == [], address
    ask_for_link(site.visitor())
    [mail] = site.mails()

    assert mail.to == ADDRESS
    assert owner.username in mail.text


@attack(124)
def test_the_link_goes_to_the_address_of_the_account_however_it_was_typed(site, owner):
    for spelt in ("KIM@EXAMPLE.ORG", " Kim@Example.Org ", "kim@example.org\n"):
        ask_for_link(site.visitor(), spelt)
        assert [mail.to for mail in site.mails()] == [ADDRESS], ascii(spelt)


@attack(124, 91)
def test_a_look_alike_of_an_address_sends_no_email(site, owner):
    for address in LOOK_ALIKES:
        page = ask_for_link(site.visitor(), address)
        assert page.status == 422, ascii(address)
        assert page.find(".error").text()

    assert site.mails() == []


@attack(91, 7)
def test_an_odd_address_is_refused_in_words_and_sends_nothing(site, owner):
    for raw in (
        b"",
        b"kim",
        b"kim@example.org%0d%0aBcc:thief@example.net",
        b"<b>kim</b>@example.org",
        b"k" * 10_000 + b"@example.org",
        b"kim@" + b"e" * 10_000 + b".org",
        b"kim@[127.0.0.1]",
        b"kim@localhost",
        b'"kim"@example.org',
    ):
        visitor = site.visitor()
        target, data = visitor.open("/reset").filled_in(email="")
        page = visitor.send(target, data | {"email": raw})
        assert page.status == 422, raw[:40]
        assert "<b>kim" not in page.html

    assert site.mails() == []


@since("05c")
@attack(95)
def test_asking_for_a_link_changes_nothing_and_a_login_leaves_it_good(site, owner):
    visitor, pending = logged_in(site, owner), site.visitor()
    pending.give_password(owner)
    link = mailed_link(site)

    assert visitor.is_logged_in()
    assert password_works(site, owner, owner.password)
    page = pending.open("/login/code").fill_in(code=owner.authenticator.code())
    assert page.path == "/"
    assert not is_dead(site, link)


@attack(93)
def test_another_site_can_neither_ask_for_a_link_nor_use_one(site, owner):
    asking, visitor = site.visitor(), site.visitor()
    form_behind(site, mailed_link(site), visitor)
    asking.open("/reset")
    foreign = token_of(site.visitor().open("/reset"))
    new = {
        "password": NEW_PASSWORD,
        "confirm": NEW_PASSWORD,
        "code": owner.authenticator.code(),
    }
    for forged in ({}, {"csrf_token": ""}, {"csrf_token": foreign}):
        assert asking.send("/reset", {"email": ADDRESS} | forged).status == 400
        assert visitor.send("/reset/new", new | forged).status == 400

    assert site.mails() == []
    assert not password_works(site, owner, NEW_PASSWORD)
    assert choose(visitor.open("/reset/new"), new["code"]).path == "/login"


# The link


@since("05d")
@attack(85)
def test_a_link_works_once(site, owner):
    link = mailed_link(site)
    first, second = form_behind(site, link), form_behind(site, link)
    assert choose(first, owner.authenticator.code()).path == "/login"
    code = owner.authenticator.code()

    page = choose(second, code, "nine copper kettles sing")
    assert page.path == "/reset"
    assert password_works(site, owner, NEW_PASSWORD)
    assert is_dead(site, link)
    owner.password = NEW_PASSWORD
    page = site.visitor().give_password(owner).fill_in(code=code)
    assert page.path == "/"  # it was not looked at


@attack(86)
@pytest.mark.parametrize(("age", "dead"), [(-1, False), (0, True), (1, True)])
def test_a_link_works_for_twenty_minutes(site, owner, clock, age, dead):
    link = mailed_link(site)
    clock.move(LIFETIME + age)

    assert is_dead(site, link) == dead


@attack(86)
@pytest.mark.parametrize("age", [0, 1, 24 * 60 * 60])
def test_a_form_that_was_opened_in_time_is_sent_too_late(site, owner, clock, age):
    page = form_behind(site, mailed_link(site))
    clock.move(LIFETIME + age)
    page = choose(page, owner.authenticator.code())

    assert page.path == "/reset"
    assert not password_works(site, owner, NEW_PASSWORD)


@attack(86)
def test_the_twenty_minutes_begin_when_the_link_is_sent(site, owner, clock):
    ask_for_link(site.visitor())
    clock.move(LIFETIME)
    [mail] = site.mails()
    clock.move(LIFETIME - 1)

    assert not is_dead(site, urlsplit(mail.link).path)


@attack(86)
def test_every_dead_link_gets_the_same_page(site, owner, clock):
    used = mailed_link(site)
    choose(form_behind(site, used), owner.authenticator.code())
    site.mails()
    expired = mailed_link(site)
    clock.move(LIFETIME)
    newest = mailed_link(site)
    tampered = newest[:-4] + ("AAAA" if newest[-4:] != "AAAA" else "BBBB")
    dead = [used, expired, tampered, "/reset/nonsense", "/reset/%00", "/reset/%ff"]
    pages = [site.visitor().open(link) for link in dead]
    assert not is_dead(site, newest)
    clock.move(LIFETIME)
    pages += [site.visitor().open(newest), site.visitor().open("/reset/new")]

    assert "This link no longer works." in pages[0].text
    for page in pages[1:]:
        assert page.path == "/reset"
        assert_alike(pages[0], page, has_cookies=False)


@attack(87, 34)
def test_a_link_is_dead_after_a_password_change(site, owner):
    link = mailed_link(site)
    opened = form_behind(site, link)
    visitor = logged_in(site, owner)
    change(visitor, owner, "/account/password")

    assert is_dead(site, link)
    assert choose(opened, owner.authenticator.code()).path == "/reset"
    assert visitor.is_logged_in()


@attack(85, 86)
def test_a_link_of_one_user_changes_the_password_of_no_other(site, owner):
    other = add_second_factor(site, register(site.visitor(), email="lee@example.org"))
    visitor = site.visitor()
    mine, theirs = mailed_link(site, "lee@example.org"), mailed_link(site)
    form_behind(site, mine, visitor)
    page = form_behind(site, theirs, visitor)
    assert choose(page, other.authenticator.code()).status == 422
    assert choose(page, owner.authenticator.code()).path == "/login"

    assert password_works(site, owner, NEW_PASSWORD)
    assert password_works(site, other, other.password)
    assert not is_dead(site, mine)


@attack(5)
def test_the_link_of_a_deleted_user_is_as_dead_as_any(site, owner):
    link = mailed_link(site)
    opened = form_behind(site, link)
    for table in ("password_resets", "second_factors", "recovery_codes", "users"):
        site.sql(f"DELETE FROM {table}")

    assert is_dead(site, link)
    assert choose(opened, owner.authenticator.code()).path == "/reset"


@since("05d")
@attack(95, 90)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_program_that_looks_into_mails_uses_up_no_link(site, owner, method):
    link = mailed_link(site)
    for _ in range(30):
        scanner = site.visitor(network="192.0.2.99")
        scanner.ask(method, link)
        scanner.ask(method, "/reset/new")
    page = form_behind(site, link)

    assert choose(page, owner.authenticator.code()).path == "/login"


@attack(95, 86)
def test_following_links_takes_neither_a_login_nor_a_good_link_away(site, owner):
    other = add_second_factor(site, register(site.visitor(), email="lee@example.org"))
    good = mailed_link(site)
    user, pending = logged_in(site, other), site.visitor()
    pending.give_password(other)
    for link in ("/reset/nonsense", f"{good}x", good, "/reset/nonsense"):
        for visitor in (user, pending):
            visitor.open(link)
        assert other.username in user.open("/").text, link
        assert pending.open("/login/code").path == "/login/code", link

    page = choose(user.open("/reset/new"), owner.authenticator.code())
    assert page.path == "/login"
    assert not user.is_logged_in()
    assert password_works(site, owner, NEW_PASSWORD)
    assert password_works(site, other, other.password)


@attack(29)
def test_a_session_in_which_a_link_was_followed_is_dead_after_the_reset(site, owner):
    page = form_behind(site, mailed_link(site))
    copy = site.visitor().take_cookies_of(page.visitor)
    choose(page, owner.authenticator.code())

    assert copy.open("/reset/new").path == "/reset"
    assert token_of(page.visitor.open("/reset")) != token_of(copy.open("/reset"))


@since("05c")
@attack(90)
def test_the_link_leaves_the_address_bar_at_once(site, owner):
    link = mailed_link(site)
    visitor, token = site.visitor(), link.rpartition("/")[2]
    answer = visitor.ask("GET", link)

    assert answer.status in (302, 303)
    assert urlsplit(answer.headers["Location"]).path == "/reset/new"
    assert answer.headers["Cache-Control"] == "no-store"
    page = visitor.open("/reset/new")
    assert page.headers["Cache-Control"] == "no-store"
    places = [answer.html, str(answer.headers), page.html, str(page.headers)]
    places += [content_of(c).decode() for c in visitor.browser.cookies.values()]
    for place in places:
        for piece in token.split(".")[1:]:
            assert piece not in place


@attack(89)
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
        {"Host": "evil.example:80", "Forwarded": "host=evil.example"},
        {"Host": "door.example@evil.example"},
    ],
)
def test_the_link_leads_to_the_configured_address_whatever_the_request_says(
    step, clock, headers
):
    site = step.start(clock, BASE_URL="http://door.example")
    register(site.visitor(), email=ADDRESS)
    visitor = site.visitor()
    target, data = visitor.open("/reset").filled_in(email=ADDRESS)
    answer = visitor.ask("POST", target, data=data, headers=headers)
    assert answer.status < 500
    for mail in site.mails():
        assert "evil" not in str(mail)
    ask_for_link(site.visitor())
    [mail] = site.mails()
    assert mail.link.startswith("http://door.example/reset/")


@gap
@attack(89)
@until("05")
def test_a_host_that_is_not_ours_is_answered_like_ours(step, clock):
    visitor = step.start(clock, **PRODUCTION).visitor()
    page = visitor.ask("GET", "/login", headers={"Host": "evil.example"})

    assert page.status == 200


@attack(90)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_error_page_repeats_the_link(site, owner, method):
    link = mailed_link(site)
    for answer in (
        site.visitor().ask(method, link),
        site.visitor().ask("GET", f"{link}/"),
    ):
        assert 400 <= answer.status < 500
        assert link.rpartition(".")[2] not in f"{answer.html}{answer.headers}"

    assert not is_dead(site, link)


@since("06")
@attack(90)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_link_with_too_much_text_is_not_repeated_by_the_error_page(
    site, owner, method
):
    link = mailed_link(site)
    body = {"data": b"x" * 17_000, "content_type": "text/plain"}
    answer = site.visitor().ask(method, link, **body)

    assert answer.status == 413
    assert link.rpartition(".")[2] not in f"{answer.html}{answer.headers}"
    assert not is_dead(site, link)


# Links that we did not make


@since("05c")
@attack(86)
def test_a_link_that_the_app_did_not_sign_is_refused(site, owner):
    link = mailed_link(site)
    token, claims = link.rpartition("/")[2], claims_of(link)
    head, body, signature = token.split(".")
    for name in ("none", "None", "NONE", "nOnE", "", None, [], {}, 0, "HS255"):
        none = part({"alg": name, "typ": "JWT"})
        for end in ("", signature, part(b"\0" * 32)):
            assert not opens_form(site, f"{none}.{body}.{end}"), name
    for forged in (
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{body}.{head}.{signature}",
        f"{head}.{part(claims | {'sub': '2'})}.{signature}",
        f"{head}.{part(claims | {'exp': 2**40})}.{signature}",
        f"{head}.{body}.{signature[:-2]}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head.upper()}.{body}.{signature}",
    ):
        assert not opens_form(site, forged), forged

    assert opens_form(site, token)


@since("05c")
@attack(86)
def test_a_link_signed_with_another_key_is_refused(site, owner):
    claims = claims_of(mailed_link(site))
    secret = CONFIG["SECRET_KEY"]
    keys = [b"", b"secret", b"None", secret.encode(), CONFIG["TOTP_KEYS"].encode()]
    keys += [hmac.digest(secret.encode(), b"", "sha256")]
    purposes = ("email code", "rate limit", "device cookie", "cookie-session", "reset")
    keys += [key_for(purpose) for purpose in purposes]
    keys += [key_for(PURPOSE, "another key, as long as one has to be")]
    for key in keys:
        for algorithm in ("HS256", "HS384", "HS512"):
            assert not opens_form(site, signed(claims, key, algorithm)), key


@attack(86)
def test_a_link_that_names_its_own_key_is_refused(site, owner):
    claims = claims_of(mailed_link(site))
    key = b"a key that the attacker chose himself"
    for extra in (
        {"jwk": {"kty": "oct", "k": part(key)}},
        {"kid": "../../../../dev/null"},
        {"kid": 7},
        {"jku": "http://127.0.0.1:9/keys"},
        {"crit": ["exp"]},
        {"b64": False},
        {"zip": "DEF"},
    ):
        token = (
            jwt.encode(claims, key, "HS256", headers=extra)
            if extra != {"kid": 7}
            else signed(claims, key)
        )
        assert not opens_form(site, token), extra


@attack(86, 7)
def test_no_text_in_the_place_of_a_link_makes_the_server_stumble(site, owner):
    deep = b"[" * 3000
    for token in (
        "x" * 15_000,
        "." * 1_000,
        "..",
        "a.b.c",
        "%00.%00.%00",
        "%ff.%fe.%fd",
        "%ed%a0%80",
        "\N{SNOWMAN}.\N{SNOWMAN}.\N{SNOWMAN}",
        "%2e%2e%2fnew",
        f"{part(deep)}.{part(deep)}.{part(b'')}",
        f"{part(b'{}')}.{part(b'{}')}.{part(b'')}",
        f"{part(b'[]')}.{part(b'[]')}.{part(b'')}",
        f"{part(b'1' * 5000)}.{part(b'{}')}.x",
        f"{part({'alg': 'HS256', 'typ': 7})}.{part(b'x')}.x",
    ):
        assert not opens_form(site, token)


@attack(86, 70)
def test_a_link_works_at_every_worker_of_the_site_and_at_no_other_site(site, owner):
    link = mailed_link(site)
    stranger = site.start_again(SECRET_KEY="another key, as long as one has to be")

    assert is_dead(stranger, link)
    colleague = site.start_again()
    page = form_behind(colleague, link)
    assert choose(page, owner.authenticator.code()).path == "/login"
    assert is_dead(site, link)


# The new password


@since("05d")
@attack(75, 78)
@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * 14,
        "fjordlampquokk",
        "passwordpassword",
        "aaaaaaaaaaaaaaaa",
        "qwertyuiopasdfgh",
        "kimberly.kimberly",
        "Kimberly Kimberly Door",
        "kim@example.org kim",
        "x" * 257,
    ],
)
def test_a_weak_new_password_is_refused_and_link_and_code_stay_good(
    site, owner, password
):
    link = mailed_link(site)
    page, code = form_behind(site, link), owner.authenticator.code()
    refused = choose(page, code, password)

    assert refused.status == 422
    assert len(refused.find("#password-error").text()) > 10
    assert refused.find("[name=password]").attributes["value"] == ""
    assert password_works(site, owner, owner.password)
    assert choose(form_behind(site, link), code).path == "/login"


@attack(79)
def test_the_new_password_differs_from_the_old_one(site, owner):
    page, code = form_behind(site, mailed_link(site)), owner.recovery_code()
    refused = choose(page, code, owner.password)

    assert refused.status == 422
    assert refused.find("#password-error").text()
    assert site.mails() == []  # that tell of a recovery code
    assert choose(refused, code).path == "/login"


def test_two_new_passwords_that_differ_are_refused(site, owner):
    page, code = form_behind(site, mailed_link(site)), owner.authenticator.code()
    refused = choose(page, code, confirm=f"{NEW_PASSWORD}x")

    assert refused.status == 422
    assert "The passwords do not match." in refused.text
    assert choose(refused, code).path == "/login"


@attack(76)
def test_a_new_password_is_read_as_at_registration(site, owner):
    decomposed = " ne\u0301es de la lune rousse "
    page = form_behind(site, mailed_link(site))
    page = choose(page, owner.authenticator.code(), decomposed)

    assert page.path == "/login"
    assert password_works(site, owner, " n\u00e9es de la lune rousse ")
    assert not password_works(site, owner, decomposed.strip())


@since("05d")
@attack(82)
def test_a_refused_password_does_not_tell_that_the_code_was_wrong(site, owner):
    page = form_behind(site, mailed_link(site))
    refused = choose(page, owner.authenticator.wrong_code(), owner.password)

    assert refused.status == 422
    assert not refused.find_all("#password-error")  # or the link alone tests passwords


@attack(7)
def test_odd_text_in_the_form_of_a_new_password_is_refused_in_words(site, owner, clock):
    page = form_behind(site, mailed_link(site))
    new = {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    for field in ("password", "confirm", "code"):
        for raw in (b"\0" * 20, b"\xff" * 20, b"\xed\xa0\x80" * 9, b"x" * 10_000):
            code = owner.authenticator.wrong_code()
            target, data = page.filled_in(code=code, **new)
            refused = page.visitor.send(target, data | {field: raw})
            assert refused.status in (422, 429), (field, raw[:9])
        for sent in ({}, {field: ["", ""]}):
            target, data = page.filled_in(code="", **new)
            del data[field]
            assert page.visitor.send(target, data | sent).status in (422, 429)

    assert not password_works(site, owner, NEW_PASSWORD)


@attack(80)
def test_password_managers_know_the_new_password(site, owner):
    page = form_behind(site, mailed_link(site))

    for name in ("password", "confirm"):
        field = page.find(f"[name={name}]").attributes
        assert field["autocomplete"] == "new-password"
        assert field["type"] == "password"
    assert page.find("[name=code]").attributes["autocomplete"] == "one-time-code"
    email = page.visitor.open("/reset").find("[name=email]").attributes
    assert email["autocomplete"] == "email"

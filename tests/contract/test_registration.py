"""Registration: who may become a user, under which name, with which password."""

import string

import pytest

from tests.kit.accounts import logged_in
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.phone import scan
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import enrol
from tests.kit.stage import fill_in_registration
from tests.kit.stage import prove_address
from tests.kit.stage import register

pytestmark = since("04a")

ODD_NAMES = [
    "",
    "ab",
    "a" * 33,
    "1kim",
    ".kim",
    "-kim",
    "kim@example.org",
    "kim park",
    "kim<b>",
    "k\N{LATIN SMALL LETTER DOTLESS I}m",
    "\N{CYRILLIC SMALL LETTER KA}im",
    "ki\N{ZERO WIDTH SPACE}m",
    "\N{RIGHT-TO-LEFT OVERRIDE}mik",
    "kim\0",
    "kim\npark",
    "\N{KELVIN SIGN}im",
    "\N{FULLWIDTH LATIN SMALL LETTER K}im",
    "\ufdd0\u00ad",
]
ODD_ADDRESSES = [
    "",
    "kim",
    "kim@",
    "@example.org",
    "kim@example",
    "kim park@example.org",
    "kim@example.org\r\nBcc: a@example.org",
    "k\u00efm@example.org",
    f"{'k' * 250}@example.org",
    "a@b@example.org",
    "kim\0@example.org",
]


@attack(45)
def test_a_stranger_registers_and_sets_up_an_authenticator_to_log_in(site, clock):
    visitor = site.visitor()
    account = register(visitor)
    assert not visitor.is_logged_in()
    enrol(site.visitor(), account, clock)

    page = site.visitor().log_in(account)

    assert account.username in page.text


@attack(10)
def test_there_is_no_account_to_begin_with(site):
    page = site.visitor().open("/login").fill_in(username="admin", password="password")

    assert page.status == 422
    assert site.sql("SELECT count(*) FROM users") == [(0,)]


@attack(10)
def test_no_password_hash_is_written_into_the_code(step):
    for path in step.folder.rglob("app/**/*.py"):
        assert "scrypt:32768:8:3$" not in path.read_text("utf-8"), path


@attack(120, 7)
def test_a_name_that_looks_like_another_is_refused_in_words(site):
    for name in ODD_NAMES:
        page = fill_in_registration(site.visitor(), username=name)

        assert page.status == 422, ascii(name)
        assert page.find(".error").text()
    assert site.sql("SELECT count(*) FROM users") == [(0,)]


@attack(7)
def test_an_odd_address_is_refused_in_words(site):
    for address in ODD_ADDRESSES:
        page = fill_in_registration(site.visitor(), email=address)

        assert page.status == 422, ascii(address)
        assert page.find(".error").text()
    assert site.sql("SELECT count(*) FROM users") == [(0,)]


@attack(6)
def test_a_name_is_taken_in_every_spelling(site):
    register(site.visitor(), username="Kim")
    for name in ("Kim", "kim", "KIM", " kim "):
        page = fill_in_registration(site.visitor(), username=name)

        assert page.status == 422, name
        assert "is taken" in page.text
    assert site.sql("SELECT username FROM users") == [("Kim",)]


@until("04")
@attack(6)
def test_an_address_is_taken_in_every_spelling(site):
    register(site.visitor(), email="kim@example.org")
    for address in ("kim@example.org", "Kim@Example.ORG", " kim@example.org "):
        page = fill_in_registration(site.visitor(), email=address)

        assert page.status == 422, address
    assert site.sql("SELECT count(*) FROM users") == [(1,)]


@attack(6)
def test_a_user_logs_in_with_the_name_in_any_case(site, clock):
    account = register(site.visitor(), username="Kim")
    enrol(site.visitor(), account, clock)
    for name in ("Kim", "kim", " KIM "):
        account.username = name
        site.visitor().log_in(account)


@attack(6)
def test_every_spelling_of_a_name_falls_into_one_bucket(site):
    register(site.visitor(), username="Kim")
    for name in ("Kim", "kim", "KIM", " kim", "kIM "):
        page = site.visitor().open("/login").fill_in(username=name, password="wrong")
        assert page.status == 422

    page = site.visitor().open("/login").fill_in(username="kiM", password="wrong")
    assert page.status == 429


@attack(4)
def test_logging_in_as_another_user_is_a_clean_switch(site, clock):
    first, second = site.account(), site.account()
    visitor = logged_in(site, first)
    page = visitor.give_password(second)
    assert not visitor.is_logged_in()
    page = page.fill_in(code=second.authenticator.code())

    assert second.username in page.text
    assert first.username not in page.text


@attack(22)
def test_the_code_of_another_user_is_refused(site):
    first, second = site.account(), site.account()
    page = site.visitor().give_password(first)

    assert page.fill_in(code=second.authenticator.code()).status == 422


@attack(54)
def test_an_id_that_a_visitor_sends_is_not_looked_at(site, clock):
    victim, thief = site.account(), site.account_without_factor()
    visitor = site.visitor()
    page = visitor.give_password(thief)
    authenticator = scan(page, clock)
    target, data = page.filled_in(code=authenticator.code())
    visitor.send(f"{target}?user_id=1", data | {"user_id": "1", "id": "1"})

    site.visitor().log_in(victim)
    assert thief.username in visitor.open("/").text


@attack(96)
def test_markup_in_a_field_comes_back_as_text(site):
    for field in ("username", "email"):
        page = fill_in_registration(site.visitor(), **{field: '"><script>alert(1)'})

        assert "<script>alert" not in page.html
        assert page.find(f"[name={field}]").attributes["value"] == '"><script>alert(1)'


@attack(75)
@pytest.mark.parametrize(
    ("length", "status"), [(14, 422), (15, 200), (64, 200), (200, 200), (256, 200)]
)
def test_a_password_has_at_least_15_characters_and_none_is_cut(site, length, status):
    letters = [string.ascii_letters[i * i % 51] for i in range(length - 2)]
    text = "".join([*letters, "\u6249!"])
    visitor = site.visitor()
    names = {"username": "kim", "email": "kim@example.org"}
    page = fill_in_registration(visitor, **names, password=text)
    assert page.status == status
    if page.path == "/register/verify":
        prove_address(visitor, names["email"])
    if status == 200:
        page = site.visitor().open("/login").fill_in(username="kim", password=text)
        assert page.path == "/enrol"
        page = site.visitor().open("/login").fill_in(username="kim", password=text[:-1])
        assert page.status == 422


@attack(75)
def test_a_password_of_the_wrong_length_is_refused_in_words(site):
    short = fill_in_registration(site.visitor(), password="x" * 14)
    long = fill_in_registration(site.visitor(), password="x" * 257)

    assert "Your password has 14 characters. Use at least 15." in short.text
    assert "Use at most 256 characters." in long.text
    assert long.status == 422


@since("04b")
@attack(76)
def test_length_is_counted_in_composed_characters(site):
    text = "e\u0301" * 7 + "zqxjkvb"  # 14 characters, 21 code points as it is sent
    page = fill_in_registration(site.visitor(), password=text)

    assert "Your password has 14 characters." in page.text


@attack(76)
def test_outer_spaces_and_emoji_belong_to_a_password(site):
    text = " four \N{UMBRELLA} under one lamp "
    register(site.visitor(), username="kim", password=text)

    page = site.visitor().open("/login").fill_in(username="kim", password=text.strip())
    assert page.status == 422
    page = site.visitor().open("/login").fill_in(username="kim", password=text)
    assert page.path == "/enrol"


@attack(77)
def test_fifteen_small_letters_are_good_if_they_are_no_common_words(site):
    register(site.visitor(), password="fjordlampquokka")


@since("04b")
@attack(78)
@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "123456789012345",
        "aaaaaaaaaaaaaaaa",
        "qwertyuiopasdfgh",
        "letmeinletmein1",
        "abcdefghijklmnopq",
        "doordoordoordoor",
        "Door Door Door Door",
        "kimberly.kimberly",
        "kimberly@example.org",
        "Kimberly Kimberly Door",
        "example.example.org1",
    ],
)
def test_a_password_that_attackers_try_first_is_refused_with_the_reason(site, password):
    page = fill_in_registration(
        site.visitor(),
        username="kimberly",
        email="mailbox@example.org",
        password=password,
    )

    assert page.status == 422
    assert len(page.find("#password-error").text()) > 20
    assert page.find("[name=password]").attributes["value"] == ""


def test_two_passwords_that_differ_are_refused(site):
    page = fill_in_registration(site.visitor(), confirm=GOOD_PASSWORD + "x")

    assert page.status == 422
    assert "The passwords do not match." in page.text


@attack(80)
def test_password_managers_know_a_new_password(site):
    page = site.visitor().open("/register")

    for name in ("password", "confirm"):
        field = page.find(f"[name={name}]").attributes
        assert field["autocomplete"] == "new-password"
        assert field["type"] == "password"
    assert page.find("[name=username]").attributes["autocomplete"] == "username"
    assert page.find("[name=email]").attributes["autocomplete"] == "email"


@since("04d")
@attack(71)
def test_twenty_may_register_from_one_network_in_a_quarter_of_an_hour(site):
    for _ in range(20):
        register(site.visitor())

    assert fill_in_registration(site.visitor()).status == 429
    register(site.visitor(network="192.0.2.7"))


@gap
@attack(48, 142)
@since("04")
@until("04")
def test_a_thief_registers_an_address_and_its_owner_cannot(site):
    register(site.visitor(network="192.0.2.66"), email="victim@example.org")

    page = fill_in_registration(site.visitor(), email="victim@example.org")
    assert page.status == 422


@gap
@attack(79)
@since("04")
@until("04")
@never_red("a gap")
def test_a_user_whose_password_is_known_cannot_change_it(site, account):
    visitor = site.visitor()
    visitor.log_in(account)

    assert visitor.ask("GET", "/account/password").status == 404

"""The password page: who gets past it, and what it gives away."""

import hashlib
import time

import pytest
from werkzeug.security import generate_password_hash

from tests.kit.answers import without_what_differs
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.stage import first_user
from tests.kit.stage import register
from tests.kit.work import counted
from tests.kit.work import typical_ratio

ODD_TEXTS = [
    "",
    " ",
    "\0",
    "ad\0min",
    "admin\r\nadmin",
    "\ud800",
    "\N{FULLWIDTH LATIN SMALL LETTER A}dmin",
    "x" * 257,
    "x" * 10_000,
    "{{ 7 * 7 }}",
    "' OR 1=1 --",
]
SLOW = "pbkdf2:sha256:12000"  # about 5 ms


def try_password(site, username, password):
    """Try a username and a password from a new browser."""
    page = site.visitor().open("/login")
    return page.fill_in(username=username, password=password)


def login_form(visitor, account):
    """Return where the form of the password page goes, and what it sends if right."""
    page = visitor.open("/login")
    return page.filled_in(username=account.username, password=account.password)


def test_the_protected_page_sends_a_visitor_to_the_login(visitor):
    page = visitor.open("/")

    assert page.path.startswith("/login")


def test_a_user_who_logs_in_sees_their_name(visitor, account):
    page = visitor.log_in(account)

    assert page.path == "/"
    assert account.username in page.text


@until("01")
def test_the_password_is_enough(visitor, account):
    page = visitor.give_password(account)

    assert page.path == "/"


@attack(1)
def test_an_unknown_name_and_a_wrong_password_get_the_same_answer(
    site, account_without_factor
):
    stranger = try_password(site, "stranger", "wrong")
    wrong = try_password(site, account_without_factor.username, "wrong")

    assert stranger.status == wrong.status == 422
    same = without_what_differs(wrong, account_without_factor.username)
    assert without_what_differs(stranger, "stranger") == same
    assert sorted(stranger.headers.keys()) == sorted(wrong.headers.keys())


@attack(1)
def test_the_right_password_of_another_user_does_not_help_a_stranger(
    site, account_without_factor
):
    page = try_password(site, "stranger", account_without_factor.password)

    assert page.status == 422


@attack(2)
def test_an_unknown_name_costs_the_same_hash_as_a_wrong_password(
    step, clock, monkeypatch
):
    site = step.start(clock)
    known = site.account_without_factor().username

    def hashes(username):
        calls = []
        for name in ("pbkdf2_hmac", "scrypt"):
            real = getattr(hashlib, name)
            count = counted(real, calls)
            monkeypatch.setattr(hashlib, name, count)
        try_password(site, username, "wrong")
        monkeypatch.undo()
        return calls

    assert hashes("stranger") == hashes(known)
    assert len(hashes(known)) == 1


@since("04b")
@attack(76)
def test_a_password_may_be_typed_on_a_keyboard_that_does_not_compose_letters(site):
    composed, decomposed = "n\u00e9es de la lune rousse", "ne\u0301es de la lune rousse"
    for chosen, typed in ((composed, decomposed), (decomposed, composed)):
        account = register(site.visitor(), password=chosen)
        assert try_password(site, account.username, typed).path == "/enrol"


@attack(2)
@pytest.mark.alone
def test_an_unknown_name_takes_as_long_as_a_wrong_password(step):
    slow = {"DUMMY_PASSWORD_HASH": generate_password_hash("password", SLOW)}
    slow |= {"PASSWORD_HASH_METHOD": SLOW}
    strangers, knowns = [], []
    for number in range(20):
        site = step.start(None, **slow)
        known = somebody_known(site)
        attempts = [("stranger", strangers), (known, knowns)]
        for username, seconds in attempts if number % 2 else reversed(attempts):
            visitor = site.visitor()
            form = visitor.open("/login").filled_in(username=username, password="x")
            began = time.perf_counter()
            page = visitor.send(*form)
            seconds.append(time.perf_counter() - began)
            assert page.status == 422

    assert 0.8 < typical_ratio(strangers, knowns) < 1.25


def somebody_known(site):
    """Return the name of a user whose hash is made as the site makes hashes."""
    if site.stage.number < "04":
        return first_user(site.stage).username
    return register(site.visitor()).username


@attack(80)
def test_the_browser_knows_which_field_is_which(visitor):
    page = visitor.open("/login")

    username = page.find("[name=username]").attributes
    password = page.find("[name=password]").attributes
    assert username["autocomplete"] == "username"
    assert password["autocomplete"] == "current-password"
    assert password["type"] == "password"
    assert "onpaste" not in page.html


@attack(7)
@pytest.mark.parametrize("field", ["username", "password"])
def test_odd_text_in_a_field_is_refused_in_words(
    visitor, account_without_factor, field, clock
):
    for text in ODD_TEXTS:
        clock.move(15 * 60)
        target, data = login_form(visitor, account_without_factor)
        data[field] = text.encode(errors="surrogatepass")

        page = visitor.send(target, data)

        assert page.status == 422, ascii(text)
        assert not visitor.is_logged_in()


@attack(7)
@pytest.mark.parametrize("field", ["username", "password"])
def test_a_missing_field_is_refused_in_words(visitor, account_without_factor, field):
    target, data = login_form(visitor, account_without_factor)
    del data[field]

    page = visitor.send(target, data)

    assert page.status == 422


@attack(7)
def test_of_a_field_that_comes_twice_the_first_one_counts(
    visitor, account_without_factor
):
    target, data = login_form(visitor, account_without_factor)
    data["username"] = ["stranger", account_without_factor.username]

    assert visitor.send(target, data).status == 422


@attack(7)
@pytest.mark.parametrize("field", ["username", "password"])
def test_a_file_in_the_place_of_text_is_refused(visitor, account_without_factor, field):
    target, data = login_form(visitor, account_without_factor)
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    file = {field: b'; filename="f.txt"'}
    parts = [
        part % (name.encode(), file.get(name, b""), value.encode())
        for name, value in data.items()
    ]
    multipart = "multipart/form-data; boundary=b"
    body = b"".join([*parts, b"--b--\r\n"])
    page = visitor.ask("POST", target, data=body, content_type=multipart)

    assert page.status == 422
    assert not visitor.is_logged_in()


@attack(7)
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"username": "admin", "password": "password"}'),
        ("application/json", b"{"),
        ("application/x-www-form-urlencoded", b"username=%ff%fe&password=%00"),
        ("application/x-www-form-urlencoded", b"username=\xff&password=\xed\xa0\x80"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=b", b"--b\r\nnonsense"),
        ("", b"\0\1\2"),
        ("nonsense", b"username=admin"),
    ],
)
def test_a_body_that_is_no_form_is_refused(visitor, content_type, body):
    visitor.open("/login")

    page = visitor.ask("POST", "/login", content_type=content_type, data=body)

    assert 400 <= page.status < 500
    assert not visitor.is_logged_in()


@attack(7)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"])
def test_no_address_makes_the_server_stumble(visitor, method):
    for path in ("/", "/login", "/logout", "/static/style.css", "/%ff", "/\xff"):
        for query in ("\xff", "%ff", "a=%00", "next=%00", "next=%ff", "&"):
            page = visitor.ask(method, f"{path}?{query}")

            assert page.status < 500

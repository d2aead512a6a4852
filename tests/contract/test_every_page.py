"""What holds on every page: errors, caching, size, forms."""

import gc
import hashlib
import io

import pytest

from tests.kit.accounts import logged_in
from tests.kit.marks import attack
from tests.kit.marks import gap
from tests.kit.marks import since
from tests.kit.marks import until
from tests.kit.paths import addresses_of
from tests.kit.paths import everything_seen
from tests.kit.paths import pages_of
from tests.kit.visitor import is_sent_by_post


@attack(115)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("POST", "/nothing/here", 404),
        ("GET", "/logout", 405),
        ("POST", "/", 405),
        ("POST", "/login", 400),
    ],
)
def test_an_error_has_its_status_and_is_not_kept(visitor, method, path, status):
    page = visitor.ask(method, path)

    assert page.status == status
    assert page.headers["Cache-Control"] == "no-store"


@attack(115)
def test_markup_in_an_address_stays_text_on_the_error_page(visitor):
    page = visitor.ask("POST", '/login?next="><script>alert(1)</script>')

    assert page.status == 400
    assert "<script>alert" not in page.html


@attack(115)
def test_a_failure_of_ours_is_owned_and_shows_no_trace(step, clock):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    site.app.add_url_rule("/broken", view_func=lambda: 1 / 0)

    page = site.visitor().ask("GET", "/broken")

    assert page.status == 500
    assert "ZeroDivisionError" not in page.html
    assert "Traceback" not in page.html
    assert page.headers["Cache-Control"] == "no-store"


@attack(115)
def test_a_wrong_method_names_the_right_ones(visitor):
    page = visitor.ask("GET", "/logout")

    assert "POST" in page.headers["Allow"]


FORM = "application/x-www-form-urlencoded"


@attack(98)
@pytest.mark.parametrize("size", [16 * 1024 + 1, 1_000_000])
def test_a_form_above_16_kib_is_refused_before_any_hashing(visitor, monkeypatch, size):
    visitor.open("/login")
    for name in ("pbkdf2_hmac", "scrypt"):
        monkeypatch.delattr(hashlib, name)  # whoever hashes now gets a 500
    page = visitor.ask("POST", "/login", data=b"x" * size, content_type=FORM)

    assert page.status == 413


@gap
@attack(98)
@until("05")
def test_a_page_that_reads_no_form_takes_a_body_of_any_length(visitor):
    page = visitor.ask("GET", "/login", data=b"x" * 1_000_000, content_type=FORM)

    assert page.status == 200


@since("06")
@attack(98)
@pytest.mark.parametrize("size", [16 * 1024 + 1, 1_000_000])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_body_above_16_kib_is_refused_on_every_path(visitor, method, size):
    body = b"x" * size
    for path in ("/login", "/logout", "/", "/nothing", "/static/a"):
        for kind in (FORM, "text/plain"):
            page = visitor.ask(method, path, data=body, content_type=kind)

            assert page.status == 413, path


@attack(98)
def test_a_body_of_16_kib_is_still_read(visitor):
    page = visitor.ask("POST", "/nothing", data=b"x" * 16 * 1024)

    assert page.status == 404


@since("06")
@attack(98)
@pytest.mark.parametrize("path", ["/login", "/nothing"])
def test_a_large_body_that_hides_its_length_is_refused(visitor, path):
    page = visitor.ask(
        "POST",
        path,
        input_stream=io.BytesIO(b"x" * 1_000_000),
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
        headers={"Transfer-Encoding": "chunked"},
    )

    assert page.status == 413


IMPOSSIBLE_DATES = [
    "Thu, 01 Jan 99999999999 00:00:00",
    "Thu, 01 Jan 1970 00:00:00 +9999999999999",
]


@gap
@attack(7)
@until("05")
@pytest.mark.parametrize("date", IMPOSSIBLE_DATES)
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Range"])
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_an_impossible_date_in_a_header_makes_a_static_file_fail(
    step, clock, monkeypatch, name, date
):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    # A record of the log would hold on to the open file.
    monkeypatch.setattr(site.app.logger, "disabled", True)
    headers = {name: date} | ({"Range": "bytes=0-1"} if name == "If-Range" else {})

    page = site.visitor().ask("GET", "/static/icon.svg", headers=headers)

    assert page.status == 500
    gc.collect()  # closes the file, which Werkzeug had opened when it failed


@since("06")
@attack(7)
@pytest.mark.filterwarnings("ignore:unclosed file")
def test_whatever_date_a_header_says_a_static_file_is_sent(step, clock, monkeypatch):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    monkeypatch.setattr(site.app.logger, "disabled", True)
    visitor, statuses = site.visitor(), set()
    for name in ("If-Modified-Since", "If-Range"):
        for others in ({}, {"Range": "bytes=0-1"}, {"If-Range": '"x"'}):
            for date in (*IMPOSSIBLE_DATES, '"x"', ""):
                headers = others | {name: date}
                page = visitor.ask("GET", "/static/icon.svg", headers=headers)
                statuses.add(page.status)

    gc.collect()
    assert statuses == {200}


ODD_VALUES = ["\xe9", "a|\xe9", "a|\xc3\xa9", "a.\xc3\xa9.a", '"a|\\351"', "|"]


@attack(7)
@pytest.mark.parametrize("odd", ODD_VALUES, ids=ascii)
def test_whatever_is_in_a_cookie_no_page_fails(step, clock, odd):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    account = site.account()
    guest = logged_in(site, account)
    guest.log_out()
    target, data = guest.open("/login").filled_in(username=account.username)
    statuses = set()
    for visitor in (guest, logged_in(site, account)):
        for header in headers_with(odd, visitor):
            how = {"headers": {"Cookie": header}}
            for path in addresses_of(step):
                statuses.add(status_of(visitor, "GET", path, **how))
            statuses.add(status_of(visitor, "POST", target, data=data, **how))

    assert max(statuses) < 500


def status_of(visitor, *request, **how):
    """Return the status of an answer: 500 if not even the error page can be shown."""
    try:
        return visitor.ask(*request, **how).status
    except TypeError:
        return 500


def headers_with(odd, visitor):
    """Return the cookies of a browser, each time with odd text in another one."""
    good = {name: cookie.value for name, cookie in visitor.browser.cookies.items()}
    names = (*good, "remember_token", "")  # Flask-Login's, and one without a name
    for name in names:
        for value in (odd, good.get(name, "a") + odd):
            cookies = good | {name: value}
            yield "; ".join("=".join(cookie) for cookie in cookies.items())


@attack(98)
def test_a_form_of_more_than_50_parts_is_refused(visitor):
    part = b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n'
    body = b"".join(part % number for number in range(51)) + b"--b--\r\n"

    page = visitor.ask(
        "POST", "/login", data=body, content_type="multipart/form-data; boundary=b"
    )

    assert page.status == 413


@attack(40)
def test_no_page_is_kept_in_a_cache(step, visitor, account):
    for enter in (lambda account: None, visitor.give_password, visitor.log_in):
        enter(account)
        for path in addresses_of(step):
            assert visitor.ask("GET", path).headers["Cache-Control"] == "no-store"


@attack(95)
def test_asking_for_a_page_changes_nothing(step, visitor, account):
    visitor.log_in(account)
    for path in [*addresses_of(step), "/logout"]:
        for method in ("GET", "HEAD"):
            visitor.ask(method, path)

    assert visitor.is_logged_in()


@attack(93)
@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_a_form_without_the_token_of_this_session_changes_nothing(
    account, visitor, token
):
    target, data = visitor.open("/login").filled_in(
        username=account.username, password=account.password
    )
    data["csrf_token"] = token
    if token is None:
        del data["csrf_token"]

    page = visitor.send(target, data)

    assert page.status == 400
    assert not visitor.is_logged_in()


@attack(93)
def test_every_form_asks_for_the_token(step, visitor, account):
    paths = [path for path in pages_of(step) if path not in ("/", "/account")]
    for enter in (visitor.give_password, visitor.log_in):
        enter(account)
        for path in (*paths, "/logout"):
            page = visitor.ask("POST", path, data={"code": "123456"})
            # who is in already may be taken on, as after a second click
            is_second_click = path.startswith("/login/") and visitor.is_logged_in()
            assert page.status == 400 or (is_second_click and page.status == 302), path


@attack(93)
def test_a_page_of_another_site_cannot_log_a_visitor_in(site, account):
    attacker, victim = site.visitor(), site.visitor()
    form = attacker.open("/login").filled_in(
        username=account.username, password=account.password
    )

    page = victim.send(*form)

    assert page.status == 400
    assert not victim.is_logged_in()


@attack(94)
def test_a_form_left_open_for_days_still_works(visitor, account, clock):
    page = visitor.open("/login")
    clock.move(3 * 24 * 60 * 60)
    page = page.fill_in(username=account.username, password=account.password)

    assert page.status == 200
    assert page.path != "/login"


# What a browser makes of a page


def test_every_page_says_in_which_language_it_is(step, visitor, account):
    for page in everything_seen(step, visitor, account):
        assert page.find("html").attributes.get("lang"), page


def test_no_form_puts_what_is_typed_into_the_address(step, visitor, account):
    for page in everything_seen(step, visitor, account):
        for form in page.find_all("form"):
            assert is_sent_by_post(form), page


@since("04b")
def test_an_email_address_is_typed_into_a_field_for_one(visitor):
    field = visitor.open("/register").find("input[name=email]")

    assert field.attributes["type"] == "email"

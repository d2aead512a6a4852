"""What holds on every page: errors, caching, size, forms."""

import io
import os
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.marks import attack
from tests.marks import since
from tests.stage import Stage


def pages_of(step):
    """Return the addresses that a step has, as far as they need no token."""
    pages = {
        "01": ["/", "/login"],
        "02": ["/login/code"],
        "03": ["/enrol", "/login/recovery"],
    }
    return [path for n, paths in pages.items() if n <= step.number for path in paths]


@attack(115)
@pytest.mark.parametrize(
    ("method", "path", "how", "status", "words", "way_out"),
    [
        ("GET", "/nothing/here", {}, 404, "There is no page here", "/"),
        ("POST", "/login", {}, 400, "This form is too old", "/login"),
        ("GET", "/logout", {}, 405, "That does not work here", "/"),
        ("POST", "/logout", {}, 400, "This form is too old", "/"),
        (
            "POST",
            "/login",
            {"data": {"a": "x" * 17_000}},
            413,
            "too much text",
            "/login",
        ),
        ("GET", "/static/nothing.css", {}, 404, "There is no page here", "/"),
    ],
)
def test_an_error_has_a_page_that_leads_on(
    visitor, method, path, how, status, words, way_out
):
    visitor.open("/login")
    page = visitor.ask(method, path, **how)

    assert page.status == status
    assert words in page.find("h1").text()
    assert "stylesheet" in page.html
    assert visitor.ask("GET", way_out).status < 400
    assert page.find("main a").attributes["href"] in (way_out, "/")
    assert page.headers["Cache-Control"] == "no-store"


@attack(115)
def test_a_failure_of_ours_is_owned_and_shows_no_trace(step, clock):
    site = step.start(clock, TESTING=False, PROPAGATE_EXCEPTIONS=False)
    site.app.add_url_rule("/broken", view_func=lambda: 1 / 0)

    page = site.visitor().ask("GET", "/broken")

    assert page.status == 500
    assert "Something went wrong on our side" in page.text
    assert "ZeroDivisionError" not in page.html
    assert "Traceback" not in page.html
    assert page.headers["Cache-Control"] == "no-store"


@attack(115)
def test_a_wrong_method_names_the_right_ones(visitor):
    page = visitor.ask("GET", "/logout")

    assert "POST" in page.headers["Allow"]


@attack(98)
@pytest.mark.parametrize("size", [16 * 1024 + 1, 1_000_000])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_body_above_16_kib_is_refused_on_every_path(visitor, method, size):
    body = b"x" * size
    for path in ("/login", "/logout", "/", "/nothing", "/static/a"):
        for kind in ("application/x-www-form-urlencoded", "text/plain"):
            page = visitor.ask(method, path, data=body, content_type=kind)

            assert page.status == 413, path


@attack(98)
def test_a_body_of_16_kib_is_still_read(visitor):
    page = visitor.ask("POST", "/nothing", data=b"x" * 16 * 1024)

    assert page.status == 404


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
    for path in pages_of(step):
        assert visitor.ask("GET", path).headers["Cache-Control"] == "no-store"
    page = visitor.give_password(account)
    assert page.headers["Cache-Control"] == "no-store"
    for path in pages_of(step):
        assert visitor.ask("GET", path).headers["Cache-Control"] == "no-store"


@attack(40)
def test_style_and_icon_may_be_kept_and_carry_no_cookie(visitor):
    page = visitor.open("/login")
    for address in (
        page.find("[rel=stylesheet]").attributes["href"],
        page.find("[rel=icon]").attributes["href"],
    ):
        answer = visitor.ask("GET", address)
        assert answer.status == 200
        assert answer.headers.get("Cache-Control") != "no-store"
        assert "Set-Cookie" not in answer.headers


@attack(95)
def test_asking_for_a_page_changes_nothing(step, visitor, account):
    visitor.log_in(account)
    for path in [*pages_of(step), "/logout"]:
        for method in ("GET", "HEAD"):
            visitor.ask(method, path)

    assert visitor.is_logged_in()


@attack(93)
@pytest.mark.parametrize("token", [None, "", "wrong", "of another session"])
def test_a_form_without_the_token_of_this_session_changes_nothing(
    site, account, visitor, token
):
    target, data = visitor.open("/login").filled_in(
        username=account.username, password=account.password
    )
    other = site.visitor().open("/login").find("[name=csrf_token]").attributes["value"]
    data["csrf_token"] = other if token == "of another session" else token
    if token is None:
        del data["csrf_token"]

    page = visitor.send(target, data)

    assert page.status == 400
    assert "This form is too old" in page.text
    assert not visitor.is_logged_in()


@attack(93)
@pytest.mark.parametrize("path", ["/login", "/logout", "/login/code", "/enrol"])
def test_every_form_asks_for_the_token(visitor, account, path):
    visitor.give_password(account)
    if visitor.ask("GET", path).status == 404:
        pytest.skip("this step has no such form")

    assert visitor.ask("POST", path, data={"code": "123456"}).status == 400


@attack(93)
def test_somebody_else_s_site_cannot_log_a_visitor_in(site, account):
    attacker, victim = site.visitor(), site.visitor()
    form = attacker.open("/login").filled_in(
        username=account.username, password=account.password
    )

    page = victim.send(*form)

    assert page.status == 400
    assert not victim.is_logged_in()


@attack(94)
def test_a_form_left_open_for_hours_still_works(visitor, account, clock):
    page = visitor.open("/login")
    clock.move(8 * 60 * 60)
    page = page.fill_in(username=account.username, password=account.password)

    assert page.status == 200
    assert page.path != "/login"


@attack(94)
def test_a_form_whose_session_is_gone_leads_back_to_itself(site, account):
    target, data = (
        site.visitor()
        .open("/login?next=/a%3Fb%3D1")
        .filled_in(username=account.username, password=account.password)
    )

    page = site.visitor().send(target, data)

    assert page.status == 400
    assert "Open the form again" in page.text
    assert page.follow("Back to the form").path.replace("%3F", "?").replace(
        "%3D", "="
    ) == ("/login?next=/a?b=1")


@since("02")
@attack(115)
def test_the_page_for_too_many_attempts_says_how_long(visitor, account, clock):
    visitor.give_password(account)
    for _ in range(6):
        page = visitor.open("/login/code").fill_in(code=account.phone.wrong_code())
    clock.move(3 * 60)
    visitor.open("/login/code")
    page = visitor.fill_in(code=account.phone.wrong_code())

    assert page.status == 429
    assert page.find("h1").text() == "Too many attempts"
    assert "Try again in 12 minutes" in page.text
    assert int(page.headers["Retry-After"]) == 12 * 60
    assert page.find("main a").attributes["href"] == "/login/code"


@attack(140)
def test_eight_that_start_together_agree_on_one_key_that_only_we_may_read(
    step, tmp_path, monkeypatch, caplog
):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    shutil.copytree(step.folder / "app", tmp_path / "app")
    copy = Stage(step.number, tmp_path)
    together = Barrier(8)

    def start(module):
        together.wait()
        return module.create_app().config["SECRET_KEY"]

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(start, [copy.load(tmp_path) for _ in range(8)]))
    after_a_restart = copy.load(tmp_path).create_app().config["SECRET_KEY"]

    assert keys == {after_a_restart}
    assert re.fullmatch("[0-9a-f]{64}", after_a_restart)
    assert "SECRET_KEY is not set" in caplog.text
    files = list((tmp_path / "instance").iterdir())
    assert [file.name for file in files] == ["secret_key"]
    if os.name == "posix":  # elsewhere a mode means nothing
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_every_page_needs_nothing_from_another_host(step, visitor, account):
    seen = [visitor.open("/login"), visitor.give_password(account)]
    seen += [visitor.open(path) for path in pages_of(step)]
    for page in seen:
        for element in page.find_all("[src], link[href], form[action]"):
            of = element.attributes
            address = of.get("src") or of.get("href") or of["action"]
            assert address.startswith("/")
            assert not address.startswith("//")
        assert not page.find_all("[style], script:not([src]), style")


def test_each_page_is_named_in_its_title_and_has_one_heading(step, visitor, account):
    titles = set()
    pages = [visitor.open("/login"), visitor.give_password(account)]
    pages += [visitor.open(path) for path in pages_of(step)]
    for page in pages:
        assert len(page.find_all("h1")) == 1
        assert page.title == f"{page.find('h1').text()} · Door"
        titles.add((page.path.partition("?")[0], page.title))

    assert len({title for _, title in titles}) == len(titles)


def test_every_field_has_a_label_and_what_describes_it_is_there(step, visitor, account):
    pages = [visitor.open("/login"), visitor.give_password(account)]
    pages += [visitor.open(path) for path in pages_of(step)]
    for page in pages:
        for field in page.find_all("input:not([type=hidden])"):
            assert page.find(f"label[for={field.attributes['id']}]").text()
            for name in field.attributes.get("aria-describedby", "").split():
                assert page.find(f"#{name}").text()


def test_a_copied_step_runs_from_its_own_folder_with_flask_run(step):
    """The reader's command, as far as it goes without a port: it finds the app."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FLASK")}
    answer = subprocess.run(
        [sys.executable, "-m", "flask", "routes"],
        cwd=step.folder,
        env=environment | {"SECRET_KEY": "for this test alone, not for you"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert "auth.login" in answer.stdout

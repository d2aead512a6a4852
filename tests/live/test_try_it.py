"""Every step in the page, from Start to logged in; thief, clocks and server."""

import re

import pytest

from tests.kit.real_browser import Screen
from tests.kit.real_browser import launch
from tests.live.page import PASSWORD
from tests.live.page import TryIt
from tests.live.page import need_packs

pytestmark = [pytest.mark.site, pytest.mark.browser]


@pytest.fixture(scope="module")
def browser():
    """Return the browser."""
    with launch() as browser:
        yield browser


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
    code = page.code()
    page.type_code().sees("Welcome, admin").press_in_app("Log out")
    log_in_with_password(page).sees("code")
    page.send(code=code).says("used a moment ago")
    page.next_code().type_code().sees("Welcome, admin")


def test_step_03_from_scanning_to_a_recovery_code(page):
    log_in_with_password(page.start("03"))
    codes = set_up_phone(page)
    page.sees("Welcome, admin").press_in_app("Log out")
    log_in_with_password(page).sees("code")
    page.go_to("/login/recovery").send(recovery_code=codes[0]).sees("Welcome, admin")
    page.press_in_app("Log out")
    log_in_with_password(page).sees("code")
    page.go_to("/login/recovery").send(recovery_code=codes[0])
    page.app.locator(".error").first.wait_for()


def test_step_04_where_a_restart_and_another_worker_forget_nothing(page):
    page.start("04").register()
    set_up_phone(page)
    page.sees("kim").press("Restart").status("started again")
    page.part("workers").check()
    page.status("Two workers")
    page.press_in_app("Log out")
    log_in_with_password(page, "kim", PASSWORD).sees("code")
    page.type_code()
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
    page.app.locator("[name=password]").press("Enter")
    page.sees("code").press("a filmed code")
    page.part("loot").get_by_role("button", name="Type it").click()
    page.app.locator("[name=code]").press("Enter")
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


def test_stop_ends_an_endless_loop_at_once(page):
    page.start("01")
    page.tab.evaluate("window.began = performance.now()")
    edit(page, "app/pages.py", "import ", "while True: pass\nimport ")
    page.press("Restart with it")
    page.press("Stop").status("Stopped")
    assert page.tab.locator("iframe").count() == 1
    page.start("01").sees("Log in")


def edit(page, file, old, new):
    """Change a file in the editor."""
    page.part("file").select_option(file)
    page.tab.evaluate(
        """([old, fresh]) => {
          const view = document.querySelector('.cm-content').cmTile?.view
            ?? document.querySelector('.cm-content').cmView.view;
          const from = view.state.doc.toString().indexOf(old);
          view.dispatch({changes: {from, to: from + old.length, insert: fresh}});
        }""",
        [old, new],
    )

"""What a page looks like where ours is drawn in a real browser."""

from pathlib import Path

import pytest
from flask import render_template

from tests.kit.marks import since
from tests.kit.real_browser import WIDTHS
from tests.kit.real_browser import enrol
from tests.kit.real_browser import is_wider_than_the_window
from tests.kit.stage import add_second_factor
from tests.kit.stage import register

pytestmark = pytest.mark.browser

# Tells for each click whether the browser would send the form.
SENDS = """acts => {
  const sent = [];
  addEventListener("submit", event => {
    sent.push(!event.defaultPrevented);
    event.preventDefault();
  });
  const form = document.querySelector("main form");
  form.noValidate = true;
  for (const act of acts) {
    if (act == "click") form.requestSubmit();
    else dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}));
  }
  return sent;
}"""


@pytest.fixture
def account(screen):
    """Return an account with all that the step asks for."""
    return screen.site.account()


def test_a_phone_shows_a_page_in_its_own_width(browser, new_screen):
    phone = {"is_mobile": True, "viewport": {"width": 390, "height": 800}}
    with browser.new_context(**phone) as context:
        screen = new_screen(context).open("/login")

        assert screen.tab.evaluate("innerWidth") == 390


def test_of_two_quick_clicks_the_first_alone_sends_the_form(screen):
    screen.open("/login")

    assert screen.tab.evaluate(SENDS, ["click", "click"]) == [True, False]


def test_a_form_can_be_sent_at_once_after_going_back(screen):
    screen.open("/login")

    assert screen.tab.evaluate(SENDS, ["click", "back", "click"]) == [True, True]


def test_a_button_that_shows_a_password_says_which_one(screen):
    screen.open("/login")
    button = screen.find("button", "Show password")

    controlled = screen.find(f"#{button.get_attribute('aria-controls')}")
    assert controlled.get_attribute("name") == "password"


@since("04d")
def test_the_longest_name_fits_a_narrow_window(screen):
    account = register(screen.site.visitor(), username="W" * 32)
    add_second_factor(screen.site, account)
    screen.resize(WIDTHS[0])
    screen.log_in(account)

    assert account.username in screen.text
    assert not is_wider_than_the_window(screen)


@since("02")
@pytest.mark.parametrize("font", ["100%", "200%"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_field_for_digits_shows_eight_of_them_and_a_blank(
    screen, account, width, font
):
    screen.resize(width)
    screen.give_password(account)
    field = screen.find("[name=code]")
    field.fill("8888 8888")
    screen.find(":root").evaluate("(root, font) => root.style.fontSize = font", font)

    cut_off = "field => field.scrollWidth - field.clientWidth"
    assert field.evaluate(cut_off) == 0
    assert field.evaluate("() => document.documentElement.scrollWidth") == width


@since("03")
@pytest.mark.parametrize("width", WIDTHS)
def test_a_recovery_code_stays_on_one_line(screen, width):
    screen.resize(width)
    enrol(screen, screen.site.account_without_factor())

    for code in screen.find_all(".recovery-code"):
        assert code.evaluate("code => code.getClientRects().length") == 1
    assert screen.tab.evaluate("document.documentElement.scrollWidth") == width


@since("03")
def test_the_recovery_codes_can_be_copied_and_downloaded(screen):
    account = screen.site.account_without_factor()
    enrol(screen, account)
    text = "\n".join(account.recovery_codes) + "\n"
    screen.context.grant_permissions(["clipboard-read", "clipboard-write"])

    screen.find("button", "Copy codes").click()
    screen.tab.get_by_role("button", name="Copied").wait_for()
    assert screen.tab.evaluate("navigator.clipboard.readText()") == text
    with screen.tab.expect_download() as download:
        screen.find("button", "Download codes").click()
    assert Path(download.value.path()).read_text("utf-8") == text
    assert not screen.complaints()
    assert screen.follow("I've saved them").path == "/"


@since("05")
def test_a_long_link_in_an_email_fits_a_phone(screen):
    link = f"http://127.0.0.1:5000/reset/{'x' * 300}"
    with screen.site.app.app_context():
        html = render_template("email.html", subject="Reset", paragraphs=[link])
    screen.resize(390)
    screen.tab.set_content(html)

    assert screen.tab.evaluate("document.documentElement.scrollWidth") == 390
    assert screen.find("a").get_attribute("href") == link

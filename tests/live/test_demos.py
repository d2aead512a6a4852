"""The replay, by hand, on the home page."""

import pytest

from tests.kit.real_browser import Screen
from tests.kit.real_browser import axe_faults
from tests.kit.real_browser import launch
from tests.kit.real_browser import need
from tests.live.page import TryIt
from tests.live.page import need_packs

pytestmark = [pytest.mark.site, pytest.mark.browser]

# What reaches over the edge, unless the page can't be moved sideways.
TOO_WIDE = """() => {
  const {scrollWidth, clientWidth} = document.documentElement;
  return scrollWidth <= clientWidth ? [] : [...document.querySelectorAll(".live *")]
    .filter(it => it.getBoundingClientRect().right > clientWidth)
    .map(it => it.outerHTML.slice(0, 80));
}"""


@pytest.fixture(scope="module")
def browser():
    """Return the browser."""
    with launch() as browser:
        yield browser


@pytest.fixture
def screen(browser, address):
    """Return a tab in front of the site."""
    with browser.new_context() as context:
        yield Screen(None, address, context)


def answer(screen, place):
    """Press a code of the demonstration with the keyboard; return the answer."""
    screen.tab.locator(".live-demo li button").nth(place).press("Enter")
    return screen.tab.locator(".live-demo [role=status]").inner_text()


def test_a_code_is_accepted_once_and_its_neighbour_is_consumed(screen):
    screen.open("/")
    assert not screen.find(".live-demo table").is_visible()
    assert "accepted" in answer(screen, 1)
    assert "used already" in answer(screen, 1)
    assert "A later one was used" in answer(screen, 0)
    assert "outside the window" in answer(screen, 4)
    screen.tab.get_by_role("button", name="Half a minute later").click()
    assert "accepted" in answer(screen, 2)


def test_without_javascript_the_demonstration_is_a_table(browser, address):
    with browser.new_context(java_script_enabled=False) as context:
        screen = Screen(None, address, context)
        screen.open("/")
        assert "a later one was used" in screen.find(".live-demo table").inner_text()


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
def test_the_running_page_fits_and_can_be_read_by_all(screen, scheme, width):
    need_packs()
    axe = need("axe_playwright_python.base", "axe-playwright-python")
    screen.tab.add_init_script(axe.AXE_SCRIPT)
    screen.prefer(scheme)
    screen.resize(width)
    TryIt(screen).start("02", scenario="replay").sees("Log in")
    assert screen.tab.evaluate(TOO_WIDE) == []
    rules = {
        "aria-dialog-name": {"enabled": False},
        "landmark-unique": {"enabled": False},
    }
    assert axe_faults(screen, rules=rules) == []

"""The site in a real browser: wide and narrow, light and dark, and with its buttons."""

from urllib.parse import parse_qs
from urllib.parse import quote
from urllib.parse import urlsplit

import pytest

from tests.kit.real_browser import Screen
from tests.kit.real_browser import axe_faults
from tests.kit.real_browser import is_wider_than_the_window
from tests.kit.stage import DEMO_SECRET
from tests.kit.stage import STEPS
from tests.site.built_site import OF_THE_THEME
from tests.site.built_site import pages_of
from tools import changes

pytestmark = [pytest.mark.site, pytest.mark.browser]

WIDTHS = (1440, 1280, 768, 390, 320)  # narrowing: a drawer slides while it widens
# Chapters show thousands of pieces of code in a few colours: one of each is left there.
# So is one button that copies, and of the list of all pages the part that is open.
LEAVE_ONE_OF_EACH = """() => {
  const seen = new Set();
  const look = it => {
    const {color, fontSize, fontWeight} = getComputedStyle(it);
    const looks = [color, fontSize, fontWeight];
    for (let below = it; below; below = below.parentElement) {
      const {backgroundColor, opacity} = getComputedStyle(below);
      looks.push(backgroundColor, opacity);
    }
    return looks.join();
  };
  const isFirst = it => seen.size < seen.add(look(it)).size;
  const all = selector => [...document.querySelectorAll(selector)];
  const again = all("code span").filter(it => !isFirst(it) && !it.querySelector("a"));
  const closed = all(".md-nav--primary .md-nav__item:not(.md-nav__item--active)");
  [...again, ...all(".md-code__nav").slice(1), ...closed].forEach(it => it.remove());

  seen.clear();
  const hasText = it => [...it.childNodes].some(n => n.nodeType == 3 && n.data.trim());
  all("body *").filter(hasText).filter(isFirst).forEach(it => it.dataset.look = "new");
}"""
ALL_LOOKS = {"parts": ["[data-look]"], "runOnly": ["color-contrast"]}
ALL_ELSE = {"rules": OF_THE_THEME | {"color-contrast": {"enabled": False}}}

LEAST_PIXELS = 11
# Texts of a drawing that are too small, outside of it, or over one another.
UNREADABLE_TEXTS = """(drawing, least) => {
  const scale = drawing.getScreenCTM().a;
  const outer = drawing.getBoundingClientRect();
  const texts = [...drawing.querySelectorAll("text")];
  const places = texts.map(text => text.getBoundingClientRect());
  const isSmall = text => parseFloat(getComputedStyle(text).fontSize) * scale < least;
  const isOutside = place => place.left < outer.left || place.right > outer.right
    || place.top < outer.top || place.bottom > outer.bottom;
  const isOver = (a, b) => a.left < b.right && b.left < a.right
    && a.top + 2 < b.bottom && b.top + 2 < a.bottom;
  const isBad = (text, index) => isSmall(text) || isOutside(places[index])
    || places.slice(0, index).some(place => isOver(place, places[index]));
  return texts.filter(isBad).map(text => text.textContent);
}"""


@pytest.fixture
def screen(browser, address):
    """Return a tab in front of the site, that may copy."""
    with browser.new_context() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
        yield Screen(None, address, context)


def paths_of(built, having="article"):
    """Return the addresses of all pages, or of those that have something."""
    names = [name for name, page in pages_of(built).items() if page.css(having)]
    return [f"/{name.removesuffix('index.html')}" for name in names]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_every_width(built, screen, scheme):
    screen.prefer(scheme)
    too_wide, faults = [], []
    for path in paths_of(built):
        screen.resize(WIDTHS[0])
        screen.open(path)
        for width in WIDTHS:
            screen.resize(width)
            too_wide += [f"{path} {width}"] * is_wider_than_the_window(screen)
        screen.tab.evaluate(LEAVE_ONE_OF_EACH)
        found = axe_faults(screen, **ALL_LOOKS) + axe_faults(screen, **ALL_ELSE)
        faults += [f"{path}: {fault}" for fault in found]

    assert too_wide == []
    assert faults == []
    assert screen.requests_to_others() == []
    assert screen.complaints() == []


def test_every_drawing_is_readable_on_a_phone(built, screen):
    screen.resize(390)
    unreadable = {}
    for path in paths_of(built, having=".diagram"):
        screen.open(path)
        for drawing in screen.find_all(".diagram svg"):
            title = drawing.locator("title").text_content()
            unreadable[title] = drawing.evaluate(UNREADABLE_TEXTS, LEAST_PIXELS)
            assert drawing.bounding_box()["width"] <= 390, title

    assert len(unreadable) >= len(STEPS)
    assert {title: texts for title, texts in unreadable.items() if texts} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", ["/", "/04-users-in-a-database/", "/attacks/"])
def test_the_first_pages_are_accessible_in_every_width(screen, path, width, scheme):
    screen.prefer(scheme)
    screen.resize(width)
    screen.open(path)

    assert axe_faults(screen, rules=OF_THE_THEME) == []
    assert screen.requests_to_others() == []
    assert screen.complaints() == []


@pytest.mark.parametrize(
    ("words", "path"),
    [
        ("2FA", "/02-totp-verify/"),
        ("MFA", "/02-totp-verify/"),
        ("OTP", "/02-totp-verify/"),
        ("backup code", "/03-qr-enrolment/"),
        ("throttle", "/limits/"),
        ("rate limit", "/limits/"),
        ("I lost my phone", "/troubleshooting/"),
        ("begin_pending_login", "/02-totp-verify/"),
    ],
)
def test_search_finds_the_page_by_the_words_that_people_use(screen, words, path):
    screen.open(f"/?q={quote(words)}")
    first = screen.tab.locator(".md-search-result__item a").first

    assert urlsplit(first.get_attribute("href")).path == path


def test_the_copy_button_of_a_change_copies_the_new_code(screen):
    screen.open("/02-totp-verify/")
    stop = screen.find(".stop", "pending_login.begin_pending_login(user)")
    hunk = stop.locator(".hunk", has_text="begin_pending_login").first
    hunk.hover()
    hunk.locator("button[data-clipboard-target], button.md-clipboard").first.click()
    copied = screen.tab.evaluate("navigator.clipboard.readText()")

    lines = changes.files("02")["app/auth.py"]
    first, last = changes.find_lines("app/auth.py", lines, "login")
    assert copied.rstrip().splitlines() == lines[first - 1 : last]


def test_a_command_is_copied_without_its_prompt_and_answer(screen):
    screen.open("/02-totp-verify/")
    block = screen.find(".highlight:visible", "curl -s")
    block.hover()
    block.locator("button").first.click()
    copied = screen.tab.evaluate("navigator.clipboard.readText()")

    assert copied.startswith("curl -s")
    assert "302" not in copied


def test_a_phone_reads_the_demo_key_off_the_page_in_light_and_dark(screen):
    screen.open("/02-totp-verify/")
    for scheme in ("light", "dark"):
        screen.prefer(scheme)
        uri = urlsplit(screen.scan("img.qr"))
        assert uri.scheme == "otpauth"
        assert parse_qs(uri.query) == {"secret": [DEMO_SECRET], "issuer": ["Door 02"]}


def test_without_javascript_the_changes_are_there(browser, address):
    with browser.new_context(java_script_enabled=False) as context:
        screen = Screen(None, address, context)
        screen.open("/02-totp-verify/")

        assert screen.find(
            ".stop ins", "pending_login.begin_pending_login"
        ).is_visible()
        screen.find("details.whole summary").click()
        assert screen.find("details.whole[open] .hunk").is_visible()

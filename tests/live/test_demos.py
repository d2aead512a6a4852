"""What can be tried by hand on the pages, and the questions that ask first."""

import pytest

from tests.kit.real_browser import Screen
from tests.kit.real_browser import axe_faults
from tests.kit.real_browser import is_wider_than_the_window

pytestmark = [pytest.mark.site, pytest.mark.browser]

CHAPTER = "/02-totp-verify/"
RACE = "/04c-the-secret-encrypted/"
PARTS = [".live-demo", "details.question", ".progress"]
UNREADABLE_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("blocked", "SecurityError"); }
})"""


@pytest.fixture
def screen(browser, address):
    """Return a tab in front of the site, which asks no other host."""
    with browser.new_context() as context:
        screen = Screen(None, address, context)
        yield screen
        assert screen.requests_to_others() == []
        assert screen.complaints() == []


@pytest.fixture
def still(browser, address):
    """Return a tab in which no script runs."""
    with browser.new_context(java_script_enabled=False) as context:
        yield Screen(None, address, context)


def press(screen, *names):
    """Press buttons of a demonstration with the keyboard; return the last answer."""
    for name in names:
        button = screen.tab.locator(".live-demo").get_by_role("button", name=name)
        button.press("Enter")
    return screen.tab.locator(".live-demo [role=status]").inner_text()


def test_a_code_is_accepted_once_and_its_neighbour_is_consumed(screen):
    codes = screen.open("/").tab.locator(".live-demo li button")

    def answer(place):
        codes.nth(place).press("Enter")
        return screen.find(".live-demo [role=status]").inner_text()

    assert not screen.find(".live-demo table").is_visible()
    assert "accepted" in answer(1)
    assert "used already" in answer(1)
    assert "A later one was used" in answer(0)
    assert "outside the window" in answer(4)
    press(screen, "Half a minute later")
    assert "accepted" in answer(2)


def counted(screen, bucket):
    """Return what a bucket says of its attempts."""
    return screen.find(f"[data-count={bucket}]").inner_text()


def test_a_correct_password_does_not_empty_the_bucket_of_codes(screen):
    screen.open(CHAPTER)
    assert "Wrong code" in press(screen, *["Guess"] * 5)
    assert "again in 15 minutes" in press(screen, "Guess")
    assert "stays as it is" in press(screen, "Correct password")
    assert counted(screen, "codes").startswith("5 of 5")
    assert not screen.tab.locator(".live-demo table").is_visible()
    assert screen.tab.locator("[data-cells=codes] [data-full]").count() == 5
    assert "429" in press(screen, "Complete login")


def test_trying_sooner_does_not_move_the_end_of_the_window(screen):
    later = "Move the clock by 5 minutes"
    screen.open(CHAPTER)
    press(screen, *["Guess"] * 5)
    assert "again in 10 minutes" in press(screen, later, "Guess")
    assert "again in 5 minutes" in press(screen, later, "Guess")
    assert "has ended" in press(screen, later)
    assert "Wrong code" in press(screen, "Guess")
    assert counted(screen, "codes") == "1 of 5, the window ends at minute 30"


def test_a_complete_login_empties_both_buckets(screen):
    screen.open(CHAPTER)
    press(screen, *["Guess"] * 4)
    assert "Logged in" in press(screen, "Complete login")
    assert [counted(screen, name) for name in ("codes", "passwords")] == ["0 of 5"] * 2


def test_the_password_is_limited_in_a_bucket_of_its_own(screen):
    screen.open(CHAPTER)
    assert "Correct" in press(screen, *["Correct password"] * 5)
    assert "429" in press(screen, "Correct password")
    assert "Wrong code" in press(screen, "Guess")


def order(words):
    """Return the names of the buttons that run these steps."""
    return [f"{word[0]}: {word[1:]}" for word in words.split()]


def test_both_requests_log_in_if_both_compare_before_either_writes(screen):
    screen.open(RACE)
    answer = press(screen, *order("Aread Bread Acompare Bcompare Awrite Bwrite"))
    assert "Both are logged in" in answer
    press(screen, "Again")
    answer = press(screen, *order("Aread Acompare Awrite Bread Bcompare"))
    assert "Rejected" in answer
    assert "only one is logged in" in answer


@pytest.mark.parametrize("first", ["A", "B"])
def test_one_update_lets_one_request_in_whatever_the_order(screen, first):
    screen.open(RACE)
    screen.tab.get_by_role("radio", name="one UPDATE").check()
    second = "AB".replace(first, "")
    press(screen, f"{first}: UPDATE", f"{second}: UPDATE")
    assert "logged in" in press(screen, f"{first}: row count")
    answer = press(screen, f"{second}: row count")
    assert "rejected" in answer
    assert "Only one" in answer


def test_a_request_does_its_steps_in_their_order_and_keeps_the_focus(screen):
    screen.open(RACE)
    assert "one step after the other" in press(screen, "A: write")
    press(screen, "A: read")
    assert screen.tab.evaluate("document.activeElement.textContent") == "A: read"
    assert screen.tab.locator(".race .log li").count() == 1


def question(screen, place=0):
    """Open a question of the page with the keyboard; return it."""
    found = screen.tab.locator("details.question").nth(place)
    found.locator("summary").press("Enter")
    return found


def test_a_question_asks_before_it_answers_and_is_remembered(screen):
    screen.open(CHAPTER)
    asked = question(screen)
    assert not asked.get_by_text("Say you log in with the current code").is_visible()
    asked.get_by_role("button", name="I think I know").press("Enter")
    assert asked.get_by_text("Say you log in with the current code").is_visible()
    asked.get_by_role("button", name="That's what I thought").press("Enter")
    question(screen, 1).get_by_role("button", name="Reveal").press("Enter")
    screen.open(CHAPTER)
    assert "2 of 3 questions answered" in screen.find(".progress").inner_text()
    assert "you knew it" in screen.tab.locator(".question summary").nth(0).inner_text()


def test_the_home_page_shows_what_was_read_until_it_is_told_to_forget(screen):
    screen.open("/")
    assert not screen.tab.locator("[data-progress]").is_visible()
    for page in (CHAPTER, RACE):
        screen.open(page)
        screen.tab.get_by_label("I've read this page").check()
    screen.open("/")
    rows = screen.tab.locator(".chapters tbody tr td:first-child").all_inner_texts()
    assert rows[1].endswith("✓ read")
    assert rows[3].endswith("1 of 4 read")
    screen.tab.get_by_role("button", name="Forget this").press("Enter")
    screen.open("/")
    assert not screen.tab.locator("[data-progress]").is_visible()


def test_a_chapter_shows_at_its_head_which_of_its_pages_were_read(screen):
    landing = "/04-users-in-a-database/"
    screen.open(landing)
    assert not screen.tab.locator("[data-read]").is_visible()
    screen.open(RACE)
    screen.tab.get_by_label("I've read this page").check()
    screen.open(landing)
    assert screen.find("[data-read]").inner_text() == "You've read 1 of 4 pages."
    marked = screen.tab.locator("tr", has_text="✓ read").all_inner_texts()
    assert [text[:3] for text in marked] == ["04c"]


def test_a_chapter_of_one_page_says_so_as_soon_as_the_box_is_checked(screen):
    screen.open(CHAPTER)
    head = screen.tab.locator("[data-read]")
    assert not head.is_visible()
    screen.tab.get_by_label("I've read this page").check()
    assert "You've read this page" in head.inner_text()
    screen.tab.get_by_label("I've read this page").uncheck()
    assert not head.is_visible()


def test_a_browser_that_stores_nothing_still_asks_and_answers(screen):
    screen.tab.add_init_script(UNREADABLE_STORAGE)
    screen.open(CHAPTER)
    question(screen).get_by_role("button", name="Reveal").press("Enter")
    assert "1 of 3" in screen.find(".progress").inner_text()
    assert set(screen.complaints()) == {"blocked"}  # of the theme's own scripts


@pytest.mark.parametrize(
    "odd", ["no JSON", "null", "[]", '{"questions": [], "pages": 5}']
)
def test_damaged_progress_counts_as_none(screen, odd):
    screen.open("/")
    screen.tab.evaluate("text => localStorage.setItem('two-steps-in', text)", odd)
    screen.open(CHAPTER)
    assert "0 of 3" in screen.find(".progress").inner_text()


def test_without_javascript_there_are_tables_and_ordinary_folds(still):
    still.open(CHAPTER)
    assert "wait 10 minutes" in still.find(".live-demo table").inner_text()
    assert question(still).get_by_text("Say you log in").is_visible()
    assert still.tab.locator(".progress, [data-demo]:visible").count() == 0
    still.open(RACE)
    assert "changes 0 rows" in still.find(".live-demo table").inner_text()
    still.open("/")
    assert "a later one was used" in still.find(".live-demo table").inner_text()


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1280)])
@pytest.mark.parametrize("path", [CHAPTER, RACE])
def test_demonstrations_and_questions_fit_and_are_accessible(
    screen, path, scheme, width
):
    screen.prefer(scheme)
    screen.resize(width)
    screen.open(path)
    question(screen).get_by_role("button", name="I think I know").press("Enter")
    question(screen, 1)
    screen.tab.locator(".live-demo button").first.press("Enter")
    assert not is_wider_than_the_window(screen)
    assert axe_faults(screen, PARTS) == []


def test_a_script_is_loaded_only_where_it_is_needed(screen):
    for path, own in (("/glossary/", set()), ("/attacks/", {"attacks.js"})):
        screen.requests.clear()
        screen.open(path)
        loaded = {url.rpartition("/")[2] for url in screen.requests}
        names = {"attacks.js", "inside-a-code.js", "progress.js", "race.js", "demos.js"}
        assert loaded & names == own

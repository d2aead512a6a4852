"""The page Inside a code, in a real browser whose clock we move."""

import random
from base64 import b32encode
from hashlib import new
from urllib.parse import quote

import pytest
from pyotp import TOTP
from selectolax.lexbor import LexborHTMLParser

from tests.kit.fixtures import NOON
from tests.kit.real_browser import Screen
from tests.kit.real_browser import axe_faults
from tests.kit.real_browser import is_wider_than_the_window
from tests.kit.real_browser import need
from tests.kit.stage import DEMO_SECRET
from tests.site.built_site import OF_THE_THEME
from tools.totp import totp

pytestmark = [pytest.mark.site, pytest.mark.browser]

PATH = "/inside-a-code/"
HASHES = {"SHA1": 20, "SHA256": 32, "SHA512": 64}  # and the bytes of their seeds
APPENDIX_B = {  # of RFC 6238; the lengths of the seeds are those of its errata
    59: ("94287082", "46119246", "90693936"),
    1111111109: ("07081804", "68084774", "25091201"),
    1111111111: ("14050471", "67062674", "99943326"),
    1234567890: ("89005924", "91819424", "93441116"),
    2000000000: ("69279037", "90698825", "38618901"),
    20000000000: ("65353130", "77737706", "47863826"),
}
OTHER_SECRET = "KRUGS4ZANFZSA3TPEBZWKY3SMV2CAYLU"
ADDRESS = f"otpauth://totp/Door:admin?issuer=Door&secret={OTHER_SECRET}"
SPELLINGS = [
    OTHER_SECRET.lower(),
    "KRUG S4ZA NFZS A3TP-EBZW KY3S MV2C AYLU",
    f" {OTHER_SECRET}======\n",
    ADDRESS.replace("otpauth://totp", "OTPAUTH://TOTP"),
    f"{ADDRESS}&algorithm=sha1&digits=6&period=30",
    f"otpauth://totp/{quote('Dör: kim?', safe='')}?secret={OTHER_SECRET.lower()}",
]
REFUSED = {
    "": "Type or paste a key",
    "GEZDGNBVGY3TQOJ0GEZDGNBVGY3TQOJ1": "This one has: 0 1",
    f"{DEMO_SECRET}G": "not complete",
    "JBSWY3DPEHPK3PXP": "too short: 80 bits",
    "https://example.org/": "only the letters A to Z",
    f"otpauth://hotp/Door?secret={DEMO_SECRET}&counter=1": "HOTP, which counts logins",
    "otpauth-migration://offline?data=CjEK": "Paste the key of one",
    f"otpauth://steam/Door?secret={DEMO_SECRET}": "begins with otpauth://totp/",
    "otpauth://totp/Door:admin?issuer=Door": "no secret",
    f"{ADDRESS}&algorithm=MD5": "SHA1, SHA256 or SHA512",
    f"{ADDRESS}&digits=7": "6 or 8 digits",
    f"{ADDRESS}&period=0": "from 1 to 3600",
    f"{ADDRESS}&period=soon": "from 1 to 3600",
}
RECORD = """node => {
  window.heard = [];
  const record = () => node.textContent && window.heard.push(node.textContent);
  new MutationObserver(record).observe(node, {childList: true});
}"""
CODES = """async entries => {
  const {readEntry, codeAt} = await import("/assets/inside-a-code.js");
  const code = async ([text, step]) => (await codeAt(readEntry(text), step)).code;
  return Promise.all(entries.map(code));
}"""
KEPT = "() => JSON.stringify([localStorage, sessionStorage, document.cookie])"


class Inside(Screen):
    """The page, as a reader uses it."""

    def part(self, name):
        """Return a part of the page."""
        return self.tab.locator(f"[data-inside={name}]")

    def shows(self, name, text):
        """Wait until a part of the page has this text."""
        expect = need("playwright.sync_api", "playwright").expect
        expect(self.part(name)).to_have_text(text, timeout=30_000)

    def says(self, name):
        """Return the text of a part of the page."""
        return self.part(name).text_content()

    def use(self, text):
        """Paste a key, and leave the field."""
        self.part("key").fill(text)
        self.part("key").blur()

    def set_clock(self, second):
        """Type the seconds since 1970."""
        self.part("seconds").fill(str(second))

    def results(self):
        """Return what is shown of a code: the three codes, and how they come about."""
        return self.tab.locator("[data-inside-result]:visible").all_inner_texts()


@pytest.fixture
def closed(browser, address):
    """Return a tab that has not opened the page yet."""
    with browser.new_context() as context:
        yield Inside(None, address, context)


@pytest.fixture
def page(closed):
    """Return the page; its clock stands a second after noon."""
    closed.context.clock.install(time=NOON)
    closed.context.clock.pause_at(NOON + 1)
    closed.open(PATH)
    closed.shows("now", in_halves(totp(DEMO_SECRET, NOON // 30)))
    return closed


def in_halves(code):
    """Write a code as the page does."""
    half = len(code) // 2
    return f"{code[:half]} {code[half:]}"


def test_the_codes_are_those_of_the_rfc(page):
    for place, (name, size) in enumerate(HASHES.items()):
        seed = b32encode((b"1234567890" * 7)[:size]).decode()
        page.use(f"otpauth://totp/RFC?secret={seed}&digits=8&algorithm={name}")
        for second, codes in APPENDIX_B.items():
            page.set_clock(second)
            page.shows("now", in_halves(codes[place]))
            page.shows("code", in_halves(codes[place]))


def test_the_codes_are_those_of_pyotp(page):
    chance = random.Random(6238)
    entries, expected = [], []
    for number in range(60):
        name, digits = chance.choice(list(HASHES)), chance.choice([6, 8])
        secret = b32encode(chance.randbytes(14 + number)).decode().rstrip("=")
        period, time_step = chance.choice([15, 30, 60]), chance.randrange(10**9)
        query = f"algorithm={name}&digits={digits}&period={period}"
        entries.append([f"otpauth://totp/x?secret={secret}&{query}", time_step])
        digest = {"digest": lambda *data, name=name: new(name, *data)}
        code = TOTP(secret, digits=digits, **digest).generate_otp(time_step)
        expected.append(code)

    assert page.tab.evaluate(CODES, entries) == expected


def test_the_way_to_the_code_is_shown(page):
    page.set_clock(59)
    page.shows("time-step", "1")

    assert page.says("counter") == "00 00 00 00 00 00 00 01"
    label = page.part("digest").get_attribute("aria-label")
    assert label.startswith("20 bytes: 75 a4 8a 19 d4")
    boxes = page.part("digest").locator("span")
    assert boxes.count() == 20
    taken = page.part("digest").locator(".taken")
    assert taken.all_inner_texts() == boxes.all_inner_texts()[11:15]
    assert taken.all_inner_texts() == ["c1", "39", "7e", "ea"]
    assert page.part("digest").locator("span:last-child > b").inner_text() == "b"
    assert (page.says("nibble"), page.says("offset")) == ("b", "11")
    assert page.says("number") == str(0x41397EEA)
    assert page.says("code") == "287 082"


def test_a_key_may_be_written_as_people_write_it(page):
    for spelling in SPELLINGS:
        page.use(DEMO_SECRET)
        page.shows("now", in_halves(totp(DEMO_SECRET, NOON // 30)))
        page.use(spelling)
        page.shows("now", in_halves(totp(OTHER_SECRET, NOON // 30)))
        assert page.says("key-refused") == ""


def test_a_bad_key_is_refused_in_words(page):
    for text, words in REFUSED.items():
        page.use(text)
        assert words in page.says("key-refused"), text
        assert page.part("key").get_attribute("aria-invalid") == "true"
        assert page.results() == [], text

        page.use(DEMO_SECRET)
        page.shows("key-refused", "")
        assert page.results() != []


def test_a_visitor_who_is_still_typing_is_not_interrupted(page):
    page.part("key").fill("")
    page.part("key").press_sequentially("GEZD")
    assert page.says("key-refused") == ""
    assert page.results() == []

    page.part("key").press("Tab")
    assert "too short: 16 bits" in page.says("key-refused")


def test_the_window_moves_with_the_clock(page):
    codes = [in_halves(totp(DEMO_SECRET, NOON // 30 + n)) for n in range(-1, 3)]
    page.shows("left", "29 seconds")
    assert [page.says(name) for name in ("before", "now", "next")] == codes[:3]

    page.tab.clock.run_for(28_000)
    page.shows("left", "1 second")
    assert page.part("bar").evaluate("bar => [bar.value, bar.max]") == [1, 30]
    page.tab.clock.run_for(1_000)
    page.shows("left", "30 seconds")
    assert [page.says(name) for name in ("before", "now", "next")] == codes[1:]


def test_each_code_is_announced_once_unless_the_reader_says_no(page):
    page.part("announcement").evaluate(RECORD)
    for _ in range(60):
        page.tab.clock.run_for(1_000)
    steps = [NOON // 30 + 1, NOON // 30 + 2]
    page.shows("now", in_halves(totp(DEMO_SECRET, steps[1])))
    said = [f"New code: {' '.join(totp(DEMO_SECRET, step))}" for step in steps]
    assert page.tab.evaluate("heard") == said

    page.part("announce").uncheck()
    page.tab.clock.run_for(60_000)
    page.shows("now", in_halves(totp(DEMO_SECRET, steps[1] + 2)))
    assert page.tab.evaluate("heard") == said
    assert page.part("announcement").get_attribute("role") == "status"


def test_the_keyboard_moves_the_clock_and_lets_it_run_again(page):
    page.part("seconds").focus()
    page.tab.keyboard.press("ControlOrMeta+a")
    page.tab.keyboard.type("58")
    page.tab.keyboard.press("ArrowUp")
    page.shows("now", "287 082")
    page.shows("utc", "1970-01-01 00:00:59 UTC")
    page.tab.clock.run_for(60_000)
    page.shows("now", "287 082")
    for code in ("755 224", "755 224"):  # there is nothing before 1970
        page.part("back").press("Enter")
        page.shows("now", code)
    page.shows("before", "none")
    page.part("on").press("Space")
    page.shows("now", "287 082")

    page.part("stop").press("Enter")
    page.shows("stop", "Stop the clock")
    page.shows("now", in_halves(totp(DEMO_SECRET, NOON // 30 + 2)))
    page.part("stop").press("Enter")
    page.shows("stop", "Let the clock run")


def test_a_time_that_is_none_is_refused(page):
    for second in ("", "-1", "1.5", "253402300800"):
        page.set_clock(second)
        page.shows("time-refused", "Use a whole number from 0 to 253402300799.")
        assert page.results() == [], second

        page.part("stop").click()
        page.shows("time-refused", "")
        page.shows("now", in_halves(totp(DEMO_SECRET, NOON // 30)))


def test_a_key_stays_in_the_page_and_goes_with_it(page):
    before = page.tab.evaluate("history.length")
    page.use(OTHER_SECRET)
    page.part("key").press("Enter")
    page.part("on").click()
    page.shows("now", in_halves(totp(OTHER_SECRET, NOON // 30 + 1)))

    assert page.tab.url == page.address + PATH
    assert page.tab.evaluate("history.length") == before
    assert OTHER_SECRET not in page.tab.evaluate(KEPT)
    assert page.tab.evaluate("caches.keys()") == []
    assert page.tab.evaluate("indexedDB.databases()") == []
    assert not any(OTHER_SECRET in url for url in page.requests)
    assert page.requests_to_others() == []
    page.follow("chapter 02")
    page.tab.go_back(wait_until="commit")
    assert OTHER_SECRET not in page.part("key").input_value()
    page.use(OTHER_SECRET)
    page.tab.reload()
    page.shows("now", in_halves(totp(DEMO_SECRET, NOON // 30)))
    assert page.part("key").input_value() == DEMO_SECRET


def test_a_browser_that_refuses_cryptography_says_where_it_works(built, closed):
    def answer(route):
        path = route.request.url.removeprefix("http://class.test/")
        route.fulfill(path=built / (path + "index.html" * path.endswith("/")))

    closed.context.route("http://class.test/**", answer)
    closed.address = "http://class.test"
    closed.open(PATH)

    assert "This page cannot compute here" in closed.says("off")
    assert "http://localhost:8000" in closed.says("off")
    assert not closed.part("key").is_visible()
    assert closed.complaints() == []


def test_without_javascript_the_page_shows_the_first_example_of_the_rfc(
    browser, address, built, page
):
    with browser.new_context(java_script_enabled=False) as context:
        still = Inside(None, address, context)
        still.open(PATH)
        assert "computes with JavaScript, which is off" in still.says("off")
        assert not still.part("key").is_visible()
        assert still.results() != []
    page.set_clock(59)
    page.shows("now", "287 082")
    file = (built / "inside-a-code" / "index.html").read_text("utf-8")

    assert results_in(page.tab.content()) == results_in(file)


def results_in(text):
    """Return what a page shows of a code, without the attributes that differ."""
    document = LexborHTMLParser(text)
    return [" ".join(n.html.split()) for n in document.css("[data-inside-result]")]


@pytest.mark.parametrize(("scheme", "name"), [("light", "default"), ("dark", "slate")])
def test_every_state_fits_and_is_accessible(closed, scheme, name):
    closed.prefer(scheme)
    closed.resize(320)
    closed.open(PATH)
    assert closed.find("body").get_attribute("data-md-color-scheme") == name
    # a title that is half faded out is not what anybody reads
    closed.tab.add_style_tag(content="* { transition: none !important }")
    closed.use(f"{ADDRESS}&algorithm=SHA512&digits=8")
    closed.shows("hash", "HMAC-SHA-512")
    assert axe_faults(closed, rules=OF_THE_THEME) == []
    assert not is_wider_than_the_window(closed)

    closed.use("not a key!")
    closed.set_clock("")
    assert axe_faults(closed, rules=OF_THE_THEME) == []
    assert not is_wider_than_the_window(closed)
    assert closed.complaints() == []


def test_the_time_step_is_cut_off_and_not_rounded(page):
    page.use(f"{ADDRESS}&period=3600")
    page.set_clock(3599)

    page.shows("division", "3599 / 3600 = 0.99")
    page.shows("time-step", "0")
    page.shows("settings", "SHA-1, 6 digits, a new code every 3600 seconds")

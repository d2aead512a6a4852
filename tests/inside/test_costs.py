"""What a request may cost, and how often: no form is a weapon against the server."""

from time import process_time
from urllib.parse import urlsplit

import pytest
from werkzeug.security import generate_password_hash
from zxcvbn import matching

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD
from tests.kit.guesses import LIMIT
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.reset_links import open_link
from tests.kit.stage import add_second_factor
from tests.kit.stage import fill_in_registration
from tests.kit.stage import register
from tests.kit.work import counted_work
from tests.kit.work import kinds

METHOD = "scrypt:32768:8:3"  # of a password, unless it is a test
WINDOW, LIFETIME = 15 * 60, 20 * 60

# Every look-alike of every letter that zxcvbn knows, in 23 characters.
LOOK_ALIKES = "4@8({[<369&#!1|/0$5+7%2"
RUNS = ".".join("a" * length for length in range(3, 21)) + ".org"  # of a domain
PAIRS = "".join(2 * letter for letter in "bcdefghjkmnpqrtuvwxyzBCDEFGHJKLMNPQR")

# The dearest that hill climbing has found, with the address of who asks.
DEAR = {
    "look-alikes alone": (LOOK_ALIKES + "a", ADDRESS),
    "and many letters": ((LOOK_ALIKES + 9 * "aaabcde")[:72], ADDRESS),
    "as long as can be": (12 * LOOK_ALIKES[:21] + "kite", ADDRESS),
    "of an address": (("4@8(369!1$5720%" + 40 * "4a")[:60] + LOOK_ALIKES, RUNS),
    "behind pairs": ((PAIRS[:26] + "4@$5" + 40 * "4a")[:72] + "9 kite mars", RUNS),
    "fours behind pairs": (PAIRS[:36] + 36 * "4" + "9 kite mars", RUNS),
    "pairs": (PAIRS + "0 kites and mars", ADDRESS),
    "dates": (11 * "1111991" + " kites and mars", ADDRESS),
    "dates with dots": (12 * "1.1.91" + " kites and mars", ADDRESS),
    "a walk over keys": (4 * "!@#$%^&*()_+" + " kites and mars", ADDRESS),
    "a walk to and fro": (4 * "qawsedrftgyhujikolp;", ADDRESS),
    "a word again and again": (9 * "password" + " kites and mars", ADDRESS),
    "accents in disorder": ("a" + 80 * "\u0345\u0323\u0301", ADDRESS),
}


def email_of(address):
    """Return an address; a domain alone becomes one."""
    return address if "@" in address else f"kim@{address}"


def kimberly(site, address):
    """Return the account of somebody with an address, who has a phone."""
    account = register(site.visitor(), email=email_of(address), username="kimberly")
    return add_second_factor(site, account)


def at_the_registration(site, password, address):
    """Return the form in which somebody new chooses a password, as it is sent."""
    page = site.visitor(network="192.0.2.1").open("/register")
    values = {"username": "kimberly", "email": email_of(address)}
    return page, page.filled_in(password=password, confirm=password, **values)


def at_the_reset(site, password, address):
    """Return the form behind a link, as it is sent."""
    account = kimberly(site, address)
    page = open_link(site, email_of(address))
    new = {"password": password, "confirm": password}
    return page, page.filled_in(code=account.authenticator.code(), **new)


def at_the_change(site, password, address):
    """Return the form of the account, as it is sent."""
    account = kimberly(site, address)
    visitor = site.visitor()
    visitor.log_in(account)
    page = visitor.open("/account/password")
    new = {"password": password, "confirm": password}
    proof = {"current_password": account.password}
    return page, page.filled_in(code=account.authenticator.code(), **proof, **new)


FORMS = [
    pytest.param(at_the_registration, id="registration"),
    pytest.param(at_the_reset, id="reset"),
    pytest.param(at_the_change, id="change"),
]


# The strength of a password


@pytest.fixture
def searched(monkeypatch):
    """Return how many parts of a password the meter looks up, as it does so."""
    parts = []

    def noting(password, *dictionaries, **named):
        parts.append(len(password) * (len(password) + 1) // 2)
        return look_up(password, *dictionaries, **named)

    look_up = matching.dictionary_match
    monkeypatch.setattr(matching, "dictionary_match", noting)
    return parts


def assert_bounded(parts):
    """Make sure that six spellings of 72 characters are looked up, and their repeats.

    They are the password, its reverse, and at most four with other letters in it.
    """
    assert 0 < sum(parts) <= 2 * 6 * (72 * 73 // 2)
    assert len([part for part in parts if part > 24 * 25 // 2]) <= 2 * 6


@since("04b")
@attack(144)
@pytest.mark.parametrize("dear", DEAR)
def test_a_dear_password_is_measured_with_a_few_look_alikes(site, searched, dear):
    page, (target, data) = at_the_registration(site, *DEAR[dear])
    answer = page.visitor.ask("POST", target, data=data)

    assert answer.status in (302, 422)
    assert_bounded(searched)


@since("05")
@attack(144)
@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("dear", ["look-alikes alone", "of an address"])
def test_wherever_a_password_is_chosen_it_is_measured_so(site, searched, form, dear):
    page, (target, data) = form(site, *DEAR[dear])
    searched.clear()
    answer = page.visitor.ask("POST", target, data=data)

    assert answer.status == 302
    assert_bounded(searched)


@since("04a")
@attack(144)
def test_a_password_full_of_look_alikes_is_no_reason_to_refuse_it(site):
    account = register(site.visitor(), password=LOOK_ALIKES)
    visitor = site.visitor()

    assert visitor.give_password(account).path == "/enrol"


@since("04b")
@attack(75, 144)
@pytest.mark.parametrize(
    "password",
    [
        "123456789012345",
        "passwordpassword",
        "p4ssw0rdp4ssw0rd",
        "P@ssw0rdP@ssw0rd",
        "P@$$w0rdP@$$w0rd",
        "p@55w0rdpa$$word",
        "1l0vey0u1l0vey0u",
        "m1cha3lm1cha3l!!",
        "!@#$%^&*()_+{}|",
        "!@#$%^&*()_+!@#$%^&*()_+",
        "1qaz2wsx3edc4rfv",
        "qwertyuiopasdfghjkl;'",
        "zxcvbnm,./zxcvbnm,./",
        "k1mb3rlyk1mb3rly 1234",
    ],
)
def test_the_first_guesses_of_attackers_are_refused_in_other_letters_too(
    site, password
):
    page = fill_in_registration(
        site.visitor(), username="kimberly", email=ADDRESS, password=password
    )

    assert page.status == 422
    assert page.find("#password-error").text()


@since("04")
@attack(144)
@pytest.mark.alone
def test_no_password_costs_more_to_measure_than_to_hash(step):
    site = step.start(None)
    hashing = min(
        cpu_of(lambda: generate_password_hash(NEW_PASSWORD, METHOD)) for _ in range(5)
    )
    figures = {}
    for dear, (password, address) in DEAR.items():
        costs = []
        for _ in range(3):
            page, (target, data) = at_the_registration(site, password, address)
            # who is not told apart by the rate limit comes from a network of its own
            page.visitor.browser.network = f"192.0.2.{10 + len(figures)}"
            costs.append(cpu_of(page.visitor.ask, "POST", target, data=data))
        figures[dear] = min(costs) / hashing

    print({dear: round(figure, 2) for dear, figure in figures.items()})
    assert max(figures.values()) < 1, figures


def cpu_of(act, *values, **named):
    """Return the CPU time that something takes, on all cores."""
    began = process_time()
    act(*values, **named)
    return process_time() - began


# The form behind a reset link


def kim_without_factor(site):
    """Return the account of somebody who never set up an authenticator app."""
    return register(site.visitor(), username="kim", email=ADDRESS)


def kim_with_factor(site):
    """Return the account of somebody who has all that the step asks for."""
    return add_second_factor(site, kim_without_factor(site))


WITH_AND_WITHOUT = pytest.mark.parametrize(
    "make", [kim_without_factor, kim_with_factor], ids=["without", "with"]
)


def choose(page, account, password):
    """Choose a password on the page behind a link, with a code if it asks for one."""
    values = {"password": password, "confirm": password}
    if account.authenticator:
        values["code"] = account.authenticator.code()
    return page.fill_in(**values)


@since("05")
@attack(145, 71)
@WITH_AND_WITHOUT
def test_with_a_link_too_a_password_may_be_sent_five_times_in_a_while(
    site, clock, make, monkeypatch
):
    account = make(site)
    page = open_link(site)
    for _ in range(LIMIT):
        assert choose(page, account, "aaaaaaaaaaaaaaaaaaaa").status == 422
    with counted_work(site, monkeypatch) as (hashes, _):
        refused = choose(page, account, NEW_PASSWORD)

    assert refused.status == 429
    assert hashes == []
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW
    clock.move(WINDOW)
    assert choose(page, account, NEW_PASSWORD).path == "/login"


@since("05")
@attack(145, 144)
@WITH_AND_WITHOUT
def test_over_its_limit_a_link_measures_nothing(site, searched, make):
    account = make(site)
    page = open_link(site)
    for _ in range(LIMIT):
        assert choose(page, account, "aaaaaaaaaaaaaaaaaaaa").status == 422
    searched.clear()

    assert choose(page, account, LOOK_ALIKES).status == 429
    assert searched == []


@since("05")
@attack(145, 79)
@WITH_AND_WITHOUT
def test_a_link_is_no_place_to_guess_the_current_password(site, make):
    account = make(site)
    page = open_link(site)
    for number in range(LIMIT):
        refused = choose(page, account, f"aaaaaaaaaaaaaaaaaaa{number}")
        assert "the password that you have" not in refused.text

    for visitor in (page.visitor, site.visitor(network="192.0.2.7")):
        visitor.take_cookies_of(page.visitor)
        refused = choose(visitor.open("/reset/new"), account, account.password)
        assert refused.status == 429
        assert "the password that you have" not in refused.text


@since("05")
@attack(145, 79, 2)
def test_without_the_code_a_link_does_not_tell_the_current_password_by_its_work(
    site, searched, monkeypatch
):
    account = kim_with_factor(site)
    page = open_link(site)
    work = []
    for guess in (NEW_PASSWORD, "aaaaaaaaaaaaaaaaaaaa", account.password):
        searched.clear()
        values = {"password": guess, "confirm": guess}
        with counted_work(site, monkeypatch) as (hashes, statements):
            refused = page.fill_in(code=account.authenticator.wrong_code(), **values)
        assert refused.status == 422
        work.append((len(searched) > 0, hashes, kinds(statements)))

    assert work[0] == work[1] == work[2]


@since("05")
@attack(145, 82)
def test_a_form_that_is_not_filled_in_costs_no_attempt(site):
    account = kim_with_factor(site)
    page = open_link(site)
    for _ in range(LIMIT + 1):
        for values in ({"confirm": NEW_PASSWORD, "code": ""}, {"confirm": "another"}):
            assert page.fill_in(password=NEW_PASSWORD, **values).status == 422
        assert page.fill_in(password="short", confirm="short").status == 422

    assert choose(page, account, NEW_PASSWORD).path == "/login"


# Who has the password, and who has the mailbox


class Thief:
    """Knows the password and the address, and does what keeps the owner out."""

    def __init__(self, site, account):
        self.site = site
        self.account = account
        self.times = 0
        self.times_locked = 0

    def visitor(self, number=0):
        """Return a new browser, always in another network."""
        return self.site.visitor(network=f"2001:db8:{self.times:x}:{number:x}::1")

    def annoy(self):
        """Use up codes, passwords and links, as far as one gets."""
        self.times += 1
        self.guess("code", self.account.authenticator.wrong_code())
        page = self.visitor().open("/login")
        for _ in range(LIMIT):
            page.fill_in(username=self.account.username, password="wrong")
        for number in range(4):
            self.visitor(number).open("/reset").fill_in(email=ADDRESS)

    def guess(self, field, value):
        """Use up the guesses at a code, if the password leads to them."""
        page = self.visitor().give_password(self.account)
        self.times_locked += page.path == "/login"
        while page.path == "/login/code" and page.status != 429:
            page = page.fill_in(**{field: value})


class Owner:
    """Has the mailbox, and an authenticator app or recovery codes."""

    def __init__(self, site, account):
        self.site = site
        self.account = account
        self.inbox = []  # when it came, and what

    def read(self):
        """Read the mailbox; return the paths of links that are said to work still."""
        now = self.site.clock.now()
        self.inbox += [(now, mail) for mail in self.site.mails()]
        links = [mail.link for _, mail in self.inbox if "/reset/" in mail.text]
        return [urlsplit(link).path for link in links]

    def reset(self, password, code):
        """Ask for a link and use the newest one in the mailbox; return the page."""
        visitor = self.site.visitor(network="192.0.2.1")
        assert visitor.open("/reset").fill_in(email=ADDRESS).path == "/login"
        page = visitor.open(self.read()[-1])
        assert page.path == "/reset/new", page.text
        page = page.fill_in(password=password, confirm=password, code=code)
        assert page.path == "/login", page.text
        self.account.password = password

    def log_in(self):
        """Log in at once, in a new browser."""
        self.site.visitor(network="192.0.2.1").log_in(self.account)


@since("05")
@attack(148, 72, 147)
def test_for_three_hours_the_owner_gets_through_whatever_a_password_thief_does(
    site, clock
):
    account = kim_with_factor(site)
    thief, owner = Thief(site, account), Owner(site, account)
    end, tries = clock.now() + 3 * 60 * 60, 0
    while clock.now() < end:
        for _ in range(tries % 3 + 1):  # who learns each new password
            thief.annoy()
            clock.move(8 * 60)
        code = account.recovery_code() if tries % 2 else account.authenticator.code()
        owner.reset(f"{NEW_PASSWORD} {tries}", code)
        owner.log_in()
        tries += 1

    assert tries > 10
    assert thief.times > 20

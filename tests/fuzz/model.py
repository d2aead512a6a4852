"""The rules of the login in their shortest form: who may be in, and what is answered.

It knows nothing of the app. In tests/fuzz/test_fuzz.py visitors do one thing after
another, and each time this model says what has to happen. tests/fuzz/model_mail.py has
the rules that came with the mails and the account page.
"""

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from tools.totp import TIME_STEP
from tools.totp import totp

PENDING_LIFETIME = 10 * 60
WINDOW = 15 * 60
SIX_DIGITS = re.compile("[0-9]{6}")
LIMIT = 5
LIMIT_OF_NETWORK = 20
LIMIT_OF_ACCOUNT = 50  # from all networks together
LIMIT_PER_IPV6_48 = 100  # who may have many networks
LIMIT_OF_ACCOUNT_IN_48 = 10
IDS = itertools.count()

# Two devices of one home, its neighbour, and three spellings of two IPv4 addresses.
ADDRESSES = {
    "2001:db8:0:1::1": ("home", "customer"),
    "2001:db8:0:1::2": ("home", "customer"),
    "2001:db8:0:2::1": ("neighbour", "customer"),
    "192.0.2.1": ("192.0.2.1", None),
    "::ffff:192.0.2.1": ("192.0.2.1", None),
    "192.0.2.2": ("192.0.2.2", None),
}


@dataclass(eq=False)
class User:
    """Somebody who has an account."""

    username: str
    password: str
    secret: str = ""  # none until the user is enrolled
    last_time_step: int = -1
    recovery_codes: list = field(default_factory=list)
    used_recovery_codes: list = field(default_factory=list)
    generation: int = 0  # the next one begins when all sessions of the user end
    email: str = ""
    link: object = None  # the one that still resets the password
    wrong_codes: Counter = field(default_factory=Counter)  # in a row, on each route
    is_disabled: bool = False
    must_re_enrol: bool = False  # an operator has removed the phone


@dataclass(frozen=True, eq=False)
class Session:
    """What the cookie of a browser says. Copied cookies say the same."""

    user: User = None
    is_in: bool = False
    since: int = 0  # when the password was right, or the login complete
    generation: int = 0  # of the user's sessions
    link: object = None  # which was followed
    device: object = None  # by which the browser was known when the login began
    seen: int = 0
    email_verified: bool = False
    id: str = field(default_factory=lambda: f"session {next(IDS)}")


class Answer(NamedTuple):
    """The page on which one ends up."""

    status: int
    path: str
    shows: str = ""  # "secret" or "codes"
    wait: int = None  # seconds


class ReferenceModel:
    """The site: a browser has a session and an address, and asks for something."""

    forgotten = ("code", "recovery", "enrolment")  # after a complete login

    def __init__(self, step, clock):
        self.has_many_users = step >= "04"  # and logs out on all devices
        self.clock = clock
        self.users = []
        self.waiting = {}  # the secret that a session was shown
        self.counts = {}  # when a window opened, and how many guesses fell into it

    # Who is there.

    def is_alive(self, session):
        """A logout ends all sessions of the user, from the step with a database on."""
        return not self.has_many_users or session.generation == session.user.generation

    def logged_in_user(self, session):
        """Only both factors let somebody in."""
        return session.user if session.is_in and self.is_alive(session) else None

    def pending_user(self, session):
        """A right password is good for ten minutes."""
        if session.user is None or session.is_in or not self.is_alive(session):
            return None
        is_over = self.clock.now() - session.since > PENDING_LIFETIME
        return None if is_over else session.user

    def begin(self, user, **what):
        """Begin a new session: of a pending login, unless it is said that it is in."""
        now, generation = self.clock.now(), user.generation
        return Session(user, since=now, seen=now, generation=generation, **what)

    def let_in(self, browser, user):
        """Begin a new session, which is in."""
        self.forget_guesses(user, browser.address)
        browser.session = self.begin(user, is_in=True)

    def complete_login(self, browser, user):
        """After the second factor the visitor is in."""
        self.let_in(browser, user)
        return Answer(200, "/")

    def known_device(self, browser, name):
        """No browser is known before step 06."""

    # What they ask for.

    def open(self, browser, path):
        """The pages of the login lead to where the visitor stands."""
        if path == "/":
            return Answer(
                200, "/" if self.logged_in_user(browser.session) else "/login"
            )
        if path in ("/login", "/register"):
            return Answer(200, path)
        user = self.pending_user(browser.session)
        if user is None:
            return Answer(200, "/login")
        if not user.secret:
            return Answer(200, "/enrol", shows="secret")
        return Answer(200, "/login/code" if path == "/enrol" else path)

    def give_password(self, browser, name, password):
        """A right password begins a pending login, and lets nobody in."""
        if not 0 < len(password) <= 256:
            return Answer(422, "/login")
        device = self.known_device(browser, name)
        wait = self.count_guess("password", name, browser.address, device)
        if wait:
            return Answer(429, "/login", wait=wait)
        user = self.find(name)
        if user is None or not self.is_right(user, password):
            return self.refuse_password(name)
        if self.is_locked(user, device):
            return Answer(422, "/login")
        browser.session = self.begin(user, device=device)
        return self.open(browser, "/login/code")

    def give_code(self, browser, code):
        """The code from the phone ends the login."""
        user = self.pending_user(browser.session)
        if user is None or not user.secret:
            return self.open(browser, "/login/code")
        if not is_code(code):
            return Answer(422, "/login/code")
        wait = self.count_guess("code", user.username, device=browser.session.device)
        if wait:
            return Answer(429, "/login/code", wait=wait)
        if not self.is_good(user, code):
            is_guess = self.time_step_of(user.secret, code) is None
            return self.refuse_code(user, "/login/code", is_guess)
        self.use_up(user, code)
        return self.complete_login(browser, user)

    def give_recovery_code(self, browser, code):
        """A recovery code serves in the place of the phone."""
        user = self.pending_user(browser.session)
        if user is None or not user.secret:
            return self.open(browser, "/login/recovery")
        if not code:
            return Answer(422, "/login/recovery")
        device = browser.session.device
        wait = self.count_guess("recovery", user.username, device=device)
        if wait:
            return Answer(429, "/login/recovery", wait=wait)
        if not self.is_good_recovery_code(user, code):
            return self.refuse_code(user, "/login/recovery")
        self.use_up_recovery_code(user, code)
        return self.complete_login(browser, user)

    def confirm_authenticator(self, browser, code):
        """A code of the secret that this session was shown, and of no other, enrols."""
        user = self.pending_user(browser.session)
        if user is None or user.secret:
            return self.open(browser, "/enrol")
        if not is_code(code):
            return Answer(422, "/enrol", shows="secret")
        wait = self.count_guess("enrolment", user.username)
        if wait:
            return Answer(429, "/enrol", wait=wait)
        secret = self.waiting[browser.session.id]
        time_step = self.time_step_of(secret, code)
        if time_step is None:
            return Answer(422, "/enrol", shows="secret")
        user.secret, user.last_time_step = secret, time_step
        self.let_in(browser, user)
        return Answer(200, "/enrol", shows="codes")

    def register(self, browser, name, password):
        """A new user goes on to the phone; a name is taken whatever its capitals."""
        wait = self.count_guess("registration", None, browser.address)
        if wait:
            return Answer(429, "/register", wait=wait)
        if self.find(name):
            return Answer(422, "/register")
        user = User(name, password)
        self.users.append(user)
        browser.session = self.begin(user)
        return self.open(browser, "/enrol")

    def log_out(self, browser):
        """Logging out works whoever one is."""
        user = self.logged_in_user(browser.session)
        if user:
            user.generation += 1
        browser.session = Session()
        return Answer(200, "/login")

    def send_old_form(self, browser, path):
        """A form of an older session is too old, unless a second click sent it."""
        if path.startswith("/login/") and self.logged_in_user(browser.session):
            return self.open(browser, "/")
        return Answer(400, path)

    # What is right.

    def is_locked(self, user, device):
        """No password is locked before step 05."""
        return False

    def is_right(self, user, password):
        """Tell whether a password is that of the user."""
        return password == user.password

    def is_good(self, user, code):
        """A code is good for a step either way, once, and never after a later one."""
        time_step = self.time_step_of(user.secret, code)
        return time_step is not None and time_step > user.last_time_step

    def use_up(self, user, code):
        """From now on only later codes are good."""
        user.last_time_step = self.time_step_of(user.secret, code)

    def is_good_recovery_code(self, user, code):
        """A recovery code is good once, however it is spelled."""
        return bare(code) in user.recovery_codes

    def use_up_recovery_code(self, user, code):
        """The others stay as they are."""
        user.recovery_codes.remove(bare(code))
        user.used_recovery_codes.append(bare(code))

    def refuse_password(self, name):
        """A wrong password leads nowhere."""
        return Answer(422, "/login")

    def refuse_code(self, user, path, is_guess=True):
        """A wrong code leads nowhere; one that was used before is no guess."""
        return Answer(422, path)

    # What they are shown.

    def show_page(self, browser, answer):
        """To look at a page changes nothing."""

    def show_secret(self, browser, secret):
        """A session is shown one secret, as often as it likes, and nobody else's."""
        name = browser.session.id
        assert self.waiting.setdefault(name, secret) == secret
        assert secret not in [s for key, s in self.waiting.items() if key != name]

    def show_codes(self, browser, codes):
        """Ten recovery codes, for the one who is in."""
        assert len(set(codes)) == 10
        user = self.logged_in_user(browser.session)
        user.used_recovery_codes += user.recovery_codes
        user.recovery_codes = [code.replace("-", "") for code in codes]

    # What they type.

    def fold(self, name):
        """Capitals and blanks make no other name."""
        return name.strip().lower()

    def find(self, name):
        """The user of this name."""
        name = self.fold(name)
        return next((u for u in self.users if self.fold(u.username) == name), None)

    def time_step_of(self, secret, code):
        """The time step that a code belongs to, of the three that are good now."""
        now = self.clock.now() // TIME_STEP
        code = "".join(code.split())
        near = (step for step in (now - 1, now, now + 1) if totp(secret, step) == code)
        return next(near, None)

    # How often they may guess.

    def counters(self, purpose, name, address, device=None):
        """The limits of a guess in the order in which they are asked."""
        if device:
            return {(purpose, device): LIMIT}
        name = self.fold(name) if name else None
        if not address:
            return {(purpose, name): LIMIT}
        if not self.has_many_users:
            return {(purpose, name, address): LIMIT}
        network, customer = ADDRESSES[address]
        limits = {(purpose, "all", network): LIMIT_OF_NETWORK}
        if customer:
            limits[purpose, "all", customer] = LIMIT_PER_IPV6_48
        if name:
            limits[purpose, name, network] = LIMIT
            if customer:
                limits[purpose, name, customer] = LIMIT_OF_ACCOUNT_IN_48
            limits[purpose, name] = LIMIT_OF_ACCOUNT
        return limits

    def count_guess(self, purpose, name, address=None, device=None):
        """Count a guess, right or wrong; return the seconds to wait after too many."""
        for key, limit in self.counters(purpose, name, address, device).items():
            end = self.count(self.counts, key, limit, WINDOW)
            if end:
                return end - self.clock.now()
        return None

    def count(self, counts, key, limit, window):
        """Count something; return when the window ends, if there was too much."""
        now = self.clock.now()
        opened, before = counts.get(key, (now, 0))
        if now - opened >= window:
            opened, before = now, 0
        counts[key] = (opened, before + 1)
        return opened + window if before >= limit else None

    def forget_guesses(self, user, address):
        """Who is in counts anew here, and takes back what that cost the network."""
        name = self.fold(user.username)
        for purpose in self.forgotten:
            self.counts.pop((purpose, name), None)
        counters = self.counters("password", name, address)
        own = [key for key in counters if name in key]
        began, spent = self.counts.get(own[0], (0, 0))
        for key in counters:
            opened, count = self.counts.get(key, (0, 0))
            if key in own:
                self.counts.pop(key, None)
            elif count >= spent and opened <= began:
                self.counts[key] = (opened, count - spent)

    # When something is over.

    def ends(self, sessions):
        """The seconds at which codes, pending logins and pauses are over."""
        return {
            "code": [(self.clock.now() // TIME_STEP + 1) * TIME_STEP],
            "login": [s.since + PENDING_LIFETIME + 1 for s in sessions if not s.is_in],
            "pause": [opened + WINDOW for opened, _ in self.counts.values()],
        }

    def end_of(self, what, sessions):
        """The next second at which something is over."""
        now = self.clock.now()
        ends = self.ends(sessions)[what]
        return min((end for end in ends if end > now), default=now + 1)


def bare(code):
    """A recovery code as it is compared, however it was typed."""
    return "".join(code.split()).replace("-", "").lower()


def is_code(text):
    """Six digits are a code, with or without a blank in the middle."""
    return bool(SIX_DIGITS.fullmatch("".join(text.split())))

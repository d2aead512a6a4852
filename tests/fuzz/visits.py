"""Visitors who do anything, in any order; tests/fuzz/model.py says what has to happen.

What they do with mails and on the account page is in tests/fuzz/visits_mail.py.
"""

import re
import sys
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import Bundle
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import multiple
from hypothesis.stateful import precondition
from hypothesis.stateful import rule

from tests.fuzz.model import ADDRESSES
from tests.fuzz.model import WINDOW
from tests.fuzz.model import Answer
from tests.fuzz.model import ReferenceModel
from tests.fuzz.model import Session
from tests.fuzz.model import User
from tests.fuzz.model_mail import ReferenceModelInProduction
from tests.fuzz.model_mail import ReferenceModelWithEmail
from tests.kit.phone import Authenticator
from tests.kit.phone import scan
from tests.kit.stage import GOOD_PASSWORD
from tests.kit.stage import add_second_factor
from tools.totp import TIME_STEP
from tools.totp import totp

MODELS = {"05": ReferenceModelWithEmail, "06": ReferenceModelInProduction}
HOME, ELSEWHERE = list(ADDRESSES)[:2], list(ADDRESSES)[2:4]
NO_CODE = "000000"
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
IS_ASKED = st.sampled_from([True, True, True, False])
TIMES = st.sampled_from([1, 1, 6])
WHICH_CODE = st.sampled_from(
    ["fresh", "fresh", "fresh", "used", "earlier", "wrong", -2, -1, 1, 2]
)
SPELLING = st.sampled_from(["plain", "plain", "plain", "blanks", "capitals", "wide"])

# Chance shall not pass its time with what leads nowhere.
once_somebody_came = precondition(lambda self: any(b.session.user for b in self.opened))
in_between = precondition(lambda self: self.was_asked)


class Browser:
    """A browser, and what the model knows of it: its session and its address."""

    def __init__(self, site, address):
        self.visitor = site.visitor(address)
        self.address = address
        self.device = None  # by which the site knows the browser
        self.session = Session()
        self.session_of_page = self.session
        self.visitor.open("/login")

    def __repr__(self):
        return f"<browser at {self.address}>"

    def move_to(self, address):
        """Go on from another network."""
        self.address = self.visitor.browser.network = address

    def keep(self, cookies, session, device):
        """Put cookies in the place of one's own, and know what they say."""
        self.visitor.browser.keep(cookies)
        self.session, self.device = session, device


class LoginMachine(RuleBasedStateMachine):
    """One user, whose phone is set up, and two browsers, mostly in one home."""

    browsers = Bundle("browsers")
    users = Bundle("users")
    endings = ("come_home",)
    pause = WINDOW  # then all guesses may be made again

    def __init__(self, site, accounts, ending):
        super().__init__()
        self.site = site
        self.accounts = accounts
        self.clock = site.clock
        number = site.stage.number
        self.model = MODELS.get(number, ReferenceModel)(number, site.clock)
        self.opened = []
        self.was_asked = False
        self.thief = None
        self.copied_cookies = []  # all there ever were, and their sessions
        self.last_success = None
        self.ending = getattr(self, ending)

    @initialize(target=browsers, second=st.sampled_from([HOME[1], *ELSEWHERE]))
    def open_two_browsers(self, second):
        self.opened = [Browser(self.site, address) for address in (HOME[0], second)]
        self.thief = Browser(self.site, ELSEWHERE[0])
        return multiple(*self.opened)

    @initialize(target=users)
    def know_a_user(self):
        return self.know(self.account(is_enrolled=True))

    def account(self, is_enrolled):
        """Return an account: one that the database has, or the only one there is."""
        if self.accounts:
            return self.accounts[0 if is_enrolled else 1]
        account = self.site.account_without_factor()
        return add_second_factor(self.site, account) if is_enrolled else account

    def know(self, account):
        """Let the model know an account."""
        user = User(account.username, account.password)
        if account.authenticator:
            user.secret = account.authenticator.secret
            user.last_time_step = account.authenticator.last_time_step
        codes = account.recovery_codes
        user.recovery_codes = [code.replace("-", "") for code in codes]
        self.model.users.append(user)
        return user

    def teardown(self):
        """In the end see who is in; then an owner and a guesser try something."""
        has_failed = sys.exc_info()[0] is not None  # which is what shall be told
        if has_failed or not (self.opened and self.model.users):
            return
        for browser in self.opened:
            self.look_who_is_in(browser)
        self.logs_out(self.opened[0])
        self.clock.move(self.pause)
        self.ending(self.opened[0], self.model.users[0])
        for browser in self.opened:
            self.look_who_is_in(browser)
        self.try_copied_cookies()

    def come_home(self, browser, user):
        """Log in with a code; too old, too new, used and many codes lead nowhere."""
        self.gives_password(self.thief, user, "wrong", "plain", 5)
        for which in (-2, 2, 1, "earlier", "used"):
            self.gives_code(browser, user, True, which, "plain", 1)
        self.gives_password(self.thief, user, "wrong", "plain", 1)
        for which, times in (("wrong", 6), ("fresh", 1)):
            self.gives_code(browser, user, True, which, "plain", times)
        for which, times in (("wrong", 6), ("right", 1)):
            self.gives_password(browser, user, which, "plain", times)

    # How a form is sent, and what is seen compared with what the model says.

    def open(self, browser, path):
        """Open a page."""
        browser.visitor.open(path)
        self.compare(browser, self.model.open(browser, path))

    def fill_in(self, browser, path, predict, times=1, **values):
        """Fill in a form, of the page that is open if it has this one; send it."""
        if not is_form_of(path, browser.visitor.page, values):
            self.open(browser, path)
        page, before = browser.visitor.page, browser.session
        if is_form_of(path, page, values):
            form = page.filled_in(**values)
        else:  # it is not offered: the visitor sends it all the same
            token = page.find("[name=csrf_token]").attributes["value"]
            form = path, {"csrf_token": token} | values
        self.send(browser, form, browser.session_of_page, predict, times)
        if browser.session.id != before.id and browser.session.is_in:
            self.last_success = path, browser.session.user, predict, values

    def send(self, browser, form, session, predict, times=1):
        """Press the button of a form, which is good in the session that it is from."""
        for _ in range(times):
            target, _, _ = form[0].partition("?")
            is_good = session.id == browser.session.id
            if not is_good:
                predict = partial(self.model.send_old_form, path=target)
            expected = predict(browser)
            browser.visitor.send(*form)
            self.compare(browser, expected)
        if expected.status == 200:
            self.look_who_is_in(browser)

    def compare(self, browser, expected):
        """See whether a page is what the model says."""
        self.was_asked = True
        page = browser.visitor.page
        secret, codes = page.find_all("#secret"), page.find_all(".recovery-code")
        shows = "secret" if secret else "codes" if codes else ""
        wait = page.headers.get("Retry-After")
        path = page.path.partition("?")[0]
        seen = Answer(page.status, path, shows, wait and int(wait))
        assert seen == expected, f"{page!r} is {seen}, not {expected}"
        self.model.show_page(browser, expected)
        if browser.session is not browser.session_of_page:
            browser.session_of_page = browser.session
            copy = browser.visitor.browser.cookies, browser.session, browser.device
            self.copied_cookies.append(copy)
        if secret:
            self.model.show_secret(browser, scan(page, self.clock).secret)
        if codes:
            self.model.show_codes(browser, [code.text() for code in codes])

    def look_who_is_in(self, browser):
        """See whether the protected page opens, and for whom."""
        user = self.model.logged_in_user(browser.session)
        page = browser.visitor.ask("GET", "/")
        assert page.status == (200 if user else 302), f"{page!r} for {user}"
        if user:
            assert re.search(rf"\b{user.username}\b", page.text), page.text
            self.model.show_page(browser, Answer(200, "/"))

    def try_copied_cookies(self):
        """See how far one comes with the cookies that were copied last."""
        for copied in self.copied_cookies[-4:]:
            self.thief.keep(*copied)
            self.thief.session_of_page = self.thief.session
            self.look_who_is_in(self.thief)
            self.open(self.thief, "/login/code")

    # What visitors do.

    @once_somebody_came
    @rule(browser=browsers, path=st.sampled_from(["/", "/login/code"]))
    def opens(self, browser, path):
        self.open(browser, path)

    @rule(
        browser=browsers,
        user=users,
        which=st.sampled_from(["wrong", "right", "none", "too long"]),
        spelling=SPELLING,
        times=TIMES,
    )
    def gives_password(self, browser, user, which, spelling, times):
        name = user.username
        name = {"blanks": f" {name}\t", "capitals": name.upper()}.get(spelling, name)
        password = {"right": user.password, "none": "", "too long": "x" * 257}
        password = password.get(which, "a wrong password")
        predict = partial(self.model.give_password, name=name, password=password)
        values = {"username": name, "password": password}
        self.fill_in(browser, "/login", predict, times, **values)

    def come_to(self, path, browser, user):
        """Give the right password, unless the visitor has come that far."""
        session = browser.session
        is_there = is_form_of(path, browser.visitor.page) and session.user is user
        if not is_there and self.model.pending_user(session) is not user:
            self.gives_password(browser, user, "right", "plain", 1)

    @rule(
        browser=browsers,
        user=users,
        is_asked=IS_ASKED,
        which=WHICH_CODE,
        spelling=SPELLING,
        times=TIMES,
    )
    def gives_code(self, browser, user, is_asked, which, spelling, times):
        if is_asked:
            self.come_to("/login/code", browser, user)
        code = self.code_of(user.secret, user.last_time_step, which)
        code = typed(code, spelling)
        predict = partial(self.model.give_code, code=code)
        self.fill_in(browser, "/login/code", predict, times, code=code)

    def code_of(self, secret, last_time_step, which):
        """Return a code: by its distance from now, or for what it is known."""
        if not secret:
            return NO_CODE
        now = self.clock.now() // TIME_STEP
        if which == "wrong":
            return Authenticator(secret, self.clock).wrong_code()
        if which == "used":
            return totp(secret, max(0, last_time_step))
        if which == "earlier":
            return totp(secret, max(0, last_time_step - 1))
        if which == "fresh":
            return totp(secret, max(now - 1, last_time_step + 1))
        return totp(secret, now + which)

    @precondition(lambda self: self.last_success)
    @rule(browser=browsers)
    def tries_again_what_let_somebody_in(self, browser):
        path, user, predict, values = self.last_success
        self.come_to(path, browser, user)
        self.fill_in(browser, path, predict, **values)

    @once_somebody_came
    @rule(browser=browsers)
    def logs_out(self, browser):
        self.open(browser, "/")
        token = browser.visitor.page.find("[name=csrf_token]").attributes["value"]
        form = "/logout", {"csrf_token": token}
        self.send(browser, form, browser.session, self.model.log_out)
        self.try_copied_cookies()

    @in_between
    @rule(browser=browsers, ago=st.integers(0, 3))
    def takes_copied_cookies(self, browser, ago):
        self.was_asked = False
        if ago < len(self.copied_cookies):
            browser.keep(*self.copied_cookies[-1 - ago])

    @in_between
    @rule(browser=browsers, address=st.sampled_from(list(ADDRESSES)))
    def moves(self, browser, address):
        self.was_asked = False
        browser.move_to(address)

    @in_between
    @rule(what=st.sampled_from(["code", "login", "pause"]), early=st.booleans())
    def waits_until_it_ends(self, what, early):
        self.was_asked = False
        sessions = [browser.session for browser in self.opened]
        moment = self.model.end_of(what, sessions)
        self.clock.move_to(moment - early)


class EnrolmentMachine(LoginMachine):
    """Whoever has no phone yet is enrolled, and gets recovery codes."""

    browsers = LoginMachine.browsers
    users = LoginMachine.users
    endings = (*LoginMachine.endings, "lose_the_authenticator")

    @initialize(target=users, is_enrolled=st.booleans())
    def know_a_user(self, is_enrolled):
        return self.know(self.account(is_enrolled))

    @once_somebody_came
    @rule(browser=browsers, path=st.sampled_from(["/", "/login/code", "/enrol"]))
    def opens(self, browser, path):
        self.open(browser, path)

    def come_home(self, browser, user):
        """Set up the phone first, after a pause."""
        if not user.secret:
            for which, times in (("wrong", 6), ("fresh", 1)):
                self.confirms_authenticator(browser, user, True, browser, which, times)
            self.clock.move(WINDOW)
            self.logs_out(browser)
            self.confirms_authenticator(browser, user, True, browser, "fresh", 1)
            self.gives_code(browser, user, True, "used", "plain", 1)
        super().come_home(browser, user)

    def lose_the_authenticator(self, browser, user):
        """Log in with recovery codes; used and many codes lead nowhere."""
        if not user.secret:
            self.confirms_authenticator(browser, user, True, browser, "fresh", 1)
        for which, times in (("unused", 1), ("used", 1), ("wrong", 6), ("unused", 1)):
            spelling = "capitals" if which == "unused" else "plain"
            self.gives_recovery_code(browser, user, user, True, which, spelling, times)

    @rule(
        browser=browsers,
        user=users,
        is_asked=IS_ASKED,
        shown_to=browsers,
        which=st.sampled_from(["fresh", "wrong", "wrong", -2, 1, 2]),
        times=TIMES,
    )
    def confirms_authenticator(self, browser, user, is_asked, shown_to, which, times):
        if is_asked:
            self.come_to("/enrol", browser, user)
        secret = self.model.waiting.get(shown_to.session.id)
        code = self.code_of(secret, 0, which)
        predict = partial(self.model.confirm_authenticator, code=code)
        self.fill_in(browser, "/enrol", predict, times, code=code)

    @rule(
        browser=browsers,
        user=users,
        whose=users,
        is_asked=IS_ASKED,
        which=st.sampled_from(["unused", "unused", "used", "wrong", "none"]),
        spelling=SPELLING,
        times=TIMES,
    )
    def gives_recovery_code(
        self, browser, user, whose, is_asked, which, spelling, times
    ):
        if is_asked:
            self.come_to("/login/recovery", browser, user)
        codes = {"unused": whose.recovery_codes, "used": whose.used_recovery_codes}
        code = "" if which == "none" else "of-no-use"
        code = codes.get(which, [])[-1:] or [code]
        code = typed(code[0], spelling)
        predict = partial(self.model.give_recovery_code, code=code)
        self.fill_in(browser, "/login/recovery", predict, times, recovery_code=code)


class ManyUsersMachine(EnrolmentMachine):
    """Several users, who register; networks have limits of their own."""

    browsers = LoginMachine.browsers
    users = LoginMachine.users

    @initialize(target=users)
    def know_a_user(self):
        return multiple(*map(self.know, self.accounts))

    def come_to(self, path, browser, user):
        """Set up the phone first, if there is none."""
        if path != "/enrol" and not user.secret:
            self.confirms_authenticator(browser, user, True, browser, 0, 1)
        super().come_to(path, browser, user)

    @rule(target=users, browser=browsers, name=st.sampled_from(["Lee", "lee", "Sam"]))
    def registers(self, browser, name):
        known = len(self.model.users)
        predict = partial(self.model.register, name=name, password=GOOD_PASSWORD)
        twice = {"password": GOOD_PASSWORD, "confirm": GOOD_PASSWORD}
        values = {"username": name, "email": f"{name}@example.org"} | twice
        self.fill_in(browser, "/register", predict, **values)
        return multiple(*self.model.users[known:])

    @rule(browser=browsers, names=st.sampled_from([5, 15]))
    def tries_many_names(self, browser, names):
        for number in range(names):
            self.gives_password(browser, User(f"s{number}", ""), "wrong", "plain", 1)


def is_form_of(path, page, names=()):
    """Tell whether a page shows the form of a path, and would lead nowhere else."""
    inputs = page.find_all("form input:not([name=csrf_token])")
    fields = {field.attributes.get("name") for field in inputs}
    is_form = fields and fields.issuperset(names)
    return bool(is_form) and page.path == path


def typed(code, spelling):
    """Return a code as somebody types it."""
    spelled = {
        "blanks": f" {code[:3]} {code[3:]}",
        "capitals": code.upper(),
        "wide": code.translate(FULL_WIDTH),
    }
    return spelled.get(spelling, code)

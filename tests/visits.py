"""Visitors who do anything, in any order; tests/model.py says what has to happen."""

import re
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import Bundle
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import multiple
from hypothesis.stateful import rule

from tests.model import ADDRESSES
from tests.model import Answer
from tests.model import Door
from tests.model import Session
from tests.model import User
from tests.phone import Phone
from tests.phone import scan
from tests.stage import GOOD_PASSWORD
from tests.stage import equip
from tutorial import TIME_STEP
from tutorial import totp

NO_CODE = "000000"
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
TIMES = st.sampled_from([1, 1, 1, 4, 5])
WHICH_CODE = st.sampled_from(["fresh", "used", "wrong", -2, -1, 0, 1, 2])
SPELLING = st.sampled_from(["plain", "plain", "plain", "blanks", "odd"])


class Browser:
    """A browser, and what the model knows of it: its session and its address."""

    def __init__(self, site, address):
        self.visitor = site.visitor(address)
        self.address = address
        self.session = Session()
        self.form = None
        self.visitor.open("/")

    def __repr__(self):
        return f"<browser at {self.address}>"

    def move_to(self, address):
        """Go on from another network."""
        self.address = self.visitor.browser.network = address


class Visits(RuleBasedStateMachine):
    """One user, whose phone is set up, and three browsers."""

    browsers = Bundle("browsers")
    users = Bundle("users")
    jars = Bundle("jars")

    def __init__(self, site):
        super().__init__()
        self.site = site
        self.clock = site.clock
        self.model = Door(site.stage.number, site.clock)
        self.every_browser = []

    @initialize(target=browsers)
    def open_three_browsers(self):
        addresses = list(ADDRESSES)[:3]
        self.every_browser = [Browser(self.site, address) for address in addresses]
        return multiple(*self.every_browser)

    @initialize(target=users)
    def know_a_user(self):
        return self.know(equip(self.site, self.site.newcomer()))

    def know(self, account):
        """Let the model know an account."""
        user = User(account.username, account.password)
        if account.phone:
            user.secret = account.phone.secret
            user.last_time_step = account.phone.last_time_step
        codes = account.recovery_codes
        user.recovery_codes = [code.replace("-", "") for code in codes]
        self.model.users.append(user)
        return user

    # How a form is sent, and the answer compared.

    def fill_in(self, browser, path, predict, **values):
        """Open a page and fill in its form; where it is not offered, send it anyway."""
        page = self.open(browser, path)
        if page.path.partition("?")[0] == path and values:
            target, data = page.filled_in(**values)
        else:
            token = page.find("[name=csrf_token]").attributes["value"]
            target, data = path, {"csrf_token": token} | values
        browser.form = (target, data, browser.session, predict)
        self.send(browser)

    def open(self, browser, path):
        """Open a page."""
        page = browser.visitor.open(path)
        self.compare(browser, page, self.model.open(browser, path))
        return page

    def send(self, browser):
        """Send the form that was filled in last: it is good in its own session only."""
        target, data, session, predict = browser.form
        if session is browser.session:
            expected = predict(browser)
        else:
            expected = Answer(400, target.partition("?")[0])
        self.compare(browser, browser.visitor.send(target, data), expected)

    def compare(self, browser, page, expected):
        """What is seen is what the model says."""
        secret, codes = page.find_all("#secret"), page.find_all(".recovery-code")
        shows = "secret" if secret else "codes" if codes else ""
        wait = page.headers.get("Retry-After")
        path = page.path.partition("?")[0]
        seen = Answer(page.status, path, shows, wait and int(wait))
        assert seen == expected
        if secret:
            self.model.show_secret(browser, scan(page, self.clock).secret)
        if codes:
            self.model.show_codes(browser, [code.text() for code in codes])

    @invariant()
    def nobody_is_in_who_may_not_be(self):
        for browser in self.every_browser:
            user = self.model.who_is_in(browser.session)
            page = browser.visitor.ask("GET", "/")
            assert page.status == (200 if user else 302)
            if user:
                assert re.search(rf"\b{user.username}\b", page.text)

    # What visitors do.

    @rule(browser=browsers, path=st.sampled_from(["/", "/login", "/login/code"]))
    def opens(self, browser, path):
        self.open(browser, path)

    @rule(
        browser=browsers,
        user=users,
        which=st.sampled_from(["right", "right", "wrong", "none", "too long"]),
        spelling=SPELLING,
        times=TIMES,
    )
    def gives_password(self, browser, user, which, spelling, times):
        name = user.username
        name = {"plain": name, "blanks": f" {name}\t", "odd": name.upper()}[spelling]
        password = {"right": user.password, "none": "", "too long": "x" * 257}
        password = password.get(which, "a wrong password")
        predict = partial(self.model.give_password, name=name, password=password)
        for _ in range(times):
            self.fill_in(browser, "/login", predict, username=name, password=password)

    @rule(
        browser=browsers, user=users, which=WHICH_CODE, spelling=SPELLING, times=TIMES
    )
    def gives_code(self, browser, user, which, spelling, times):
        code = self.code_of(user.secret, user.last_time_step, which)
        code = typed(code, spelling)
        predict = partial(self.model.give_code, code=code)
        for _ in range(times):
            self.fill_in(browser, "/login/code", predict, code=code)

    def code_of(self, secret, last_time_step, which):
        """Return a code: by its distance from now, or for what it is known."""
        if not secret:
            return NO_CODE
        now = self.clock.now() // TIME_STEP
        if which == "wrong":
            return Phone(secret, self.clock).wrong_code()
        if which == "used":
            return totp(secret, max(0, last_time_step))
        if which == "fresh":
            return totp(secret, max(now - 1, last_time_step + 1))
        return totp(secret, now + which)

    @rule(browser=browsers, user=users)
    def logs_in(self, browser, user):
        self.gives_password(browser, user, "right", "plain", 1)
        self.gives_code(browser, user, "fresh", "plain", 1)

    @rule(browser=browsers)
    def sends_the_last_form_again(self, browser):
        if browser.form:
            self.send(browser)

    @rule(browser=browsers)
    def logs_out(self, browser):
        page = self.open(browser, "/")
        token = page.find("[name=csrf_token]").attributes["value"]
        data = {"csrf_token": token}
        browser.form = ("/logout", data, browser.session, self.model.log_out)
        self.send(browser)

    @rule(browser=browsers, victim=browsers)
    def copies_cookies(self, browser, victim):
        browser.visitor.take_cookies_of(victim.visitor)
        browser.session = victim.session

    @rule(target=jars, browser=browsers)
    def keeps_cookies(self, browser):
        return browser.visitor.browser.cookies, browser.session

    @rule(browser=browsers, jar=jars)
    def puts_cookies_back(self, browser, jar):
        cookies, browser.session = jar
        browser.visitor.browser.keep(cookies)

    @rule(browser=browsers)
    def deletes_cookies(self, browser):
        browser.visitor.browser.keep({})
        browser.session = Session()
        browser.visitor.open("/")

    @rule(browser=browsers, address=st.sampled_from(list(ADDRESSES)))
    def moves(self, browser, address):
        browser.move_to(address)

    @rule(seconds=st.sampled_from([1, TIME_STEP, 10 * 60, 15 * 60]))
    def time_passes(self, seconds):
        self.clock.move(seconds)

    @rule(number=st.integers(0, 7), early=st.sampled_from([0, 1]))
    def something_ends(self, number, early):
        sessions = [browser.session for browser in self.every_browser]
        moments = self.model.moments(sessions)
        self.clock.move_to(moments[number % len(moments)] - early)


class VisitsWithEnrolment(Visits):
    """Whoever has no phone yet is enrolled, and gets recovery codes."""

    browsers = Visits.browsers
    users = Visits.users

    @initialize(target=users, is_enrolled=st.booleans())
    def know_a_user(self, is_enrolled):
        account = self.site.newcomer()
        return self.know(equip(self.site, account) if is_enrolled else account)

    @rule(browser=browsers, path=st.sampled_from(["/enrol", "/login/recovery"]))
    def opens_more(self, browser, path):
        self.open(browser, path)

    @rule(browser=browsers, shown_to=browsers, which=WHICH_CODE, times=TIMES)
    def confirms_phone(self, browser, shown_to, which, times):
        self.open(browser, "/enrol")
        secret = self.model.waiting.get(shown_to.session)
        code = self.code_of(secret, 0, which)
        predict = partial(self.model.confirm_phone, code=code)
        for _ in range(times):
            self.fill_in(browser, "/enrol", predict, code=code)

    @rule(
        browser=browsers,
        user=users,
        which=st.sampled_from(["unused", "used", "wrong", "none"]),
        spelling=SPELLING,
        times=TIMES,
    )
    def gives_recovery_code(self, browser, user, which, spelling, times):
        codes = {"unused": user.recovery_codes, "used": user.used_recovery_codes}
        code = "" if which == "none" else "of-no-use"
        code = codes.get(which, [])[-1:] or [code]
        code = typed(code[0], spelling)
        predict = partial(self.model.give_recovery_code, code=code)
        for _ in range(times):
            self.fill_in(browser, "/login/recovery", predict, recovery_code=code)

    @rule(browser=browsers, user=users)
    def logs_in(self, browser, user):
        super().logs_in(browser, user)
        if self.model.who_is_pending(browser.session) and not user.secret:
            self.confirms_phone(browser, browser, 0, 1)


class VisitsOfManyUsers(VisitsWithEnrolment):
    """Several users, who register; networks have limits of their own."""

    browsers = Visits.browsers
    users = Visits.users

    @initialize(target=users, is_enrolled=st.booleans())
    def know_another_user(self, is_enrolled):
        return self.know_a_user(is_enrolled)

    @rule(target=users, browser=browsers, name=st.sampled_from(["Lee", "lee", "Sam"]))
    def registers(self, browser, name):
        known = len(self.model.users)
        predict = partial(self.model.register, name=name, password=GOOD_PASSWORD)
        twice = {"password": GOOD_PASSWORD, "confirm": GOOD_PASSWORD}
        values = {"username": name, "email": f"{name}@example.org"} | twice
        self.fill_in(browser, "/register", predict, **values)
        return multiple(*self.model.users[known:])

    @rule(browser=browsers, names=st.sampled_from([10, 19, 20]))
    def tries_many_names(self, browser, names):
        self.gives_password(browser, User("stranger", ""), "wrong", "plain", 1)
        target, data, session, _ = browser.form
        for number in range(1, names):
            name = f"stranger{number}"
            guess = {"name": name, "password": data["password"]}
            predict = partial(self.model.give_password, **guess)
            browser.form = (target, data | {"username": name}, session, predict)
            self.send(browser)


def typed(text, spelling):
    """Return a code as somebody types it."""
    if spelling == "blanks":
        return f" {text[:3]} {text[3:]}"
    if spelling == "odd":
        return text.upper().translate(FULL_WIDTH)
    return text


MACHINES = {"02": Visits, "03": VisitsWithEnrolment, "04": VisitsOfManyUsers}

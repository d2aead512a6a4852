"""The rules of what came with the mails: proved addresses, resets and the account page.

Like tests/fuzz/model.py, on which it builds, it knows nothing of the app.
"""

import re
from collections import Counter
from dataclasses import dataclass
from dataclasses import replace

from tests.fuzz.model import PENDING_LIFETIME
from tests.fuzz.model import Answer
from tests.fuzz.model import ReferenceModel
from tests.fuzz.model import Session
from tests.fuzz.model import User
from tests.fuzz.model import is_code

EIGHT_DIGITS = re.compile("[0-9]{8}")
CODE_LIFETIME = 10 * 60
LINK_LIFETIME = 20 * 60
MAX_WRONG_CODES_IN_A_ROW = 20
MAX_WRONG_PASSWORDS_IN_A_ROW = 100
LIMIT_OF_MAIL = 3  # with a code or link; of a notice that strangers cause, an hour
HOUR = 60 * 60
DAY = 24 * HOUR
IDLE_LIFETIME = 30 * 60
LIFETIME = 12 * HOUR
SHORTEST = 15
WEAK = "aaaaaaaaaaaaaaaaaaaaaaaa"


@dataclass
class Registration:
    """What somebody typed who has not proved the address."""

    username: str
    email: str
    password: str
    since: int


@dataclass(eq=False)
class Mailed:
    """A code that proves an address, or a link that resets a password."""

    expires: int
    user: User = None  # whose link it is
    text: str = ""  # not known before the mail is read
    mails: int = 0


@dataclass(eq=False)
class Device:
    """A browser that is known: somebody completed a login in it."""

    user: User
    password: str  # with another one the browser is not known any more


@dataclass
class Change:
    """What is typed to prove that it is still the owner, and into what it changes."""

    code: str
    current: str = ""
    password: str = ""
    confirm: str = ""

    @property
    def is_filled_in(self):
        """A new password has to be long enough, and typed twice; a code is needed."""
        is_same = self.password == self.confirm
        return bool(self.code) and is_same and len(self.password) >= SHORTEST

    def is_good_for(self, user):
        """A new password is hard to guess and differs from the old one."""
        return self.password not in (WEAK, user.password)


class ReferenceModelWithEmail(ReferenceModel):
    """Addresses are proved, passwords are reset, accounts change; mails tell of it."""

    forgotten = (*ReferenceModel.forgotten, "current password")

    def __init__(self, step, clock):
        super().__init__(step, clock)
        self.outbox = {}  # in the order in which they were posted
        self.mailed = {}  # how many notices, by kind and to whom
        self.registrations = {}  # by session
        self.codes = {}  # by address
        self.proved = {}  # when a session proved that it may have another phone

    # Who is there.

    def end_sessions(self, user):
        """End all sessions of a user, and all pending logins."""
        user.generation += 1

    def let_in(self, browser, user):
        """A complete login says that the wrong codes were the owner's."""
        super().let_in(browser, user)
        user.wrong_codes["login"] = user.wrong_codes["account"] = 0

    def is_locked(self, user, device):
        """After twenty wrong codes in a row the password counts as stolen."""
        return user.wrong_codes["login"] >= MAX_WRONG_CODES_IN_A_ROW

    def refuse_code(self, user, path, is_guess=True):
        """Count wrong codes; the twentieth ends all sessions, and a mail says why."""
        user.wrong_codes["login"] += is_guess
        if is_guess and self.is_locked(user, None):
            self.end_sessions(user)
            self.post("login_locked", user.email)
        return Answer(422, path)

    def use_up_recovery_code(self, user, code):
        """The owner is told."""
        super().use_up_recovery_code(user, code)
        self.post("recovery_code_used", user.email)

    # What they ask for.

    def open(self, browser, path):
        """Pages open for those who are in, for who followed a link, or registered."""
        session = browser.session
        if path.startswith("/account"):
            shows = (
                "secret" if path == "/account/phone" and self.may_scan(session) else ""
            )
            is_in = self.logged_in_user(session)
            return Answer(200, path, shows) if is_in else Answer(200, "/login")
        if path == "/register/verify" and session.id not in self.registrations:
            return self.open(browser, "/enrol")
        if path == "/reset/new" and not self.followed(session):
            return Answer(200, "/reset")
        if path in ("/register/verify", "/reset", "/reset/new"):
            return Answer(200, path)
        return super().open(browser, path)

    def register(self, browser, name, email, password):
        """Nobody is a user, and no name is taken, until the address is proved."""
        wait = self.count_guess("registration", None, browser.address)
        if wait:
            return Answer(429, "/register", wait=wait)
        if self.find(name):
            return Answer(422, "/register")
        browser.session = Session()
        self.wait_for_code(browser.session, name, email, password)
        return self.open(browser, "/register/verify")

    def wait_for_code(self, session, name, email, password):
        """Keep what was typed, for this session alone; a code is mailed."""
        new = Registration(name, self.fold(email), password, self.clock.now())
        self.registrations[session.id] = new
        self.post_code(session)

    def forget_old_rows(self):
        """After a day nobody waits for a code any more."""
        first = self.clock.now() - DAY
        waiting = self.registrations.items()
        self.registrations = {key: new for key, new in waiting if new.since >= first}

    def ask_for_another_code(self, browser):
        """The code is mailed once more, but not without end."""
        session = browser.session
        new = self.registrations.get(session.id)
        if new is None:
            return self.open(browser, "/enrol")
        wait = self.count_guess("resend", None, browser.address)
        if wait:
            return Answer(429, "/register/verify", wait=wait)
        self.post_code(session)
        return self.open(browser, "/register/verify")

    def give_mailed_code(self, browser, code):
        """The code proves its address once, in any of the sessions that wait for it."""
        new = self.registrations.get(browser.session.id)
        if new is None:
            return self.open(browser, "/enrol")
        code = "".join(code.split())
        if not EIGHT_DIGITS.fullmatch(code):
            return Answer(422, "/register/verify")
        wait = self.count_guess("email code", browser.session.id, browser.address)
        if wait:
            return Answer(429, "/register/verify", wait=wait)
        mailed = self.living(self.codes.get(new.email))
        if mailed is None or code != mailed.text:
            return Answer(422, "/register/verify")
        return self.prove_address(browser, new)

    def prove_address(self, browser, new):
        """The first one to prove the address gets it, and the name."""
        if self.find(new.username) or self.find_by_email(new.email):
            return Answer(422, "/register/verify")
        del self.registrations[browser.session.id], self.codes[new.email]
        user = User(new.username, new.password, email=new.email)
        self.users.append(user)
        browser.session = self.begin(user)
        return self.open(browser, "/enrol")

    def ask_for_reset(self, browser, email):
        """Everybody gets the same answer."""
        wait = self.count_guess("reset", None, browser.address)
        if wait:
            return Answer(429, "/reset", wait=wait)
        self.post("reset", self.fold(email))
        return Answer(200, "/login")

    def follow(self, browser, link):
        """To follow a link uses up nothing."""
        if self.living(link):
            browser.session = replace(browser.session, link=link)
        return self.open(browser, "/reset/new")

    def living(self, mailed):
        """A code or a link is good until its end."""
        return mailed if mailed and self.clock.now() < mailed.expires else None

    def followed(self, session):
        """A link is good once, until the password changes or it is old."""
        link = self.living(session.link)
        return link if link and link.user.link is link else None

    def choose_password(self, browser, change):
        """The link alone is not enough; and who has chosen a password is not in."""
        link = self.followed(browser.session)
        if link is None:
            return self.open(browser, "/reset/new")
        user, path = link.user, "/reset/new"
        if not user.secret:  # nobody was ever in
            change = replace(change, code="none")
        if not change.is_filled_in:
            return Answer(422, path)
        wait = self.count_guess("reset code", user.username)
        if wait:
            return Answer(429, path, wait=wait)
        refused = user.secret and self.refuse_any(user, change.code, "reset", path)
        if refused or not change.is_good_for(user):
            return refused or Answer(422, path)
        if user.secret:
            self.use_up_any(user, change.code)
        self.set_password(user, change.password)
        self.forget_guesses(user, browser.address)
        user.wrong_codes.clear()
        browser.session = Session()
        return Answer(200, "/login")

    def set_password(self, user, password):
        """A new password ends all sessions and the link; the owner is told."""
        user.password, user.link = password, None
        self.end_sessions(user)
        self.post("password_changed", user.email)

    # What they change.

    def change_password(self, browser, change):
        """Whoever changes the password stays in, and nobody else does."""
        path = "/account/password"
        user = self.logged_in_user(browser.session)
        if user and not (change.is_filled_in and change.current):
            return Answer(422, path)
        refused = self.refuse_owner(browser, change, path)
        if refused or not change.is_good_for(user):
            return refused or Answer(422, path)
        self.use_up_any(user, change.code)
        self.set_password(user, change.password)
        self.let_in(browser, user)
        return Answer(200, "/account")

    def make_recovery_codes(self, browser, change):
        """The old recovery codes die, and other sessions end."""
        path = "/account/recovery-codes"
        refused = self.refuse_owner(browser, change, path)
        if refused:
            return refused
        user = self.logged_in_user(browser.session)
        self.use_up_any(user, change.code)
        self.change(browser, user, "recovery_codes_regenerated")
        return Answer(200, path, shows="codes")

    def change_authenticator(self, browser, change):
        """First the owner gives a proof, then a code of the new phone."""
        path = "/account/phone"
        user = self.logged_in_user(browser.session)
        if user and self.may_scan(browser.session):
            return self.confirm_new_authenticator(browser, user, change.code, path)
        refused = self.refuse_owner(browser, change, path)
        if refused:
            return refused
        self.use_up_any(user, change.code)
        self.let_in(browser, user)
        self.proved[browser.session.id] = self.clock.now()
        return self.open(browser, path)

    def may_scan(self, session):
        """The proof is good for ten minutes, in the session in which it was given."""
        proved = self.proved.get(session.id)
        return proved is not None and self.clock.now() - proved <= PENDING_LIFETIME

    def confirm_new_authenticator(self, browser, user, code, path):
        """Until a code confirms the new phone, the old one is good."""
        if not is_code(code):
            return Answer(422, path, shows="secret")
        wait = self.count_guess("enrolment", user.username)
        if wait:
            return Answer(429, path, wait=wait)
        secret = self.waiting[browser.session.id]
        time_step = self.time_step_of(secret, code)
        if time_step is None:
            return Answer(422, path, shows="secret")
        user.secret, user.last_time_step = secret, time_step
        self.change(browser, user, "second_factor_replaced")
        return Answer(200, "/account")

    def change(self, browser, user, notice):
        """The owner is told; all sessions end, and this one goes on."""
        self.post(notice, user.email)
        self.end_sessions(user)
        self.let_in(browser, user)

    # What is right.

    def refuse_owner(self, browser, change, path):
        """Return what is answered to whoever does not know the password and a code."""
        user = self.logged_in_user(browser.session)
        if user is None:
            return self.open(browser, path)
        if not (change.current and change.code):
            return Answer(422, path)
        wait = self.count_guess("current password", user.username)
        if wait:
            return Answer(429, path, wait=wait)
        if change.current != user.password:
            return Answer(422, path)
        refused = self.refuse_any(user, change.code, "account", path)
        if user.wrong_codes["account"] < MAX_WRONG_CODES_IN_A_ROW:
            return refused
        self.end_sessions(user)
        browser.session = Session()
        return Answer(200, "/login")

    def refuse_any(self, user, code, route, path):
        """Return what is answered to a wrong code, from the phone or for recovery."""
        is_good = self.is_good_any(user, code)
        is_guess = not is_code(code) or self.time_step_of(user.secret, code) is None
        if is_code(code) and user.wrong_codes[route] >= MAX_WRONG_CODES_IN_A_ROW:
            if is_good:
                self.use_up(user, code)
            is_good = False  # a recovery code alone will do
        if is_good:
            return None
        user.wrong_codes[route] += is_guess
        return Answer(422, path)

    def is_good_any(self, user, code):
        """Tell whether a code from the phone, or one for recovery, is good."""
        is_good = self.is_good if is_code(code) else self.is_good_recovery_code
        return is_good(user, code)

    def use_up_any(self, user, code):
        """Use up a code, from the phone or for recovery."""
        use_up = self.use_up if is_code(code) else self.use_up_recovery_code
        use_up(user, code)

    def find_by_email(self, email):
        """The user with this address."""
        return next((user for user in self.users if user.email == email), None)

    # What is mailed.

    def post(self, kind, to):
        """A mail that waits already says it."""
        self.outbox[kind, to] = True

    def post_code(self, session):
        """The owner of a known address gets no code, but is told."""
        email = self.registrations[session.id].email
        is_known = self.find_by_email(email) and not self.is_renewal(session)
        self.post("account_exists" if is_known else "email_code", email)

    def is_renewal(self, session):
        """Nobody has to prove an address again."""
        return False

    def send_mails(self):
        """Return the mails that are sent now: kind, to whom, and with what."""
        outbox, self.outbox = self.outbox, {}
        mails = [(kind, to, self.prepare(kind, to)) for kind, to in outbox]
        return [mail for mail in mails if mail[2]]

    def prepare(self, kind, to):
        """Return the code or link of a mail, True without one, or nothing to send."""
        if kind == "account_exists":
            return not self.count(self.mailed, (kind, to), LIMIT_OF_MAIL, HOUR)
        if kind == "email_code":
            self.codes[to] = self.mail_again(self.codes.get(to), CODE_LIFETIME)
            return self.spend(self.codes[to])
        if kind == "reset":
            return self.prepare_link(self.find_by_email(to))
        return True

    def prepare_link(self, user):
        """A stranger's address gets no link."""
        if user is None:
            return None
        user.link = self.mail_again(user.link, LINK_LIFETIME, user)
        return self.spend(user.link)

    def mail_again(self, mailed, lifetime, user=None):
        """While a code or link is good, no other one is made."""
        return self.living(mailed) or Mailed(self.clock.now() + lifetime, user)

    def spend(self, mailed):
        """A code or link is mailed three times."""
        mailed.mails += 1
        return mailed if mailed.mails <= LIMIT_OF_MAIL else None

    def read(self, mailed, text):
        """What is mailed again is the same."""
        assert mailed.text in ("", text), "another one was mailed while one is good"
        mailed.text = text

    def ends(self, sessions):
        """Codes, links and proofs have an end as well."""
        mails = [code.expires for code in self.codes.values()]
        mails += [user.link.expires for user in self.users if user.link]
        proofs = [proved + PENDING_LIFETIME + 1 for proved in self.proved.values()]
        hours = [opened + HOUR for opened, _ in self.mailed.values()]
        return super().ends(sessions) | {"mail": mails, "proof": proofs, "hour": hours}


class ReferenceModelInProduction(ReferenceModelWithEmail):
    """Sessions end, browsers are known, and operators help users or keep them out."""

    def __init__(self, step, clock):
        super().__init__(step, clock)
        self.wrong_passwords = Counter()  # in a row, by the name that was typed

    # A browser that is known, and the notices of it.

    def known_device(self, browser, name):
        """A browser in which a login of this user was complete, with this password."""
        device = browser.device
        is_known = device and device.user is self.find(name)
        return device if is_known and device.password == device.user.password else None

    def complete_login(self, browser, user):
        """The owner is told of a browser that was not known."""
        if browser.session.device is None:
            self.post("new_browser", user.email)
        return super().complete_login(browser, user)

    def let_in(self, browser, user):
        """From now on the browser is known, and the passwords were the owner's."""
        for purpose in ("password", *self.forgotten):
            self.counts.pop((purpose, browser.session.device), None)
        self.wrong_passwords.pop(self.fold(user.username), None)
        super().let_in(browser, user)
        browser.device = Device(user, user.password)

    def refuse_password(self, name):
        """The owner is told of the hundredth wrong password in a row."""
        self.wrong_passwords[self.fold(name)] += 1
        user, count = self.find(name), self.wrong_passwords[self.fold(name)]
        if user and count == MAX_WRONG_PASSWORDS_IN_A_ROW:
            self.post("password_locked", user.email)
        return super().refuse_password(name)

    def is_locked(self, user, device):
        """After a hundred wrong passwords in a row only a known browser may log in."""
        count = self.wrong_passwords[self.fold(user.username)]
        is_locked = count >= MAX_WRONG_PASSWORDS_IN_A_ROW and not device
        return is_locked or super().is_locked(user, device)

    def choose_password(self, browser, change):
        """With a new password nothing is wrong any more."""
        link = self.followed(browser.session)
        answer = super().choose_password(browser, change)
        if link and answer.path == "/login":
            self.wrong_passwords.pop(self.fold(link.user.username), None)
        return answer

    # How sessions end.

    def logged_in_user(self, session):
        """A session ends when it is idle, or old."""
        now = self.clock.now()
        is_idle = now - session.seen > IDLE_LIFETIME
        is_over = is_idle or now - session.since > LIFETIME
        return None if is_over else super().logged_in_user(session)

    def show_page(self, browser, answer):
        """Whoever looks at a page is not idle; once a minute is noted."""
        session, now = browser.session, self.clock.now()
        is_seen = answer.status in (200, 422) or answer.path.startswith("/account")
        if is_seen and self.logged_in_user(session) and now - session.seen > 60:
            browser.session = replace(session, seen=now)

    def is_right(self, user, password):
        """A disabled user has no right password."""
        return super().is_right(user, password) and not user.is_disabled

    # What operators do.

    def disable(self, user):
        """End all sessions; nothing else of the user changes."""
        user.is_disabled = True
        self.end_sessions(user)

    def enable(self, user):
        """Let the user in again."""
        user.is_disabled = False

    def remove_authenticator(self, user):
        """A new phone then needs the password and a mailed code."""
        user.used_recovery_codes += user.recovery_codes
        user.secret, user.recovery_codes, user.link = "", [], None
        user.must_re_enrol = True
        self.end_sessions(user)
        self.post("second_factor_reset", user.email)

    def is_renewal(self, session):
        """A login that waits for a mailed code knew the password."""
        return session.user is not None and not session.is_in

    def give_password(self, browser, name, password):
        """Who has to prove the address again is mailed a code."""
        before = browser.session
        answer = super().give_password(browser, name, password)
        user = browser.session.user
        if browser.session is before or not user.must_re_enrol:
            return answer
        self.wait_for_code(browser.session, user.username, user.email, user.password)
        return self.open(browser, "/login/code")

    def has_to_prove_address(self, session):
        """The password alone leads to no new phone."""
        user = self.pending_user(session)
        return user and user.must_re_enrol and not session.email_verified

    def open(self, browser, path):
        """First the address is proved, then the phone set up."""
        answer = super().open(browser, path)
        if answer.path != "/enrol" or not self.has_to_prove_address(browser.session):
            return answer
        waits = browser.session.id in self.registrations
        return Answer(200, "/register/verify" if waits else "/login")

    def prove_address(self, browser, new):
        """The address of a user who has one is proved in a pending login."""
        user = self.pending_user(browser.session)
        if user is None or not user.must_re_enrol:
            return super().prove_address(browser, new)
        del self.registrations[browser.session.id], self.codes[new.email]
        browser.session = self.begin(user, email_verified=True)
        return self.open(browser, "/enrol")

    def confirm_authenticator(self, browser, code):
        """With a phone nothing has to be proved any more."""
        if self.has_to_prove_address(browser.session):
            return self.open(browser, "/enrol")
        user = self.pending_user(browser.session)
        answer = super().confirm_authenticator(browser, code)
        if answer.shows == "codes":
            user.must_re_enrol = False
            self.post("second_factor_enrolled", user.email)
        return answer

    def prepare_link(self, user):
        """Without a phone the mailbox alone would do: there is no link."""
        return None if user and user.must_re_enrol else super().prepare_link(user)

    def ends(self, sessions):
        """Sessions have two ends."""
        idle = [session.seen + IDLE_LIFETIME + 1 for session in sessions]
        old = [session.since + LIFETIME + 1 for session in sessions]
        return super().ends(sessions) | {"idle": idle, "session": old}

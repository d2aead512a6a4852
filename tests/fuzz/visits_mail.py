"""Visitors who read mails, reset passwords and change their accounts, in any order."""

from functools import partial
from urllib.parse import urlsplit

from hypothesis import strategies as st
from hypothesis.stateful import multiple
from hypothesis.stateful import precondition
from hypothesis.stateful import rule

from tests.fuzz.model import LIMIT
from tests.fuzz.model import PENDING_LIFETIME
from tests.fuzz.model import WINDOW
from tests.fuzz.model_mail import CODE_LIFETIME
from tests.fuzz.model_mail import HOUR
from tests.fuzz.model_mail import IDLE_LIFETIME
from tests.fuzz.model_mail import LIFETIME
from tests.fuzz.model_mail import LINK_LIFETIME
from tests.fuzz.model_mail import MAX_WRONG_PASSWORDS_IN_A_ROW
from tests.fuzz.model_mail import WEAK
from tests.fuzz.model_mail import Change
from tests.fuzz.visits import IS_ASKED
from tests.fuzz.visits import TIMES
from tests.fuzz.visits import EnrolmentMachine
from tests.fuzz.visits import LoginMachine
from tests.fuzz.visits import ManyUsersMachine
from tests.fuzz.visits import in_between
from tests.fuzz.visits import once_somebody_came
from tests.kit.stage import GOOD_PASSWORD
from tools.totp import TIME_STEP

PASSWORDS = ["nine boats over a quiet lake", "five crows on a red tractor"]
WHICH_PASSWORD = st.sampled_from(["new", "new", "new", "same", WEAK, "short", "twice"])
WHICH_PROOF = st.sampled_from(
    ["fresh", "fresh", "unused", "unused", "used", "used recovery", "wrong", "none", 2]
)
CURRENT = st.sampled_from(["right", "right", "right", "wrong", "none"])
PATHS = ["/", "/login/code", "/enrol", "/register/verify", "/reset/new", "/account"]
SUBJECTS = {
    "email_code": "Your Door code",
    "reset": "Reset your Door password",
    "account_exists": "You already have a Door account",
    "password_changed": "Your Door password was changed",
    "login_locked": "Your Door password is locked. Please reset it",
    "second_factor_replaced": (
        "A new authenticator app was set up for your Door account"
    ),
    "recovery_code_used": "A recovery code for your Door account was used",
    "recovery_codes_regenerated": (
        "New recovery codes were created for your Door account"
    ),
    "second_factor_enrolled": "An authenticator app was set up for your Door account",
    "new_browser": "Your Door account was used in a new browser",
    "password_locked": "Your Door password is locked. Please reset it",
    "second_factor_reset": "Set up your authenticator app for Door again",
}

if_mail_waits = precondition(lambda self: self.model.outbox)
once_mail_came = precondition(lambda self: self.links)
once_registered = precondition(lambda self: self.model.registrations)


class EmailMachine(ManyUsersMachine):
    """Users read their mails, forget passwords and change their accounts."""

    browsers = LoginMachine.browsers
    users = LoginMachine.users
    endings = (
        *ManyUsersMachine.endings,
        "join",
        "forget_the_password",
        "change_everything",
        "move_to_a_new_authenticator",
        "have_the_password_stolen",
        "have_the_mailbox_stolen",
        "have_the_session_stolen",
    )
    pause = HOUR  # then all mails may be sent again

    def __init__(self, site, accounts, ending):
        super().__init__(site, accounts, ending)
        self.links = []
        self.codes = ["00000000"]  # all that were mailed

    def know(self, account):
        """Let the model know the address as well."""
        user = super().know(account)
        statement = "SELECT email FROM users WHERE username = ?"
        [[user.email]] = self.site.sql(statement, user.username)
        return user

    def come_to(self, path, browser, user):
        """Log in, follow the newest link, or do nothing, as the page needs it."""
        if path.startswith("/account"):
            if self.model.logged_in_user(browser.session) is not user:
                self.gives_code(browser, user, True, "fresh", "plain", 1)
        elif path == "/reset/new":
            if user.link and browser.session.link is not user.link:
                self.follows(browser, user.link)
        elif path in ("/login/code", "/login/recovery", "/enrol"):
            super().come_to(path, browser, user)

    # What is mailed.

    @if_mail_waits
    @rule()
    def reads_mails(self):
        """Look into all mailboxes: what came is what the model says, in this order."""
        expected = self.model.send_mails()
        mails = self.site.mails(routine=True)
        seen = [(mail.to, mail.subject) for mail in mails]
        told = [(to, SUBJECTS[kind]) for kind, to, _ in expected]
        assert seen == told, f"these mails came: {seen}, not {told}"
        for (kind, _, mailed), mail in zip(expected, mails, strict=True):
            if kind == "email_code":
                self.model.read(mailed, mail.code)
                self.codes.append(mail.code)
            if kind == "reset":
                self.model.read(mailed, urlsplit(mail.link).path)
                self.links.append(mailed)

    @rule()
    def sweeps(self):
        """Do what the sender does once an hour."""
        self.site.run_hourly_tasks()
        self.model.forget_old_rows()

    # Registration.

    @rule(
        target=users,
        browser=browsers,
        name=st.sampled_from(["Lee", "lee", "Sam"]),
        has_new_address=st.booleans(),
        user=users,
    )
    def registers(self, browser, name, has_new_address=True, user=None):
        email = f"{name}@example.org" if has_new_address else user.email
        values = {"email": email, "password": GOOD_PASSWORD}
        predict = partial(self.model.register, name=name, **values)
        values |= {"username": name, "confirm": GOOD_PASSWORD}
        self.fill_in(browser, "/register", predict, **values)
        return multiple()

    @once_registered
    @rule(
        target=users,
        browser=browsers,
        which=st.sampled_from(["newest", "newest", "before", "of another", "wrong"]),
        times=TIMES,
        is_asked=IS_ASKED,
    )
    def gives_mailed_code(self, browser, which, times, is_asked=False):
        waiting = [b for b in self.opened if b.session.id in self.model.registrations]
        browser = waiting[0] if is_asked and waiting else browser
        known = len(self.model.users)
        if self.model.outbox:
            self.reads_mails()
        waiting = self.model.registrations.get(browser.session.id)
        mailed = self.model.codes.get(waiting.email) if waiting else None
        code = mailed.text if mailed else ""
        others = [other for other in self.codes if other != code]
        code = {"before": others[-1], "of another": others[0]}.get(which, code)
        code = "12345" if which == "wrong" else code or "00000000"
        predict = partial(self.model.give_mailed_code, code=code)
        self.fill_in(browser, "/register/verify", predict, times, email_code=code)
        return multiple(*self.model.users[known:])

    @once_registered
    @rule(browser=browsers, times=TIMES)
    def asks_for_another_code(self, browser, times):
        predict = self.model.ask_for_another_code
        self.fill_in(browser, "/register/verify", predict, times, resend="1")

    # A forgotten password.

    @rule(browser=browsers, user=users, times=TIMES, is_known=IS_ASKED)
    def asks_for_reset(self, browser, user, times, is_known=True):
        email = user.email.upper() if is_known else "nobody@example.org"
        predict = partial(self.model.ask_for_reset, email=email)
        self.fill_in(browser, "/reset", predict, times, email=email)

    @once_mail_came
    @rule(browser=browsers, ago=st.integers(0, 2), is_whole=IS_ASKED)
    def follows_a_link(self, browser, ago, is_whole):
        self.follows(browser, self.links[-1 - ago % len(self.links)], is_whole)

    def follows(self, browser, link, is_whole=True):
        """Open the link of a mail, or a part of it."""
        browser.visitor.open(link.text if is_whole else link.text[:-4])
        self.compare(browser, self.model.follow(browser, link if is_whole else None))

    @once_mail_came
    @rule(
        browser=browsers,
        user=users,
        is_asked=IS_ASKED,
        new=WHICH_PASSWORD,
        which=WHICH_PROOF,
        times=TIMES,
    )
    def chooses_password(self, browser, user, is_asked, new, which, times):
        self.changes(browser, user, is_asked, "/reset/new", which, times, new=new)

    # The account.

    @once_somebody_came
    @rule(
        browser=browsers,
        user=users,
        is_asked=IS_ASKED,
        current=CURRENT,
        new=WHICH_PASSWORD,
        which=WHICH_PROOF,
        times=TIMES,
    )
    def changes_password(self, browser, user, is_asked, current, new, which, times):
        how = {"current": current, "new": new}
        self.changes(browser, user, is_asked, "/account/password", which, times, **how)

    @once_somebody_came
    @rule(
        browser=browsers,
        user=users,
        is_asked=IS_ASKED,
        path=st.sampled_from(["/account/phone", "/account/recovery-codes"]),
        current=CURRENT,
        which=WHICH_PROOF,
        times=TIMES,
    )
    def proves_who_it_is(self, browser, user, is_asked, path, current, which, times):
        self.changes(browser, user, is_asked, path, which, times, current=current)

    def changes(
        self, browser, user, is_asked, path, which, times=1, current=None, new=None
    ):
        """Fill in a form that asks for a code from the phone, or for recovery."""
        if is_asked:
            self.come_to(path, browser, user)
        values = self.new_password(user, new) if new else {}
        if current:
            known = {"right": user.password, "none": ""}
            values["current_password"] = known.get(current, "a wrong password")
        values["code"] = self.proof_of(user, which)
        if path == "/reset/new" and not user.secret:
            del values["code"]
        names = {"current_password": "current"}
        typed = {names.get(name, name): value for name, value in values.items()}
        predict = partial(self.predicted, path, change=Change(**{"code": ""} | typed))
        self.fill_in(browser, path, predict, times, **values)

    def predicted(self, path, browser, change):
        """Return what the model says of a change."""
        asked = {
            "/reset/new": self.model.choose_password,
            "/account/password": self.model.change_password,
            "/account/phone": self.model.change_authenticator,
            "/account/recovery-codes": self.model.make_recovery_codes,
        }
        return asked[path](browser, change)

    def new_password(self, user, which):
        """Return what is typed as a new password, and as the same again."""
        other = next(text for text in PASSWORDS if text != user.password)
        text = {"same": user.password, "short": other[:14], WEAK: WEAK}
        text = text.get(which, other)
        return {"password": text, "confirm": text + text * (which == "twice")}

    def proof_of(self, user, which):
        """Return a code from the phone, or one for recovery."""
        if which == "none":
            return ""
        codes = {
            "unused": user.recovery_codes,
            "used recovery": user.used_recovery_codes,
        }
        if which in codes:
            return (codes[which][-1:] or ["of-no-use"])[0]
        return self.code_of(user.secret, user.last_time_step, which)

    @precondition(lambda self: self.model.proved)
    @rule(
        browser=browsers,
        user=users,
        which=st.sampled_from(["fresh", "fresh", "wrong", "of the old", "none"]),
        times=TIMES,
    )
    def confirms_new_authenticator(self, browser, user, which, times):
        secret, after = self.model.waiting.get(browser.session.id), 0
        if which == "of the old":
            secret, after, which = user.secret, user.last_time_step, "fresh"
        code = "" if which == "none" else self.code_of(secret, after, which)
        predict = partial(self.predicted, "/account/phone", change=Change(code))
        self.fill_in(browser, "/account/phone", predict, times, code=code)

    # What is opened, and how time goes by.

    @once_somebody_came
    @rule(browser=browsers, path=st.sampled_from(PATHS))
    def opens(self, browser, path):
        self.open(browser, path)

    @in_between
    @rule(
        what=st.sampled_from(["code", "login", "pause", "mail", "proof", "hour"]),
        early=st.booleans(),
    )
    def waits_until_it_ends(self, what, early):
        super().waits_until_it_ends(what, early)

    # What an owner and a guesser try in the end.

    def log_in(self, *browsers, user):
        """Log in with each browser, as soon as there is another code."""
        for browser in browsers:
            self.clock.move(TIME_STEP)
            self.come_to("/account", browser, user)

    def get_link(self, browser, user):
        """Ask for a link, and follow it."""
        self.asks_for_reset(browser, user, 1)
        if self.model.outbox:
            self.reads_mails()
        self.come_to("/reset/new", browser, user)

    def join(self, browser, user):
        """Register next to somebody who wants the same; too old codes lead nowhere."""
        other = self.opened[1]
        for each in (browser, other):
            self.registers(each, "Robin", True)
        self.gives_mailed_code(browser, "of another", 1)
        self.gives_mailed_code(other, "before", 1)
        for each in (browser, other):
            self.asks_for_another_code(each, 3)
            self.reads_mails()
        self.clock.move(CODE_LIFETIME)
        self.gives_mailed_code(browser, "newest", 1)
        self.asks_for_another_code(browser, 1)
        self.reads_mails()
        self.clock.move(CODE_LIFETIME - 1)
        self.gives_mailed_code(browser, "before", 1)
        self.gives_mailed_code(browser, "newest", 1)
        self.gives_mailed_code(other, "before", 6)
        self.asks_for_another_code(other, 1)
        self.confirms_authenticator(
            browser, self.model.users[-1], False, browser, "fresh", 1
        )
        self.clock.move(WINDOW)
        for _ in range(6):
            self.registers(browser, "Lee", False, user)
        self.gives_mailed_code(browser, "of another", 1)

    def forget_the_password(self, browser, user):
        """A link is mailed again, is good for a while, once, and not without a code."""
        path = "/reset/new"
        self.log_in(self.opened[1], user=user)
        self.get_link(browser, user)
        self.clock.move(LINK_LIFETIME)
        self.changes(browser, user, False, path, "unused", new="new")
        for _ in range(2):
            self.get_link(browser, user)
        for link in self.links[-2:]:
            self.follows(browser, link)
        self.clock.move(LINK_LIFETIME - 1)
        for which, new in [("wrong", "new"), ("none", "new"), ("used", "new")]:
            self.changes(browser, user, False, path, which, new=new)
        for new in (WEAK, "same", "new"):
            self.changes(browser, user, False, path, "fresh", new=new)
        self.look_who_is_in(self.opened[1])
        for _ in range(2):
            self.get_link(browser, user)
        self.gives_password(browser, user, "right", "plain", 1)

    def change_everything(self, browser, user):
        """Change the password and the recovery codes; all others are logged out."""
        other = self.opened[1]
        for page in ("", "/password", "/phone", "/recovery-codes"):
            self.open(browser, f"/account{page}")
        self.log_in(other, browser, user=user)
        self.get_link(other, user)
        path = "/account/password"
        tries = [("wrong", "new", "unused"), ("right", "new", "used")]
        tries += [("right", WEAK, "unused"), ("right", "same", "unused")]
        for current, new, which in [*tries, ("right", "new", "unused")]:
            how = {"current": current, "new": new}
            self.changes(browser, user, False, path, which, **how)
        self.look_who_is_in(other)
        if self.links:
            self.follows(other, self.links[-1])
        self.log_in(other, user=user)
        path = "/account/recovery-codes"
        for which in ("used recovery", "wrong", "fresh", "used recovery"):
            self.changes(browser, user, True, path, which, current="right")
        self.changes(browser, user, True, path, "fresh", 6, current="wrong")
        self.look_who_is_in(other)

    def move_to_a_new_authenticator(self, browser, user):
        """Only a code of the new phone confirms it, soon after the proof."""
        other, path = self.opened[1], "/account/phone"
        self.log_in(other, browser, user=user)
        for which in ("wrong", "used", "unused"):
            self.changes(browser, user, False, path, which, current="right")
        self.clock.move(PENDING_LIFETIME + 1)
        for which in ("used recovery", "unused"):
            self.changes(browser, user, False, path, which, current="right")
        self.takes_copied_cookies(self.thief, 1)
        self.open(self.thief, path)
        self.clock.move(PENDING_LIFETIME)
        self.confirms_new_authenticator(other, user, "wrong", 1)
        for which in ("of the old", "wrong", "fresh"):
            self.confirms_new_authenticator(browser, user, which, 1)
        self.look_who_is_in(other)
        self.gives_code(other, user, True, "used", "plain", 1)
        self.gives_code(other, user, True, "fresh", "plain", 1)

    def have_the_password_stolen(self, browser, user):
        """Twenty wrong codes in a row make a password useless, until it is changed."""
        other = self.opened[1]
        self.log_in(other, user=user)
        self.gives_code(browser, user, True, "used", "plain", 5)  # which is not wrong
        for _ in range(2):
            self.clock.move(WINDOW)
            self.gives_password(other, user, "right", "plain", 1)
            self.gives_code(browser, user, True, "wrong", "plain", 5)
            self.gives_recovery_code(browser, user, user, True, "wrong", "plain", 5)
            self.open(other, "/login/code")
        self.get_link(browser, user)
        self.changes(browser, user, False, "/reset/new", "wrong", new="new")
        self.clock.move(WINDOW)
        for whose, spelling in ((user, "capitals"), (self.model.users[1], "plain")):
            self.gives_password(other, whose, "right", spelling, 1)
        self.changes(browser, user, False, "/reset/new", "fresh", new="new")
        self.clock.move(TIME_STEP)
        self.gives_code(browser, user, True, "fresh", "plain", 1)

    def have_the_mailbox_stolen(self, browser, user):
        """After twenty wrong codes at the reset a recovery code alone will do."""
        for time in range(4):
            if time % 2 == 0:
                self.get_link(browser, user)
            self.changes(browser, user, False, "/reset/new", "wrong", 5, new="new")
            self.clock.move(WINDOW)
        self.get_link(browser, user)
        for which in ("fresh", "unused"):
            self.changes(browser, user, False, "/reset/new", which, new="new")
        self.clock.move(WINDOW)
        self.get_link(browser, user)
        self.changes(browser, user, False, "/reset/new", "fresh", new="new")

    def have_the_session_stolen(self, browser, user):
        """After twenty wrong codes on the account page the session ends."""
        other = self.opened[1]
        self.log_in(other, browser, user=user)
        path = "/account/phone"
        for _ in range(4):
            for which, times in (("wrong", 4), ("used recovery", 1)):
                self.changes(browser, user, False, path, which, times, current="right")
            self.clock.move(WINDOW)


class ProductionMachine(EmailMachine):
    """Sessions end, and an operator helps users, or keeps them out."""

    browsers = LoginMachine.browsers
    users = LoginMachine.users
    endings = (
        "stay_for_long",
        "be_kept_out",
        "be_helped",
        "be_guessed_at",
        *EmailMachine.endings,
    )

    @rule(user=users, command=st.sampled_from(["disable", "enable"]))
    def keeps_out_or_lets_in(self, user, command):
        self.operate(command, user)
        self.model.disable(user) if command == "disable" else self.model.enable(user)

    @once_somebody_came
    @rule(user=users)
    def removes_an_authenticator(self, user):
        self.operate("reset-second-factor", user)
        self.model.remove_authenticator(user)

    def operate(self, command, user):
        """Run a command of the operator."""
        arguments = ["user", command, user.username, "--reason", "a test"]
        done = self.site.app.test_cli_runner().invoke(args=arguments)
        assert done.exit_code == 0, done.output

    def come_to(self, path, browser, user):
        """Prove the address first, if the phone was removed."""
        super().come_to(path, browser, user)
        if path == "/enrol" and browser.session.id in self.model.registrations:
            self.gives_mailed_code(browser, "newest", 1)

    @in_between
    @rule(
        what=st.sampled_from(["code", "login", "mail", "proof", "hour", "idle"]),
        early=st.booleans(),
    )
    def waits_until_it_ends(self, what, early):
        super().waits_until_it_ends(what, early)

    def stay_for_long(self, browser, user):
        """Be idle as long as one may, and one second more; be busy until the end."""
        self.log_in(browser, user=user)
        began = self.clock.now()
        while self.clock.now() + IDLE_LIFETIME < began + LIFETIME:
            self.clock.move(IDLE_LIFETIME)
            self.look_who_is_in(browser)
        for moment in (began + LIFETIME, began + LIFETIME + 1):
            self.clock.move_to(moment)
            self.look_who_is_in(browser)
        self.log_in(browser, user=user)
        self.clock.move(IDLE_LIFETIME + 1)

    def be_kept_out(self, browser, user):
        """A disabled user is out at once, and a new password does not help."""
        self.log_in(browser, user=user)
        self.keeps_out_or_lets_in(user, "disable")
        self.look_who_is_in(browser)
        self.get_link(browser, user)
        self.changes(browser, user, False, "/reset/new", "unused", new="new")
        self.gives_code(browser, user, True, "fresh", "plain", 1)
        self.keeps_out_or_lets_in(user, "enable")
        self.gives_code(browser, user, True, "fresh", "plain", 1)

    def be_helped(self, browser, user):
        """Who lost everything needs the password and the mailbox for a new phone."""
        other = self.opened[1]
        self.log_in(browser, user=user)
        self.get_link(other, user)
        self.removes_an_authenticator(user)
        self.changes(other, user, False, "/reset/new", "none", new="new")
        for each in (browser, other):
            self.gives_password(each, user, "right", "plain", 1)
            self.confirms_authenticator(each, user, False, each, "fresh", 1)
        self.gives_recovery_code(browser, user, user, False, "used", "plain", 1)
        self.get_link(other, user)
        self.gives_password(other, user, "right", "plain", 1)
        cookies = browser.visitor.browser.cookies
        self.thief.keep(cookies, browser.session, browser.device)
        for which in ("of another", "newest"):
            self.gives_mailed_code(browser, which, 1)
        self.open(self.thief, "/enrol")
        for each in (other, browser):
            self.confirms_authenticator(each, user, False, each, "fresh", 1)

    def be_guessed_at(self, browser, user):
        """After a hundred wrong passwords only a known browser, or a reset, helps."""
        other = self.opened[1]
        self.log_in(browser, user=user)
        self.reads_mails()
        for end in (self.come_home_in_a_known_browser, self.reset_elsewhere):
            for _ in range(MAX_WRONG_PASSWORDS_IN_A_ROW // LIMIT):
                self.gives_password(self.thief, user, "wrong", "capitals", LIMIT)
                self.clock.move(WINDOW)
            self.gives_password(self.thief, user, "right", "plain", 1)
            end(browser, other, user)
            self.gives_password(self.thief, user, "right", "plain", 1)

    def come_home_in_a_known_browser(self, browser, other, user):
        """The browser that is known has guesses of its own."""
        self.thief.move_to(browser.address)
        self.gives_password(self.thief, user, "wrong", "plain", LIMIT + 1)
        self.gives_password(browser, user, "wrong", "plain", LIMIT - 1)
        self.gives_code(browser, user, True, "fresh", "plain", 1)

    def reset_elsewhere(self, browser, other, user):
        """The browser is not known any more when the password is another."""
        self.get_link(other, user)
        self.changes(other, user, False, "/reset/new", "unused", new="new")
        self.gives_password(browser, user, "wrong", "plain", LIMIT + 1)


MACHINES = {
    "02": [LoginMachine],
    "03": [EnrolmentMachine, LoginMachine],
    "04": [ManyUsersMachine, EnrolmentMachine, LoginMachine],
    "05": [EmailMachine, EnrolmentMachine],
    "06": [ProductionMachine, EmailMachine],
}


def visits_of(number):
    """Yield what is done: anything, or less, which gets deeper; and how it ends."""
    for machine in MACHINES[number]:
        for ending in machine.endings:
            yield machine, ending

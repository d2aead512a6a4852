"""A server that somebody else started: --url."""

import re
import secrets

import pytest

from tests.kit.browser import NetworkBrowser
from tests.kit.mailbox import read_mails
from tests.kit.mailbox import without_routine
from tests.kit.names import ContractMap
from tests.kit.stage import FIRST_WITH_DATABASE
from tests.kit.stage import add_second_factor
from tests.kit.stage import first_user
from tests.kit.stage import register
from tests.kit.visitor import Visitor

INSIDE = "not run with --url: the test looks into the app itself"
PLAIN_NAME = re.compile(r"\A(\s*[A-Za-z]{3,20})(?=@|\s*\Z)")


class RemoteStage:
    """A step whose server somebody else started: it cannot be started again."""

    names = ContractMap()

    def __init__(self, number):
        self.number = number

    def start(self, clock, **config):
        """Refuse: we cannot start this server."""
        pytest.skip("not run with --url: the test starts the app itself")

    @property
    def folder(self):
        """Refuse: we do not see the files of this server."""
        pytest.skip(INSIDE)

    load = make = folder


class RemoteVisitor(Visitor):
    """A visitor of a running server, on which earlier tests have left users.

    Where a test says kim, the server reads a name that only this test has: kim-3f81.
    """

    def ask(self, method, path, **how):
        """Send one request, unless an earlier test has used up what it needs."""
        is_registration = method == "POST" and path.partition("?")[0] == "/register"
        if isinstance(how.get("data"), dict):
            how = how | {"data": self.site.in_its_words(how["data"], is_registration)}
        if method == "POST" and path.startswith(("/account", "/reset")):
            RemoteSite._account = None  # it may have another password from now on
        page = super().ask(method, path, **how)
        if page.status == 429 and not self.site.may_lock:
            pytest.skip("not run with --url: the server asks us to wait (429)")
        page.html = page.html.replace(self.site.tag, "")
        return page


class RemoteSite:
    """A server that somebody else started; most tests share one account."""

    _account = None
    _taken = {}  # names and addresses, and the site of the test that registered them

    def __init__(self, stage, url, clock, mailbox=None, may_lock=True):
        self.stage = stage
        self.url = url
        self.clock = clock
        self.mailbox = mailbox
        self.has_account = False
        self.may_lock = may_lock or stage.number < FIRST_WITH_DATABASE
        self.tag = f"-{secrets.token_hex(3)}"

    def visitor(self, network=None):
        """Return a visitor with a new browser."""
        browser = NetworkBrowser(self.url, network)
        return RemoteVisitor(browser, self, self.stage.names)

    def in_its_words(self, data, is_registration):
        """Return the content of a form with names that only this test has."""
        if self.stage.number < FIRST_WITH_DATABASE:
            return data
        data = dict(data)
        for field in {"username", "email"} & data.keys():
            if isinstance(data[field], str):
                data[field] = PLAIN_NAME.sub(rf"\1{self.tag}", data[field])
            if is_registration:
                self.take(data[field])
        return data

    def take(self, name):
        """Note that a name is taken now, or refuse: an earlier test has taken it."""
        if RemoteSite._taken.setdefault(str(name), self) is not self:
            pytest.skip("not run with --url: an earlier test has registered this user")

    def mails(self, routine=False):
        """Return the new mails, if there is a file into which the server prints."""
        if self.mailbox is None:
            pytest.skip("not run with --url: the test reads a mail (--mailbox=FILE)")
        mails = read_mails(self.mailbox.new_text().replace(self.tag, ""))
        return mails if routine else without_routine(mails)

    def start_again(self, **config):
        """Refuse: we cannot start this server."""
        pytest.skip("not run with --url: the test starts the app a second time")

    def start_other_step(self, number):
        """Refuse: we do not know the key of this server."""
        pytest.skip("not run with --url: the test starts another step")

    def sql(self, statement, *values):
        """Refuse: we do not see the database of this server."""
        pytest.skip("not run with --url: the test asks the database")

    @property
    def app(self):
        """Refuse: a test that asks for this looks into the app itself."""
        pytest.skip(INSIDE)

    config = database = engine = module = run_hourly_tasks = app

    def cached_account(self, make):
        """Return the account that a function makes; nothing is kept of it here."""
        return make(self)

    def some(self, cases):
        """Return the cases that a test tries: few, as a login takes half a minute."""
        return cases[:5]

    def account_without_factor(self):
        """Refuse: the one user of this server may be enrolled already."""
        if self.stage.number == "03":
            pytest.skip("not run with --url: the test needs a user without a phone")
        if self.stage.number >= FIRST_WITH_DATABASE:
            return register(self.visitor())
        return first_user(self.stage)

    def account(self):
        """Return an account; where guesses were made, a complete login ends them."""
        if self.has_account and self.stage.number >= FIRST_WITH_DATABASE:
            return self._new_account()  # whoever asks twice means two users
        self.has_account = True
        if RemoteSite._account is None:
            RemoteSite._account = self._new_account()
        elif NetworkBrowser.guesses > 1:
            self.visitor().log_in(RemoteSite._account)
            NetworkBrowser.guesses = 0
        return RemoteSite._account

    def _new_account(self):
        account = first_user(self.stage)
        if self.stage.number >= FIRST_WITH_DATABASE:
            account = register(self.visitor())
        return add_second_factor(self, account)

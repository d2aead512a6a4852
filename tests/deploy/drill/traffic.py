"""Visitors who never stop, and what they are answered meanwhile."""

from collections import Counter
from contextlib import contextmanager
from functools import partial

from tests.kit.clock import RealClock
from tests.kit.phone import scan
from tests.kit.servers import at_work

VISITORS = 4


class Traffic:
    """Logged-in visitors who open a page and send a form, again and again."""

    answers_each = 5  # before the test goes on

    def __init__(self, site):
        self.site = site
        self.answers = Counter()
        self.failures = []

    def visitors(self):
        """Return those who come."""
        return [self.site.logged_in(self.site.account()) for _ in range(VISITORS)]

    def act(self, visitor):
        """Open the protected page, and send a form that is rejected."""
        self.answers[visitor.ask("GET", "/").status] += 1
        page = visitor.open("/login").fill_in(username="", password="")
        self.answers[page.status] += 1

    def try_to_act(self, visitor):
        """Act, and keep what goes wrong, which a thread would swallow."""
        try:
            self.act(visitor)
        except Exception as failure:  # noqa: BLE001
            self.failures.append(failure)

    @contextmanager
    def flowing(self):
        """Let the visitors come; in the end wait for all of them."""
        with at_work([partial(self.try_to_act, one) for one in self.visitors()]):
            self.wait_for_more()
            yield self
            self.wait_for_more()

    def wait_for_more(self):
        """Wait until a few more requests were answered."""
        enough = (
            self.answers.total() + len(self.failures) + self.answers_each * VISITORS
        )
        self.site.wait_for(lambda: self.answers.total() + len(self.failures) >= enough)

    def assert_nobody_noticed(self):
        """Check that each page opened, and each form was rejected for what it said."""
        assert not self.failures, self.failures
        log = self.site.log_of("error")
        assert set(self.answers) == {200, 422}, (self.answers, log)


class Enrolments(Traffic):
    """Users who enrol an authenticator and log in with it, one after the other."""

    answers_each = 2  # each comes after four forms

    def __init__(self, site):
        super().__init__(site)
        self.accounts = []

    def visitors(self):
        """Return those who come: each time somebody else."""
        return [None] * VISITORS

    def act(self, visitor):
        """Enrol an authenticator in one browser; log in with it in another."""
        account = self.site.account_without_factor()
        page = self.site.visitor().give_password(account)
        account.authenticator = scan(page, RealClock())
        page = page.fill_in(code=account.authenticator.code_from(0))
        self.answers[page.status, len(page.find_all(".recovery-code"))] += 1
        page = self.site.visitor().give_password(account)
        code = account.authenticator.code_from(1)
        page = page.fill_in(code=code)
        if page.status == 422:  # the secret got its new key at this very moment
            page = page.fill_in(code=code)
        self.answers[page.status, page.path] += 1
        self.accounts.append(account)

    def assert_nobody_noticed(self):
        """Check that everybody enrolled, and logged in."""
        log = self.site.log[-2000:]
        assert not self.failures, (self.failures, log)
        assert set(self.answers) == {(200, 10), (200, "/")}, (self.answers, log)

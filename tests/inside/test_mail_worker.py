"""The mail worker: a process of its own that sends until it is told to end."""

import signal
import sys
import time

import pytest

from tests.kit.clock import RealClock
from tests.kit.email_codes import begin
from tests.kit.marks import attack
from tests.kit.marks import since
from tests.kit.outbox import leave_old_count
from tests.kit.outbox import old_counts
from tests.kit.outbox import waiting
from tests.kit.production import SETTINGS
from tests.kit.servers import Process
from tests.kit.smtp_server import MailServer

pytestmark = [
    since("06c"),
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM"),
]


@pytest.fixture
def clock():
    """Return the clock on the wall, which other processes have as well."""
    return RealClock()


@pytest.fixture
def server():
    """Return a mail server that takes what it gets."""
    with MailServer() as server:
        yield server


class Worker(Process):
    """The mail worker, with the settings of production."""

    def __init__(self, site, server):
        names = ("BASE_URL", "MAIL_DEFAULT_SENDER")
        settings = {name: SETTINGS[name] for name in names}
        settings |= {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port)}
        super().__init__(site, "mail-worker", FLASK_DEBUG="", **settings)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.process.kill()
        self.process.communicate()

    def wait_for(self, is_so):
        """Wait until something is so, while the worker runs."""
        end = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < end
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)

    def end(self):
        """Tell the worker to end, as a service manager does; return what it printed."""
        self.process.send_signal(signal.SIGTERM)
        return self.output().decode()


@attack(109)
def test_the_worker_sends_what_is_due_and_what_comes_and_ends_when_told(site, server):
    first = begin(site, email="kim@example.org")
    with Worker(site, server) as worker:
        worker.wait_for(lambda: len(server.mails) == 1)
        begin(site, email="lee@example.org")
        worker.wait_for(lambda: len(server.mails) == 2)
        assert worker.end() == ""

    assert [mail.to for mail in server.mails] == ["kim@example.org", "lee@example.org"]
    assert waiting(site) == 0
    assert first.fill_in(email_code=server.mails[0].code).path == "/enrol"


@attack(133)
def test_the_worker_deletes_old_rows_with_or_without_emails(site, server):
    leave_old_count(site)
    begin(site, email="kim@example.org")
    counts = len(site.sql("SELECT * FROM rate_limit_counters"))
    with Worker(site, server) as worker:
        worker.wait_for(lambda: not old_counts(site))
        worker.end()

    assert len(site.sql("SELECT * FROM rate_limit_counters")) == counts - 1


@attack(109)
def test_a_worker_that_is_told_to_end_finishes_its_email(site, server):
    begin(site, email="kim@example.org")
    server.hold()
    with Worker(site, server) as worker:
        worker.wait_for(server.is_waiting.is_set)
        worker.process.send_signal(signal.SIGTERM)
        assert waiting(site) == 1
        server.may_go_on.set()
        assert worker.end() == ""

    assert len(server.mails) == 1
    assert waiting(site) == 0


@attack(109, 137)
def test_a_worker_outlives_a_database_that_is_away(site, server):
    with Worker(site, server) as worker:
        begin(site, email="kim@example.org")
        worker.wait_for(lambda: len(server.mails) == 1)
        site.sql("ALTER TABLE outbox_emails RENAME TO away")
        told = worker.process.stderr.readline().decode()
        site.sql("ALTER TABLE away RENAME TO outbox_emails")
        begin(site, email="lee@example.org")
        worker.wait_for(lambda: len(server.mails) == 2)
        worker.end()

    assert "OperationalError" in told
    assert "kim" not in told

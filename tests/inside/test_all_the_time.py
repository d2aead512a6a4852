"""What goes on all the time: each round in the background, and each answer."""

import sqlite3
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from tests.kit.accounts import logged_in
from tests.kit.marks import attack
from tests.kit.marks import never_red
from tests.kit.marks import since
from tests.kit.stage import fill_in_registration

HOUR = 60 * 60


class LastRoundError(Exception):
    """Ends what would go on for ever."""


class Rounds:
    """Stands for the event that a sender waits for: each wait begins a round."""

    def __init__(self, site=None, seconds=()):
        self.site = site
        self.seconds = list(seconds)  # for how long each wait lasts
        self.woken = True
        self.waits = []  # was it woken, and how many connections did it hold?

    def wait(self, timeout=0):
        """Let time pass, and note how it was waited for."""
        assert timeout > 0, "nobody waits for ever, or not at all"
        self.waits.append((self.woken, self.site.engine.pool.checkedout()))
        if not self.seconds:
            raise LastRoundError
        self.site.clock.move(self.seconds.pop(0))
        return False

    def set(self):
        """Wake who waits."""
        self.woken = True

    def clear(self):
        """Let the next wait last."""
        self.woken = False

    def is_set(self):
        """Refuse an answer: who asks and does not wait would ask for ever."""
        pytest.fail("it does not wait")


def run_sender(site, monkeypatch, rounds):
    """Run what sends in the background of a reader's server."""
    site.app.extensions["outbox_wake_up"] = rounds
    site.module("outbox").run_sender(site.app)


def run_worker(site, monkeypatch, rounds):
    """Run the mail worker, in this process."""
    cli = site.module("cli")
    no_signals = SimpleNamespace(signal=lambda *how: None, SIGTERM=15)
    monkeypatch.setattr(cli, "signal", no_signals)
    monkeypatch.setattr(cli, "threading", SimpleNamespace(Event=lambda: rounds))
    with site.app.app_context():
        cli.run_mail_worker()


def assert_rounds_are_good(site, monkeypatch, run):
    """Run for an hour and a few rounds: hourly is hourly, and no wait holds a thing."""
    hours, rounds = [], Rounds(site, [1, 1, 1, HOUR, 1, 1])
    monkeypatch.setattr(
        site.module("outbox"), "hourly_tasks", [lambda: hours.append(site.clock.now())]
    )
    with pytest.raises(LastRoundError):
        run(site, monkeypatch, rounds)

    assert len(hours) == 2
    assert hours[1] - hours[0] == HOUR + 2
    assert [held for _, held in rounds.waits] == [0] * 7
    if run is run_sender:
        assert [woken for woken, _ in rounds.waits] == [True] + [False] * 6


@since("05")
@attack(133)
def test_the_sender_of_a_reader_rests_between_its_rounds(site, monkeypatch):
    assert_rounds_are_good(site, monkeypatch, run_sender)


@since("05")
def test_the_sender_of_a_reader_outlives_a_database_that_is_away(site, monkeypatch):
    def fail():
        raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(site.module("outbox"), "send_due_emails", fail)
    with pytest.raises(LastRoundError):
        run_sender(site, monkeypatch, Rounds(site, [1, 1]))


@since("06")
@attack(133, 137)
def test_the_worker_rests_between_its_rounds(site, monkeypatch):
    assert_rounds_are_good(site, monkeypatch, run_worker)


@since("05")
@never_red("the step before has no sender")
def test_only_who_causes_an_email_wakes_the_sender(step, clock, monkeypatch):
    rounds = Rounds()
    rounds.clear()
    nobody = SimpleNamespace(start=lambda: None)
    quiet = SimpleNamespace(Event=lambda: rounds, Thread=lambda **how: nobody)
    monkeypatch.setattr(step.load(step.folder).outbox, "threading", quiet)
    site = step.start(clock, MAIL_IN_BACKGROUND=True)
    page = site.visitor().open("/login")
    page.fill_in(username="nobody", password="nothing")
    assert not rounds.woken

    fill_in_registration(site.visitor())
    assert rounds.woken


@since("06")
@attack(137)
def test_a_connection_that_the_database_has_closed_is_replaced_unnoticed(step, clock):
    site = step.start(clock, TESTING=False)
    visitor = site.visitor()
    visitor.log_in(site.account())
    with site.engine.connect() as connection:
        ours = connection.connection.dbapi_connection
    ours.close()  # as if the database had been started again

    assert visitor.is_logged_in()


@since("02")
@never_red("the step before sends no cookie either")
def test_looking_around_brings_no_cookie_with_every_page(site, account, clock):
    visitor = logged_in(site, account)
    for _ in range(3):
        clock.move(20)
        assert "Set-Cookie" not in visitor.ask("GET", "/").headers
    stranger = site.visitor()
    stranger.open("/login")
    assert "Set-Cookie" not in stranger.ask("GET", "/login").headers

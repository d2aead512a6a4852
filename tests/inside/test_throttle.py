"""Old counts, and when they are deleted."""

import pytest

from tests.kit.guesses import MAX_WRONG_CODES_IN_A_ROW
from tests.kit.guesses import guess_password
from tests.kit.guesses import guess_wrong_codes
from tests.kit.marks import attack
from tests.kit.marks import since

HOUR = 60 * 60


@since("05")
@attack(133)
def test_counts_are_swept_away_after_an_hour_but_not_those_of_wrong_codes(
    site, account, clock
):
    guess_wrong_codes(site, account, clock, MAX_WRONG_CODES_IN_A_ROW - 1)
    for number in range(15):
        guess_password(site.visitor(), f"user{number}")
    for _ in range(4):
        site.account_without_factor()
    site.run_hourly_tasks()
    assert site.sql("SELECT count(*) FROM pending_secrets") == [(4,)]
    assert site.sql("SELECT count(*) FROM rate_limit_counters")[0][0] > 15
    clock.move(HOUR)
    site.run_hourly_tasks()

    for table in ("rate_limit_counters", "pending_secrets"):
        assert site.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    guess_wrong_codes(site, account, clock, 1)
    assert site.visitor().give_password(account).status == 422


@since("05")
@attack(133)
def test_the_sender_deletes_old_rows_once_an_hour_and_a_command_that_sends_does_not(
    site, clock, monkeypatch
):
    guess_password(site.visitor(), "somebody")
    rows = site.sql("SELECT * FROM rate_limit_counters")
    clock.move(2 * HOUR)
    site.mails()
    assert site.sql("SELECT * FROM rate_limit_counters") == rows

    assert minutes_of_sweeping(site, monkeypatch) == [1, 61, 121]
    assert site.sql("SELECT count(*) FROM rate_limit_counters") == [(0,)]


class WakeUp:
    """Wakes the sender once a minute, until somebody has seen enough."""

    def __init__(self, clock):
        self.clock = clock
        self.minutes = 0

    def wait(self, timeout):
        """Let the time pass for which the sender would sleep."""
        self.clock.move(timeout)
        self.minutes += timeout // 60
        if self.minutes > 150:
            raise KeyboardInterrupt

    def clear(self):
        """Do nothing: the next minute comes anyway."""


def minutes_of_sweeping(site, monkeypatch):
    """Run the sender for a while; return the minutes in which it deletes old rows."""
    outbox, wake_up, minutes = site.module("outbox"), WakeUp(site.clock), []
    monkeypatch.setitem(site.app.extensions, "outbox_wake_up", wake_up)
    tasks = [*outbox.hourly_tasks, lambda: minutes.append(wake_up.minutes)]
    monkeypatch.setattr(outbox, "hourly_tasks", tasks)
    with pytest.raises(KeyboardInterrupt):
        outbox.run_sender(site.app)
    return minutes

"""Old counts, and when they are deleted."""

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
    rows = site.sql("SELECT * FROM rate_limit_counters")
    assert len(rows) > 15
    clock.move(HOUR)
    site.mails()  # a command that sends, and deletes nothing
    assert site.sql("SELECT * FROM rate_limit_counters") == rows
    site.run_hourly_tasks()

    for table in ("rate_limit_counters", "pending_secrets"):
        assert site.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    guess_wrong_codes(site, account, clock, 1)
    assert site.visitor().give_password(account).status == 422

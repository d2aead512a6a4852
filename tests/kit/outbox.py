"""What waits in the outbox, and what the sender cleans up."""


def waiting(site):
    """Return how many mails wait in the outbox."""
    return site.sql("SELECT count(*) FROM outbox_emails")[0][0]


def leave_old_count(site):
    """Leave the count of a guess that was made two hours ago."""
    insert = "INSERT INTO rate_limit_counters (bucket, window_started_at, count)"
    site.sql(f"{insert} VALUES ('old', ?, 1)", site.clock.now() - 2 * 60 * 60)


def old_counts(site):
    """Return the count that is old, as long as it is there."""
    return site.sql("SELECT * FROM rate_limit_counters WHERE bucket = 'old'")


def next_try(site):
    """Move the clock to the moment at which the next waiting mail is due."""
    [[due]] = site.sql("SELECT min(next_attempt_at) FROM outbox_emails")
    site.clock.move_to(due)

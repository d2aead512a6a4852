"""What an answer costs: hashes, statements, time; and who steps in between."""

import hashlib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import event

from tests.kit.accounts import ADDRESS


def meanwhile(site, words, act, *values, **fields):
    """Let somebody else act in the middle of a request, after a statement."""
    came = []

    def interrupt(connection, cursor, statement, *rest):
        if words in statement and not came:
            came.append("somebody")
            with ThreadPoolExecutor() as pool:
                came.append(pool.submit(act, *values, **fields).result())

    event.listen(site.engine, "after_cursor_execute", interrupt)
    return came


@contextmanager
def counted_work(site, monkeypatch):
    """Count hashes and statements, of which time and the answer must tell nothing."""
    hashes, statements = [], []

    def note(connection, cursor, statement, *rest):
        statements.append(statement)

    with monkeypatch.context() as patch:
        for name in ("pbkdf2_hmac", "scrypt"):
            patch.setattr(hashlib, name, counted(getattr(hashlib, name), hashes))
        event.listen(site.engine, "before_cursor_execute", note)
        yield hashes, statements
        event.remove(site.engine, "before_cursor_execute", note)


def measured(site, path, **values):
    """Return how long forms with a known and with a new address take, in turns."""
    seconds = [], []
    for number in range(40):
        addresses = [ADDRESS, f"new{number}@example.org"]
        for kind in (0, 1) if number % 2 else (1, 0):
            visitor = site.visitor(network=f"192.0.2.{number}")
            page = visitor.open(path)
            target, data = page.filled_in(email=addresses[kind], **values)
            began = time.perf_counter()
            answer = visitor.ask("POST", target, data=data)
            seconds[kind].append(time.perf_counter() - began)
            assert answer.status == 302
    return seconds


def typical_ratio(seconds, others):
    """Return how many times as long the first took, from measurements made in turns.

    Each is compared with its neighbour, as a computer slows down and recovers.
    """
    return statistics.median(
        one / other for one, other in zip(seconds, others, strict=True)
    )


def kinds(statements):
    """Return the first words of each statement: what is done to which table."""
    return [" ".join(statement.split()[:3]) for statement in statements]


def counted(function, calls):
    """Return a function that notes of each call what it costs."""

    def counting(*args, **kwargs):
        values = [*args, *kwargs.values()]  # all but password and salt
        calls.append([value for value in values if not isinstance(value, bytes)])
        return function(*args, **kwargs)

    return counting


def commits(site):
    """Return how often SQLite had to wait for the disk: a change of nothing is free."""
    log = Path(f"{site.database}-wal").read_bytes()[32:]  # sqlite.org/fileformat2.html
    return sum(any(log[at + 4 : at + 8]) for at in range(0, len(log), 24 + 4096))

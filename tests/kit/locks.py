"""Locks of PostgreSQL, at which a test has requests wait in an order of its choice."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg

from tests.kit.programs import wait_until


def waits_or_is_done(job, url, waiting_before=0):
    """Return whether a job has come to its end, or to a lock of PostgreSQL."""
    question = """
        SELECT count(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()
    """
    with psycopg.connect(url) as observer:
        waiting = observer.execute(question).fetchone()[0]
    return job.done() or waiting > waiting_before


def do_in_order(jobs, url, lock, *values):
    """Do each job in a thread; a lock of PostgreSQL holds them up until all wait.

    The first one waits first, and is done first. Return what they return.
    """
    running = []
    with psycopg.connect(url) as gate, ThreadPoolExecutor(len(jobs)) as threads:
        gate.execute(lock, values)
        for job in jobs:
            waiting = sum(not other.done() for other in running)
            running.append(threads.submit(job))
            wait_until(partial(waits_or_is_done, running[-1], url, waiting))
        gate.commit()
        return [job.result() for job in running]

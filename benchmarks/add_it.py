"""What the package of docs/add-it.md adds to a login, compared with step 06.

    python -m benchmarks.add_it

Counts the statements and the commits that the database is sent for a complete login,
password and then code, from a browser that was never here. They are the same on each
machine. The app is the ordinary one of tests/fixtures/hosts.
"""

from contextlib import contextmanager

from sqlalchemy import event

from tests.kit.clock import RealClock
from tests.kit.stage import STEPS
from tests.kit.stage import Stage
from tests.recipes.hosts import Running


@contextmanager
def counting(*engines):
    """Count the statements and the commits that are sent to the database."""
    counted = {"statements": 0, "commits": 0}

    def count_statement(*details):
        counted["statements"] += 1

    def count_commit(connection):
        counted["commits"] += 1

    listeners = {"before_cursor_execute": count_statement, "commit": count_commit}
    for engine in engines:
        for name, listener in listeners.items():
            event.listen(engine, name, listener)
    yield counted
    for engine in engines:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)


def log_in(visitor, account):
    """Log in, and send nothing that a login does not need."""
    page = visitor.open("/login")
    names = {"username": account.username, "password": account.password}
    target, data = page.filled_in(**names)
    visitor.ask("POST", target, data=data)
    code = {"code": account.authenticator.code()}
    target, data = visitor.open("/login/code").filled_in(**code)
    if visitor.ask("POST", target, data=data).status != 302:
        raise SystemExit("Nobody is logged in.")


def cost_of_step_06(clock):
    """Return what a login costs in step 06."""
    site = Stage("06", STEPS["06"]).start(clock)
    account = site.account()
    with counting(site.engine) as counted:
        log_in(site.visitor(), account)
    return counted


def cost_with_package(clock, postgres=None):
    """Return what a login costs in the ordinary app with the package."""
    running = Running("shop", clock, postgres)
    _, account = running.enrolled("ann")
    with running.app.app_context():
        engines = running.two_factor.engine, running.app.extensions["sqlalchemy"].engine
    with counting(*engines) as counted:
        log_in(running.visitor(), account)
    running.close()
    return counted


def main():
    """Print both, and how they compare."""
    ours, theirs = cost_of_step_06(RealClock()), cost_with_package(RealClock())
    print("a login         step 06  an app with the package")
    for name in ours:
        times = f"{theirs[name] / ours[name]:.2f} times"
        print(f"{name:<15} {ours[name]:>7}  {theirs[name]:>23}  {times}")


if __name__ == "__main__":
    main()

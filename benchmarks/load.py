"""How much the last step can carry, and what it spends its time on.

    python -m benchmarks.load
    python -m benchmarks.load --users 1000 1000000 --seconds 5

One run starts PostgreSQL and Gunicorn as shipped, and compares a bare Flask page with
the protected page and with complete logins (password, then code). Requests a second
depend on the machine and on what else it does; the ratios do so much less. A million
users, with ten recovery codes each, take some minutes to make. Linux only.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import flask_migrate

from tests.deploy.drill.network import NAME
from tests.deploy.drill.network import free_port
from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.servers import new_network
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.stage import import_step
from tutorial import TIME_STEP
from tutorial import totp

CLIENTS = 8
PASSWORD = "four lamps under one umbrella"  # noqa: S105  of nobody
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # noqa: S105  RFC 6238 appendix B
TICK = os.sysconf("SC_CLK_TCK")
STEP = STEPS["06"]
SETTINGS = {
    "SECRET_KEY": "a key for the benchmark that is as long as a real one",
    "TOTP_KEYS": "a key for the secrets in the database of the benchmark",
    "BASE_URL": f"https://{NAME}",
    "MAIL_SERVER": "127.0.0.1",
    "MAIL_DEFAULT_SENDER": f"door@{NAME}",
}

# Everybody has the same password and the same secret; who logs in gets it encrypted.
FILL = (
    """
    INSERT INTO users (
        id, username, normalised_username, email, password_hash, session_token
    )
    SELECT n, 'user' || n, 'user' || n, 'user' || n || '@example.org', %(hash)s::text,
        substr(encode(sha256(('token' || n)::bytea), 'hex'), 1, 43)
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    """,
    """
    INSERT INTO second_factors (user_id, encrypted_secret, last_time_step)
    SELECT n, %(secret)s::text, 0
    FROM generate_series(%(first)s::int, %(last)s::int) AS n
    """,
    """
    INSERT INTO recovery_codes (code_hash, user_id)
    SELECT encode(sha256((n || ' ' || m)::bytea), 'hex'), n
    FROM generate_series(%(first)s::int, %(last)s::int) AS n,
        generate_series(1, 10) AS m
    """,
)


class Result(NamedTuple):
    """What a measurement found: how many a second, and the CPU of each."""

    rate: float
    of_server: float
    of_database: float

    @property
    def cpu(self):
        """Return the seconds of CPU that one takes in all."""
        return self.of_server + self.of_database


# Processes


def cpu_of(pid):
    """Return the seconds of CPU that a process and all below it have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(int, fields[11:15])) / TICK + sum(map(cpu_of, below))


@contextmanager
def gunicorn(application, environment):
    """Serve an application as the step is served; return the port and the process."""
    port = free_port()
    usual = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", application],
        cwd=STEP,
        env=usual | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: Client(port).get("/") in (200, 302), process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(is_true, process):
    """Wait until a server answers."""
    while process.poll() is None:
        try:
            if is_true():
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("Gunicorn does not start.")


# Clients


class Client:
    """A browser that costs little: it keeps cookies, and finds the form's token."""

    def __init__(self, port):
        self.port = port
        self.network = new_network()
        self.cookies = {}
        self.text = ""

    def ask(self, method, path, body=None):
        """Send one request; return the status of the answer."""
        pairs = [f"{name}={value}" for name, value in self.cookies.items()]
        headers = {"Host": NAME, "Cookie": "; ".join(pairs)}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        source = (self.network, 0)
        with closing(HTTPConnection("127.0.0.1", self.port, 60, source)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status

    def get(self, path):
        """Open a page."""
        return self.ask("GET", path)

    def send(self, path, **values):
        """Open the page of a form, fill it in and send it."""
        self.get(path)
        token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.text)[1]
        return self.ask("POST", path, urlencode(values | {"csrf_token": token}))

    def log_in(self, number):
        """Log in completely: with the password, and with a code."""
        name = f"user{number}"
        statuses = [self.send("/login", username=name, password=PASSWORD)]
        code = totp(SECRET, int(time.time()) // TIME_STEP)
        statuses += [self.send("/login/code", code=code), self.get("/")]
        if statuses != [302, 302, 200]:
            raise SystemExit(f"{name} cannot log in: {statuses} {self.text}")


def measure(act, seconds, server, database=None):
    """Let clients act for some seconds; return what one act took."""
    end, counts = time.monotonic() + seconds, [0] * CLIENTS

    def go_on(client):
        while time.monotonic() < end:
            act(client)
            counts[client] += 1

    pids = [server, database or server]
    began, before = time.monotonic(), [cpu_of(pid) for pid in pids]
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(go_on, range(CLIENTS)))
    spent = time.monotonic() - began
    of_server, of_database = (
        (cpu_of(pid) - earlier) / sum(counts)
        for pid, earlier in zip(pids, before, strict=True)
    )
    return Result(sum(counts) / spent, of_server, of_database if database else 0)


# What is measured


def measure_bare(seconds):
    """Measure a Flask page with nothing behind it."""
    with gunicorn("benchmarks.bare:app", {}) as (port, pid):
        clients = [Client(port) for _ in range(CLIENTS)]
        return measure(lambda n: clients[n].get("/"), seconds, pid)


def measure_step(postgres, url, users, seconds):
    """Measure logins, and then the page that they lead to."""
    numbers, lock = iter(users), threading.Lock()
    database = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
    clients = {}

    def log_in(client):
        with lock:
            number = next(numbers)
        clients[client] = Client(port)
        clients[client].log_in(number)

    with gunicorn("wsgi:app", SETTINGS | {"DATABASE_URL": url}) as (port, pid):
        for client in range(CLIENTS):
            log_in(client)  # all parts are warm
        logins = measure(log_in, seconds, pid, database)
        pages = measure(lambda n: clients[n].get("/"), seconds, pid, database)
    return pages, logins


def measure_hash(door, password_hash):
    """Return the seconds of CPU that checking a password takes."""
    times = []
    for _ in range(5):
        began = time.process_time()
        door.passwords.check_password_hash(password_hash, PASSWORD)
        times.append(time.process_time() - began)
    return sorted(times)[2]


def fill(connection, door, app, first, last, most):
    """Add users in bulk; return those who can log in, from all over the table."""
    with app.app_context():
        filler = door.crypto.encrypt_for(last, SECRET)
        password_hash = door.passwords.hash_password(PASSWORD)
        values = {"first": first, "last": last}
        values |= {"hash": password_hash, "secret": filler}
        for statement in FILL:
            connection.execute(statement, values)
        users = range(first, last + 1, max(1, (last - first) // most))
        secrets = [
            (door.crypto.encrypt_for(number, SECRET), number) for number in users
        ]
    with connection.cursor() as cursor:
        change = "UPDATE second_factors SET encrypted_secret = %s WHERE user_id = %s"
        cursor.executemany(change, secrets)
    connection.execute("VACUUM ANALYZE")
    return users, password_hash


def print_table(bare, results, cpu_of_hash):
    """Print what was measured, and how it compares."""
    rows = [("bare Flask page", bare)]
    for users, (pages, logins) in results.items():
        rows.append((f"protected page, {users:,} users", pages))
        rows.append((f"complete login, {users:,} users", logins))
    print(f"\n{'':36}{'a second':>10}{'CPU ms':>10}{'to bare':>10}")
    for name, result in rows:
        ratio = result.cpu / bare.cpu
        print(f"{name:36}{result.rate:10.1f}{result.cpu * 1000:10.2f}{ratio:10.1f}")
    few, many = (results[users] for users in (min(results), max(results)))
    growth = [b.cpu / a.cpu for a, b in zip(few, many, strict=True)]
    print(
        f"\nThe password hash is {cpu_of_hash / few[1].cpu:.0%} of a login's CPU."
        f"\nWith {max(results) // min(results):,} times as many users a page takes "
        f"{growth[0]:.2f} times the CPU, a login {growth[1]:.2f} times."
    )


def main():
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=10, help="for each number")
    given = parser.parse_args()
    door, results, there = import_step(STEP), {}, 0
    most = int(given.seconds * 100) + 2 * CLIENTS  # logins in a run, at the very most
    bare = measure_bare(given.seconds)
    with PostgreSQL() as postgres:
        url = postgres.create("door")
        settings = door.config.read_environment(SETTINGS | {"DATABASE_URL": url})
        app = door.create_app(settings)
        with app.app_context():
            flask_migrate.upgrade()
        for users in sorted(given.users):
            with postgres.connect("door") as connection:
                able, password_hash = fill(
                    connection, door, app, there + 1, users, most
                )
            there = users
            results[users] = measure_step(postgres, url, able, given.seconds)
    print_table(bare, results, measure_hash(door, password_hash))


if __name__ == "__main__":
    main()

"""How much the last step can carry, and what it spends its time on.

    pip install -r requirements/benchmark.in
    python -m benchmarks.load
    python -m benchmarks.load --users 1000 1000000 --seconds 5

One run starts PostgreSQL, and Gunicorn as shipped, for each of: a bare Flask page, a
page as most apps have it (benchmarks/fair.py), Flask-Security with TOTP (peer.py), and
step 06 with its own password hash and with a cheap one. A login is complete: password,
code, and the page that they lead to. Requests a second depend on the machine and on
what else it does; the ratios do so much less. A million users, with ten recovery codes
each, take some minutes to make. Linux only.
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
from functools import partial
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import flask_migrate
from werkzeug.security import generate_password_hash

from tests.deploy.drill.network import NAME
from tests.deploy.drill.postgres import PostgreSQL
from tests.kit.programs import free_port
from tests.kit.servers import new_network
from tests.kit.stage import ROOT
from tests.kit.stage import STEPS
from tests.kit.stage import import_step
from tools.totp import TIME_STEP
from tools.totp import totp

CLIENTS = 8
PASSWORD = "four lamps under one umbrella"  # noqa: S105  of nobody
CHEAP_METHOD = "pbkdf2:sha256:1"  # as in benchmarks/cheap.py
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
        [sys.executable, "-m", "gunicorn", "--log-level=warning"]
        + ["-b", f"127.0.0.1:{port}", application],
        cwd=STEP,
        env=usual | environment,
        stdout=subprocess.DEVNULL,
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
        headers["Referer"] = f"https://{NAME}{path}"  # Flask-WTF asks for it on HTTPS
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
        """Log in to the step completely: with the password, and with a code."""
        name = f"user{number}"
        statuses = [self.send("/login", username=name, password=PASSWORD)]
        statuses += [self.send("/login/code", code=current_code(SECRET))]
        self.check(statuses, name)

    def log_in_to_peer(self, secret, number):
        """Log in to Flask-Security in the same way."""
        name = f"user{number}@example.org"
        statuses = [self.send("/login", email=name, password=PASSWORD)]
        statuses += [self.send("/tf-validate", code=current_code(secret))]
        self.check(statuses, name)

    def check(self, statuses, name):
        """Open the page behind the login, or end the benchmark."""
        if [*statuses, self.get("/")] != [302, 302, 200]:
            raise SystemExit(f"{name} cannot log in: {statuses} {self.text}")


def current_code(secret):
    """Return the code of this moment."""
    return totp(secret, int(time.time()) // TIME_STEP)


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


def name_driver(url):
    """Return an address as SQLAlchemy wants it; the step does the same itself."""
    return url.replace("postgres://", "postgresql+psycopg://")


def measure_fair(postgres, url, seconds):
    """Measure a page as most apps have it."""
    url = name_driver(url)
    with gunicorn("benchmarks.fair:app", SETTINGS | {"DATABASE_URL": url}) as served:
        port, pid = served
        clients = [Client(port) for _ in range(CLIENTS)]
        for number, client in enumerate(clients, 1):
            client.get(f"/enter/{number}")
        act = lambda n: clients[n].get("/")  # noqa: E731
        return measure(act, seconds, pid, postgres_pid(postgres))


def measure_app(postgres, application, url, users, seconds, log_in=Client.log_in):
    """Measure the page behind a login, and complete logins."""
    numbers, lock = iter(users), threading.Lock()
    clients = {}

    def act(client):
        with lock:
            number = next(numbers)
        clients[client] = Client(port)
        log_in(clients[client], number)

    with gunicorn(application, SETTINGS | {"DATABASE_URL": url}) as (port, pid):
        for client in range(CLIENTS):
            act(client)  # all parts are warm
        database = postgres_pid(postgres)
        logins = measure(act, seconds, pid, database)
        pages = measure(lambda n: clients[n].get("/"), seconds, pid, database)
    return pages, logins


def measure_peer(postgres, seconds, count):
    """Make users of Flask-Security; measure its page and its complete logins."""
    url = name_driver(postgres.create("peer"))
    made = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "benchmarks.peer"]
        + ["create-users", str(count), PASSWORD],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]} | SETTINGS | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
    )
    log_in = partial_log_in(made.stdout.strip())
    users = range(1, count + 1)
    return measure_app(postgres, "benchmarks.peer:app", url, users, seconds, log_in)


def partial_log_in(secret):
    """Return what logs a client in to Flask-Security."""
    return lambda client, number: client.log_in_to_peer(secret, number)


def measure_flood(url, numbers, seconds):
    """Return how many signed-in pages a second there are, without and with a flood.

    The flood is wrong passwords from ever new networks: each costs a hash, and no
    network has sent enough of them to be stopped.
    """
    with gunicorn("wsgi:app", SETTINGS | {"DATABASE_URL": url}) as (port, pid):
        clients = [Client(port) for _ in range(CLIENTS)]
        for client, number in zip(clients, numbers, strict=True):
            client.log_in(number)
        calm = measure(lambda n: clients[n].get("/"), seconds, pid)
        ended = threading.Event()
        flood = [
            threading.Thread(target=send_wrong_passwords, args=(port, ended))
            for _ in range(CLIENTS)
        ]
        for thread in flood:
            thread.start()
        busy = measure(lambda n: clients[n].get("/"), seconds, pid)
        ended.set()
        for thread in flood:
            thread.join()
    return calm.rate, busy.rate


def send_wrong_passwords(port, ended):
    """Send one wrong password after another, each from a network of its own."""
    number = 0
    while not ended.is_set():
        number += 1
        Client(port).send("/login", username=f"nobody{number}", password="wrong")  # noqa: S106


def postgres_pid(postgres):
    """Return the process of the database, below which all of its work is done."""
    return int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])


def measure_hash(step, password_hash):
    """Return the seconds of CPU that checking a password takes."""
    times = []
    for _ in range(5):
        began = time.process_time()
        step.passwords.check_password_hash(password_hash, PASSWORD)
        times.append(time.process_time() - began)
    return sorted(times)[2]


def fill(connection, step, app, password_hash, first, last, most):
    """Add users in bulk; return those who can log in, from all over the table."""
    with app.app_context():
        filler = step.crypto.encrypt_for(last, SECRET)
        values = {"first": first, "last": last}
        values |= {"hash": password_hash, "secret": filler}
        for statement in FILL:
            connection.execute(statement, values)
        users = range(first, last + 1, max(1, (last - first) // most))
        secrets = [
            (step.crypto.encrypt_for(number, SECRET), number) for number in users
        ]
    with connection.cursor() as cursor:
        change = "UPDATE second_factors SET encrypted_secret = %s WHERE user_id = %s"
        cursor.executemany(change, secrets)
    connection.execute("VACUUM ANALYZE")
    return users


def print_table(measured, results, cpu_of_hash, flood):
    """Print what was measured, and how it compares."""
    rows = list(measured.items())
    for users, (pages, logins) in results.items():
        rows.append((f"step 06: page, {users:,} users", pages))
        rows.append((f"step 06: login, {users:,} users", logins))
    bare = measured["bare Flask page"]
    print(f"\n{'':36}{'a second':>10}{'CPU ms':>10}{'to bare':>10}")
    for name, result in rows:
        ratio = result.cpu / bare.cpu
        print(f"{name:36}{result.rate:10.1f}{result.cpu * 1000:10.2f}{ratio:10.1f}")
    few, many = (results[users] for users in (min(results), max(results)))
    growth = [b.cpu / a.cpu for a, b in zip(few, many, strict=True)]
    page = few[0].cpu / measured["page as most apps have it"].cpu
    login = measured["step 06: login, cheap hash"].cpu
    login /= measured["Flask-Security: login, cheap hash"].cpu
    calm, busy = flood
    print(
        f"\nA page of step 06 takes {page:.2f} times the CPU of a usual one, a login "
        f"without the hash {login:.2f} times that of Flask-Security."
        f"\nThe password hash is {cpu_of_hash / few[1].cpu:.0%} of a login's CPU."
        f"\nWith {max(results) // min(results):,} times as many users a page takes "
        f"{growth[0]:.2f} times the CPU, a login {growth[1]:.2f} times."
        f"\nIn a flood of wrong passwords {busy / calm:.0%} of the signed-in pages are "
        "answered in the same time."
    )
    packages = ("Flask", "Flask-Login", "Flask-SQLAlchemy", "Flask-Security-Too")
    print(", ".join(f"{package} {version(package)}" for package in packages))


def main():
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[1_000, 1_000_000])
    parser.add_argument("--seconds", type=float, default=10, help="for each number")
    given = parser.parse_args()
    seconds, results, there = given.seconds, {}, 0
    step = import_step(STEP)
    most = int(seconds * 200) + 4 * CLIENTS  # logins in a run, at the very most
    measured = {"bare Flask page": measure_bare(seconds)}
    with PostgreSQL() as postgres:
        url = postgres.create("step")
        app = step.create_app(
            step.config.read_environment(SETTINGS | {"DATABASE_URL": url})
        )
        with app.app_context():
            flask_migrate.upgrade()
            password_hash = step.passwords.hash_password(PASSWORD)
        fill_step = partial(fill, step=step, app=app, most=most)
        for users in sorted(given.users):
            with postgres.connect("step") as connection:
                able = fill_step(
                    connection, password_hash=password_hash, first=there + 1, last=users
                )
            there = users
            results[users] = measure_app(postgres, "wsgi:app", url, able, seconds)
        unused = able[-CLIENTS:]  # a second code in the same half minute is refused
        flood = measure_flood(url, unused, seconds)
        measured["page as most apps have it"] = measure_fair(postgres, url, seconds)
        with postgres.connect("step") as connection:
            able = fill_step(
                connection,
                password_hash=generate_password_hash(PASSWORD, CHEAP_METHOD),
                first=there + 1,
                last=there + most,
            )
        pages, logins = measure_app(
            postgres, "benchmarks.cheap:app", url, able, seconds
        )
        measured["step 06: login, cheap hash"] = logins
        pages, logins = measure_peer(postgres, seconds, most)
        measured["Flask-Security: page"] = pages
        measured["Flask-Security: login, cheap hash"] = logins
    print_table(measured, results, measure_hash(step, password_hash), flood)


if __name__ == "__main__":
    main()

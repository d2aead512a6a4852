"""Breached passwords: what is asked, what is not told, and what if nobody answers."""

import re
import time
from contextlib import suppress
from hashlib import sha1
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event
from threading import Thread

import pytest
from pyotp import TOTP

from app import breached_passwords
from app import config
from app import create_app
from app import passwords
from app import second_factor
from app import users
from app.db import db

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "four lamps under one umbrella"
LEAKED = "onetwothreefourfive"  # which zxcvbn lets through
NOTORIOUS = Path(__file__).with_name("notorious.txt").read_text("utf-8").splitlines()


def digest(password):
    return sha1(password.encode()).hexdigest().upper()


class Range(BaseHTTPRequestHandler):
    """Answers as the range interface does, with what a test has it say."""

    def handle(self):
        with suppress(ConnectionError):  # nobody listens any more
            super().handle()

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, dict(self.headers)))
        if server.waits:
            server.waits.wait(5)
        self.send_response(server.status)
        if server.slow:
            self.send_slowly(server.slow)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        prefix = self.path.rpartition("/")[2]
        lines = [d[5:] + ":9" for d in server.leaked if d.startswith(prefix)]
        self.wfile.write(
            server.answer or "\r\n".join([*lines, *server.padding]).encode()
        )

    def send_slowly(self, stop):
        """Send a header in small pieces, for five seconds or until it is stopped."""
        self.flush_headers()
        for _ in range(500):
            if not stop.wait(0.01):
                self.wfile.write(b"x")

    def log_message(self, *values):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Range) as server:
        server.asked, server.waits, server.status, server.answer = [], None, 200, b""
        server.slow = None
        server.leaked, server.padding = {digest(LEAKED)}, ["0" * 35 + ":0"]
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def app(tmp_path, server):
    app = create_app(
        {
            "DEVELOPMENT": True,
            "MAIL_IN_BACKGROUND": False,
            "SECRET_KEY": "a key for tests",
            "TOTP_KEYS": "another key for tests",
            "PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/test.db",
            "BREACHED_PASSWORDS_URL": f"http://127.0.0.1:{server.server_port}/range",
        }
    )
    with app.app_context():
        db.create_all()
        user = users.create("kim", "kim@example.org", passwords.hash_password(PASSWORD))
        second_factor.activate(user, SECRET, 0)
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def context(app):
    with app.app_context():
        yield app


def is_breached(password=LEAKED):
    return breached_passwords.is_breached(password)


def send(client, path, **values):
    page = client.get(path).text
    token = re.search(r'name="csrf_token".*?value="(.+?)"', page)[1]
    return client.post(path, data={"csrf_token": token, **values})


def register(app, password):
    values = {"username": "sam", "email": "sam@example.org"}
    client = app.test_client()
    return send(client, "/register", **values, password=password, confirm=password)


def change_password(app, password):
    client = app.test_client()
    send(client, "/login", username="kim", password=PASSWORD)
    send(client, "/login/code", code=TOTP(SECRET).now())
    values = {"current_password": PASSWORD, "password": password, "confirm": password}
    code = TOTP(SECRET).at(time.time() + 30)
    return send(client, "/account/password", **values, code=code)


# What a user sees


@pytest.mark.parametrize("act", [register, change_password])
def test_a_leaked_password_is_rejected_and_another_one_is_not(app, act):
    rejected = act(app, LEAKED)

    assert rejected.status_code == 422
    assert "was leaked" in rejected.text
    assert register(app, "seven kettles in a drawer").status_code == 302


def test_a_leaked_password_still_logs_in(app, server):
    server.leaked.add(digest(PASSWORD))
    answer = send(app.test_client(), "/login", username="kim", password=PASSWORD)

    assert answer.location == "/login/code"
    assert server.asked == []


def test_a_weak_password_is_not_asked_about(app, server):
    assert register(app, "passwordpassword").status_code == 422
    assert server.asked == []


def test_without_the_setting_nobody_is_asked(app, server):
    app.config["BREACHED_PASSWORDS_URL"] = ""

    assert register(app, LEAKED).status_code == 302
    assert server.asked == []


# What leaves the server


def test_five_characters_of_the_hash_are_sent_and_nothing_else(app, server):
    register(app, LEAKED)
    [(path, headers)] = server.asked

    assert path == f"/range/{digest(LEAKED)[:5]}"
    assert {*headers} == {"Host", "Accept-Encoding", "Add-Padding", "User-Agent"}
    assert headers["User-Agent"] == "Two Steps In"
    assert headers["Add-Padding"] == "true"


@pytest.mark.parametrize("issuer", ["Bücherei", "Дверь", "門", "Door™ – staff"])
def test_the_name_of_the_service_is_not_sent(context, server, issuer):
    context.config["ISSUER"] = issuer

    assert is_breached()
    assert server.asked[0][1]["User-Agent"] == "Two Steps In"


# What is understood


def test_a_line_of_padding_is_no_leak(context, server):
    server.leaked, server.padding = set(), [f"{digest(LEAKED)[5:]}:0"]

    assert not is_breached()


def test_small_letters_are_understood(context, server):
    server.answer = f"{digest(LEAKED)[5:].lower()}:3".encode()

    assert is_breached()


def test_another_password_with_the_same_beginning_is_no_leak(context, server):
    server.answer = b"0" * 35 + b":7"

    assert not is_breached()


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>Blocked</html>",
        b"\xff",
        b"0:1",
        b"A" * 35 + b":x",
        b"A" * 35 + b":" + b"9" * 5000,  # more digits than Python reads
        b"A" * 99,
    ],
)
def test_other_text_counts_as_no_answer(context, server, caplog, answer):
    server.answer = answer

    assert not is_breached()
    assert "not checked" in caplog.text


# Nobody answers


def test_if_the_server_is_away_the_password_is_taken_and_it_is_logged(app, caplog):
    app.config["BREACHED_PASSWORDS_URL"] = "http://127.0.0.1:9/range"

    assert register(app, LEAKED).status_code == 302
    [record] = [r for r in caplog.records if "not checked" in r.getMessage()]
    assert "ConnectionRefusedError" in record.getMessage()
    assert digest(LEAKED)[:5] not in caplog.text


@pytest.mark.parametrize("status", [301, 404, 429, 503])
def test_any_other_status_counts_as_no_answer(context, server, status, caplog):
    server.status = status

    assert not is_breached()
    assert "not checked" in caplog.text
    assert len(server.asked) == 1


def test_nobody_waits_for_a_server_that_says_nothing(context, server, monkeypatch):
    monkeypatch.setattr(breached_passwords, "TIMEOUT_SECONDS", 0.1)
    server.waits = Event()
    began = time.monotonic()

    assert not is_breached()
    server.waits.set()
    assert time.monotonic() - began < 2


def test_nobody_waits_for_a_header_in_small_pieces(context, server, monkeypatch):
    monkeypatch.setattr(breached_passwords, "TIMEOUT_SECONDS", 0.2)
    server.slow = Event()
    began = time.monotonic()

    assert not is_breached()
    server.slow.set()
    assert time.monotonic() - began < 2


def test_slow_answers_keep_four_threads_and_no_more(context, monkeypatch):
    stop, asked = Event(), []

    def request_range(url):
        asked.append(url)
        stop.wait(5)

    monkeypatch.setattr(breached_passwords, "TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(breached_passwords, "request_range", request_range)
    for number in range(10):
        context.extensions["breached_passwords"].paused_until = 0
        assert not is_breached(f"password number {number}")

    count = len(asked)
    stop.set()
    assert count <= 4


@pytest.mark.parametrize("error", [ValueError, UnicodeError, TypeError, LookupError])
def test_a_mistake_of_ours_is_not_taken_for_a_server_that_is_away(
    context, monkeypatch, error
):
    def parse_answer(answer):
        raise error

    monkeypatch.setattr(breached_passwords, "parse_answer", parse_answer)
    with pytest.raises(error):
        is_breached()


class Slow:
    """An answer that comes in small pieces, without an end."""

    def read1(self):
        return b"x"


def test_nobody_waits_for_an_answer_in_small_pieces():
    with pytest.raises(TimeoutError):
        breached_passwords.read_before(Slow(), time.monotonic() + 0.05)


def test_an_answer_without_an_end_is_not_read(monkeypatch):
    monkeypatch.setattr(breached_passwords, "MAX_ANSWER_BYTES", 100)

    with pytest.raises(breached_passwords.AnswerError, match="too long"):
        breached_passwords.read_before(Slow(), time.monotonic() + 60)


def test_after_a_failure_nobody_asks_for_a_minute(context, server, monkeypatch):
    server.status = 503
    assert not is_breached()
    server.status = 200
    assert not is_breached()
    assert len(server.asked) == 1

    later = time.monotonic() + 61
    monkeypatch.setattr(breached_passwords.time, "monotonic", lambda: later)
    assert is_breached()


# The cache


def test_an_answer_is_kept_for_an_hour(context, server, monkeypatch):
    assert is_breached()
    assert is_breached()
    assert len(server.asked) == 1

    later = time.monotonic() + 60 * 60 + 1
    monkeypatch.setattr(breached_passwords.time, "monotonic", lambda: later)
    assert is_breached()
    assert len(server.asked) == 2


def test_the_cache_keeps_the_latest_answers(monkeypatch):
    monkeypatch.setattr(breached_passwords, "CACHE_LENGTH", 2)
    cache = breached_passwords.Cache()
    for prefix in ("A", "B", "C"):
        cache.store(prefix, frozenset())

    assert [*cache.answers] == ["B", "C"]


# Settings


WRONG_URLS = ["ftp://x.example", "x.example", "https:///range", "https://x.example/ä"]
WRONG_URLS += ["https://x.example/a b", "https://x.example:/range", "https://ä.example"]


@pytest.mark.parametrize("url", WRONG_URLS)
def test_an_address_that_could_never_answer_stops_the_start(app, url):
    app.config |= {"BREACHED_PASSWORDS_URL": url}
    with pytest.raises(config.ConfigurationError, match="must be https://"):
        breached_passwords.init_app(app)


@pytest.mark.parametrize("url", ["http://x.example", "ftp://x.example", "x.example"])
def test_in_production_the_list_is_asked_by_https_alone(app, url):
    app.config |= {"DEVELOPMENT": False, "BREACHED_PASSWORDS_URL": url}
    with pytest.raises(config.ConfigurationError, match="must be https://"):
        breached_passwords.init_app(app)

    app.config["BREACHED_PASSWORDS_URL"] = "https://x.example/range"
    breached_passwords.init_app(app)


def test_it_is_off_unless_it_is_switched_on():
    assert config.read_environment({})["BREACHED_PASSWORDS_URL"] == ""


# What the meter lets through


def test_the_list_rejects_all_that_the_meter_lets_through(context, server):
    server.leaked |= {digest(password) for password in NOTORIOUS}
    let_through = []
    for password in NOTORIOUS:
        if passwords.find_weakness(password, "kim", "kim@example.org") == (
            breached_passwords.BREACHED_PASSWORD_MESSAGE
        ):
            let_through.append(password)

    assert len(NOTORIOUS) == 50
    assert all(len(password) >= passwords.MIN_LENGTH for password in NOTORIOUS)
    assert len(let_through) == 23
    assert LEAKED in let_through

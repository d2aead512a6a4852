"""What the assistant promises: asked as its page asks, in front of a fake model."""

import json
import re
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from threading import Event
from threading import Thread

import pytest
from pyotp import TOTP

from app import assistant
from app import create_app
from app import passwords
from app import rate_limit
from app import second_factor
from app import users
from app.db import db

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PASSWORD = "four lamps under one umbrella"
HELLO = [b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n', b"\n"]
HELLO += [b'data: {"choices": [{"delta": {"content": "lo."}}]}\n', b"\n"]
NO_TEXT = [b": still there\n", b'data: {"choices": [{"delta": {}}]}\n']
NO_TEXT += [b'data: {"choices": []}\n', b"event: ping\n"]
DONE = [b"data: [DONE]\n"]


CUT = None  # the connection is lost


class Model(BaseHTTPRequestHandler):
    """Answers as the server of a model does, with what a test has it say."""

    protocol_version = "HTTP/1.1"

    def handle(self):
        with suppress(ConnectionError):  # it was cut, or nobody listens any more
            super().handle()

    def do_POST(self):
        model = self.server
        model.headers = self.headers
        model.path = self.path
        model.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(model.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in model.events:
            self.say(event)
        self.wfile.write(b"0\r\n\r\n")

    def say(self, event):
        if event is CUT:
            raise ConnectionAbortedError
        if isinstance(event, Event):
            event.wait(5)
        else:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def log_message(self, *values):
        pass


@pytest.fixture
def model():
    with ThreadingHTTPServer(("127.0.0.1", 0), Model) as server:
        server.status, server.events, server.body = 200, [*HELLO, *DONE], None
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def app(tmp_path, model):
    app = create_app(
        {
            "DEVELOPMENT": True,
            "SECRET_KEY": "a key for tests",
            "TOTP_KEYS": "another key for tests",
            "PASSWORD_HASH_METHOD": "pbkdf2:sha256:1",
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/test.db",
            "AI_URL": f"http://127.0.0.1:{model.server_port}/v1",
            "AI_KEY": "our-key",
            "AI_MODEL": "small",
        }
    )
    with app.app_context():
        db.create_all()
        add_user("kim")
        add_user("sam")
    yield app
    with app.app_context():
        db.engine.dispose()


def add_user(name):
    password_hash = passwords.hash_password(PASSWORD)
    user = users.create(name, f"{name}@example.org", password_hash)
    second_factor.activate(user, SECRET, 0)
    db.session.commit()


class Person:
    """Somebody at the page, with its token."""

    def __init__(self, app):
        self.client = app.test_client()

    def token(self, path="/login"):
        page = self.client.get(path).get_data(as_text=True)
        return re.search(r'name="csrf_token".*?value="(.+?)"', page)[1]

    def send(self, path, **values):
        return self.client.post(path, data={"csrf_token": self.token(path), **values})

    def give_password(self, name):
        self.send("/login", username=name, password=PASSWORD)
        return self

    def log_in(self, name="kim"):
        self.give_password(name)
        answer = self.send("/login/code", code=TOTP(SECRET).now())
        assert answer.location == "/"
        self.headers = {"X-CSRFToken": self.token("/")}
        return self

    def ask(self, question="What is a door?"):
        return self.post(json={"question": question})

    def post(self, **how):
        return self.client.post("/ask", **{"headers": self.headers} | how)


@pytest.fixture
def kim(app):
    return Person(app).log_in()


def lines_of(answer):
    return [json.loads(line) for line in answer.get_data().splitlines()]


def test_an_answer_comes_piece_by_piece(kim, model):
    more = Event()
    model.events = [*HELLO[:2], more, *HELLO[2:], *DONE]
    answer = kim.ask()
    pieces = iter(answer.response)

    assert json.loads(next(pieces)) == {"text": "Hel"}
    more.set()  # and no sooner: nobody waited for the rest
    assert [json.loads(piece) for piece in pieces] == [{"text": "lo."}, {"done": True}]
    assert answer.mimetype == "application/x-ndjson"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_model_is_asked_with_our_key(kim, model):
    kim.ask("What is a <door>?").get_data()

    assert model.path == "/v1/chat/completions"
    assert model.headers["Authorization"] == "Bearer our-key"
    assert model.body["model"] == "small"
    assert model.body["messages"] == [{"role": "user", "content": "What is a <door>?"}]


def test_it_is_written_down_who_asked_and_not_what(kim, capsys):
    kim.ask("What is my illness?").get_data()
    written = capsys.readouterr().out

    assert '"event": "question_asked", "user": 1' in written
    assert "illness" not in written


def test_events_without_text_are_passed_over(kim, model):
    model.events = [*NO_TEXT, *HELLO, *NO_TEXT, *DONE]

    assert lines_of(kim.ask()) == [{"text": "Hel"}, {"text": "lo."}, {"done": True}]


def test_the_database_is_free_while_the_model_thinks(app, kim, model):
    more = Event()
    model.events = [*HELLO[:2], more, *DONE]
    pieces = iter(kim.ask().response)
    next(pieces)

    with app.app_context():
        assert db.engine.pool.checkedout() == 0
    more.set()
    list(pieces)


# Who may ask


def test_whoever_is_not_logged_in_gets_no_redirect(app, model):
    stranger, pending = Person(app), Person(app).give_password("kim")
    for person in (stranger, pending):
        person.headers = {"X-CSRFToken": person.token("/reset")}
        answer = person.ask()

        assert answer.status_code == 401
        assert answer.json == {"error": "Log in again."}
    assert model.body is None


@pytest.mark.parametrize("headers", [{}, {"X-CSRFToken": "forged"}])
def test_another_site_cannot_ask(kim, model, headers):
    answer = kim.post(json={"question": "What?"}, headers=headers)

    assert answer.status_code == 400
    assert answer.json == {"error": "This page is too old. Open it again."}
    assert model.body is None


@pytest.mark.parametrize(
    "body",
    [
        {"data": b"", "content_type": "application/json"},
        {"data": b'{"question":', "content_type": "application/json"},
        {"data": b"[" * 9000, "content_type": "application/json"},
        {"json": ["What?"]},
        {"json": {"question": ["What?"]}},
        {"json": {"question": "  "}},
        {"json": {"question": "?" * 4001}},
        {"data": {"question": "What?"}},
    ],
)
def test_what_is_no_question_is_rejected_and_costs_nothing(app, kim, model, body):
    answer = kim.post(**body)

    assert answer.status_code == 422
    assert answer.json["error"]
    assert model.body is None
    with app.app_context():
        bucket = rate_limit.bucket("question", "account", "kim")
        assert db.session.get(rate_limit.RateLimitCounter, bucket) is None


def test_the_limits_of_the_site_hold_here_too(kim):
    answer = kim.ask("?" * 17_000)

    assert answer.status_code == 413
    assert answer.json["error"]


def test_everybody_has_twenty_questions(app, kim):
    for _ in range(20):
        assert lines_of(kim.ask())[-1] == {"done": True}
    answer = kim.ask()

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= rate_limit.WINDOW_SECONDS
    assert answer.json["error"].startswith("These were many questions.")
    assert lines_of(Person(app).log_in("sam").ask())[-1] == {"done": True}


# What can go wrong


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (500, [*HELLO, *DONE]),
        (302, [*HELLO, *DONE]),
        (200, []),
        (200, HELLO),
        (200, [*HELLO, CUT]),
        (200, [*HELLO, b"data: {no json}\n"]),
        (200, [*HELLO, b'data: {"error": "overloaded"}\n', *DONE]),
    ],
)
def test_an_answer_that_breaks_off_says_so(kim, model, status, events):
    model.status, model.events = status, events
    found = lines_of(kim.ask())

    assert found[-1] == {"error": assistant.BROKEN_OFF_MESSAGE}
    assert {"done": True} not in found
    model.status, model.events = 200, [*HELLO, *DONE]
    for _ in range(assistant.MAX_CONCURRENT_ANSWERS + 1):
        assert lines_of(kim.ask())[-1] == {"done": True}


def test_a_model_that_is_away_is_one_that_breaks_off(app, kim):
    app.config["AI_URL"] = "http://127.0.0.1:1/v1"

    assert lines_of(kim.ask()) == [{"error": assistant.BROKEN_OFF_MESSAGE}]


@pytest.mark.parametrize(
    ("name", "seconds"), [("MODEL_TIMEOUT_SECONDS", 0.1), ("MAX_ANSWER_SECONDS", -1)]
)
def test_nobody_waits_for_ever(monkeypatch, kim, model, name, seconds):
    more = Event()
    monkeypatch.setattr(assistant, name, seconds)
    model.events = [*HELLO, more, *DONE]

    assert lines_of(kim.ask())[-1] == {"error": assistant.BROKEN_OFF_MESSAGE}
    more.set()


def test_the_model_leaves_room_for_those_who_log_in(kim, model):
    more = Event()
    model.events = [*HELLO[:2], more, *DONE]
    asking = [kim.ask() for _ in range(assistant.MAX_CONCURRENT_ANSWERS)]
    for answer in asking:
        next(iter(answer.response))

    assert lines_of(kim.ask()) == [{"error": assistant.BUSY_MESSAGE}]
    asking.pop().close()  # somebody closes the window
    asking.append(kim.ask())
    assert json.loads(next(iter(asking[-1].response))) == {"text": "Hel"}
    more.set()
    for answer in asking:
        answer.close()


def test_an_answer_that_nobody_reads_takes_no_slot(kim):
    for _ in range(assistant.MAX_CONCURRENT_ANSWERS + 1):
        kim.ask().close()

    assert lines_of(kim.ask())[-1] == {"done": True}


# The page


def test_the_page_may_ask(kim):
    answer = kim.client.get("/")

    assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]
    assert '<script src="/static/ask.js" type="module">' in answer.get_data(
        as_text=True
    )

"""Answers questions with a language model, whose server speaks as OpenAI's does."""

import json
import logging
import time
from contextlib import closing
from http.client import HTTPConnection
from http.client import HTTPSConnection
from threading import BoundedSemaphore
from urllib.parse import urlsplit

from flask import Blueprint
from flask import Response
from flask import abort
from flask import current_app
from flask import request
from flask_login import current_user
from werkzeug.exceptions import HTTPException

from . import audit
from . import throttle

LONGEST_QUESTION = 4000  # characters
PATIENCE = 20  # seconds in which the model says nothing; nginx waits for 30
LONGEST_ANSWER = 120  # seconds
SEATS = 2  # of the four threads of a process, so that others still can log in
BUSY = "Too many people are asking. Try again in a minute."
BROKEN_OFF = "\nThe answer breaks off here. Try again in a minute."
REFUSED = {
    400: "This page is too old. Open it again.",
    429: "These were many questions. Try again in a quarter of an hour.",
}

bp = Blueprint("assistant", __name__)
seats = BoundedSemaphore(SEATS)
log = logging.getLogger(__name__)


def init_app(app):
    app.register_blueprint(bp)


@bp.errorhandler(HTTPException)
def say_in_json(error):
    """Tell the script what went wrong, with the headers that the error came with."""
    response = error.get_response()
    response.set_data(line(error=REFUSED.get(error.code, error.description)))
    response.content_type = "application/json"
    return response


@bp.post("/ask")
def ask():
    """Answer a question, piece by piece."""
    if not current_user.is_authenticated:  # a script would follow a redirect
        abort(401, "Log in again.")
    question = asked_question()
    throttle.spend_attempt("question", current_user.username)
    audit.record("question asked", current_user)
    # Not stream_with_context: the request ends here, and its connection to the
    # database is free again before the model is asked.
    return Response(
        lines(current_app.config, question),
        mimetype="application/x-ndjson",
        headers={"X-Accel-Buffering": "no"},  # nginx hands on each piece as it comes
    )


def asked_question():
    """Return the question of the request, or refuse it (422)."""
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # [[[[[[…
        body = None
    question = body.get("question") if isinstance(body, dict) else None
    if not isinstance(question, str) or not question.strip():
        abort(422, "Type a question.")
    if len(question) > LONGEST_QUESTION:
        abort(422, f"Use at most {LONGEST_QUESTION} characters.")
    return question


def lines(config, question):
    """Yield the answer as lines of JSON; only the last one says how it ended."""
    if not seats.acquire(blocking=False):
        yield line(error=BUSY)
        return
    try:
        for piece in pieces(config, question):
            yield line(text=piece)
        yield line(done=True)
    except Exception as error:  # whatever the model does, the reader is told
        log.warning("The model broke off: %s", type(error).__name__)
        yield line(error=BROKEN_OFF)
    finally:
        seats.release()


def line(**values):
    """Return a line of JSON."""
    return json.dumps(values) + "\n"


def pieces(config, question):
    """Yield what the model says (server-sent events), until it says that it is done."""
    end = time.monotonic() + LONGEST_ANSWER
    with (
        closing(connect(config)) as connection,
        closing(send(connection, config, question)) as reply,
    ):
        for event in reply:
            if time.monotonic() > end:
                raise TimeoutError
            name, _, value = event.partition(b":")
            if name == b"data" and value.strip() == b"[DONE]":
                return
            if name == b"data":
                yield from texts(json.loads(value))
    raise EOFError


def connect(config):
    """Open a connection to the server of the model."""
    address = urlsplit(config["AI_URL"])
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    return kind(address.netloc, timeout=PATIENCE)


def send(connection, config, question):
    """Send the question; return the reply, of which nothing is read yet."""
    body = {
        "model": config["AI_MODEL"],
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 1000,
        "stream": True,
    }
    headers = {"Content-Type": "application/json"}
    headers["Authorization"] = f"Bearer {config['AI_KEY']}"
    path = f"{urlsplit(config['AI_URL']).path}/chat/completions"
    connection.request("POST", path, json.dumps(body), headers)
    reply = connection.getresponse()
    if reply.status != 200:  # a redirect too: our key goes nowhere else
        raise ConnectionError
    return reply


def texts(event):
    """Return the pieces of text in an event; some events have none."""
    found = [choice["delta"].get("content") for choice in event["choices"]]
    return [text for text in found if text]

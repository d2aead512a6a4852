"""The assistant: a language model whose server speaks as OpenAI's does."""

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
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import RequestEntityTooLarge

from . import audit
from . import rate_limit

MAX_QUESTION_LENGTH = 4000  # characters
MODEL_TIMEOUT_SECONDS = 20  # without a word from the model; nginx waits for 30
MAX_ANSWER_SECONDS = 120
MAX_CONCURRENT_ANSWERS = 2  # of a process's four threads: users can still log in
BUSY_MESSAGE = "Too many people are asking. Try again in a minute."
BROKEN_OFF_MESSAGE = "\nThe answer breaks off here. Try again in a minute."
ERROR_MESSAGES = {
    400: "This page is too old. Open it again.",
    429: "These were many questions. Try again in a quarter of an hour.",
}

bp = Blueprint("assistant", __name__)
answer_slots = BoundedSemaphore(MAX_CONCURRENT_ANSWERS)
log = logging.getLogger(__name__)


def init_app(app):
    app.register_blueprint(bp)


@bp.errorhandler(HTTPException)
def render_json_error(error):
    """Render an error as JSON for the script, with the headers that it came with."""
    response = error.get_response()
    message = ERROR_MESSAGES.get(error.code, error.description)
    response.set_data(encode_line(error=message))
    response.content_type = "application/json"
    return response


@bp.errorhandler(CSRFError)
def render_csrf_error(error):
    """Record a request without the CSRF token, and render the error as JSON."""
    rate_limit.record_rejection("csrf_rejected")
    return render_json_error(error)


@bp.errorhandler(RequestEntityTooLarge)
def render_too_large(error):
    """Record a request that is too large, and render the error as JSON."""
    rate_limit.record_rejection("body_rejected")
    return render_json_error(error)


@bp.post("/ask")
def ask():
    """Answer a question, piece by piece."""
    if not current_user.is_authenticated:  # a script would follow a redirect
        abort(401, "Log in again.")
    question = get_question_or_abort()
    rate_limit.count_attempt_now("question", current_user.username)
    audit.record("question_asked", current_user)
    # Not stream_with_context: the request ends here, and its connection to the
    # database is free again before the model is asked.
    return Response(
        stream_lines(current_app.config, question),
        mimetype="application/x-ndjson",
        headers={"X-Accel-Buffering": "no"},  # nginx hands on each piece as it comes
    )


def get_question_or_abort():
    """Return the question of the request; abort with 422 if there is none."""
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # [[[[[[…
        body = None
    question = body.get("question") if isinstance(body, dict) else None
    if not isinstance(question, str) or not question.strip():
        abort(422, "Type a question.")
    if len(question) > MAX_QUESTION_LENGTH:
        abort(422, f"Use at most {MAX_QUESTION_LENGTH} characters.")
    return question


def stream_lines(config, question):
    """Yield the answer as lines of JSON; only the last one says how it ended."""
    if not answer_slots.acquire(blocking=False):
        yield encode_line(error=BUSY_MESSAGE)
        return
    try:
        for piece in stream_pieces(config, question):
            yield encode_line(text=piece)
        yield encode_line(done=True)
    except Exception as error:  # whatever the model does, the reader is told
        log.warning("The model broke off: %s", type(error).__name__)
        yield encode_line(error=BROKEN_OFF_MESSAGE)
    finally:
        answer_slots.release()


def encode_line(**values):
    """Return a line of JSON."""
    return json.dumps(values) + "\n"


def stream_pieces(config, question):
    """Yield what the model says (server-sent events), until it says that it is done."""
    end = time.monotonic() + MAX_ANSWER_SECONDS
    with (
        closing(connect_to_model(config)) as connection,
        closing(send_question(connection, config, question)) as reply,
    ):
        for event in reply:
            if time.monotonic() > end:
                raise TimeoutError
            name, _, value = event.partition(b":")
            if name == b"data" and value.strip() == b"[DONE]":
                return
            if name == b"data":
                yield from get_texts(json.loads(value))
    raise EOFError


def connect_to_model(config):
    """Open a connection to the server of the model."""
    address = urlsplit(config["AI_URL"])
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    return kind(address.netloc, timeout=MODEL_TIMEOUT_SECONDS)


def send_question(connection, config, question):
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


def get_texts(event):
    """Return the pieces of text in an event; some events have none."""
    found = [choice["delta"].get("content") for choice in event["choices"]]
    return [text for text in found if text]

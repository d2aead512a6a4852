"""Who did what: one line of JSON for each event that matters to security."""

import json
from datetime import UTC
from datetime import datetime

from flask import g
from flask import has_request_context
from flask import request

from .db import db


def init_app(app):
    app.after_request(write_lines)


def record(event, user=None, **facts):
    """Note an event; facts are never secret: no code, token, password or address."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        "user": user.id if user else None,
    }
    if has_request_context():
        line |= {"network": request.remote_addr, "request": g.request_id}
        g.setdefault("events", []).append(line | facts)
    else:
        write(line | facts)


def undo():
    """Roll back what the request did so far, and take back the lines about it."""
    db.session.rollback()
    g.pop("events", None)


def write_lines(response):
    """Write what happened, now that it is decided: with a status of 5xx it did not."""
    for line in g.pop("events", []):
        write(line | {"status": response.status_code})
    return response


def write(line):
    """Print a line in one piece: other processes print as well."""
    print(json.dumps(line) + "\n", end="", flush=True)

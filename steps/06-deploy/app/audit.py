"""The audit log."""

import getpass
import json
import os
from datetime import UTC
from datetime import datetime

from flask import current_app
from flask import g
from flask import has_request_context
from flask import request
from sqlalchemy.event import listens_for

from .db import db


def init_app(app):
    app.after_request(write_events)


def record(event, user=None, **details):
    """Record a security event, to be written when the request has been committed.

    A command's event is written at once. Details are never secret: no code, token,
    password or address.
    """
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        "user": user.id if user else None,
    }
    if has_request_context():
        entry |= {"network": request.remote_addr, "request": g.request_id}
        g.setdefault("audit_events", []).append(entry | details)
    else:
        write_event(entry | {"operator": find_operator()} | details)


def find_operator():
    """Return the name of the person at the terminal, as the system knows it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container in which users have no names
        return "unknown"


@listens_for(db.session, "after_rollback")
def discard_events(session):
    """Discard the events of a transaction that was rolled back."""
    g.pop("audit_events", None)


def write_events(response):
    """Write the events of the request, unless it failed: then nothing happened."""
    entries = g.pop("audit_events", [])
    if response.status_code < 500:
        for entry in entries:
            write_event(entry | {"status": response.status_code})
    return response


def write_event(entry):
    """Print an event as a line, in one piece because other processes print as well."""
    line = json.dumps(entry)
    try:
        print(line + "\n", end="", flush=True)
    except OSError as error:  # the disk is full, and what happened is committed
        current_app.logger.error("Audit log: %s: %s", error, line)

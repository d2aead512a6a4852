"""Request ids."""

import secrets

from flask import g
from flask import got_request_exception


def init_app(app):
    app.before_request(assign_request_id)
    got_request_exception.connect(log_request_id, app)
    app.after_request(add_request_id)


def assign_request_id():
    """Assign a random id, by which log lines and error page can be matched."""
    g.request_id = secrets.token_hex(8)


def log_request_id(app, exception):
    """Log the id of a request that failed, next to the traceback."""
    app.logger.error("Request %s failed.", g.get("request_id"))


def add_request_id(response):
    """Add the id to the response's headers."""
    response.headers["X-Request-ID"] = g.get("request_id", "")
    return response

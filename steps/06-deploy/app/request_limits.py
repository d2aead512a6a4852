"""Limits on every request."""

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from . import errors
from . import rate_limit


def init_app(app):
    app.before_request(limit_body)  # before CSRF reads the form
    app.before_request(ignore_dates)
    app.register_error_handler(RequestEntityTooLarge, render_too_large)


def limit_body():
    """Read the body on every path, because its limit acts only when it is read."""
    request.get_data(parse_form_data=True)
    if request.content_length is None:  # chunked: one more read meets the limit
        request.stream.read()


def render_too_large(error):
    """Record a request that is too large, and render the error page."""
    rate_limit.record_rejection("body_rejected")
    return errors.render_error(error)


def ignore_dates():
    """Compare static files by their ETag alone: some dates make Werkzeug fail (500)."""
    request.environ["HTTP_IF_MODIFIED_SINCE"] = ""
    request.environ["HTTP_IF_RANGE"] = '"-"'  # matches no file: it is sent whole

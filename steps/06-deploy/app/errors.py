"""Error pages."""

from flask import current_app
from flask import request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException


def init_app(app):
    app.register_error_handler(HTTPException, render_error)


def render_error(error):
    """Render an error as a page of the site, with the headers it came with."""
    # Not render_template: it loads the user, and the database may be what failed.
    html = current_app.jinja_env.get_template("error.html").render(
        error=error,
        form_problem=find_form_problem(error),
        retry_url=retry_url(),
    )
    response = error.get_response()
    response.set_data(html)
    return response


def find_form_problem(error):
    """Return why a form was rejected before it was read, as error.html calls it."""
    if not isinstance(error, CSRFError):
        return None
    if "referrer" in error.description:  # over HTTPS, Flask-WTF asks for one
        return "no_referrer"
    if current_app.config["SESSION_COOKIE_NAME"] not in request.cookies:
        return "no_cookie"
    return "expired"


def retry_url():
    """Return the URL of the form that was rejected, or of the start page."""
    rule = request.url_rule
    if rule is None or not rule.methods >= {"GET", "POST"}:
        return "/"
    query = request.query_string.decode(errors="replace")
    return f"{request.path}?{query}".rstrip("?")

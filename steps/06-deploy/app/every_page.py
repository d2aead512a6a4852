"""What holds on every page: size, caching, CSRF, errors, the base form."""

from flask import current_app
from flask import request
from flask_wtf import CSRFProtect
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

csrf = CSRFProtect()


def init_app(app):
    app.before_request(read_body)  # before CSRF does
    csrf.init_app(app)
    app.after_request(forbid_caching)
    app.register_error_handler(HTTPException, show_error)


def read_body():
    """Read the body on every path, because only then its limits hold (413)."""
    request.get_data(parse_form_data=True)
    if request.content_length is None:  # chunked: one more read meets the limit
        request.stream.read()
    # Static files go by their ETag alone: some dates are a 500 in Werkzeug.
    request.environ |= {"HTTP_IF_MODIFIED_SINCE": "", "HTTP_IF_RANGE": '"-"'}


def forbid_caching(response):
    """Keep pages out of caches, so that Back shows nothing after logout."""
    if request.endpoint != "static" or response.status_code >= 400:
        response.headers["Cache-Control"] = "no-store"
    return response


def show_error(error):
    """Show an error in the look of the site, with the headers it came with."""
    # Not render_template: it asks who is logged in, and that may be what failed.
    template = current_app.jinja_env.get_template("error.html")
    is_old = isinstance(error, CSRFError)
    response = error.get_response()
    response.set_data(template.render(error=error, is_old=is_old, way_out=way_out()))
    return response


def way_out():
    """Return the address of the form that was refused, or of the start page."""
    rule = request.url_rule
    if rule is None or not rule.methods >= {"GET", "POST"}:
        return "/"
    query = request.query_string.decode(errors="replace")
    return f"{request.path}?{query}".rstrip("?")


class Form(FlaskForm):
    """A form that takes text and no files, and can be refused as a whole."""

    class Meta:
        def wrap_formdata(self, form, formdata):
            return request.form if form.is_submitted() else None

    def validate(self, extra_validators=None):
        """Refuse NUL, which no database takes for text."""
        if any("\0" in text for text in request.form.values()):
            self.refuse("Something in this form is not text. Type it again.")
            return False
        return super().validate(extra_validators)

    @property
    def status(self):
        """Return the status of the page that shows this form."""
        return 422 if self.is_submitted() else 200

    def refuse(self, message):
        """Say what happened and what to do, not which half was wrong."""
        self.form_errors.append(message)

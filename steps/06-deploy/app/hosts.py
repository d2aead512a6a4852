"""Trusted hosts, proxies and cookie flags."""

from urllib.parse import urlsplit

from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from . import errors
from . import rate_limit


def init_app(app):
    base_url = urlsplit(app.config["BASE_URL"])
    is_https = base_url.scheme == "https"
    hosts = [base_url.hostname, *app.config["TRUSTED_HOSTS"]]
    app.config["TRUSTED_HOSTS"] = None if app.config["DEVELOPMENT"] else hosts
    app.config["SESSION_COOKIE_SECURE"] = is_https
    proxy_count = app.config["PROXIES"]
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxy_count, x_proto=proxy_count)
    app.register_error_handler(SecurityError, render_untrusted_host)


def render_untrusted_host(error):
    """Record a request for a host that is not ours, and render the error page."""
    rate_limit.record_rejection("host_rejected")
    return errors.render_error(error)

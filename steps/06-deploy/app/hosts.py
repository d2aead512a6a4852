"""Trusted hosts, proxies and cookie flags."""

import re
from urllib.parse import urlsplit

from werkzeug.exceptions import SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from . import errors
from . import rate_limit

# 203.0.113.9:50123 or [2001:db8::7]:50123
PORT_PATTERN = re.compile(
    r"(?<![0-9a-f:.])([0-9]+(?:\.[0-9]+){3}):[0-9]+|\[([0-9a-f:.]+)\](?::[0-9]+)?"
)


def init_app(app):
    base_url = urlsplit(app.config["BASE_URL"])
    is_https = base_url.scheme == "https"
    hosts = [base_url.hostname, *app.config["TRUSTED_HOSTS"]]
    app.config["TRUSTED_HOSTS"] = None if app.config["DEVELOPMENT"] else hosts
    app.config["SESSION_COOKIE_SECURE"] = is_https
    # Browsers would ask every other server of a developer's machine for https as well.
    app.config["SENDS_HSTS"] = is_https and base_url.hostname != "localhost"
    proxy_count = app.config["PROXIES"]
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxy_count, x_proto=0)
    app.wsgi_app = fix_environ(app.wsgi_app, base_url.scheme)
    app.register_error_handler(SecurityError, render_untrusted_host)


def fix_environ(wsgi_app, scheme):
    """Wrap an app: requests come as BASE_URL says, from addresses without a port.

    A proxy may not say that it was reached by https, and the check of the Referer would
    be left out. Some proxies add a port to the address.
    """

    def wrapper(environ, start_response):
        environ["wsgi.url_scheme"] = scheme
        # With a quote that is never closed, ProxyFix would find no address at all.
        addresses = environ.get("HTTP_X_FORWARDED_FOR", "").replace('"', "")
        environ["HTTP_X_FORWARDED_FOR"] = PORT_PATTERN.sub(r"\1\2", addresses)
        return wsgi_app(environ, start_response)

    return wrapper


def render_untrusted_host(error):
    """Record a request for a host that is not ours, and render the error page."""
    rate_limit.record_rejection("host_rejected")
    return errors.render_error(error)

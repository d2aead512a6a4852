"""How the visitor's requests reach the app: in this process, or over the network."""

import re
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import Client

STEP_SESSION_PATTERN = re.compile(r"session-0[1-6]-")


class InProcessBrowser:
    """Talks to a WSGI app of this process, from a network of our choice."""

    host = "localhost"

    def __init__(self, app, network="127.0.0.1"):
        self.app = app
        self.network = network
        self.client = Client(app)

    def request(self, method, path, **how):
        """Send one request; return status, headers and body.

        A header with cookies takes the place of those that we keep.
        """
        environ = {"REMOTE_ADDR": self.network}
        own_cookies = "Cookie" not in (how.get("headers") or {})
        client = self.client if own_cookies else Client(self.app, use_cookies=False)
        with client.open(path, method=method, environ_base=environ, **how) as reply:
            return reply.status_code, reply.headers, reply.get_data()

    @property
    def cookies(self):
        """Return the cookies, by name."""
        return {c.key: c for c in self.client._cookies.values()}

    def keep(self, cookies):
        """Put cookies of another browser in the place of our own.

        Each step names its session after its folder. A thief would change the name.
        """
        self.client = Client(self.app)
        for name, cookie in cookies.items():
            ours = STEP_SESSION_PATTERN.match(name)
            name = self.app.config["SESSION_COOKIE_NAME"] if ours else name
            self.client.set_cookie(name, cookie.value)


class NetworkBrowser:
    """Talks to a running server, and counts what may count as a guess there."""

    guesses = 0

    def __init__(self, url, network=None):
        if network:
            pytest.skip("not run with --url: the test needs a second network")
        self.url = url.rstrip("/")
        self.host = urlsplit(url).hostname
        self.session = requests.Session()
        self.session.trust_env = False

    def request(self, method, path, data=None, content_type=None, headers=None, **how):
        """Send one request; return status, headers and body."""
        if how:
            pytest.skip("not run with --url: the test needs a request of its own make")
        NetworkBrowser.guesses += method == "POST"
        headers = dict(headers or {})
        if content_type:
            headers["Content-Type"] = content_type
        reply = self.session.request(
            method,
            self.url + path,
            data=data,
            headers=headers,
            allow_redirects=False,
            timeout=30,
        )
        return reply.status_code, reply.headers, reply.content

    @property
    def cookies(self):
        """Return the cookies, by name."""
        return {cookie.name: cookie for cookie in self.session.cookies}

    def keep(self, cookies):
        """Put cookies of another browser in the place of our own."""
        self.session.cookies.clear()
        for cookie in cookies.values():
            self.session.cookies.set_cookie(cookie)

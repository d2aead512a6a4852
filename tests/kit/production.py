"""The last step as it runs in production: its settings, and a browser over https."""

from tests.kit.browser import InProcessBrowser
from tests.kit.stage import database_of
from tests.kit.visitor import Visitor

HOST = "door.example.org"
ORIGIN = f"https://{HOST}"
SETTINGS = {
    "SECRET_KEY": "8f4e1b0c6a2d9375e1f08b6c4d2a7395e0f1b8c6d4a29375",
    "TOTP_KEYS": "27c9d1e5f3a8b604c2d7e9f1a3b5860472c9d1e5f3a8b604",
    "DATABASE_URL": "postgresql://door:a-password@db.example.org/door",
    "BASE_URL": ORIGIN,
    "MAIL_SERVER": "smtp.example.org",
    "MAIL_DEFAULT_SENDER": "door@example.org",
}
PRODUCTION = SETTINGS | {
    "TESTING": False,
    "DEVELOPMENT": False,
    "TRUSTED_HOSTS": [],
}


class HttpsBrowser(InProcessBrowser):
    """Talks to an app of this process by the name that it has for visitors."""

    host = HOST

    def request(self, method, path, **how):
        """Send one request, as a browser does that shows a page of the site."""
        how["headers"] = {"Referer": f"{ORIGIN}/"} | dict(how.get("headers") or {})
        return super().request(method, path, **{"base_url": ORIGIN} | how)

    def keep(self, cookies):
        """Put cookies of another browser in the place of our own."""
        super().keep({})
        for cookie in cookies.values():
            self.client.set_cookie(cookie.key, cookie.value, domain=HOST, secure=True)


def in_production(step, clock, **config):
    """Start a step with the settings of production, but with a database of the test."""
    uri = f"sqlite:///{database_of(step)}"
    database = {"DATABASE_URL": uri, "SQLALCHEMY_DATABASE_URI": uri}
    site = step.start(clock, **PRODUCTION | database | config)
    site.app.config["MAIL_SERVER"] = ""  # the tests read what is printed
    site.visitor = lambda network="127.0.0.1": https_visitor(site, network)
    return site


def https_visitor(site, network="127.0.0.1"):
    """Return a visitor with a new browser, who comes over https."""
    return Visitor(HttpsBrowser(site.app, network), site)

"""A visitor: opens pages, fills in forms by field name, follows links."""

from functools import cached_property
from urllib.parse import urlencode
from urllib.parse import urljoin
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser

from tests.kit.names import ContractMap


class NotOfferedError(AssertionError):
    """The page does not have what the visitor looks for."""


def __tracebackhide__(caught):  # noqa: N807  pytest's name for it
    """Keep a traceback to the lines of the test, if a page lacks something."""
    return caught.errisinstance(NotOfferedError)


class Page:
    """What the visitor sees."""

    def __init__(self, visitor, path, status, headers, body):
        self.visitor = visitor
        self.path = path
        self.status = status
        self.headers = headers
        self.html = body.decode(errors="replace")

    def __repr__(self):
        return f"<{self.status} {self.path}: {self.title!r}>"

    @cached_property
    def document(self):
        """Return the parsed page."""
        return LexborHTMLParser(self.html)

    @property
    def title(self):
        """Return what the browser's tab shows."""
        title = self.document.css_first("title")
        return title.text() if title else ""

    @property
    def text(self):
        """Return the text of the page, with single blanks."""
        return " ".join(self.document.body.text(separator=" ").split())

    def find_all(self, selector):
        """Return the elements that a CSS selector names."""
        return self.document.css(selector)

    def find(self, selector):
        """Return the one element that a CSS selector names."""
        found = self.find_all(selector)
        if not found:
            raise self.lacks(f"nothing that matches {selector!r}")
        return found[0]

    def form(self, *names):
        """Return the form that has fields of these names."""
        for form in self.find_all("form"):
            if all(form.css(f"input[name={name}]") for name in names):
                return form
        raise self.lacks(f"no form with {', '.join(names)}")

    def lacks(self, what):
        """Return the error that says what is missing, and what there is instead."""
        if self.status == 404:
            return NotOfferedError(f"there is no page {self.path.partition('?')[0]}")
        fields = [field.attributes["name"] for field in self.find_all("form [name]")]
        return NotOfferedError(
            f"{self!r} has {what}. Fields of its forms: {', '.join(fields) or 'none'}"
        )

    def filled_in(self, **values):
        """Return where a form goes and what it sends, filled in with these values."""
        form = self.form(*values)
        target = urljoin(self.path, form.attributes.get("action") or "")
        return target, contents(form) | values

    def fill_in(self, **values):
        """Fill in the form that has these fields, and send it."""
        return self.send(self.form(*values), **values)

    def press(self, name):
        """Press the button of this name."""
        [form] = [form for form in self.find_all("form") if form.css(f"[name={name}]")]
        value = form.css_first(f"[name={name}]").attributes.get("value") or ""
        return self.send(form, **{name: value})

    def send(self, form, **values):
        """Send a form as a browser does: by POST, if the form says so."""
        target = urljoin(self.path, form.attributes.get("action") or "")
        data = contents(form) | values
        if not is_sent_by_post(form):
            return self.visitor.open(f"{target.partition('?')[0]}?{urlencode(data)}")
        return self.visitor.send(target, data)

    def follow(self, words):
        """Follow the link with these words."""
        for link in self.find_all("a[href]"):
            if words in link.text():
                return self.visitor.open(urljoin(self.path, link.attributes["href"]))
        raise NotOfferedError(f"{self!r} has no link {words!r}")


def is_sent_by_post(form):
    """Tell how a browser sends a form: without a word about it, in the address."""
    return (form.attributes.get("method") or "get").lower() == "post"


def contents(form):
    """Return what the fields of a form hold, by name, without boxes left empty."""
    unticked = "[type=checkbox]:not([checked])"
    fields = [field.attributes for field in form.css(f"input[name]:not({unticked})")]
    return {field["name"]: field.get("value") or "" for field in fields}


class Visitor:
    """Somebody with a browser."""

    def __init__(self, browser, site=None, names=None):
        self.browser = browser
        self.site = site
        self.names = names or ContractMap()
        self.page = None

    def ask(self, method, path, **how):
        """Send one request and show the answer as it is, redirects included."""
        path = path.partition("#")[0]
        there, how = self.names.to_app(path, how)
        answer = self.browser.request(method, there, **how)
        return Page(self, path, *self.names.from_app(path, *answer))

    def open(self, path):
        """Open a page, as a browser does: follow redirects."""
        return self._follow(self.ask("GET", path))

    def send(self, path, data, **how):
        """Send a form, as a browser does."""
        return self._follow(self.ask("POST", path, data=data, **how))

    def fill_in(self, **values):
        """Fill in the form of the page that is open."""
        return self.page.fill_in(**values)

    def give_password(self, account, to="/login"):
        """Open the password page and give the account's name and password."""
        page = self.open(to)
        return page.fill_in(username=account.username, password=account.password)

    def log_in(self, account, to="/login"):
        """Log in with all that the account has."""
        page = self.give_password(account, to)
        if (
            page.status == 200
            and page.find_all("[name=code]")
            and account.authenticator
        ):
            page = page.fill_in(code=account.authenticator.code())
        if not self.is_logged_in():
            raise NotOfferedError(f"{account!r} could not log in: {page!r} {page.text}")
        return page

    def log_out(self):
        """Press the button of the page that logs out."""
        page = self.open("/")
        return page.send(page.find("form[action$='/logout']"))

    def is_logged_in(self):
        """Tell whether the protected page opens."""
        return self.ask("GET", "/").status == 200

    def take_cookies_of(self, victim):
        """Put a copy of somebody's cookies in the place of our own."""
        self.browser.keep(victim.browser.cookies)
        return self

    def _follow(self, page):
        for _ in range(10):
            if page.status not in (301, 302, 303, 307, 308):
                break
            target = urlsplit(urljoin(page.path, page.headers["Location"]))
            if target.hostname not in (None, self.browser.host):
                raise AssertionError(f"{page!r} leads away, to {target.geturl()}")
            path = target.path or "/"
            page = self.ask("GET", f"{path}?{target.query}" if target.query else path)
        self.page = page
        return page

"""How an app that exists already names what the contract names: --map=FILE."""

import re
import tomllib
from urllib.parse import urljoin
from urllib.parse import urlsplit

import pytest
from selectolax.lexbor import LexborHTMLParser

PATHS = {
    "/",
    "/login",
    "/logout",
    "/login/code",
    "/enrol",
    "/login/recovery",
    "/register",
    "/register/verify",
    "/reset",
    "/reset/<token>",
    "/reset/new",
    "/account",
    "/account/password",
    "/account/phone",
    "/account/recovery-codes",
    "/healthz",
    "/readyz",
    "/.well-known/change-password",
}
FIELDS = {
    "username",
    "password",
    "code",
    "recovery_code",
    "email",
    "confirm",
    "email_code",
    "current_password",
    "csrf_token",
    "resend",
}
TABLES = {
    "user": {"username", "password", "secret"},
    "paths": PATHS,
    "fields": FIELDS | PATHS,
    "elements": {"secret", "recovery-code"},
    "app": {"create_user", "create_tables", "migrations"},
}


def read_names(file):
    """Return the names in a file, or raise ValueError with what is wrong with it."""
    try:
        tables = tomllib.loads(file.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not UTF-8: save it as UTF-8") from None
    for table, names in tables.items():
        if table not in TABLES:
            raise ValueError(f"there is no table [{table}], but {listed(TABLES)}")
        for name, value in names.items():
            if name not in TABLES[table]:
                known = listed(TABLES[table])
                raise ValueError(f"[{table}] {name!r}: the left side is one of {known}")
            check_value(name, value)
    return ContractMap(**tables)


def check_value(name, value):
    """Refuse a right side that is no text, but for the fields of one page."""
    values = value.values() if name in PATHS and isinstance(value, dict) else [value]
    if not all(isinstance(text, str) for text in values):
        raise ValueError(f"{name!r}: the right side is a text in quotes")


def listed(names):
    """Return names as a list in a sentence."""
    return ", ".join(sorted(names))


class ContractMap:
    """Paths, fields, elements and the user of an app; without a file, the contract's.

    A request goes out with the names of the app, the answer comes in with ours, so that
    the tests need not know.
    """

    def __init__(self, user=(), paths=(), fields=(), elements=(), app=()):
        self.user = dict(user)
        self.paths = dict(paths)
        self.elements = dict(elements)
        self.app = dict(app)
        self.page_fields = {n: v for n, v in dict(fields).items() if n in PATHS}
        self.global_fields = {n: v for n, v in dict(fields).items() if n not in PATHS}

    def to_app(self, path, how):
        """Return path and content of a request, as the app names them."""
        if not (self.paths or self.global_fields or self.page_fields):
            return path, how
        where, mark, query = path.partition("?")
        names = self.fields_of(where)
        there = translate_path(where, self.paths.items())
        if there == "":
            pytest.skip(f"not offered by this app: {where}")
        there = there or where
        if "data" in how:
            how = how | {"data": renamed(how["data"], names)}
        return there + mark + query, how

    def from_app(self, path, status, headers, body):
        """Return an answer with our names."""
        there, _ = self.to_app(path, {})
        if "Location" in headers:
            headers = headers.copy()
            headers["Location"] = self.contract_path(headers["Location"], there)
        if any((self.paths, self.global_fields, self.page_fields, self.elements)):
            kind = headers.get("Content-Type", "")
            body = self.read(body, there) if kind.startswith("text/html") else body
        return status, headers, body

    def fields_of(self, path):
        """Return the names of the fields of a page: ours, and for each one theirs."""
        return self.global_fields | self.page_fields.get(path, {})

    def contract_path(self, address, base):
        """Return an address with our path; one that we do not know stays as it is."""
        try:
            there = urlsplit(urljoin(base, address))
        except ValueError:  # a test has asked for nonsense
            return address
        names = [(v, n) for n, v in self.paths.items() if v]
        path = translate_path(there.path, names)
        return there._replace(path=path).geturl() if path else address

    def read(self, body, there):
        """Return a page with our names for links, forms and elements."""
        page = LexborHTMLParser(body)
        for link in page.css("a[href]"):
            link.attrs["href"] = self.contract_path(
                link.attributes["href"] or "", there
            )
        for form in page.css("form"):
            action = self.contract_path(form.attributes.get("action") or there, there)
            form.attrs["action"] = action
            names = self.fields_of(urlsplit(action).path)
            ours = {theirs: name for name, theirs in names.items()}
            for field in form.css("[name]"):
                name = field.attributes["name"]
                field.attrs["name"] = ours.get(name, name)
        for element in page.css(self.elements.get("secret", "#secret")):
            element.attrs["id"] = "secret"
        for element in page.css(self.elements.get("recovery-code", ".recovery-code")):
            element.attrs["class"] = "recovery-code"
        return page.html.encode()


def translate_path(path, pairs):
    """Return what stands for a path in these pairs, or None; <token> is any word."""
    for old, new in pairs:
        found = re.fullmatch(re.escape(old).replace("<token>", "([^/]+)"), path)
        if found:
            return new.replace("<token>", found[1]) if found.groups() else new
    return None


def renamed(data, names):
    """Return the content of a form, be it by name or as bytes, with other names."""
    if isinstance(data, dict):
        return {names.get(name, name): value for name, value in data.items()}
    if not isinstance(data, bytes) or not names:
        return data
    contract_path = "|".join(map(re.escape, names)).encode()
    field = rb'(^|&|[; ]name=")(%s)(?=["=&]|$)' % contract_path
    return re.sub(field, lambda m: m[1] + names[m[2].decode()].encode(), data)

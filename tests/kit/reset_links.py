"""The links that reset a password: ask for one, follow it, and read what it says."""

from urllib.parse import urlsplit

import jwt

from tests.kit.accounts import ADDRESS
from tests.kit.accounts import NEW_PASSWORD


def ask_for_link(visitor, address=ADDRESS):
    """Ask for a link; return the page that answers."""
    return visitor.open("/reset").fill_in(email=address)


def mailed_link(site, address=ADDRESS):
    """Ask for a link and return its path, as it stands in the mail."""
    ask_for_link(site.visitor(), address)
    [link] = [mail.link for mail in site.mails() if "/reset/" in mail.text]
    return urlsplit(link).path


def form_behind(site, link, visitor=None):
    """Follow a link; return the page that asks for the new password."""
    page = (visitor or site.visitor()).open(link)
    page.form("password", "confirm")
    return page


def open_link(site, address=ADDRESS):
    """Ask for a link and follow it; return the page that asks for the new password."""
    return form_behind(site, mailed_link(site, address))


def choose(page, code, password=NEW_PASSWORD, **values):
    """Give a new password and a code; return the page that answers."""
    values = {"password": password, "confirm": password, "code": code} | values
    return page.fill_in(**values)


def claims_of(link):
    """Return what a link says."""
    token = link.rpartition("/")[2]
    return jwt.decode(token, options={"verify_signature": False})


def opens_form(site, token):
    """Tell whether a token opens the form that sets a password; it may never fail."""
    visitor = site.visitor()
    answer = visitor.ask("GET", f"/reset/{token}")
    assert answer.status < 500, token[:80]
    page = visitor.open("/reset/new")
    assert page.status < 500, token[:80]
    return page.path == "/reset/new"


def password_works(site, account, password):
    """Tell whether a password leads to the code page, and no further."""
    visitor = site.visitor(network="198.51.100.200")
    page = visitor.open("/login").fill_in(username=account.username, password=password)
    if page.status == 422:
        return False
    assert page.path == "/login/code"
    assert not visitor.is_logged_in()
    return True

"""The code that is mailed to a new address, and addresses that look like another."""

from tests.kit.accounts import ADDRESS
from tests.kit.stage import fill_in_registration

LOOK_ALIKES = [
    "k\N{LATIN SMALL LETTER DOTLESS I}m@example.org",
    "\N{KELVIN SIGN}im@example.org",
    "\N{FULLWIDTH LATIN SMALL LETTER K}im@example.org",
    "kim@example\N{FULLWIDTH FULL STOP}org",
    "kim@ex\N{CYRILLIC SMALL LETTER A}mple.org",
    "ki\N{ZERO WIDTH SPACE}m@example.org",
    "kim\0@example.org",
    "kim@example.org,thief@example.net",
    "kim@example.org\nthief@example.net",
    "Kim <kim@example.org>",
    "kim@example.org thief@example.net",
]


def begin(site, **values):
    """Register with a new address; return the page that asks for the mailed code."""
    page = fill_in_registration(site.visitor(), **{"email": ADDRESS} | values)
    assert page.path == "/register/verify"
    return page


def mailed_code(site):
    """Return the one code that was mailed since we looked last."""
    [mail] = site.mails()
    return mail.code


def ask_again(page):
    """Ask for another mail."""
    return page.press("resend")


def wrong(code):
    """Return another code than this one."""
    return f"{(int(code) + 1) % 10**8:08}"

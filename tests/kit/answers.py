"""What answers say besides their text: are two alike, and what is in a cookie?"""

import base64
import json
import re
import zlib

from tests.kit.accounts import ADDRESS


def assert_alike(page, other, has_cookies=True):
    """Make sure that two answers differ in nothing but what was typed."""
    assert page.status == other.status
    assert page.path == other.path
    names = [dict.fromkeys(p.headers.keys()) for p in (page, other)]
    assert names[0] == names[1]
    for name in names[0]:
        if name not in ("Set-Cookie", "Content-Length", "X-Request-ID"):
            assert page.headers[name] == other.headers[name], name
    typed = ADDRESS, "new@example.org"
    texts = [
        without_what_differs(p, typed[0]).replace(typed[1], "") for p in (page, other)
    ]
    assert texts[0] == texts[1]
    sizes = [
        # without the cookie itself: compressed, it is sometimes a few bytes longer
        {
            n: len(content_of(c)) - len(c.value)
            for n, c in p.visitor.browser.cookies.items()
        }
        for p in (page, other)
    ]
    assert sizes[0] == sizes[1] or not has_cookies


def token_of(page):
    """Return the CSRF token of a page."""
    return page.find("[name=csrf_token]").attributes["value"]


def without_what_differs(page, username):
    """Return the page without its CSRF token and without the name that was typed."""
    html = re.sub(r'name="csrf_token"[^>]*>', "", page.html)
    return html.replace(username, "")


def content_of(cookie):
    """Return all that a cookie says to whoever decodes it, as bytes."""
    value = cookie.value
    body = value.lstrip(".").split(".")[0]
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    data = zlib.decompress(data) if value.startswith(".") else data
    return data + value.encode() + json.dumps(json.loads(data)).encode()

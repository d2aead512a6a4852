"""Pages of an app, made fit for a frame that has no network."""

import base64
import html
import mimetypes
import re
import secrets
from urllib.parse import urljoin
from urllib.parse import urlsplit

REFERENCE = re.compile(
    r'<link\b[^>]*?\brel="(?P<rel>\w+)"[^>]*?\bhref="(?P<href>[^"]+)"[^>]*>'
    r'|<script\b[^>]*?\bsrc="(?P<src>[^"]+)"[^>]*></script>'
    r'|(?<=<img src=")(?P<img>[^"]+)(?=")'
)
AUTOFOCUS = re.compile(r"(<[^>]*\s)autofocus\b")  # such a frame is refused it
CLOSED = "default-src 'none'; img-src data:; form-action 'none'; base-uri 'none'; "
OPEN = CLOSED + "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
BRIDGE = "/*bridge*/"  # the page puts its script here


def prepare(response, url, fetch):
    """Return the HTML of a response with all that it refers to.

    `fetch` takes a path of the app and returns the response. The policy of the app
    stays: 'self' becomes a nonce, which what comes from its own folder is given.
    """
    nonce = secrets.token_urlsafe(16)
    text = response.get_data(as_text=True)
    if response.mimetype != "text/html":
        text = f"<!doctype html><head></head><pre>{html.escape(text)}</pre>"
    text = REFERENCE.sub(lambda match: inlined(match, url, nonce, fetch), text)
    text = AUTOFOCUS.sub(r"\1data-autofocus", text)
    policy = policy_for(response.headers.get("Content-Security-Policy"), nonce)
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    head += f'<script nonce="{nonce}">{BRIDGE}</script>'
    return text.replace("<head>", f"<head>{head}", 1)


def policy_for(policy, nonce):
    """Return a policy that means in the frame what the app's means in a browser."""
    if not policy:
        return OPEN
    policy = re.sub(r"; *frame-ancestors [^;]*", "", policy)  # not allowed in a meta
    policy = re.sub(r"(img-src[^;]*)'self'", r"\1data:", policy)
    return re.sub(r"(script-src|style-src) 'self'", rf"\1 'nonce-{nonce}'", policy)


def inlined(match, url, nonce, fetch):
    """Return the content of a file in the place of a reference to it."""
    target = urlsplit(urljoin(url, match["href"] or match["src"] or match["img"]))
    is_ours = target.netloc == urlsplit(url).netloc
    file = fetch(target.path) if is_ours else None
    if file is None or file.status_code != 200:
        return "data:," if match["img"] else "<!-- not there -->"
    if match["src"]:  # a module waits for the page, as `defer` does
        return f'<script type="module" nonce="{nonce}">{file.text}</script>'
    if match["rel"] == "stylesheet":
        return f'<style nonce="{nonce}">{file.text}</style>'
    kind = mimetypes.guess_type(target.path)[0]
    data = f"data:{kind};base64,{base64.b64encode(file.data).decode()}"
    return data if match["img"] else ""

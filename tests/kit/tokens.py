"""Tokens, as the last steps sign them, and those that no library would sign."""

import base64
import hmac
import json

from tests.kit.stage import CONFIG


def key_for(purpose, secret=None):
    """Return the key that the step derives for a purpose."""
    secret = (secret or CONFIG["SECRET_KEY"]).encode()
    return hmac.digest(secret, purpose.encode(), "sha256")


def part(value):
    """Return a part of a token."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(claims, key, algorithm="HS256"):
    """Return a token with any claims, even such as no library would sign."""
    head = part({"alg": algorithm, "typ": "JWT"})
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    text = f"{head}.{part(claims)}"
    return f"{text}.{part(hmac.digest(key, text.encode(), digest))}"

"""The cookie by which a browser that completed a login is known.

It is no factor: attempts are counted by it (OWASP, Device Cookies), so that a stranger
who uses up the attempts of an account does not keep its owner out.
"""

import secrets
from hashlib import sha256

from flask import after_this_request
from flask import current_app
from flask import request
from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from . import crypto
from . import store
from .rate_limit import bucket

DEVICE_COOKIE_SECONDS = 365 * 24 * 60 * 60


def cookie_name():
    """Return the name of the cookie; over HTTPS, no subdomain can set it."""
    is_secure = current_app.config["SESSION_COOKIE_SECURE"]
    return "__Host-device" if is_secure else "device"


def hash_name(name):
    """Return what stands for a typed name in a cookie that others may read.

    It is that spelling alone: in your app "Kim" and "kim" may be two users.
    """
    return bucket("device name", name)


def get_serializer():
    """Return what signs the cookies."""
    return URLSafeTimedSerializer(
        crypto.derive_key("device cookie"),
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )


def find_device(name):
    """Return user id and device id if this browser completed a login by this name.

    Return None and None for others. A new password ends the cookies of its user.
    """
    cookie = request.cookies.get(cookie_name(), "")
    try:
        user_id, device_salt, name_hash, device_id = get_serializer().loads(
            cookie, max_age=DEVICE_COOKIE_SECONDS
        )
        row = store.find(store.parse_user_id(user_id))
    except (BadData, ValueError):  # of before the users got keys of another kind
        return None, None
    is_valid = row.device_salt == device_salt and name_hash == hash_name(name)
    return (user_id, device_id) if is_valid else (None, None)


def issue(user_id, device_salt, name):
    """Set a new device cookie in this browser, unless the request fails."""
    values = [str(user_id), device_salt, hash_name(name), secrets.token_urlsafe(16)]
    cookie = get_serializer().dumps(values)

    @after_this_request
    def set_cookie(response):
        if response.status_code < 500:
            response.set_cookie(
                cookie_name(),
                cookie,
                max_age=DEVICE_COOKIE_SECONDS,
                secure=current_app.config["SESSION_COOKIE_SECURE"],
                httponly=True,
                samesite="Lax",
            )
        return response

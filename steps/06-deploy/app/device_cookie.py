"""The cookie by which a browser that completed a login is known."""

import secrets
from hashlib import sha256

from flask import after_this_request
from flask import current_app
from flask import request
from flask import session
from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from . import crypto
from . import outbox
from . import users

DEVICE_COOKIE_SECONDS = 365 * 24 * 60 * 60


def cookie_name():
    """Return the name of the cookie; over HTTPS, no subdomain can set it."""
    is_secure = current_app.config["SESSION_COOKIE_SECURE"]
    return "__Host-device" if is_secure else "device"


def serializer_for(user):
    """Return the serializer of a user's cookies; a new password ends them all."""
    return URLSafeTimedSerializer(
        crypto.derive_key("device cookie"),
        salt=user.password_hash,
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )


def find_device_id(username):
    """Return the id of this browser if it completed a login of this user, or None.

    The id is no factor: attempts are counted by it (OWASP, Device Cookies).
    """
    cookie = request.cookies.get(cookie_name())
    user = users.find_by_username(username) if cookie else None
    if user is None:
        return None
    try:
        user_id, device_id = serializer_for(user).loads(
            cookie, max_age=DEVICE_COOKIE_SECONDS
        )
    except BadData:
        return None
    return device_id if user_id == user.id else None


def get_pending_device_id():
    """Return the device id with which the pending login began, or None."""
    return session.get("pending_login", {}).get("device_id")


def issue_device_cookie(user):
    """Set a new device cookie in this browser, unless the request fails."""
    value = serializer_for(user).dumps([user.id, secrets.token_urlsafe(16)])

    @after_this_request
    def set_cookie(response):
        if response.status_code < 500:
            response.set_cookie(
                cookie_name(),
                value,
                max_age=DEVICE_COOKIE_SECONDS,
                secure=current_app.config["SESSION_COOKIE_SECURE"],
                httponly=True,
                samesite="Lax",
            )
        return response


def notify_of_new_browser(user):
    """Enqueue an email if the pending login began without a device cookie."""
    if get_pending_device_id() is None:
        outbox.enqueue("new_browser", user.email)

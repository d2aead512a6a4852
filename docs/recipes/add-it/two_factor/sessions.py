"""What the session knows: a pending login, or a complete one."""

import hmac
import secrets
import time

from flask import current_app
from flask import session

PENDING, LOGIN = "two_factor_pending", "two_factor_login"  # keys of the session
PENDING_LOGIN_SECONDS = 10 * 60  # from the right password to the code


def begin_pending_login(user_id, session_token, remember, name, device_id):
    """Note that the password was right, and the code is still to come."""
    session[PENDING] = {
        "session_id": secrets.token_urlsafe(16),  # of a secret on the server
        "user_id": str(user_id),
        "session_token": session_token,
        "started_at": int(time.time()),  # epoch seconds
        "remember": bool(remember),
        "name": name,  # as it was typed beside the password
        "device_id": device_id,  # of the device cookie, if the browser had one
    }


def begin_login(user_id, session_token, remember):
    """Note that both factors were right; return whether the login is remembered."""
    now = int(time.time())
    remember = bool(remember and current_app.config["TWO_FACTOR_REMEMBER_SECONDS"])
    session[LOGIN] = {
        "user_id": str(user_id),
        "session_token": session_token,
        "logged_in_at": now,  # epoch seconds
        "last_seen_at": now,
        "remember": remember,
    }
    session.permanent = remember


def update(key, **values):
    """Change what the session knows of a login."""
    session[key] = session[key] | values


def pending_login_expired(pending):
    """Return whether a pending login began too long ago."""
    return time.time() - pending["started_at"] > PENDING_LOGIN_SECONDS


def login_expired(login):
    """Return whether a login is too old or was idle for too long."""
    config, now = current_app.config, time.time()
    age, idle = now - login["logged_in_at"], now - login["last_seen_at"]
    if login["remember"]:
        return age > config["TWO_FACTOR_REMEMBER_SECONDS"]
    is_idle = idle > config["TWO_FACTOR_IDLE_SECONDS"]
    return is_idle or age > config["TWO_FACTOR_LIFETIME_SECONDS"]


def touch_login():
    """Store the time of this request in the session, at most once a minute."""
    now = int(time.time())
    if (
        now - session[LOGIN]["last_seen_at"] > 60
    ):  # not a new cookie with every response
        update(LOGIN, last_seen_at=now)


def is_same(one, other):
    """Return whether two tokens are the same, in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())

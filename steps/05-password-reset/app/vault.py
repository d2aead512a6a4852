"""Encrypts what nobody may read in the database."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet
from cryptography.fernet import MultiFernet
from flask import current_app


def init_app(app):
    keys = app.config["TOTP_KEYS"].split(",")
    app.extensions["vault"] = MultiFernet([fernet(key.strip()) for key in keys])


def fernet(key):
    """Return the cipher of a key, which may be any long random text."""
    return Fernet(urlsafe_b64encode(sha256(key.encode()).digest()))


def key_for(purpose):
    """Return a key of 256 bits that serves one purpose, and tells of no other."""
    key = current_app.config["SECRET_KEY"]
    return hmac.digest(key.encode(), purpose.encode(), "sha256")


def encrypt(owner, secret):
    """Encrypt a secret so that it can be decrypted for its owner alone."""
    text = f"{owner}:{secret}"  # Fernet binds a text to nothing else
    return current_app.extensions["vault"].encrypt(text.encode()).decode()


def decrypt(owner, ciphertext):
    """Decrypt a secret; raise ValueError if it was encrypted for somebody else."""
    text = current_app.extensions["vault"].decrypt(ciphertext).decode()
    found, _, secret = text.rpartition(":")
    if found != str(owner):
        raise ValueError("this secret belongs to somebody else")
    return secret

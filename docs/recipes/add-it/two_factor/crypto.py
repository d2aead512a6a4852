"""Encryption of secrets, and keys derived from SECRET_KEY."""

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.fernet import Fernet
from cryptography.fernet import InvalidToken
from cryptography.fernet import MultiFernet
from flask import current_app


def init_app(app):
    keys = app.config["TOTP_KEYS"].split(",")
    fernets = [fernet_from_key(key.strip()) for key in keys]
    app.extensions["totp_fernet"] = MultiFernet(fernets)


def fernet_from_key(key):
    """Return the cipher of a key, which may be any long random text."""
    return Fernet(urlsafe_b64encode(sha256(key.encode()).digest()))


def derive_key(purpose):
    """Return a key of 32 bytes that serves one purpose and reveals no other key."""
    secret_key = current_app.config["SECRET_KEY"]
    return hmac.digest(secret_key.encode(), purpose.encode(), "sha256")


def encrypt_for(owner, secret):
    """Encrypt a secret so that it can be decrypted for its owner alone."""
    text = f"{owner}:{secret}"  # Fernet has no associated data to bind the owner with
    return current_app.extensions["totp_fernet"].encrypt(text.encode()).decode()


def reencrypt(ciphertext):
    """Encrypt with the first key what any of the keys encrypted."""
    return current_app.extensions["totp_fernet"].rotate(ciphertext).decode()


def decrypt_for(owner, ciphertext):
    """Decrypt a secret; raise ValueError for another owner's, or another key's."""
    try:
        text = current_app.extensions["totp_fernet"].decrypt(ciphertext).decode()
    except InvalidToken:
        raise ValueError("none of TOTP_KEYS decrypts this secret") from None
    found, _, secret = text.rpartition(":")
    if found != str(owner):
        raise ValueError("this secret was encrypted for another owner")
    return secret


def can_decrypt_for(owner, ciphertext):
    """Return whether a secret can be decrypted for this owner."""
    try:
        decrypt_for(owner, ciphertext)
    except ValueError:
        return False
    return True

"""Fernet (github.com/fernet/spec): AES-128-CBC by @noble/ciphers, and HMAC-SHA-256."""

import base64
import binascii
import hmac
import os
import time

import noble
from pyodide.ffi import to_js

VERSION = b"\x80"
IV_BYTES = 16
BLOCK_BYTES = 16
HEAD_BYTES = 1 + 8 + IV_BYTES  # version, time in seconds, initialisation vector
SIGNATURE_BYTES = 32


class InvalidToken(Exception):  # noqa: N818  cryptography calls it so
    """The token was not made with this key, or was changed."""


class Fernet:
    """Encrypts, and notices each change."""

    def __init__(self, key):
        key = base64.urlsafe_b64decode(key)
        if len(key) != 32:
            raise ValueError("Fernet key must be 32 url-safe base64-encoded bytes.")
        self._signing_key, self._encryption_key = key[:16], key[16:]

    @classmethod
    def generate_key(cls):
        """Return a new key."""
        return base64.urlsafe_b64encode(os.urandom(32))

    def encrypt(self, data):
        """Return a token that hides the data, and names the time."""
        return self.encrypt_at_time(data, int(time.time()))

    def encrypt_at_time(self, data, current_time):
        """Return a token that hides the data, and names this time."""
        head = VERSION + current_time.to_bytes(8) + os.urandom(IV_BYTES)
        words = self._encryption_key, head[-IV_BYTES:], data
        token = head + noble.encrypt(*map(to_js, words)).to_bytes()
        return base64.urlsafe_b64encode(token + self._sign(token))

    def extract_timestamp(self, token):
        """Return the time that a token names, or raise InvalidToken."""
        head, _ = self._verify(token)
        return int.from_bytes(head[1:9])

    def decrypt(self, token):
        """Return the data of a token, or raise InvalidToken."""
        head, secret = self._verify(token)
        words = self._encryption_key, head[-IV_BYTES:], secret
        try:
            return noble.decrypt(*map(to_js, words)).to_bytes()
        except Exception:  # noqa: BLE001  padding that its owner signed
            raise InvalidToken from None

    def _verify(self, token):
        """Return the head and the ciphertext of a token whose signature is right."""
        try:
            data = base64.urlsafe_b64decode(token)
        except (TypeError, binascii.Error):
            raise InvalidToken from None
        signed, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
        is_right = hmac.compare_digest(signature, self._sign(signed))
        head, secret = signed[:HEAD_BYTES], signed[HEAD_BYTES:]
        if (
            data[:1] != VERSION
            or not is_right
            or not secret
            or len(secret) % BLOCK_BYTES
        ):
            raise InvalidToken
        return head, secret

    def _sign(self, data):
        return hmac.digest(self._signing_key, data, "sha256")


class MultiFernet:
    """Encrypts with the first of several keys, and decrypts with each."""

    def __init__(self, fernets):
        self._fernets = list(fernets)

    def encrypt(self, data):
        """Return a token made with the first key."""
        return self._fernets[0].encrypt(data)

    def decrypt(self, token):
        """Return the data of a token of any key, or raise InvalidToken."""
        return self._find(token).decrypt(token)

    def rotate(self, token):
        """Return the token made anew with the first key; it names the same time."""
        fernet = self._find(token)
        data, made_at = fernet.decrypt(token), fernet.extract_timestamp(token)
        return self._fernets[0].encrypt_at_time(data, made_at)

    def _find(self, token):
        """Return the key that made a token, or raise InvalidToken."""
        for fernet in self._fernets:
            try:
                fernet.decrypt(token)
            except InvalidToken:
                continue
            return fernet
        raise InvalidToken

"""A device that holds a passkey, in a browser that stands at one origin."""

import json
import secrets
from base64 import urlsafe_b64decode
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, HAS_KEY = 0x01, 0x04, 0x40


class WrongSiteError(Exception):
    """The browser does not let this page use that passkey."""


def encode(data):
    return urlsafe_b64encode(data).decode().rstrip("=")


def decode(text):
    return urlsafe_b64decode(text + "==")


class Device:
    """Makes one passkey and signs with it, as browser and authenticator do."""

    def __init__(self, origin):
        self.origin = origin
        self.id = secrets.token_bytes(16)
        self.handle = None
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.flags = PRESENT | VERIFIED
        self.count = 0

    def create(self, options):
        """Answer navigator.credentials.create()."""
        self.handle = decode(options["user"]["id"])
        self.rp_id = options["rp"]["id"]
        own = bytes(16) + len(self.id).to_bytes(2, "big") + self.id
        own += self.public_key()
        data = self._data(options["rp"]["id"], HAS_KEY) + own
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        parts = {"attestationObject": encode(cbor2.dumps(statement))}
        return self._answer("webauthn.create", options, parts)

    def public_key(self):
        """Return the public key as COSE writes it (RFC 9052): ES256 on P-256."""
        point = self.key.public_key().public_numbers()
        x, y = (n.to_bytes(32, "big") for n in (point.x, point.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def get(self, options):
        """Answer navigator.credentials.get()."""
        data = self._data(options["rpId"])
        client = self._client("webauthn.get", options)
        signed = data + sha256(client).digest()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        parts = {"authenticatorData": encode(data), "signature": encode(signature)}
        if self.handle:
            parts["userHandle"] = encode(self.handle)
        return self._answer("webauthn.get", options, parts)

    def _data(self, rp_id, flags=0):
        host = urlsplit(self.origin).hostname
        if host != rp_id and not host.endswith(f".{rp_id}"):
            raise WrongSiteError(self.origin)
        self.count += bool(self.count)
        flags = bytes([self.flags | flags])
        return sha256(rp_id.encode()).digest() + flags + self.count.to_bytes(4, "big")

    def _client(self, kind, options):
        client = {"type": kind, "challenge": options["challenge"]}
        return json.dumps(client | {"origin": self.origin}).encode()

    def _answer(self, kind, options, parts):
        parts["clientDataJSON"] = encode(self._client(kind, options))
        name = encode(self.id)
        answer = {"id": name, "rawId": name, "type": "public-key", "response": parts}
        return json.dumps(answer)

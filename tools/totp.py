"""The codes of an authenticator app, computed from a key and the time: RFC 6238."""

import base64
import hmac
import re
import struct
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

RFC_KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
TIME_STEP = 30


def decode_key(key):
    """Read a base32 key as people write it: in groups, in lower case, not padded."""
    letters = re.sub(r"[^\w!-~]|[=-]", "", key).upper().translate({48: "O", 56: "B"})
    if not re.match(r"[A-Z2-7]+\Z", letters):
        raise ValueError("A key has only the letters A to Z and the digits 2 to 7.")
    if len(letters) % 8 in (1, 3, 6):
        raise ValueError("The key is not complete: a letter is missing or too many.")
    return base64.b32decode(letters + "=" * (-len(letters) % 8))


def find_key(text):
    """Return the key in a provisioning URI; any other text as it is.

    Raise ValueError for a URI whose codes are not ours: six digits, SHA-1, 30 seconds.
    """
    if not text.lower().startswith("otpauth"):
        return text
    address, query = urlsplit(text), dict(parse_qsl(urlsplit(text).query))
    usual = {"algorithm": "SHA1", "digits": "6", "period": str(TIME_STEP)}
    other = [name for name in usual if query.get(name, usual[name]) != usual[name]]
    if (address.scheme, address.netloc) != ("otpauth", "totp") or other:
        raise ValueError("This URI asks for another kind of code than ours.")
    if not query.get("secret"):
        raise ValueError("The URI has no key: put quotes around the whole of it.")
    return query["secret"]


def totp(key, time_step):
    """Return the six-digit code of a time step: RFC 6238, which is HOTP by the clock.

    HOTP is RFC 4226: HMAC-SHA-1 of the counter, of which section 5.3 picks 31 bits
    ("dynamic truncation"). Time step n is the n-th 30 seconds since 1970.
    """
    counter = struct.pack(">Q", time_step)
    digest = hmac.new(decode_key(key), counter, "sha1").digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack_from(">I", digest, offset)[0] & 0x7FFFFFFF
    return f"{number % 10**6:06d}"

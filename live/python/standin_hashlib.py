"""hashlib.scrypt and hashlib.pbkdf2_hmac, which Python in a page is built without.

@noble/hashes computes them. The rest of hashlib is Python's own.
"""

import hashlib

import noble
from pyodide.ffi import JsException
from pyodide.ffi import to_js


def scrypt(password, *, salt, n, r, p, maxmem=0, dklen=64):
    """Return what hashlib.scrypt returns (RFC 7914)."""
    return compute(noble.scrypt, to_js(password), to_js(salt), n, r, p, dklen)


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Return what hashlib.pbkdf2_hmac returns (RFC 8018)."""
    size = dklen or hashlib.new(hash_name).digest_size
    words = to_js(password), to_js(salt), iterations, size
    return compute(noble.pbkdf2, hash_name, *words)


def compute(function, *words):
    """Return the bytes that a function of JavaScript computes, or raise ValueError."""
    try:
        return function(*words).to_bytes()
    except JsException as error:
        raise ValueError(str(error)) from None


hashlib.scrypt = scrypt
hashlib.pbkdf2_hmac = pbkdf2_hmac

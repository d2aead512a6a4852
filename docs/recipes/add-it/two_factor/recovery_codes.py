"""Recovery codes."""

import secrets
from base64 import b32encode
from hashlib import sha256

CODE_COUNT = 10
CODE_BYTES = 15  # 120 bits need no slow hash (OWASP ASVS V6.5.2)


def generate_code():
    """Generate a random recovery code, in groups of four that are easy to copy."""
    text = b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def hash_code(code):
    """Hash a recovery code without regard to case, hyphens and white space."""
    text = "".join(code.split()).replace("-", "").lower()
    return sha256(text.encode()).hexdigest()

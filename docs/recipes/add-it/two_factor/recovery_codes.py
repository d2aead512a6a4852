"""Recovery codes."""

import secrets
from base64 import b32encode
from hashlib import sha256

from .forms import remove_separators

CODE_COUNT = 10
LOOK_ALIKES = str.maketrans("08", "ob")
CODE_BYTES = 15  # 120 bits need no slow hash (OWASP ASVS V6.5.2)
LOOK_ALIKES = str.maketrans("08", "ob")  # Base32 has no 0 and no 8; a 1 may be i or l


def generate_code():
    """Generate a random recovery code, in groups of four that are easy to copy."""
    text = b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def hash_code(code):
    """Hash a recovery code, however it was typed."""
    text = remove_separators(code).lower().translate(LOOK_ALIKES)
    return sha256(text.encode()).hexdigest()

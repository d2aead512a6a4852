"""What a password has to be, and how it is kept."""

import re
from unicodedata import normalize

from flask import current_app
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash
from wtforms.validators import ValidationError
from zxcvbn import zxcvbn

COMMON = "This password is on lists that attackers try first. Make up another."
CONTEXT = "Leave out your name, your address and the name of this site."
EASY = "This is too easy to guess. Several words that do not belong together work well."


def init_app(app):
    method = app.config["PASSWORD_HASH_METHOD"]
    app.extensions["dummy_hash"] = generate_password_hash("nobody has this", method)


def normalised(password):
    """Return a password in the one spelling that is counted and hashed (NFC)."""
    return normalize("NFC", password) if password else password


def has_right_length(form, field):
    """Refuse a password that is too short or too long (NIST 800-63B-4 3.1.1.2)."""
    length = len(field.data)
    if length < 15:
        raise ValidationError(f"This is {length} characters long. Use at least 15.")
    if length > 256:
        raise ValidationError("Use at most 256 characters.")


def weakness(password, username, email):
    """Return why a password of this user would be guessed early, or None."""
    parts = re.split(r"[@._+-]", f"{username}@{email}@door")
    names = [part for part in parts if len(part) > 2] + [current_app.config["ISSUER"]]
    rest = password.casefold()
    for name in names:
        rest = rest.replace(name.casefold(), "")
    if sum(map(str.isalnum, rest)) < 8:
        return CONTEXT
    verdict = zxcvbn(password[:72], user_inputs=names)  # it reads no further
    if verdict["score"] >= 3:  # more than 10 to the 8 guesses
        return None
    lists = {match.get("dictionary_name") for match in verdict["sequence"]}
    return COMMON if "passwords" in lists else EASY


def hash_password(password):
    """Hash a password with a salt of its own."""
    return generate_password_hash(password, current_app.config["PASSWORD_HASH_METHOD"])


def is_right(password, password_hash):
    """Check a password, in the same time where there is no hash to check."""
    known = password_hash or current_app.extensions["dummy_hash"]
    return check_password_hash(known, password) and password_hash is not None

"""Password policy and hashing."""

import re
from unicodedata import normalize

from flask import current_app
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash
from wtforms.validators import ValidationError
from zxcvbn import zxcvbn
from zxcvbn.matching import L33T_TABLE

MIN_LENGTH = 15  # characters (NIST 800-63B-4 section 3.1.1.2)
MAX_LENGTH = 256
ZXCVBN_LENGTH = 72  # it reads no further
MIN_OWN_CHARACTERS = 8  # apart from context words, spaces and punctuation
MIN_SCORE = 3  # of zxcvbn: more than 10 to the 8 guesses
# It tries each combination of the look-alikes in a password: up to 736, which takes
# seconds. With one for these letters there are at most four.
LOOK_ALIKES = {"c": ["("], "g": ["9"], "i": ["1"], "l": ["|"], "t": ["7"]}

COMMON_PASSWORD_MESSAGE = (
    "This password is on lists that attackers try first. Choose a different one."
)
CONTEXT_WORD_MESSAGE = (
    "This password is too close to your name, your email address or the name of this "
    "site. Choose a different one."
)
EASY_PASSWORD_MESSAGE = (
    "This password is too easy to guess. Use several words that do not belong together."
)


def init_app(app):
    method = app.config["PASSWORD_HASH_METHOD"]
    dummy_password_hash = generate_password_hash("nobody has this", method)
    app.extensions["dummy_password_hash"] = dummy_password_hash
    L33T_TABLE.update(LOOK_ALIKES)


def normalise(password):
    """Return a password in the spelling that is counted and hashed (Unicode NFC)."""
    return normalize("NFC", password) if password else password


def validate_length(form, field):
    """Raise ValidationError for a password that is too short or too long."""
    length = len(field.data)
    if length < MIN_LENGTH:
        message = f"Your password has {length} characters. Use at least {MIN_LENGTH}."
        raise ValidationError(message)
    if length > MAX_LENGTH:
        raise ValidationError(f"Use at most {MAX_LENGTH} characters.")


def find_weakness(password, username, email):
    """Return a message if a password of this user is easy to guess, or None."""
    parts = re.split(r"[@._+-]", f"{username}@{email}@door")
    context = [part for part in parts if len(part) > 2] + [current_app.config["ISSUER"]]
    without_context = password.casefold()
    for word in context:
        without_context = without_context.replace(word.casefold(), "")
    own = re.sub(r"[!-/:-@\[-`{-~\s]", "", without_context)
    if len(own) < MIN_OWN_CHARACTERS:
        has_context = without_context != password.casefold()
        return CONTEXT_WORD_MESSAGE if has_context else EASY_PASSWORD_MESSAGE
    estimate = zxcvbn(password[:ZXCVBN_LENGTH], user_inputs=context)
    if estimate["score"] >= MIN_SCORE:
        return None
    dictionaries = {match.get("dictionary_name") for match in estimate["sequence"]}
    if "passwords" in dictionaries:
        return COMMON_PASSWORD_MESSAGE
    return EASY_PASSWORD_MESSAGE


def hash_password(password):
    """Hash a password with a salt of its own."""
    return generate_password_hash(password, current_app.config["PASSWORD_HASH_METHOD"])


def verify_password(password, password_hash):
    """Return whether a password matches; take the same time if there is no hash.

    Raise ValueError for a hash of an unknown scheme.
    """
    dummy_password_hash = current_app.extensions["dummy_password_hash"]
    known_hash = dummy_password_hash if password_hash is None else password_hash
    if known_hash.count("$") < 2:
        raise ValueError("it is of an unknown scheme")
    return check_password_hash(known_hash, password) and password_hash is not None

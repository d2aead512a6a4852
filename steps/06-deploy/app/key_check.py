"""The stored value that shows whether TOTP_KEYS are the right ones."""

from sqlalchemy import String
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import crypto
from .db import db
from .db import insert_if_absent

OWNER = "key check"

# A database that is older than this check has secrets, and no value yet.
SELECT_FIRST_SECRET = text(
    "SELECT user_id, encrypted_secret FROM second_factors ORDER BY user_id LIMIT 1"
)


class KeyCheck(db.Model):
    """One row, encrypted like the secrets when the first one was stored."""

    __tablename__ = "key_checks"

    id: Mapped[int] = mapped_column(primary_key=True)
    encrypted_value: Mapped[str] = mapped_column(String(255))


def store_if_absent():
    """Insert the check value, unless there is one or the keys are wrong."""
    if has_right_keys():
        value = crypto.encrypt_for(OWNER, "ok")
        insert_if_absent(KeyCheck, id=1, encrypted_value=value)


def has_right_keys():
    """Return whether TOTP_KEYS decrypt the check value, or else the first secret."""
    check = db.session.get(KeyCheck, 1)
    if check:
        return crypto.can_decrypt_for(OWNER, check.encrypted_value)
    secret = db.session.execute(SELECT_FIRST_SECRET).first()
    return secret is None or crypto.can_decrypt_for(*secret)


def reencrypt_check():
    """Encrypt the check value with the first key, if there is one that is readable."""
    check = db.session.get(KeyCheck, 1)
    if check and crypto.can_decrypt_for(OWNER, check.encrypted_value):
        check.encrypted_value = crypto.reencrypt(check.encrypted_value)

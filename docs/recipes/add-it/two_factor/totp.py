"""The rules of TOTP (RFC 6238)."""

import re
import time

from pyotp import TOTP
from pyotp import random_base32
from pyotp.totp import OTPVerificationError

DRIFT_WINDOW = 1  # time steps of 30 seconds, either way (RFC 6238 section 5.2)
CODE_PATTERN = re.compile(r"[0-9]{6}\Z")  # PyOTP takes full-width digits as well


def generate_secret():
    """Generate a random secret of 160 bits, in Base32 (RFC 4226 section 4)."""
    return random_base32()


def provisioning_uri(secret, account, issuer):
    """Return the URI that the QR code contains (Key URI Format)."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def matching_time_step(secret, code):
    """Return the time step for which a code is valid, or None."""
    if not CODE_PATTERN.match(code):
        return None
    try:
        return TOTP(secret).verify_and_get_timecode(
            code, for_time=time.time(), valid_window=DRIFT_WINDOW
        )
    except OTPVerificationError:
        return None

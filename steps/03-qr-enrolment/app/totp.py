"""The rules of TOTP (RFC 6238)."""

import re
import time

from pyotp import TOTP
from pyotp import random_base32
from pyotp.totp import OTPVerificationError

DRIFT_WINDOW = 1  # time steps of 30 seconds, either way (RFC 6238 section 5.2)
SIX_DIGITS = re.compile(r"[0-9]{6}\Z")  # PyOTP takes full-width digits as well


def new_secret():
    """Make a secret of 160 bits (RFC 4226 section 4)."""
    return random_base32()


def provisioning_uri(secret, account, issuer):
    """Return what the QR code tells the authenticator app."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def matching_time_step(secret, code):
    """Return the time step that a code belongs to, or None if it is wrong."""
    if not SIX_DIGITS.match(code):
        return None
    try:
        return TOTP(secret).verify_and_get_timecode(
            code,
            for_time=time.time(),
            valid_window=DRIFT_WINDOW,
        )
    except OTPVerificationError:
        return None

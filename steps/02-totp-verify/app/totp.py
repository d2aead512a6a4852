"""The rules of TOTP (RFC 6238)."""

import re
import time

from pyotp import TOTP
from pyotp.totp import OTPVerificationError

DRIFT_WINDOW = 1  # time steps of 30 seconds, either way (RFC 6238 section 5.2)
CODE_PATTERN = re.compile(r"[0-9]{6}\Z")  # PyOTP takes full-width digits as well


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

"""The visitor's phone: an authenticator app that knows one secret."""

from tools.totp import TIME_STEP
from tools.totp import totp

RFC_6238 = [  # appendix B, SHA-1, the last six digits
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


class Authenticator:
    """Shows the codes of a secret; the clock is that of the test."""

    def __init__(self, secret, clock):
        self.secret = secret
        self.clock = clock
        self.last_time_step = -1

    def code(self):
        """Return a code that was not shown yet, waiting for it if need be."""
        time_step = max(self.clock.now() // TIME_STEP, self.last_time_step + 1)
        self.clock.wait_until(time_step * TIME_STEP)
        self.last_time_step = time_step
        return totp(self.secret, time_step)

    def code_from(self, time_steps):
        """Return the code of some time steps ago (negative) or ahead (positive)."""
        return totp(self.secret, self.clock.now() // TIME_STEP + time_steps)

    def wrong_code(self):
        """Return six digits that are no code of this phone anywhere near now."""
        near = {self.code_from(steps) for steps in range(-50, 51)}
        return next(c for c in map("{:06}".format, range(1000)) if c not in near)


def scan(page, clock):
    """Return a phone that knows the secret which an enrolment page shows."""
    return Authenticator(page.find("#secret").text(strip=True), clock)

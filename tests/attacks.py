"""The attacks that the steps withstand: what they are, from when, and until when.

`since` is the first step in which an attack means something, `closed` the first whose
tests must show that it fails. In the steps between it is a known gap.

Sources: V is OWASP ASVS 5.0, CS an OWASP cheat sheet, WSTG the OWASP testing guide,
NIST SP 800-63B-4.
"""

from typing import NamedTuple


class Attack(NamedTuple):
    """One row of the table of attacks against steps."""

    since: str
    closed: str
    what: str
    source: str


ATTACKS = {
    1: Attack("01", "01", "Ask which names have an account", "V6.3.8"),
    2: Attack("01", "01", "Measure the time of the answer", "V6.3.8"),
    3: Attack("02", "02", "Open pages past the login", "WSTG-ATHN-04"),
    4: Attack("04", "04", "Log in as somebody else in the same browser", "V7.2.4"),
    5: Attack("04", "04", "Stay in after the account is gone", "V7.4.2"),
    6: Attack("04", "04", "Spell a name in other ways", "WSTG-IDNT-05"),
    7: Attack("01", "01", "Send odd input in every field", "V2.2"),
    9: Attack("04", "06", "Crack hashes with old parameters", "CS Password Storage"),
    10: Attack("04", "04", "Use the dummy account", "V6.3.2"),
    11: Attack("02", "02", "The codes of the RFC", "RFC 6238 appendix B"),
    12: Attack("02", "02", "Use a code twice", "RFC 6238 section 5.2"),
    13: Attack("02", "04", "Use a code in many requests at once", "V2.3.4"),
    14: Attack("02", "02", "Replay inside the drift window", "RFC 6238 section 5.2"),
    16: Attack("03", "04", "Use a code again on another page", "V6.5.1"),
    18: Attack("02", "04", "Replay after a restart", "V15.4.2"),
    19: Attack("02", "02", "Codes from outside the drift window", "RFC 6238 section 6"),
    20: Attack("02", "02", "Codes with leading zeros", "RFC 4226 section 5.3"),
    21: Attack("02", "02", "Send what is no code", "V2.2"),
    22: Attack("04", "04", "Use the code of somebody else", "WSTG-ATHN-11"),
    24: Attack("03", "03", "Guess the secret", "RFC 4226 section 4"),
    25: Attack("02", "02", "Learn from a refused code", "V6.3.8"),
    26: Attack("02", "02", "Learn from the pause", "V6.3.1"),
    28: Attack("02", "02", "Use a forgotten pending login", "CS MFA"),
    29: Attack("01", "01", "Plant a session", "V7.2.4"),
    30: Attack("02", "04", "Copy a pending login", "WSTG-SESS-09"),
    32: Attack("02", "02", "Rewind the count with an old cookie", "V6.3.1"),
    33: Attack("01", "04", "Copy a cookie and wait for the logout", "V7.4.1"),
    37: Attack("04", "06", "Find a session that nobody ended", "V7.3.1"),
    38: Attack("02", "02", "Keep the cookies that outlive the browser", "CS MFA"),
    40: Attack("01", "01", "Press Back after the logout", "V14.3.2"),
    42: Attack("03", "03", "Decode the cookies", "CVE-2020-15105"),
    43: Attack("01", "01", "Log somebody out", "V3.5.3"),
    45: Attack("03", "03", "Stay without a second factor", "V6.3.3"),
    46: Attack("03", "03", "Break off an enrolment", "V6.4.1"),
    48: Attack("04", "05", "Register with a foreign address", "V6.4.1"),
    50: Attack("03", "03", "Have the secret shown again", "CS MFA"),
    51: Attack("03", "03", "Find the QR code at an address of its own", "V3.6.1"),
    52: Attack("03", "03", "Names that break the QR code", "Key URI Format"),
    54: Attack("04", "04", "Name somebody else's id", "WSTG-ATHN-11"),
    55: Attack("03", "04", "Guess or read recovery codes", "V6.5.2"),
    56: Attack("03", "04", "Use a recovery code twice", "V6.5.1"),
    59: Attack("03", "05", "Use a recovery code unnoticed", "NIST 4.2.3"),
    61: Attack("03", "03", "A recovery code without the password", "NIST 4.2.2.2"),
    63: Attack("01", "02", "Guess one password", "NIST 3.2.2"),
    65: Attack("02", "04", "Try one password on many names", "CS Credential Stuffing"),
    67: Attack("02", "04", "Guess from many networks", "CS Authentication"),
    68: Attack("02", "02", "Get guesses back", "V6.3.1"),
    69: Attack("02", "04", "Guess in many requests at once", "V2.3.4"),
    70: Attack("02", "04", "Guess after a restart, at another worker", "V15.4.2"),
    71: Attack("02", "05", "Guess wherever something is checked", "V6.3.1"),
    72: Attack("02", "05", "Guess codes for weeks", "NIST 3.2.2"),
    74: Attack("02", "02", "The odds of guessing", "V6.1.1"),
    75: Attack("04", "04", "Passwords too short to hold", "NIST 3.1.1.2"),
    76: Attack("04", "04", "Letters that are composed in two ways", "V6.2.8"),
    77: Attack("04", "04", "Rules that weaken passwords", "V6.2.5"),
    78: Attack("04", "04", "Passwords that attackers try first", "V6.2.4"),
    79: Attack("04", "05", "Keep a password that somebody knows", "V6.2.3"),
    80: Attack("01", "02", "Forms that fight password managers", "V6.2.7"),
    81: Attack("04", "04", "Read a stolen database", "V11.4.2"),
    92: Attack("01", "01", "Lead away after the login", "V3.7.2"),
    93: Attack("01", "01", "Send forms from another site", "V3.5.1"),
    94: Attack("01", "01", "Forms that are left open", "WSTG-SESS-05"),
    95: Attack("01", "01", "Change something by opening a page", "V3.5.3"),
    96: Attack("04", "04", "Put markup into a name", "V3.2.2"),
    98: Attack("01", "01", "Send too much", "V2.4.1"),
    99: Attack("01", "06", "Run with a secret that is none", "V13.3.1"),
    100: Attack("04", "06", "Use a key for ever", "V11.2.2"),
    106: Attack("02", "06", "Find secrets in the logs, or no trace", "V16.2.5"),
    115: Attack("01", "06", "Learn from error pages, frame the site", "V16.5.1"),
    116: Attack("03", "03", "Enrol before the owner does", "NIST 4.1"),
    118: Attack("04", "04", "Make the database fail at the right moment", "V2.3.3"),
    120: Attack("04", "04", "Names that look like others", "UTS 39"),
    121: Attack("04", "04", "Clear a network's count by own logins", "V6.3.1"),
    123: Attack("04", "04", "Guess from many networks of one customer", "V6.3.1"),
    130: Attack("02", "04", "A session older than the second factor", "V6.3.3"),
    133: Attack("04", "05", "Fill the tables", "CWE-770"),
    135: Attack("04", "05", "Mix up counts of different kinds", "V6.3.1"),
    137: Attack("04", "04", "Take the database away", "V16.5.3"),
    140: Attack("01", "05", "Start eight processes without a key", "V13.3.1"),
    142: Attack("04", "05", "Register somebody else's address first", "USENIX 2022"),
}

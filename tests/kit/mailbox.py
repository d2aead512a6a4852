"""The mails that an app sends, as somebody reads them: from the terminal."""

import re
import time
from typing import NamedTuple

WAIT_SECONDS = 3  # seconds in which a server sends what it has to send
PAUSE = 0.2  # seconds without a new line: the mail is whole
# An email ends where a line of our own ends it, or where the next one begins.
MAIL = re.compile(
    r"^To: (.+)\nSubject: (.+)\n\n((?:(?!===).+\n|\n(?!To: ))+)", re.MULTILINE
)
# Notices of every enrolment, and of every login in a browser that was not used before.
ROUTINE = re.compile(r"\bAn authenticator app was set up|in a new browser")


class Mail(NamedTuple):
    """One mail, as it is printed."""

    to: str
    subject: str
    text: str

    @property
    def code(self):
        """Return the code that stands on a line of its own."""
        return self._line(r"[0-9]{8}")

    @property
    def link(self):
        """Return the link that stands on a line of its own."""
        return self._line(r"https?://\S+")

    def _line(self, pattern):
        found = re.search(rf"^({pattern})$", self.text, re.MULTILINE)
        assert found, f"no line of the mail is what we look for: {self}"
        return found[1]


def read_mails(printed):
    """Return the mails in what an app printed, oldest first."""
    return [Mail(*map(str.strip, found)) for found in MAIL.findall(printed + "\n")]


def without_routine(mails):
    """Leave out the notices that come with nearly every login of a test."""
    return [mail for mail in mails if not ROUTINE.search(mail.subject)]


class Mailbox:
    """The file into which a running server prints its mails: --mailbox=FILE."""

    def __init__(self, file):
        self.file = file
        self.seen = len(self.text())

    def text(self):
        """Return all that was printed until now."""
        printed = self.file.read_text("utf-8", errors="replace")
        return printed.replace("\r\n", "\n")

    def new_text(self):
        """Wait for mails, and return all that was printed since the last time."""
        printed, until = "", time.monotonic() + WAIT_SECONDS
        while time.monotonic() < until:
            time.sleep(PAUSE)
            before, printed = printed, self.text()[self.seen :]
            if printed == before and read_mails(printed):
                break
        self.seen += len(printed)
        return printed

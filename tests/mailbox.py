"""The mails that an app sends, as somebody reads them: from the terminal."""

import re
from typing import NamedTuple

MAIL = re.compile(r"^To: (.+)\nSubject: (.+)\n\n((?:.+\n|\n(?!To: ))+)", re.MULTILINE)


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

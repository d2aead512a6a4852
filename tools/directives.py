"""Reads the directives of a page, such as `::: diff 02 app/auth.py login`.

Needs nothing but Python: the site and tutorial.py read the same pages.
"""

import re
from typing import NamedTuple

DIRECTIVE = re.compile(r"( *)::: *([\w-]+) *(.*)")
# "name:/pattern/" and "/pattern/" are one word each, also with spaces in the pattern
WORD = re.compile(
    r"(?<!\S)[^\s/]*:!?/[^/]+/(?:\.\./[^/]+/)?(?!\S)|(?<!\S)/.+/(?!\S)|\S+"
)


class Block(NamedTuple):
    """A directive of a page: its line, its words, and the text indented below it."""

    page: str
    line: int
    indent: str
    kind: str
    words: list
    body: list

    @property
    def file(self):
        """Return the file that a listing shows."""
        return self.words[1] if len(self.words) > 1 else None


def parse(lines, page="", skipped=0):
    """Split a page, without its first lines, into its lines and its directives."""
    parts, place = [], 0
    while place < len(lines):
        match = DIRECTIVE.fullmatch(lines[place])
        if not match:
            parts.append(lines[place])
            place += 1
            continue
        indent, kind, rest = match.groups()
        body = body_of(lines[place + 1 :], f"{indent}    ")
        words = WORD.findall(rest)
        parts.append(Block(page, skipped + place + 1, indent, kind, words, body))
        place += 1 + len(body)
    return parts


def body_of(lines, indent):
    """Return the lines below a directive that are indented, without the indent."""
    body = []
    for line in lines:
        if line.strip() and not line.startswith(indent):
            break
        body.append(line.removeprefix(indent))
    while body and not body[-1].strip():
        body.pop()
    return body


def sections(body):
    """Split an explanation at its lines with "@": [(words, text)], the lead first."""
    found = [([], [])]
    for line in body:
        if line.startswith("@ "):
            found.append((WORD.findall(line)[1:], []))
        else:
            found[-1][1].append(line)
    return found

"""The pages of the built site show all that has to be typed, and where."""

import re

import pytest

from tests.site.built_site import pages_of
from tools import changes
from tools import pages

LISTINGS = 'code[aria-label="The changed lines"], code[aria-label="The imports"]'

HEAD = re.compile(r'from |import |""".*"""$')


class Typist:
    """Types listings into an app, and knows nothing but what they show."""

    def __init__(self, files):
        self.files = {path: list(lines) for path, lines in files.items()}

    def read(self, page):
        """Type all listings of a page, in their order."""
        for stop in page.css("article section.stop"):
            head = stop.css_first("header")
            path = head.css_first("code").text()
            above = re.search(r"after (\S+)", head.text())
            for listing in stop.css(LISTINGS):
                is_top = listing.attributes["aria-label"] == "The imports"
                below = "top" if is_top else above and above[1]
                for symbol, rows in hunks_of(listing, below):
                    self.type(path, symbol, rows)

    def type(self, path, symbol, rows):
        """Type one hunk: where its old lines stand, or below a symbol."""
        lines = self.files.setdefault(path, [])
        old = [text for sign, text in rows if sign != "+"]
        new = [text for sign, text in rows if sign != "-"]
        if old:
            first, last = find_place(lines, old, f"{path}: {old[0]}")
            lines[first:last] = new
        else:
            place = end_of(path, lines, symbol)
            lines[place:place] = new
        if not lines:
            del self.files[path]


def hunks_of(listing, symbol):
    """Return the hunks of a listing: the symbol above, and lines with their signs."""
    hunks = [(symbol, [])]
    for part in listing.css("code > *"):
        text = part.text().removesuffix("\n")
        if "gap" in part.attributes.get("class", ""):
            hunks.append((text.partition("after ")[2] or None, []))
            continue
        sign = {"ins": "+", "del": "-"}.get(part.tag, " ")
        lines = text.split("\n")
        if sign != " ":
            lines = [line.removeprefix(f"{sign} ") for line in lines]
        hunks[-1][1].extend((sign, line) for line in lines if line)
    return [hunk for hunk in hunks if {"+", "-"} & {sign for sign, _ in hunk[1]}]


def find_place(lines, old, name):
    """Return where lines stand in a file, which has to be one place."""
    there = [place for place, line in enumerate(lines) if line]
    texts = [lines[place] for place in there]
    size = len(old)
    found = [n for n in range(len(texts)) if texts[n : n + size] == old]
    assert len(found) == 1, f"{name} stands there {len(found)} times"
    return there[found[0]], there[found[0] + size - 1] + 1


def end_of(path, lines, symbol):
    """Return where a symbol ends in a file, or the file itself."""
    if symbol is None:
        return len(lines)
    if symbol == "top":
        return 0
    if symbol == "imports":
        return max(n for n, line in enumerate(lines, 1) if HEAD.match(line))
    return changes.find_lines(path, lines, symbol)[1]


def without_blanks(files):
    """Return what is in each file that a chapter explains, apart from blank lines."""
    explained = files.keys() - changes.FILES_WITHOUT_LESSON
    return {path: [line for line in files[path] if line] for path in explained}


@pytest.mark.site
def test_a_reader_who_types_what_the_pages_show_has_the_promised_app(built):
    site = pages_of(built)
    typist = Typist(changes.files("01"))
    for name in pages.names_of_pages():
        [path] = pages.DOCS.glob(f"{name}-*.md")
        typist.read(site[f"{path.stem}/index.html"])
        typed, meant = map(without_blanks, (typist.files, pages.files_after(name)))
        assert typed == meant, name

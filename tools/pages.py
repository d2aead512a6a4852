"""The pages of the chapters: what each of them explains, and the app after it.

The app after a page is the step before, and all changes that the chapter has explained
so far. An import belongs to no page: it is there for as long as something uses it.

Needs nothing but Python: `tutorial.py page 04b my-app` writes such an app.
"""

import re
import symtable
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tools import changes
from tools import directives
from tools.changes import IMPORTS
from tools.steps import ROOT
from tools.steps import steps

DOCS = ROOT / "docs"
PAGE = re.compile(r"(\d\d)([a-z]?)-.+\.md")
PART = re.compile(r"([^\s/:]+):(!?)/([^/]+)/(?:\.\./([^/]+)/)?")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
CHECK = re.compile(r'^!!! success "Check', re.MULTILINE)
WRITTEN_MINUTES = re.compile(r"^\*(\d+) minutes", re.MULTILINE)
LESSON = re.compile(r"app/.+\.(py|html)$")
IMPORT = re.compile(r"(?:from \S+ )?import (\w+)[\w.]*(?: as (\w+))?(?:  # .*)?")


class Lesson(NamedTuple):
    """What one explanation adds to the reader's app: some changed lines of a file."""

    page: str
    place: tuple  # page of the docs, line of the directive, number of the explanation
    number: str
    path: str
    names: tuple
    rows: frozenset  # the places of these lines in the comparison with the step before


def page_of(path):
    """Return the name of a page of a chapter, such as "04b"; none of any other page."""
    match = PAGE.fullmatch(Path(path).name)
    return match[1] + match[2] if match else None


def names_of_pages(number=None, docs=DOCS):
    """Return the names of the pages that change the app, in the order of reading."""
    numbers = [number] if number else [step.name[:2] for step in steps()][1:]
    return [
        page
        for number in numbers
        for page in dict.fromkeys(lesson.page for lesson in lessons(number, docs))
    ]


@cache
def lessons(number, docs=DOCS):
    """Return what the pages of a chapter explain, in the order of reading."""
    found, taken = [], {}
    for path in sorted(Path(docs).glob(f"{number}*.md")):
        for block in blocks_of(path):
            if block.kind == "diff" and block.words[:1] == [number]:
                found += with_place(block, lambda b=block: lessons_of(b, taken))
    return found


def with_place(block, act):
    """Act, and say on which page and line it failed."""
    try:
        return act()
    except changes.UnknownError as error:
        raise changes.UnknownError(f"{block.page}:{block.line}: {error}") from None


def blocks_of(path):
    """Return the directives of a page."""
    parts = directives.parse(path.read_text("utf-8").splitlines(), path)
    return [part for part in parts if isinstance(part, directives.Block)]


def lessons_of(block, taken):
    """Return what a `diff` explains, and note the lines that are explained by it."""
    number, path = block.words[:2]
    before = taken.setdefault(path, set())
    parts, found = explanations(block), []
    named = {word for _, words in parts for word in words}
    for order, words in parts:
        names, rows = find_rows(number, path, words, before, named)
        place = block.page, block.line, order
        found.append(Lesson(page_of(block.page), place, number, path, names, rows))
        before |= rows
    return found


def explanations(block):
    """Return the number and the words of each part of a `diff` that has a text."""
    number, path, *words = block.words
    (_, lead), *notes = directives.sections(block.body)
    parts = [(order, *note) for order, note in enumerate(notes)]
    if not notes and (words or len(changes.hunks(number, path)) == 1):
        parts = [(0, words, lead)]
    return [(order, words) for order, words, text in parts if any(map(str.strip, text))]


# Lines


def find_rows(number, path, words, taken=frozenset(), named=frozenset()):
    """Return the hunks that are meant, and their changed lines that are still left.

    A class is meant with its methods, but for those that are named on their own.
    """
    rows, names, found = changes.compare(number, path), [], set()
    for word in words or changes.hunks_named(number, path, []):
        name, fits = read_word(word)
        meant = changes.hunks_named(number, path, [name])
        meant = [hunk for hunk in meant if hunk == name or hunk not in named]
        names += meant
        found |= fits(rows, [n for n, r in changed(rows) if r.owner in meant])
    if not path.endswith(".py") or names != [IMPORTS]:
        found = {n for n in found if not is_import(path, rows[n])}
        if not found - taken:
            raise changes.UnknownError(f"{path} has nothing left to explain: {words}")
    return tuple(dict.fromkeys(names)), frozenset(found - taken)


def changed(rows):
    """Return the lines that changed, with their places."""
    return [(place, row) for place, row in enumerate(rows) if row.sign != " "]


def read_word(word):
    """Return the hunk that a word names, and what finds its part of the lines."""
    match = PART.fullmatch(word)
    if not match:
        return word, lambda rows, places: set(places)
    name, negation, first, last = match.groups()

    def find(rows, places):
        found = find_between(rows, places, first, last)
        return set(places) - found if negation else found

    return name, find


def find_between(rows, places, first, last):
    """Return the lines that fit a pattern, or those from one pattern to another."""
    found, is_inside = set(), False
    for place in places:
        text = rows[place].text
        begins = re.search(first, text) is not None
        if begins or is_inside:
            found.add(place)
        ends = last and re.search(last, text) is not None
        is_inside = bool(last) and (is_inside or begins) and not ends
    return found | blanks_before(rows, places, found)


def blanks_before(rows, places, found):
    """Return the blank lines that stand before lines that were found."""
    blanks, waiting = set(), []
    for place in places:
        if not rows[place].text:
            waiting.append(place)
            continue
        blanks |= set(waiting) if place in found else set()
        waiting = []
    return blanks


def is_import(path, row):
    """Return whether a line belongs to the docstring and the imports of a file."""
    return path.endswith(".py") and row.owner == IMPORTS


# The app after some lessons


@cache
def present(number, path, taken):
    """Return for each line of a comparison whether the app has it by now."""
    rows = changes.compare(number, path)
    if not taken:
        return tuple(row.sign != "+" for row in rows)
    kept = [
        r.sign == " " or (n in taken) == (r.sign == "+") for n, r in enumerate(rows)
    ]
    if path.endswith(".py") and any(kept):
        kept = with_imports(path, rows, kept)
        kept = with_tidy_blanks(path, rows, kept)
    return tuple(kept)


def with_imports(path, rows, kept):
    """Keep the new docstring, and of the imports those that the other lines use."""
    body = [r for r, is_there in zip(rows, kept, strict=True) if is_there]
    used = names_used(path, "\n".join(r.text for r in body if not binds(path, r)))
    new = {binds(path, row) for row in rows if row.sign == "+"}
    result = []
    for row, is_there in zip(rows, kept, strict=True):
        if row.sign != " " and is_import(path, row):
            name = binds(path, row)
            is_there = name in used if name else row.sign == "+" or not row.text
            is_there = is_there and not (row.sign == "-" and name and name in new)
        result.append(is_there)
    return result


def binds(path, row):
    """Return the name that a line of imports gives to its file, or None."""
    match = IMPORT.fullmatch(row.text) if is_import(path, row) else None
    return match and (match[2] or match[1])


def names_used(path, source):
    """Return the names that a file takes from its own top level."""
    try:
        table = symtable.symtable(source, path, "exec")
    except SyntaxError as error:
        problem = f"{path} is cut in the middle of a statement: {error.text}"
        raise changes.UnknownError(problem) from None
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    inner = table.get_children()
    while inner:
        part = inner.pop()
        inner += part.get_children()
        used |= {s.get_name() for s in part.get_symbols() if s.is_global()}
    return used


def with_tidy_blanks(path, rows, kept):
    """Leave as many blank lines between what is there as a formatter would."""
    result, run, last = list(kept), [], None
    there = [n for n, is_there in enumerate(kept) if is_there]
    for place in [*there, None]:
        row = None if place is None else rows[place]
        if row and not row.text:
            run.append(place)
            continue
        later = (rows[n] for n in there if place is not None and n >= place)
        code = next((r for r in later if not r.text.startswith("#")), row)
        most = most_blanks(path, last, code)
        run.sort(key=lambda n: " +-".index(rows[n].sign))
        for extra in run[most:]:
            result[extra] = False
        run, last = [], row
    return result


def most_blanks(path, before, after):
    """Return how many blank lines may stand before a line of code and its comments."""
    if before is None or after is None:
        return 0
    is_definition = after.text.startswith(("def ", "class ", "@"))
    if is_import(path, before) and (is_import(path, after) or not is_definition):
        return 1
    return 2


def lines_after(number, path, taken):
    """Return the lines of a file after some lessons; None if there is no such file."""
    rows = changes.compare(number, path)
    is_there = present(number, path, frozenset(taken))
    lines = [row.text for row, is_kept in zip(rows, is_there, strict=True) if is_kept]
    return lines or None


def view(number, path, before, after):
    """Return a comparison of a file before and after some lessons."""
    signs = {(True, True): " ", (False, True): "+", (True, False): "-"}
    rows = changes.compare(number, path)
    old = present(number, path, frozenset(before))
    new = present(number, path, frozenset(after))
    return [
        row._replace(sign=signs[was, is_there])
        for row, was, is_there in zip(rows, old, new, strict=True)
        if was or is_there
    ]


def taken_until(number, is_in, docs=DOCS):
    """Return the lines of each file that the lessons up to some point explain."""
    taken = {}
    for lesson in lessons(number, docs):
        if is_in(lesson):
            taken.setdefault(lesson.path, set()).update(lesson.rows)
    return taken


def files_with(number, taken):
    """Return the lines of all files, by path, after some lessons of a chapter."""
    files = dict(changes.files(changes.before(number)))
    for path in changes.changed_files(number):
        lines = lines_after(number, path, taken.get(path, ()))
        files.pop(path, None)
        if lines is not None:
            files[path] = lines
    return files


def files_after(page, docs=DOCS):
    """Return the lines of all files of the app, by path, after a page."""
    number = page[:2]
    there = names_of_pages(number, docs)
    if page not in there:
        raise changes.UnknownError(
            f"there is no page {page}, only {', '.join(there) or 'none'}"
        )
    return files_with(number, taken_until(number, lambda one: one.page <= page, docs))


def is_last(page, docs=DOCS):
    """Return whether a page ends its chapter: the app is then the step itself."""
    return page == names_of_pages(page[:2], docs)[-1]


def page_before(page, docs=DOCS):
    """Return the page that is read before a page, of the same chapter; or None."""
    earlier = [name for name in names_of_pages(page[:2], docs) if name < page]
    return earlier[-1] if earlier else None


def files_before(page, docs=DOCS):
    """Return the lines of all files of the app, by path, before a page."""
    earlier = page_before(page, docs)
    if earlier:
        return files_after(earlier, docs)
    return changes.files(changes.before(page[:2]))


def views_of(page, docs=DOCS):
    """Return a comparison of each file that a page changes, before and after it."""
    number = page[:2]
    before = taken_until(number, lambda lesson: lesson.page < page, docs)
    after = taken_until(number, lambda lesson: lesson.page <= page, docs)
    views = {
        path: view(number, path, before.get(path, ()), after.get(path, ()))
        for path in changes.changed_files(number)
    }
    return {path: rows for path, rows in views.items() if changed(rows)}


def minutes_of_chapter(number, docs=DOCS):
    """Return how long the pages of a chapter take, without the one that lists them."""
    return sum(minutes(path) for path in paths_of(number, docs))


def paths_of(number, docs=DOCS):
    """Return the pages to read of a chapter: those with a letter, or the only one."""
    folder = Path(docs)
    return sorted(folder.glob(f"{number}[a-z]-*.md")) or [
        *folder.glob(f"{number}-*.md")
    ]


def minutes(path):
    """Return how long a page takes: its words, its changed lines, and its checks.

    If the page begins with a time of its own, it is that.

    200 words, 25 lines of the app's Python and templates, or two thirds of a check
    take a minute.
    """
    text = path.read_text("utf-8")
    written = WRITTEN_MINUTES.search(text.partition("\n## ")[0])
    if written:
        return int(written[1])
    words = len(FENCE.sub("", text).split())
    views = views_of(page_of(path), path.parent)
    checks = len(CHECK.findall(text))
    return round(words / 200 + count_lines(views) / 25 + 1.5 * checks)


def count_lines(views):
    """Return how many lines of the app's Python and templates are added and deleted.

    Blank lines and imports are no reading.
    """
    return sum(
        row.sign != " " and bool(row.text) and not is_import(path, row)
        for path, rows in views.items()
        if LESSON.match(path)
        for row in rows
    )


def write_files(files, folder):
    """Write an app into a folder, without what speaks of a whole step."""
    for path in files.keys() - changes.FILES_WITHOUT_LESSON:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join([*files[path], ""]), "utf-8", newline="\n")


# What is missing


def unexplained(number, docs=DOCS):
    """Return the hunks of a step of which no page explains all lines."""
    taken = taken_until(number, lambda lesson: True, docs)
    missing = []
    for path in changes.changed_files(number):
        own = taken.get(path, set())
        rows = changes.compare(number, path)
        left = [r.owner for n, r in changed(rows) if n not in own]
        left = [name for name in left if not path.endswith(".py") or name != IMPORTS]
        missing += [f"{path} {name}" for name in dict.fromkeys(left)]
        if not left and lines_after(number, path, own) != changes.files(number).get(
            path
        ):
            missing.append(f"{path} {IMPORTS}")
    return missing


def main(words):
    """Write the app after a page into a new folder."""
    page, folder = words[0], Path(words[1])
    try:
        files = files_after(page)
    except changes.UnknownError as error:
        sys.exit(str(error))
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} exists already, and stays as it is. Name a new folder.")
    write_files(files, folder)


if __name__ == "__main__":
    main(sys.argv[1:])

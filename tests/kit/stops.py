"""Which stops of a chapter somebody has typed, by the lines that each one adds."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tools import changes
from tools import pages
from tools.steps import ROOT
from tools.steps import files_of

TYPED = 0.8  # of the lines of an explanation: names and words may be one's own
RUN = ("app/", "migrations/")  # other files may be missing in an app that runs
TITLE = re.compile(r"## (.+)")


class Stop(NamedTuple):
    """A heading of a chapter, and what is typed below it."""

    heading: str
    lessons: list


def anchor_of(title):
    """Return the anchor that the site gives to a heading."""
    words = re.sub(r"[^\w\s-]", "", title).strip().lower()
    return re.sub(r"[-\s]+", "-", words)


@cache
def stops(name):
    """Return the stops of a chapter in the order of reading, up to a page if named."""
    found = {}
    for lesson in pages.lessons(name[:2]):
        if name[2:] and lesson.page > name:
            continue
        path, line, _ = lesson.place
        lines = Path(path).read_text("utf-8").splitlines()[:line]
        titles = [match[1] for match in map(TITLE.fullmatch, lines) if match]
        page = Path(path).relative_to(ROOT).as_posix()
        heading = f"{page}#{anchor_of(titles[-1])}" if titles else page
        found.setdefault(heading, []).append(lesson)
    return [Stop(*item) for item in found.items()]


def added_lines(lesson):
    """Return the lines that an explanation adds, without their indent."""
    rows = changes.compare(lesson.number, lesson.path)
    texts = [rows[n].text.strip() for n in sorted(lesson.rows) if rows[n].sign == "+"]
    return [text for text in texts if text]


def share_typed(lesson, files):
    """Return how much an app has of the lines that an explanation adds: 1 is all."""
    there = {line.strip() for line in files.get(lesson.path, ())}
    lines = added_lines(lesson)
    return sum(line in there for line in lines) / len(lines) if lines else 1


def is_typed_along(name, folder):
    """Tell whether an app is the one of the chapters: most of its lines are ours."""
    files = files_of(folder)
    before = changes.files(changes.before(name[:2]))
    ours = [
        (path, line.strip()) for path, lines in before.items() for line in set(lines)
    ]
    there = {path: {line.strip() for line in lines} for path, lines in files.items()}
    kept = sum(line in there.get(path, ()) for path, line in ours)
    return bool(ours) and kept > len(ours) / 2


def first_below(name, folder, share):
    """Return the heading and the first explanation below it that is typed less.

    None if there is no such one, or if the app is not the one of the chapters.
    """
    if not is_typed_along(name, folder):
        return None
    files = files_of(folder)
    for stop in stops(name):
        for lesson in stop.lessons:
            is_code = lesson.path.startswith(RUN)
            if is_code and share_typed(lesson, files) < share:
                return stop.heading, lesson
    return None


def code_of(lesson):
    """Return where the lines of an explanation belong: a file, and names in it."""
    names = [name for name in lesson.names if re.fullmatch(r"[A-Za-z_.]+", name)]
    names = [name for name in names if name not in ("file", "imports", "top")]
    return f"{lesson.path}: {', '.join(names)}" if names else lesson.path


def lessons_below(name, heading):
    """Return the first two explanations below a heading, if there are any."""
    lessons = [
        one for stop in stops(name) if stop.heading == heading for one in stop[1]
    ]
    return lessons[:2]

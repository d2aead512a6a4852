"""Markdown extension: shows code and changes out of steps/ when the site is built.

    ::: code 02 app/totp.py matching_time_step     symbols, or the line of a /pattern/
    ::: diff 02 app/auth.py login                  what changed from 01 to 02
    ::: summary 02                                 all that changed, as a table; or 04b
    ::: gaps 02                                    the attacks that still work
    ::: attacks                                    what holds against which attack
    ::: proof                                      how many attacks each chapter stops
    ::: ends 04b                                   the attacks that fail from a page on
    ::: holds 04b                                  the tests that hold from a page on
    ::: minutes                                    how long the page takes
    ::: chapter 04                                 what a chapter takes, changes, closes
    ::: pages 04                                   the pages of a chapter, as a table
    ::: diagram 02-shared-key.svg                  a drawing of docs/assets, in the page
    ::: file recipes/ai-service/changes.diff       a file of docs, as it is; or symbols
                                                   of it, or a diff's part for a file
    ::: settings 06                                what the app is told from outside
    ::: two-factor hooks                           settings, calls, hooks of the package
    ::: links                                      all pages elsewhere that ours link to
    ::: live                                       the app of a step, in the page
    ::: try 02 replay                              a button that opens it there
    ::: replay                                     the replay attack, to try by hand
    ::: demo bucket                                something else to try, of live/
    ::: progress                                   what the reader has read and answered
    ::: licences                                   what `python -m live.pack` has packed

A `code` or `diff` without symbols shows the file. What stands indented below it is the
explanation, in Markdown. Below a `diff`, a line `@ login code` begins the explanation
of these hunks. An explanation below a line that names no hunk explains the only one.

The pages of chapter 02 are those whose names begin with 02. The build fails if one of
the changed lines is explained by none of them, or by two. A hunk that grows on several
pages is named in parts: the changed lines that a pattern fits (`login:/audit/`), all
others (`login:!/audit/`), or those from one to another (`login:/if user/../return/`).
The last page names what is left: `login`. What is shown is what changes for a reader
who types along. Imports are shown folded, where they are used first. The terms of
docs/glossary.md get a tooltip on every other page. The word REPOSITORY_URL becomes the
address of the repository, as mkdocs.yml has it, and MINUTES_04 the time of chapter 04.
MkDocs and Zensical both run this: it is no plugin of either.
"""

import ast
import html
import importlib
import json
import re
import sys
from contextlib import suppress
from functools import cache
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from pygments import highlight
from pygments import token
from pygments.filter import simplefilter
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from tests.attacks import ATTACKS
from tools import changes
from tools import pages
from tools.changes import IMPORTS
from tools.directives import Block
from tools.directives import parse
from tools.directives import sections
from tools.steps import ROOT
from tools.steps import count
from tools.steps import steps
from tools.totp import RFC_KEY
from tools.totp import totp

ASSETS = ROOT / "docs" / "assets"
LIVE = ROOT / "live"
PACKS = ASSETS / "packs"
NOT_PACKED = (
    "*This copy of the site was built without the packs. `python3 tutorial.py docs` "
    "makes them, and so does `python -m live.pack`.*"
)
PACKAGE = ROOT / "docs" / "recipes" / "add-it" / "two_factor"
# The comment above the methods of TwoFactor that a table lists, and the one below them.
PARTS = {
    "hooks": ("    # Hooks.", "    # What your app calls"),
    "calls": ("    # What your app calls", "    # What our pages call"),
}
TERM = re.compile(r"^(\w.*)\n:   (.+)$", re.MULTILINE)
LANGUAGES = {"py": "python", "html": "html+jinja", "js": "js", "css": "css"}
LANGUAGES |= {"diff": "diff"}
# The kinds of token that have a colour in site.css, and the one kind they are shown as.
INKS = (
    (token.Comment.Preproc, token.Keyword),
    (token.Comment, token.Comment),
    (token.String.Doc, token.Comment),
    (token.String, token.String),
    (token.Number, token.String),
    (token.Keyword.Constant, token.Text),
    (token.Keyword.Namespace, token.Text),  # imports are no lesson
    (token.Keyword, token.Keyword),
    (token.Name.Decorator, token.Keyword),
    (token.Name.Tag, token.Keyword),
)
MINUTES = re.compile(r"\bMINUTES_(\d\d)\b")
LINK = re.compile(r"\]\((https?://[^)\s]+)\)")
TAGS = {"+": "ins", "-": "del"}
SIGNS = {
    "holds": '✓<span class="word"> holds</span>',
    "**open**": '**✗<span class="word"> open</span>**',
    "in part": '◐<span class="word"> in part</span>',
}
PASSKEYS = "recipes/passkeys.md"  # what ends the gap that no step closes


class StepDocsError(Exception):
    """A page asks for what is not there, or leaves a change unexplained."""


class Shown(NamedTuple):
    """A listing of changes: its hunks, and the lines explained before and after it."""

    names: tuple
    before: frozenset
    after: frozenset


def check_chapter(page):
    """Refuse a page of a chapter that leaves a change unexplained."""
    number = page.name[:2]
    if changes.folder(number) is None or changes.folder(changes.before(number)) is None:
        return
    missing = pages.unexplained(number, page.parent)
    if missing:
        missing = "\n  ".join(missing)
        raise changes.UnknownError(f"chapter {number} does not explain\n  {missing}")


# Listings


@simplefilter
def use_few_inks(self, lexer, stream, options):
    """Name three kinds of token only: a page would have five elements a line."""
    for kind, text in stream:
        shown = (ink for known, ink in INKS if kind in known)
        yield kind if kind in token.Generic else next(shown, token.Text), text


@cache
def painted(path, lines):
    """Colour a whole file, so that strings over several lines keep theirs."""
    name = LANGUAGES.get(path.rpartition(".")[2], "text")
    lexer = get_lexer_by_name(name, stripnl=False, filters=[use_few_inks()])
    text = highlight("\n".join(lines), lexer, HtmlFormatter(nowrap=True))
    return text.split("\n")


def listing(runs, label, is_new=False):
    """Show runs of lines: block elements that end in a line break.

    A search would find in them what their notes name already.
    """
    kind = "hunk new" if is_new else "hunk"
    return (
        f'<div class="highlight {kind}" data-search-exclude><pre><code tabindex="0" '
        f'role="group" aria-label="{label}">{"".join(runs)}</code></pre></div>'
    )


def changed_rows(number, path, rows):
    """Return runs of lines of a comparison, with signs that copying leaves out."""
    old, new = (
        painted(path, tuple(changes.files(step).get(path, ())))
        for step in (changes.before(number), number)
    )
    for sign, run in groupby(rows, lambda row: getattr(row, "sign", None)):
        if sign is None:
            yield "".join(map(gap, run))
            continue
        codes = [old[row.old] if row.new is None else new[row.new] for row in run]
        if sign == " ":
            yield f'<span class="same">{with_ends(codes)}</span>'
            continue
        mark = f'<span class="sign">{sign} </span>'
        yield f"<{TAGS[sign]}>{with_ends(mark + c for c in codes)}</{TAGS[sign]}>"


def with_ends(lines):
    """Join lines, each of which ends in a line break."""
    return "".join(f"{line}\n" for line in lines)


def gap(symbol=None):
    """Mark lines that are left out, and the symbol after which the next ones stand."""
    place = f" after {html.escape(symbol)}" if symbol else ""
    return f'<span class="gap">&hellip;{place}\n</span>'


def plain_rows(path, lines, spans):
    """Return lines of a file as they are: those of each span, with gaps between."""
    codes = painted(path, tuple(lines))
    runs = [with_ends(codes[first - 1 : last]) for first, last in spans]
    return gap().join(f"<span>{run}</span>" for run in runs)


def head(path, names, count, after=None, link=""):
    """Begin a listing: the file, the symbols and their place, the size in words."""
    shown = ", ".join(f"<code>{html.escape(n)}</code>" for n in names)
    shown += f", after <code>{html.escape(after)}</code>" if after else ""
    file = f"<code>{path}</code>"
    file = f'<a href="#{link}" title="The whole file">{file}</a>' if link else file
    return (
        f'<section class="stop"><header>{file} '
        f'<span>{shown}</span> <span class="count">{count}</span></header>'
    )


def in_words(rows):
    """Say how many lines are added and deleted."""
    added, deleted = changes.tally(rows)
    return f"{count(added, 'line')} added, {deleted} deleted"


def lines_in_words(spans):
    """Say how many lines are shown."""
    return count(sum(last - first + 1 for first, last in spans), "line")


def anchor(path):
    """Return the id of the view of a whole file."""
    return "whole-" + re.sub(r"\W+", "-", path).strip("-")


def foot(block, is_last):
    """End a listing: below the last one of a file is the menu of that file."""
    number, path = block.words[:2]
    if not is_last:
        return "</section>"
    title, command = "The whole file", ""
    if block.kind == "code":
        lines = changes.lines_of(number, path)
        whole = listing(plain_rows(path, lines, [(1, len(lines))]), f"All of {path}")
    else:
        view = whole_view(block)
        rows = changed_rows(number, path, view)
        whole = listing(rows, f"All of {path}", is_all_new(view))
        if view == changes.compare(number, path):
            title += ", and the command that shows its changes"
            command = f"<pre><code>{git_diff(number, path)}</code></pre>"
    return (
        f'<details class="whole" id="{anchor(path)}" data-search-exclude>'
        f"<summary>{title}</summary>{command}{whole}</details></section>"
    )


def is_all_new(view):
    """Return whether a file is new on a page: its lines have a lighter colour then."""
    return all(row.sign == "+" for row in view)


def whole_view(block):
    """Return what a page changes in a file; all of the step, if it is of no chapter."""
    number, path = block.words[:2]
    if lessons_around(block):
        views = pages.views_of(pages.page_of(block.page), block.page.parent)
        return views.get(path) or changes.compare(number, path)
    return changes.compare(number, path)


def git_diff(number, path):
    """Return the command that shows the same change without us."""
    paths = []
    for step in (changes.before(number), number):
        is_there = path in changes.files(step)
        name = f"steps/{changes.folder(step).name}/{path}"
        paths.append(name if is_there else "/dev/null")
    return f"git diff --no-index {' '.join(paths)}"


# The directives. Each returns Markdown lines, and HTML as tuples of one.


def show_code(block, is_last):
    """Show a file, some of its symbols, or one line."""
    number, path, *names = block.words
    lines = changes.lines_of(number, path)
    spans = [changes.find_lines(path, lines, name) for name in names]
    spans = spans or [(1, len(lines))]
    symbols = [name for name in names if not name.startswith("/")]
    yield (head(path, symbols, lines_in_words(spans), link=anchor(path)),)
    yield from block.body
    yield (listing(plain_rows(path, lines, spans), f"Code of {path}"),)
    yield (foot(block, is_last),)


def show_diff(block, is_last):
    """Show what changed in a file, or in some of its symbols, at this point."""
    number, path, *_ = block.words
    (_, lead), *notes = sections(block.body)
    parts = list(parts_of(block))
    everything = pages.view(number, path, parts[0].before, parts[-1].after)
    shown = [name for part in parts for name in part.names]
    symbols = [name for name in shown if name not in changes.UNNAMED]
    rows = [row for row in everything if row.owner in shown]
    named = [row.owner for row in rows if row.owner in symbols]
    after = changes.stands_after(everything, named[0]) if named else None
    symbols, after = ([], None) if notes else (symbols, after)
    is_new = is_all_new(whole_view(block))
    size = f"new file, {count(len(rows), 'line')}" if is_new else in_words(rows)
    yield (head(path, symbols, size, after, anchor(path)),)
    yield from lead
    for part, (_, text) in zip(parts, notes or [((), ())], strict=True):
        yield from text
        view = pages.view(number, path, part.before, part.after)
        if IMPORTS in part.names:  # of all parts of the block
            view = everything
        hunk = changes.with_places(view, changes.excerpt(view, part.names), not after)
        yield (listing(changed_rows(number, path, hunk), "The changed lines", is_new),)
    if IMPORTS not in shown:
        yield from fold_imports(number, path, everything)
    yield (foot(block, is_last),)


def parts_of(block):
    """Yield a lesson for each listing of a `diff`; a page may show without explaining.

    Its lines are those before and after it in the app of somebody who types along.
    """
    number, path, *words = block.words
    known = {lesson.place: lesson for lesson in lessons_around(block)}
    before = {
        row
        for lesson in known.values()
        if lesson.path == path and lesson.place[:2] < (block.page, block.line)
        for row in lesson.rows
    }
    _, *notes = sections(block.body)
    named = {word for names, _ in notes for word in names}
    for order, names in enumerate([names for names, _ in notes] or [words]):
        lesson = known.get((block.page, block.line, order))
        if lesson:
            names, rows = lesson.names, lesson.rows
        else:
            names, rows = pages.find_rows(number, path, names, before, named)
        yield Shown(names, frozenset(before), frozenset(before | rows))
        before |= rows


def lessons_around(block):
    """Return what the chapter of a page explains; nothing, if it is of no chapter."""
    number = block.words[0]
    is_own = (pages.page_of(block.page) or "")[:2] == number
    return pages.lessons(number, block.page.parent) if is_own else []


def fold_imports(number, path, rows):
    """Show the imports that the lines of a listing need: they are no lesson."""
    rows = [row for row in rows if pages.is_import(path, row)]
    if changes.tally(rows) == (0, 0):
        return
    hunk = listing(changed_rows(number, path, rows), "The imports")
    title = f"<summary>Imports: {in_words(rows)}</summary>"
    yield (f'<details class="imports">{title}{hunk}</details>',)


def show_summary(block, is_last):
    """List the files that changed, the new dependencies and the new routes.

    Its word is a step, or a page of a chapter that has several.
    """
    old, new, views = what_changed(block.words[0], block.page.parent)
    yield ("<div data-search-exclude>",)
    yield from ("| file | added | deleted |", "|---|--:|--:|")
    total = []
    for path, rows in views.items():
        total += rows
        yield "| `{}` | {} | {} |".format(path, *changes.tally(rows))
    yield "| all | {} | {} |".format(*changes.tally(total))
    yield ("</div>",)
    packages = ", ".join(f"`{line}`" for line in changes.new_requirements(old, new))
    yield f"New packages: {packages or 'none'}.  "
    before, after = changes.routes_in(old), changes.routes_in(new)
    paths = ", ".join(f"`{path}`" for path in after if path not in before)
    yield f"New routes: {paths or 'none'}."


def what_changed(name, docs):
    """Return the files before and after a step or a page, and comparisons of them."""
    number = name[:2]
    if name == number:
        old, new = changes.files(changes.before(number)), changes.files(number)
        paths = changes.changed_files(number)
        return old, new, {path: changes.compare(number, path) for path in paths}
    old, new = pages.files_before(name, docs), pages.files_after(name, docs)
    return old, new, pages.views_of(name, docs)


def show_gaps(block, is_last):
    """List the attacks that work in a step, with the chapter that ends each."""
    number = block.words[0]
    changes.before(number)  # or there is no such step
    for gap in changes.gaps_in(number):
        if gap.until == changes.NEVER:
            yield f"- {gap.sentence} *No chapter ends this: [passkeys]({PASSKEYS}) do.*"
        else:
            yield f"- {gap.sentence} *Chapter {int(gap.until) + 1:02} ends this.*"


def show_attacks(block, is_last):
    """List which step holds against which attack, as the tests show it."""
    numbers = [step.name[:2] for step in steps()]
    yield ('<div class="wide attacks" tabindex="0" role="group" aria-label="Attacks">',)
    heads = [f"[{number}]({first_page(number)})" for number in numbers]
    yield f"| no. | attack | {' | '.join(heads)} | source |"
    yield "|--:" + "|---" * (len(numbers) + 2) + "|"
    for attack, row in ATTACKS.items():
        ends = [changes.outcome(number, attack, row) for number in numbers]
        ends = [SIGNS.get(end, end) for end in ends]
        test = f"REPOSITORY_URL/blob/HEAD/{changes.find_test_of(attack).place}"
        first = f'[{attack}]({test} "The test")'
        yield f"| {first} | {row.what} | {' | '.join(ends)} | {row.source} |"
    yield ("</div>",)


def first_page(number):
    """Return the first page of a chapter, for a link."""
    return min((ROOT / "docs").glob(f"{number}*.md")).name


def show_proof(block, is_last):
    """Count how many attacks each chapter stops, and how many still work in it."""
    yield "| chapter | attacks that fail | attacks that still work |"
    yield "|---|--:|--:|"
    for step in steps():
        number = step.name[:2]
        ends = [changes.outcome(number, *attack) for attack in ATTACKS.items()]
        open_ones = sum("open" in end for end in ends)
        yield f"| {number} | {sum(map(bool, ends)) - open_ones} | {open_ones} |"


def begins_on(since, page, docs):
    """Return whether a page is the first; a whole step begins with its last page."""
    return since == page or (since == page[:2] and pages.is_last(page, docs))


def show_ends(block, is_last):
    """List the attacks that begin to fail on a page, as the tests show it."""
    page, docs = block.words[0], block.page.parent
    ended = [
        number
        for number, attack in ATTACKS.items()
        if begins_on(changes.page_that_ends(number, attack.closed), page, docs)
    ]
    if ended:
        yield from ("These attacks begin to fail on this page:", "")
    for attack in ended:
        yield f"- {ATTACKS[attack].what} *({ATTACKS[attack].source})*"


def show_holds(block, is_last):
    """List the tests that hold from a page on."""
    page, docs = block.words[0], block.page.parent
    tests = [t for t in changes.marked_tests() if not t.is_gap]
    found = [t.sentence for t in tests if begins_on(t.since, page, docs)]
    if found:
        verb = "holds" if len(found) == 1 else "hold"
        yield ("<div data-search-exclude>",)
        yield from (f'??? success "{count(len(found), "more test")} {verb} now"', "")
        yield from (f"    - {sentence}" for sentence in found)
        yield ("</div>",)


def show_minutes(block, is_last):
    """Say how long a page of a chapter takes."""
    yield f"*{pages.minutes(block.page)} minutes.*"


def show_chapter(block, is_last):
    """Say what a chapter takes, changes and closes, and what of it was read."""
    number, docs = block.words[0], block.page.parent
    changes.before(number)  # or there is no such step
    read = pages.paths_of(number, docs)
    yield ('<div class="chapter">',)
    if len(read) > 1:
        minutes = pages.minutes_of_chapter(number, docs)
        yield f"- **Time:** {minutes} minutes, on {len(read)} pages"
    yield f"- **Files:** {files_in_words(number, len(read) > 1)}"
    yield from closed_in_words(number)
    left = count(len(changes.gaps_in(number)), "attack")
    yield f"- **Still open:** [{left}](#what-it-does-not-do-yet), which this page lists"
    yield ("</div>",)
    names = json.dumps([path.stem for path in read])
    script = "" if asks(block.page) else assets_of("progress", "demos")
    yield (f"<p data-read='{names}' hidden></p>{script}",)


def files_in_words(number, is_listed):
    """Say how many files of the app a chapter changes, with a link to the map."""
    paths = changes.changed_files(number)
    new = [path for path in paths if path not in changes.files(changes.before(number))]
    if number == "01":
        return f"{len(paths)}, all of them written already"
    words = f"{len(new)} new, {len(paths) - len(new)} changed"
    return f"[{words}](#the-{'map' if is_listed else 'change'})"


def closed_in_words(number):
    """Say which attacks of the chapter before fail now; in the first, how many do."""
    if number == "01":
        ends = [changes.outcome(number, *attack) for attack in ATTACKS.items()]
        yield f"- **Closed:** {ends.count('holds')} attacks fail from the start, as "
        yield "  [the table](attacks.md) shows"
        return
    last = changes.before(number)
    ended = [gap.sentence for gap in changes.gaps_in(last) if gap.until == last]
    yield f"- **Closed:** {count(len(ended), 'attack')} that worked in chapter {last}"
    yield from (f"    - {sentence}" for sentence in ended)


def show_pages(block, is_last):
    """List the pages of a chapter."""
    yield from ("| page | minutes | what it changes |", "|---|--:|---|")
    for path in pages.paths_of(block.words[0], block.page.parent):
        title = re.search(r"^# (.+)$", path.read_text("utf-8"), re.MULTILINE)[1]
        views = pages.views_of(pages.page_of(path), path.parent)
        files = ", ".join(f"`{name}`" for name in views)
        yield f"| [{title}]({path.name}) | {pages.minutes(path)} | {files} |"


def show_diagram(block, is_last):
    """Put a drawing into the page, where it takes the colours of the page."""
    path = ASSETS / block.words[0]
    if not path.is_file():
        raise changes.UnknownError(f"there is no {path}")
    drawing = path.read_text("utf-8")
    yield (f'<figure class="diagram">{drawing}</figure>',)


def show_file(block, is_last):
    """Show a file of the docs, which a reader copies, or some of its parts."""
    name, *parts = block.words
    path = ASSETS.parent / name
    if not path.is_file():
        raise changes.UnknownError(f"there is no {path}")
    lines = path.read_text("utf-8").splitlines()
    find = find_in_diff if path.suffix == ".diff" else changes.find_lines
    spans = [find(path.name, lines, part) for part in parts] or [(1, len(lines))]
    yield (head(path.name, parts, lines_in_words(spans)),)
    yield from block.body
    shown = listing(plain_rows(path.name, lines, spans), f"Code of {path.name}")
    yield (f"{shown}</section>",)


def find_in_diff(name, lines, path):
    """Return the first and the last line of what a diff changes in a file."""
    heads = [n for n, line in enumerate(lines, start=1) if line.startswith("+++ ")]
    for first, after in zip(heads, [*heads[1:], len(lines) + 3], strict=True):
        if lines[first - 1] == f"+++ b/{path}":
            return first + 1, after - 3
    raise changes.UnknownError(f"{name} changes no {path}")


def show_settings(block, is_last):
    """List what a step is told from outside, as the step itself understands it."""
    number, path = block.words[0], "app/config.py"
    changes.lines_of(number, path)  # or the step has none
    config = load(changes.folder(number) / path)
    nothing = config.read_environment({}) | {"DEBUG": False}
    config.set_mail_encryption(nothing)
    needed = {name for name, _ in config.find_problems(nothing)}
    yield from ("| variable | what it is | default |", "|---|---|---|")
    for setting in config.SETTINGS:
        default = f"`{setting.default}`" if setting.default else ""
        if setting.name in needed:  # a default is then for development alone
            default = f"**needed** ({default})" if default else "**needed**"
        yield f"| `{setting.name}` | {setting.description} | {default} |"


def show_two_factor(block, is_last):
    """List settings, calls or hooks of the package that a reader copies."""
    if block.words[0] == "settings":
        yield from ("| setting | default | what it is |", "|---|---|---|")
        for name, (default, text) in load(PACKAGE / "settings.py").SETTINGS.items():
            yield f"| `{name}` | {'' if default is None else f'`{default}`'} | {text} |"
        return
    yield from ("| method | what it does |", "|---|---|")
    for method in methods(block.words[0]):
        text = " ".join(ast.get_docstring(method).split())
        yield f"| `{signature(method)}` | {text} |"


def methods(part):
    """Return the methods of TwoFactor that stand between two comments."""
    source = (PACKAGE / "__init__.py").read_text("utf-8")
    lines = source.splitlines()
    first, last = (
        next(n for n, line in enumerate(lines, 1) if line.startswith(mark))
        for mark in PARTS[part]
    )
    found = [node for node in ast.walk(ast.parse(source)) if is_function(node)]
    return [node for node in found if first < node.lineno < last]


def is_function(node):
    """Return whether a node is a method that has a docstring."""
    return isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None


def signature(method):
    """Return a method as it is called, without types."""
    names = [argument.arg for argument in method.args.args[1:]]
    first = len(names) - len(method.args.defaults)
    for number, default in enumerate(method.args.defaults, first):
        names[number] += f"={ast.unparse(default)}"
    is_property = any(ast.unparse(d) == "property" for d in method.decorator_list)
    return method.name if is_property else f"{method.name}({', '.join(names)})"


def load(path):
    """Return a module of a step, and do not run the step's whole app for it."""
    package = ModuleType(f"{path.parents[1].name}_for_docs")
    package.__path__ = [str(path.parent)]  # where its neighbours are
    sys.modules[package.__name__] = package
    return importlib.import_module(f"{package.__name__}.{path.stem}")


def show_links(block, is_last):
    """List the links to other sites, each with the pages that have it."""
    found = {}
    for label, text in sorted(labelled_pages()):
        for address in LINK.findall(text):
            found.setdefault(address, {})[label] = None
    for part in packed_parts():
        found.setdefault(part["source"], {})["[Licences](licences.md)"] = None
    yield from ("| address | where we link to it |", "|---|---|")
    for address, labels in sorted(found.items()):
        shown = address.partition("//")[2]
        yield f"| [{shown}]({address}) | {', '.join(labels)} |"


def labelled_pages():
    """Return the text of each page, and of each README, with a name for it."""
    docs = ASSETS.parent
    for path in docs.rglob("*.md"):
        text = path.read_text("utf-8")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)[1]
        yield f"[{title}]({path.relative_to(docs).as_posix()})", text
    for path in (*ROOT.glob("*.md"), *ROOT.glob("steps/*/*.md")):
        name = path.relative_to(ROOT).as_posix()
        yield f"`{name}`", path.read_text("utf-8")


def show_live(block, is_last):
    """Put in the app of a step that runs in the page, if its packs were made."""
    file = PACKS / "steps.json"
    if not file.exists():
        yield NOT_PACKED
        return
    options = [
        f'<option value="{number}" data-megabytes="{step["bytes"] / 1e6:.1f}">'
        f"{html.escape(step['title'])}</option>"
        for number, step in json.loads(file.read_text("utf-8")).items()
    ]
    pane = (LIVE / "pane.html").read_text("utf-8")
    yield (pane.replace("{options}", "".join(options)) + assets_of("live"),)


def assets_of(name, sheet=None, folder="../assets/live"):
    """Return what loads a style sheet and a script of docs/assets/live.

    They are imported, because Zensical changes an address that is an attribute.
    """
    return (
        f'<style>@import "{folder}/{sheet or name}.css";</style>'
        f'<script type="module">import "{folder}/{name}.js";</script>'
    )


def show_try(block, is_last):
    """Show a button that opens the page Try it here with a question of ours."""
    number, name = block.words[:2]
    scenarios = json.loads((ASSETS / "live" / "scenarios.json").read_text("utf-8"))
    if name not in scenarios.get(number, {}):
        raise changes.UnknownError(f"there is no scenario {name} of step {number}")
    label, address = scenarios[number][name]["label"], f"try-it.md?step={number}"
    yield f"[{label}]({address}&scenario={name}){{ .md-button .live-try }}"
    yield (assets_of("beside"),)


def show_replay(block, is_last):
    """Show the replay attack, to try by hand; without JavaScript, as a table."""
    codes = [totp(RFC_KEY, 60_000_000 + place) for place in range(5)]
    rows = (
        (codes[1], "accepted: it is the code of now"),
        (codes[1], "rejected: it was used already"),
        (codes[0], "rejected: it is still in the window, but a later one was used"),
        (codes[2], "accepted, half a minute later"),
    )
    cells = "".join(f"<tr><td>{code}</td><td>{what}</td></tr>" for code, what in rows)
    yield (
        f"<figure class=\"live-demo\" data-codes='{json.dumps(codes)}'>"
        "<figcaption><strong>A thief filmed your codes.</strong> Type some of them in, "
        "as often as you like.</figcaption>"
        f"<table><tr><th>code</th><th>answer</th></tr>{cells}</table>"
        '<div data-demo hidden><ol></ol><p role="status"></p>'
        '<p><button type="button" data-later>Half a minute later</button> '
        '<button type="button" data-again>Again</button></p></div></figure>'
        + assets_of("demos", folder="./assets/live"),
    )


def show_demo(block, is_last):
    """Show something to try by hand; without JavaScript, as a table."""
    name = block.words[0]
    yield ((LIVE / f"{name}.html").read_text("utf-8") + assets_of(name, "demos"),)


def show_progress(block, is_last):
    """Show on the home page what the reader has read and answered."""
    names = json.dumps([p.stem for p in sorted(ASSETS.parent.glob("*.md")) if asks(p)])
    script = assets_of("progress", "demos", "./assets/live")
    yield (f"<p data-progress data-pages='{names}' hidden></p>{script}",)


def asks(page):
    """Return whether a page is one of a chapter that ends in questions."""
    return page.name[0].isdigit() and "\n??? question" in page.read_text("utf-8")


def show_licences(block, is_last):
    """List the parts that were packed, with the licence of each."""
    parts = packed_parts()
    if not parts:
        yield NOT_PACKED
        return
    yield from ("| part | version | licence | source |", "|---|---|---|---|")
    for part in parts:
        text = f"[{part['licence']}](assets/packs/{part['file']})"
        source = f"[{part['source'].partition('//')[2]}]({part['source']})"
        yield f"| {part['name']} | {part['version']} | {text} | {source} |"


def packed_parts():
    """Return what the page Try it here loads; nothing if nothing was packed."""
    file = PACKS / "licences.json"
    return json.loads(file.read_text("utf-8")) if file.exists() else []


DIRECTIVES = {
    "code": (show_code, 2),
    "diff": (show_diff, 2),
    "summary": (show_summary, 1),
    "gaps": (show_gaps, 1),
    "attacks": (show_attacks, 0),
    "proof": (show_proof, 0),
    "ends": (show_ends, 1),
    "holds": (show_holds, 1),
    "minutes": (show_minutes, 0),
    "chapter": (show_chapter, 1),
    "pages": (show_pages, 1),
    "diagram": (show_diagram, 1),
    "file": (show_file, 1),
    "settings": (show_settings, 1),
    "two-factor": (show_two_factor, 1),
    "links": (show_links, 0),
    "live": (show_live, 0),
    "try": (show_try, 2),
    "licences": (show_licences, 0),
    "replay": (show_replay, 0),
    "demo": (show_demo, 1),
    "progress": (show_progress, 0),
}


CACHED = changes.files, changes.compare, changes.marked_tests, painted
CACHED += pages.lessons, pages.present


def show(block, is_last):
    """Carry out a directive."""
    if block.kind not in DIRECTIVES:
        there = ", ".join(DIRECTIVES)
        raise changes.UnknownError(f"there is no ::: {block.kind}, only {there}")
    function, least = DIRECTIVES[block.kind]
    if len(block.words) < least:
        raise changes.UnknownError(f"::: {block.kind} needs {least} words or more")
    return list(function(block, is_last))


def last_change(docs):
    """Return when a file that pages are made of was last changed, added or deleted."""
    newest = 0
    for folder in (docs, ROOT / "steps", ROOT / "tests"):
        for path in Path(folder).rglob("*"):
            with suppress(FileNotFoundError):  # a step that runs deletes its own files
                newest = max(newest, path.stat().st_mtime_ns)
    return newest


@lru_cache(maxsize=1)  # so it runs once for all pages that are built from one state
def start_afresh(changed_at):
    """Clear what was computed before: a server that watches builds again and again."""
    for function in CACHED:
        function.cache_clear()


class StepDocs(Preprocessor):
    """Replaces the directives of a page."""

    def __init__(self, md, docs, repository):
        super().__init__(md)
        self.docs = Path(docs)
        self.repository = repository

    def run(self, lines):
        """Replace the directives; refuse a page that says too little."""
        start_afresh(last_change(self.docs))
        page, skipped = self.find_page(lines)
        parts = parse(lines, page, skipped)
        blocks = [part for part in parts if isinstance(part, Block)]
        last = {block.file: block for block in blocks}
        out = []
        for part in parts:
            if not isinstance(part, Block):
                out.append(self.fill(part))
                continue
            place = f"{page}:{part.line}"
            with_place(place, lambda part=part: out.extend(self.put(part, last)))
        with_place(f"{page}:1", lambda: check_chapter(page))
        if asks(page):
            out += ["", self.md.htmlStash.store(assets_of("progress", "demos")), ""]
        return out + list(tooltips(page))

    def fill(self, line):
        """Return a line with what only the build knows."""
        line = line.replace("REPOSITORY_URL", self.repository)
        return MINUTES.sub(
            lambda match: str(pages.minutes_of_chapter(match[1], self.docs)), line
        )

    def put(self, block, last):
        """Return the lines that a directive becomes."""
        yield ""
        for row in show(block, last.get(block.file) is block):
            if isinstance(row, tuple):
                yield from ("", block.indent + self.md.htmlStash.store(*row), "")
            else:
                yield block.indent + self.fill(row)
        yield ""

    def find_page(self, lines):
        """Find the page by its text: Markdown is not told which one it converts."""
        text = "\n".join(lines).strip()
        for path in sorted(self.docs.rglob("*.md")):
            source = re.sub("(?m)^ +$", "", path.read_text("utf-8")).rstrip()
            if source.endswith(text):
                return path, source.removesuffix(text).count("\n")
        raise StepDocsError(f"no page of {self.docs} has this text:\n{text[:200]}")


def tooltips(page):
    """Return the terms of the glossary as abbreviations, for any page but itself."""
    glossary = page.parent / "glossary.md"
    if page == glossary or not glossary.exists():
        return
    yield ""
    for term, text in TERM.findall(glossary.read_text("utf-8")):
        plain = re.sub(r"\[([^]]+)\]\([^)]+\)|`", r"\1", text)
        yield f"*[{term}]: {plain}"


def with_place(place, act):
    """Act, and say on which page and line it failed."""
    try:
        act()
    except changes.UnknownError as error:
        raise StepDocsError(f"{place}: {error}") from None


class StepDocsExtension(Extension):
    """Adds the directives to Markdown."""

    def __init__(self, **settings):
        self.config = {
            "docs": ["docs", "the folder of the pages"],
            "repository": ["REPOSITORY_URL", "the address of the repository"],
        }
        super().__init__(**settings)

    def extendMarkdown(self, md):  # noqa: N802  Markdown calls it so
        """Come before the fences (25) and the blocks of HTML (20)."""
        settings = self.getConfig("docs"), self.getConfig("repository")
        md.preprocessors.register(StepDocs(md, *settings), "stepdocs", 28)


def makeExtension(**settings):  # noqa: N802  Markdown calls it so
    """Return the extension."""
    return StepDocsExtension(**settings)

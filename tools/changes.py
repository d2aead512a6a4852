"""Reads the steps for the site: their symbols, their changes, and their known gaps.

Needs nothing but Python, so that the tests of it run everywhere.
"""

import ast
import re
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

from tools.steps import ROOT
from tools.steps import files_of
from tools.steps import steps

FILES_WITHOUT_LESSON = {"README.md", "requirements.lock"}
NEAR = 3  # lines that are shown around a change where a symbol is too long to show
LONGEST = 30
IMPORTS, TOP, ALL = "imports", "top", "file"
UNNAMED = (IMPORTS, TOP, ALL)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
TAG = re.compile(r"\{%-?\s*(?:(?:block|macro)\s+(\w+)|(end(?:block|macro)))\b")
METHODS = {"route": "GET", "get": "GET", "post": "POST"}


class UnknownError(Exception):
    """A file, a symbol or a change that is not there."""


class Line(NamedTuple):
    """A line of a comparison: " ", "+" or "-", and where it stands in its files."""

    sign: str
    text: str
    owner: str
    old: int | None
    new: int | None


class Piece(NamedTuple):
    """A run of lines that belong to one symbol, from the first to before the last."""

    name: str
    first: int
    last: int


@cache
def folder(number):
    """Return the folder of a step by its two digits, or None."""
    found = {path.name[:2]: path for path in steps()}
    return found.get(number)


@cache
def files(number):
    """Return the lines of the files of a step by their paths; none before the first."""
    step = folder(number)
    if step is None and number != "00":
        raise UnknownError(f"there is no step {number}")
    return files_of(step) if step else {}


def lines_of(number, path):
    """Return the lines of a file that has to be there."""
    if path not in files(number):
        there = ", ".join(sorted(files(number)))
        raise UnknownError(f"step {number} has no {path}, only {there}")
    return files(number)[path]


def before(number):
    """Return the number of the step before a step."""
    if folder(number) is None:
        raise UnknownError(f"there is no step {number}")
    return f"{int(number) - 1:02}"


# Symbols


def symbols(path, lines):
    """Return (name, first line, last line) of each symbol, the outer ones first."""
    if path.endswith(".py"):
        body = ast.parse("\n".join(lines)).body
        return [(n, with_comment(lines, a), b) for n, a, b in python_symbols(body)]
    if path.endswith(".html"):
        return sorted(template_symbols(lines), key=lambda symbol: symbol[1:])
    return []


def python_symbols(nodes, prefix=""):
    """Find classes, functions, methods, assignments and other statements."""
    for node in nodes:
        if is_import(node) or (prefix and not isinstance(node, DEFINITIONS)):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min(part.lineno for part in (node, *decorators))
        name = prefix + name_of(node)
        yield name, first, node.end_lineno
        if isinstance(node, ast.ClassDef):
            yield from python_symbols(node.body, f"{name}.")


def is_import(node):
    """Tell whether a statement is an import or a docstring."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, (ast.Import, ast.ImportFrom))


def name_of(node):
    """Return the name that a statement gives, or its first word."""
    if isinstance(node, DEFINITIONS):
        return node.name
    target = getattr(node, "targets", None) or [getattr(node, "target", node)]
    return re.search(r"[\w.]+", ast.unparse(target[0]))[0]


def with_comment(lines, first):
    """Return where a symbol begins if the comment over it is part of it."""
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    return first


def template_symbols(lines):
    """Find the blocks and macros of a template."""
    is_open = []
    for number, line in enumerate(lines, 1):
        for name, end in TAG.findall(line):
            if end:
                yield (*is_open.pop(), number)
            else:
                is_open.append((name, number))


def find_lines(path, lines, where):
    """Return the first and last line of a symbol, or of the one line of a /pattern/."""
    if where.startswith("/"):
        found = [n for n, line in enumerate(lines, 1) if re.search(where[1:-1], line)]
        if len(found) != 1:
            raise UnknownError(f"{where} fits {len(found)} lines of {path}, not one")
        return found[0], found[0]
    there = symbols(path, lines)
    found = [(first, last) for name, first, last in there if name == where]
    if len(found) != 1:
        names = ", ".join(dict.fromkeys(name for name, _, _ in there))
        raise UnknownError(f"{path} has {len(found)} of {where}; there is: {names}")
    return found[0]


def owners(path, lines):
    """Return the symbol of each line; a blank line between symbols has none."""
    rest = {"py": IMPORTS, "html": TOP}.get(path.rpartition(".")[2], ALL)
    names = [rest if line.strip() else "" for line in lines]
    for name, first, last in symbols(path, lines):
        if path.endswith(".py") or names[first - 1] == rest:
            names[first - 1 : last] = [name] * (last - first + 1)
    return names


# Changes


@cache
def compare(number, path):
    """Compare a file with the step before, line by line.

    A line is only ever matched with one of the same symbol, so that no function is
    smeared over another.
    """
    older, newer = files(before(number)), files(number)
    if path not in older and path not in newer:
        raise UnknownError(f"neither step {before(number)} nor {number} has {path}")
    old, new = older.get(path, []), newer.get(path, [])
    one, other = pieces(path, old), pieces(path, new)
    rows = []
    matcher = SequenceMatcher(None, names_in(one), names_in(other), autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            for piece, twin in zip(one[i1:i2], other[j1:j2], strict=True):
                rows += compare_pieces(piece, twin, old, new)
            continue
        gone = [removed(piece, old) for piece in one[i1:i2]]
        come = [added(piece, new) for piece in other[j1:j2]]
        previous = root(one[i1 - 1].name) if i1 else None
        # Methods of the class before come first: nothing may stand between them.
        for lines in sorted(gone + come, key=lambda n: root(n[0].owner) != previous):
            rows += lines
    return give_away_blanks(rows)


def give_away_blanks(rows):
    """Count a changed blank line to the changed symbol after it, or else before it."""
    settled = []
    for place, row in enumerate(rows):
        if row.sign != " " and not row.text:
            after = near_owner(rows[place:])
            owner = after or near_owner(rows[place::-1]) or row.owner
            row = row._replace(owner=owner)
        settled.append(row)
    return settled


def near_owner(rows):
    """Return the symbol of the first line with text in a run of changed lines."""
    for row in rows:
        if row.sign == " ":
            break
        if row.text:
            return row.owner
    return ""


def root(name):
    """Return the class to which a symbol belongs, or the symbol."""
    return name.partition(".")[0]


def removed(piece, lines):
    """Return the lines of a symbol that is there no longer."""
    own = range(piece.first, piece.last)
    return [Line("-", lines[n], piece.name, n, None) for n in own]


def added(piece, lines):
    """Return the lines of a symbol that is new."""
    own = range(piece.first, piece.last)
    return [Line("+", lines[n], piece.name, None, n) for n in own]


def pieces(path, lines):
    """Split a file into runs of lines of one symbol; a blank line goes with the next.

    At the end of the file it goes with the last one.
    """
    names, found = owners(path, lines), []
    for place in range(len(names) - 2, -1, -1):
        names[place] = names[place] or names[place + 1]
    for place, name in enumerate(names):
        if found and (not name or found[-1].name == name):
            found[-1] = found[-1]._replace(last=place + 1)
        else:
            found.append(Piece(name or ALL, place, place + 1))
    return found


def names_in(found):
    """Return the symbols of some pieces."""
    return [piece.name for piece in found]


def compare_pieces(piece, twin, old, new):
    """Compare the lines of a symbol, before and after."""
    lines, others = old[piece.first : piece.last], new[twin.first : twin.last]
    rows, name = [], piece.name
    matcher = SequenceMatcher(None, lines, others, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        i1, i2 = i1 + piece.first, i2 + piece.first
        j1, j2 = j1 + twin.first, j2 + twin.first
        if tag == "equal":
            pairs = zip(range(i1, i2), range(j1, j2), strict=True)
            rows += [Line(" ", new[j], name, i, j) for i, j in pairs]
            continue
        rows += removed(Piece(name, i1, i2), old) + added(Piece(name, j1, j2), new)
    return rows


def changed_files(number):
    """Return the files that differ from the step before."""
    older, newer = files(before(number)), files(number)
    names = sorted((older.keys() | newer.keys()) - FILES_WITHOUT_LESSON)
    return [name for name in names if older.get(name) != newer.get(name)]


def hunks(number, path):
    """Return the names of the symbols of a file that changed, in their order."""
    changed = [row for row in compare(number, path) if row.sign != " "]
    return list(dict.fromkeys(row.owner for row in changed))


def hunks_named(number, path, words):
    """Return the hunks that are meant: by symbol, by class, or all if none is named."""
    there = hunks(number, path)
    if not there:
        raise UnknownError(f"{path} is the same in {before(number)} and {number}")
    chosen = []
    for word in words:
        found = [n for n in there if n == word or n.startswith(f"{word}.")]
        if not found:
            names = ", ".join(there)
            raise UnknownError(f"{path} has no change of {word}; changed are: {names}")
        chosen += found
    return list(dict.fromkeys(chosen)) or there


def stands_after(rows, name):
    """Return the symbol after which a new one stands in a file that was there."""
    own = [n for n, row in enumerate(rows) if row.owner == name]
    is_new = all(rows[n].sign == "+" or not rows[n].text for n in own)
    if all(row.sign == "+" for row in rows) or not is_new:
        return None
    there = [row for row in rows[: own[0]] if row.text and row.sign != "-"]
    return there[-1].owner if there else None


def tally(rows):
    """Return how many lines are added and deleted."""
    signs = [row.sign for row in rows]
    return signs.count("+"), signs.count("-")


def excerpt(rows, names):
    """Return the lines that show some hunks; None stands where lines are left out."""
    wanted = set()
    for name in names:
        own = [n for n, row in enumerate(rows) if row.owner == name]
        changed = [n for n in own if rows[n].sign != " "]
        near = LONGEST if len(own) <= LONGEST and name not in UNNAMED else NEAR
        wanted |= {n for n in own if any(abs(n - m) <= near for m in changed)}
    return with_gaps(rows, sorted(wanted))


def with_gaps(rows, wanted):
    """Return the wanted lines, with what is blank between them and a mark for gaps."""
    while wanted and not rows[wanted[0]].text:
        wanted = wanted[1:]
    while wanted and not rows[wanted[-1]].text:
        wanted = wanted[:-1]
    shown = []
    for last, place in zip([None, *wanted], wanted, strict=False):
        between = [] if last is None else rows[last + 1 : place]
        is_blank = all(row.sign == " " and not row.text for row in between)
        shown += between if is_blank else [None]
        shown.append(rows[place])
    return shown


def with_places(rows, hunk, from_the_start):
    """Return a hunk in which a gap before a new symbol names the one above it.

    What stands at the start needs that as well, unless the head says it.
    """
    shown = [None, *hunk] if from_the_start else list(hunk)
    for place, row in enumerate(shown[:-1]):
        following = shown[place + 1]
        if row is None and following.owner not in UNNAMED:
            shown[place] = stands_after(rows, following.owner)
    return shown[1:] if from_the_start and shown[0] is None else shown


# What a step brings


def new_requirements(older, newer):
    """Return the packages that the files before do not ask for."""
    old = older.get("requirements.txt", [])
    return [line for line in newer["requirements.txt"] if line not in old]


def routes(number):
    """Return the paths that a step answers, with their methods."""
    return routes_in(files(number))


def routes_in(app):
    """Return the paths that some files answer, with their methods."""
    found = {}
    for path, lines in sorted(app.items()):
        if path.startswith("app/") and path.endswith(".py"):
            nodes = list(ast.walk(ast.parse("\n".join(lines))))
            prefix = "".join(map(prefix_of, nodes))
            for node in filter(is_route, nodes):
                found[prefix + ast.literal_eval(node.args[0])] = methods(node)
    return found


def prefix_of(node):
    """Return what stands before the paths of a blueprint, if this is one with such."""
    is_blueprint = isinstance(node, ast.Call) and ast.unparse(node.func) == "Blueprint"
    words = {word.arg: word.value for word in node.keywords} if is_blueprint else {}
    return ast.literal_eval(words["url_prefix"]) if "url_prefix" in words else ""


def is_route(node):
    """Tell whether a call is that of a decorator such as `@bp.get("/")`."""
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    if not is_call or node.func.attr not in METHODS or not node.args:
        return False
    path = node.args[0]
    return isinstance(path, ast.Constant) and str(path.value)[:1] in ("", "/")


def methods(call):
    """Return the methods that a route takes."""
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    return given.get("methods", [METHODS[call.func.attr]])


# Known gaps


NEVER = "99"  # the last step of a gap that no step closes


class MarkedTest(NamedTuple):
    """What a test says, from which step or page on, up to which step, and where."""

    sentence: str
    since: str
    until: str
    attacks: tuple
    is_gap: bool
    place: str


@cache
def marked_tests():
    """Return what the tests of the steps say about themselves, in their order."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        body = ast.parse(path.read_text("utf-8")).body
        common, file = marks_of_file(body), path.relative_to(ROOT).as_posix()
        for node in body:
            own = dict(map(read_mark, getattr(node, "decorator_list", [])))
            if getattr(node, "name", "").startswith("test_") and (own or common):
                place = f"{file}#L{node.lineno}"
                found.append(marked_test(node.name, common | own, place))
    return found


def marks_of_file(body):
    """Return the marks that all tests of a file have."""
    marks = [node.value for node in body if assigns(node, "pytestmark")]
    lists = [mark.elts if isinstance(mark, ast.List) else [mark] for mark in marks]
    return dict(map(read_mark, sum(lists, [])))


def assigns(node, name):
    """Return whether a statement gives a value to a name."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name


def marked_test(name, marks, place):
    """Return what a test with this name and these marks says."""
    words = name.removeprefix("test_").replace("_", " ")
    (since,), (until,) = marks.get("since", ["01"]), marks.get("until", [NEVER])
    attacks = marks.get("attack", ())
    sentence, is_gap = f"{words.capitalize()}.", "gap" in marks
    return MarkedTest(sentence, since, until, attacks, is_gap, place)


def gaps():
    """Return the known gaps: the tests that are marked so."""
    return [test for test in marked_tests() if test.is_gap]


def find_test_of(attack):
    """Return the test that carries out an attack; the first, if there are several."""
    tests = [test for test in marked_tests() if attack in test.attacks]
    return min(tests, key=lambda test: test.is_gap)


def page_that_ends(attack, closed):
    """Return the page of a step on which an attack begins to fail; or the step."""
    return max(
        (
            test.since
            for test in marked_tests()
            if attack in test.attacks and test.since[:2] == closed and not test.is_gap
        ),
        key=lambda since: since if since[2:] else f"{since}~",  # a step ends its pages
        default=None,
    )


def read_mark(decorator):
    """Return the name and the arguments of a mark such as `@until("03")`."""
    if not isinstance(decorator, ast.Call):
        return ast.unparse(decorator), ()
    constants = [part for part in decorator.args if isinstance(part, ast.Constant)]
    return ast.unparse(decorator.func), tuple(part.value for part in constants)


def gaps_in(number):
    """Return the known gaps of a step, those that live longest at the end."""
    there = [gap for gap in gaps() if gap.since[:2] <= number <= gap.until]
    return sorted(there, key=lambda gap: (gap.until, gap.sentence))


def outcome(number, attack, row):
    """Say whether a step holds against an attack; nothing, if it means nothing yet."""
    if number < row.since:
        return ""
    if any(attack in gap.attacks for gap in gaps_in(number)):
        return "**open**"
    return "holds" if number >= row.closed else "in part"

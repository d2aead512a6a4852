"""The steps read as one diff after another: small, and nothing moves."""

import ast
import re
import sys
from difflib import SequenceMatcher
from functools import cache
from graphlib import CycleError
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from importlib.util import resolve_name
from itertools import pairwise
from statistics import median

import pytest

from tools import changes
from tools.steps import files_of
from tools.steps import steps

STEPS = steps()

# How many lines of the step before a step may take away or change.
DELETED_LINES = {"02": 5, "03": 5, "04": 75, "05": 25, "06": 49}
MEDIAN_FUNCTION = 8
LONGEST_FUNCTION = 25

# What a step may take away or reorder: (step, file, name) and the reason.
A_TABLE = "it is a table of the database now"
REPLACED = {
    ("03", "app/second_factor.py", "DEMO_SECRET"): "each user gets their own secret",
    ("04", "app/enrolment.py", "_pending_secrets"): A_TABLE,
    ("04", "app/rate_limit.py", "_counters"): A_TABLE,
    ("04", "app/recovery_codes.py", "_code_hashes"): A_TABLE,
    ("04", "app/second_factor.py", "_last_time_steps"): A_TABLE,
    ("04", "app/second_factor.py", "_secrets"): A_TABLE,
    ("04", "app/users.py", "DUMMY_USER"): A_TABLE,
    ("04", "app/users.py", "User.__init__"): A_TABLE,
}

# Imported by nothing: (package, why it is needed).
RUNTIME_ONLY = {
    "email-validator": "WTForms asks it whether a text is an address",
    "gunicorn": "runs `wsgi:app`",
    "psycopg": "SQLAlchemy loads it because of the database URL",
}
# Imported, but listed under the name of a package that is made of it.
COMES_WITH = {"alembic": "flask-migrate", "click": "flask"}

# What a later step may add to what all pages share.
ADDED_TO = {
    ("03", "app/static/recovery_codes.js"): "the page with the codes alone has it",
    ("06", "app/templates/error.html"): "the id of the request",
}

# Who ends a transaction: db, views and what they return, commands, the outbox's sender,
# and the rate limit, whose function says so by its name.
ENDS = {"commit", "rollback", "flush", "begin", "begin_nested"}
MAY_END = (
    "app/db.py: commit_or_rollback",
    "app/rate_limit.py: count_attempt_now",
    "app/outbox.py: claim",
    "app/outbox.py: send_email",
    "app/outbox.py: run_hourly_tasks",
    "app/enrolment.py: enrol",
    "app/registration.py: finish_registration",
    "app/second_factor.py: verify",
    "app/recovery_codes.py: verify",
    "app/account.py: lock_user_or_abort",
    "app/account.py: change_password",
    "app/password_reset.py: choose_password",
    "app/password_reset.py: finish_reset",
    "app/cli.py: disable_user",
    "app/cli.py: enable_user",
    "app/cli.py: reset_second_factor",
    "app/cli.py: rotate_totp_keys",
)
# What a function whose name is a question never calls.
PREDICATE = r": (\w+\.)?((is|has|must)_\w+|\w+_expired)$"
CHANGES = ENDS | {
    *("add", "add_all", "merge", "delete", "update", "insert", "refresh", "abort"),
    *("flash", "record", "enqueue", "clear", "pop", "setdefault"),
}

NEEDED = {"README.md", "requirements.txt", ".env.example", "wsgi.py", "app/__init__.py"}
SHARED = ("wsgi.py", "app/static/", "app/templates/base.html")
SHARED += ("app/templates/_form.html", "app/templates/error.html")
CALLED_BY_NAME = {"init_app", "upgrade", "downgrade"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==\d[\w.+!]*(?:\s*;.+)?")

ANY_TEXT = {
    "a step number": r"(?i)\b(?:steps?|chapters?)[ -]?0?[1-6]\b|\b0[1-6]-[a-z]",
    "'new in this step'": r"(?i)\bnew in (?:this|the) (?:step|chapter)",
    "something left to do": r"\b(?:TODO|FIXME|XXX)\b",
}
HANDLER = r"blur|change|click|error|focus|input|load|submit"
IN_BROWSER = {
    "a style attribute": r"(?i)\sstyle\s*=",
    "a handler": rf"(?i)\son(?:{HANDLER})\s*=",
    "an inline script": r"(?i)<script\b(?![^>]*\ssrc=)",
    "a reference to another host": (
        r"(?i)https?://(?!www\.w3\.org/2000/svg[\"'])|[\"'(]//\w"
    ),
}

each_step = pytest.mark.parametrize("folder", STEPS, ids=lambda path: path.name)
each_pair = pytest.mark.parametrize(
    ("before", "after"),
    list(pairwise(STEPS)),
    ids=[f"{before.name[:2]}-{after.name[:2]}" for before, after in pairwise(STEPS)],
)


def nothing(problems):
    """Fail with a list of problems, if there are any."""
    __tracebackhide__ = True
    if problems:
        pytest.fail("\n".join(map(str, problems)), pytrace=False)


parse = cache(ast.parse)


def texts_of(folder, under="", ends=""):
    """Return the texts of a step's files by their paths, which begin and end so."""
    return {
        path: "\n".join(lines)
        for path, lines in files_of(folder).items()
        if path.startswith(under) and path.endswith(ends)
    }


def modules_of(folder, under=""):
    """Return the sources of a step's modules by their paths."""
    return texts_of(folder, under, ".py")


def in_modules(folder, find, under=""):
    """Return what a check finds in the modules of a step, with the file."""
    return [
        f"{file}: {found}"
        for file, source in modules_of(folder, under).items()
        for found in find(source)
    ]


def definitions_of(tree):
    """Return functions, classes and methods with their full names, nothing nested."""
    found = []
    for node in tree.body:
        if isinstance(node, DEFINITIONS):
            found.append((node.name, node))
        if isinstance(node, ast.ClassDef):
            inner = [part for part in node.body if isinstance(part, FUNCTIONS)]
            found += [(f"{node.name}.{part.name}", part) for part in inner]
    return found


# What stays as it was


@each_step
def test_a_step_has_the_files_that_every_step_has(folder):
    nothing(NEEDED - files_of(folder).keys())


@each_pair
def test_a_step_takes_almost_no_line_away(before, after):
    number = after.name[:2]
    deleted = {
        name: changes.tally(changes.compare(number, name))[1]
        for name in changes.changed_files(number)
        if name.endswith((".py", ".html")) and not name.startswith("migrations/")
    }
    assert sum(deleted.values()) <= DELETED_LINES[number], deleted


@each_pair
def test_every_file_and_every_route_is_still_there(before, after):
    nothing(files_of(before).keys() - files_of(after).keys())
    old, new = (changes.routes(step.name[:2]) for step in (before, after))
    nothing([path for path in old if not {*old[path]} <= {*new.get(path, ())}])


def names_of(tree):
    """Return what a module defines, in its order."""
    names = []
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = getattr(node, "targets", None) or [node.target]
            parts = [part for target in targets for part in ast.walk(target)]
            names += [part.id for part in parts if is_new_name(part)]
        elif isinstance(node, DEFINITIONS):
            names += [name for name, inner in definitions_of(ast.Module([node]))]
    return list(dict.fromkeys(names))


def is_new_name(node):
    """Tell whether an assignment gives this name a value."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def moved_names(before, after):
    """Return the names of a module that are gone or stand in another order."""
    old, new = names_of(parse(before)), names_of(parse(after))
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    in_place = {
        name for block in blocks for name in old[block.a : block.a + block.size]
    }
    return [name for name in old if name not in in_place]


def test_every_name_is_still_there_and_in_its_place_unless_it_was_replaced():
    moved = {
        (after.name[:2], file, name)
        for before, after in pairwise(STEPS)
        for file, source in modules_of(before).items()
        for name in moved_names(source, modules_of(after).get(file, ""))
    }
    assert moved == set(REPLACED)


@each_pair
def test_style_and_shared_templates_never_change(before, after):
    old, new = (
        {(after.name[:2], name): text for name, text in texts_of(step, SHARED).items()}
        for step in (before, after)
    )
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    nothing(changed - ADDED_TO.keys())


@each_pair
def test_a_module_says_the_same_in_every_step(before, after):
    old, new = (
        {
            name: ast.get_docstring(parse(text))
            for name, text in modules_of(step).items()
        }
        for step in (before, after)
    )
    nothing([name for name in old if name in new and old[name] != new[name]])


def headings_of(folder):
    """Return the headings of a step's README below its title."""
    prose = re.sub(r"(?ms)^```.*?^```", "", texts_of(folder)["README.md"])
    return re.findall(r"(?m)^##+ .*\S", prose)


@each_pair
def test_all_readmes_have_the_same_headings(before, after):
    assert headings_of(before) == headings_of(after) != []


# What it is made with


def normalise(package):
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", package).lower()


def requirements_of(folder):
    """Return the lines that ask for a package."""
    lines = (folder / "requirements.txt").read_text("utf-8").splitlines()
    lines = (line.split(" #")[0].strip() for line in lines)
    return [line for line in lines if line and not line.startswith("#")]


@each_pair
def test_a_step_only_adds_requirements(before, after):
    old = requirements_of(before)
    assert [line for line in requirements_of(after) if line in old] == old


@each_step
def test_every_requirement_is_one_exact_version(folder):
    nothing([line for line in requirements_of(folder) if not PIN.fullmatch(line)])


def foreign_imports(folder):
    """Return what a step imports from elsewhere, with the files that do so."""
    return {
        name: file
        for file, source in modules_of(folder).items()
        for node in ast.walk(parse(source))
        for name in absolute_names(node)
        if name not in sys.stdlib_module_names and name != "app"
    }


def absolute_names(node):
    """Return the top-level names that an import statement reaches for."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module.split(".")[0]]
    return []


@each_step
def test_requirements_are_what_the_step_imports(folder):
    listed = {normalise(PIN.match(line)[1]) for line in requirements_of(folder)}
    used, packages = set(RUNTIME_ONLY), packages_distributions()
    for name, file in foreign_imports(folder).items():
        owners = {normalise(package) for package in packages.get(name, [])}
        owners |= {COMES_WITH[owner] for owner in owners if owner in COMES_WITH}
        assert owners & listed, f"{file}: {name} {owners} is not listed"
        used |= owners
    nothing(listed - used)


# How its imports look


@each_step
def test_imports_inside_the_app_are_relative(folder):
    def find(source):
        nodes = ast.walk(parse(source))
        return [node.lineno for node in nodes if "app" in absolute_names(node)]

    nothing(in_modules(folder, find, "app/"))


def import_graph(folder):
    """Return which module of the app imports which."""
    files = modules_of(folder, "app/")
    names = [*map(module_name, files)]
    graph = {}
    for module, (file, source) in zip(names, files.items(), strict=True):
        is_package = file.endswith("/__init__.py")
        package = module if is_package else module.rpartition(".")[0]
        nodes = ast.walk(parse(source))
        relative = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.level]
        graph[module] = [target_of(node, package, names) for node in relative]
    return graph


def module_name(file):
    """Return the name under which a file is imported."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def target_of(node, package, modules):
    """Return the module that a relative import reaches."""
    base = resolve_name("." * node.level + (node.module or ""), package)
    full = f"{base}.{node.names[0].name}"
    return full if full in modules else base


@each_step
def test_no_import_runs_in_a_circle(folder):
    try:
        TopologicalSorter(import_graph(folder)).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]), pytrace=False)


# How it reads


@each_step
def test_every_module_says_what_it_is(folder):
    sources = modules_of(folder).items()
    nothing([name for name, text in sources if not ast.get_docstring(parse(text))])


def undocumented(source):
    """Return the public functions and classes without a docstring."""
    return [
        name
        for name, node in definitions_of(parse(source))
        if not node.name.startswith("_")
        and node.name not in CALLED_BY_NAME
        and not ast.get_docstring(node)
    ]


@each_step
def test_every_public_function_and_class_says_what_it_is_for(folder):
    nothing(in_modules(folder, undocumented))


def length_of(node):
    """Return how many lines a function or a text has, without decorators."""
    return node.end_lineno - node.lineno + 1


@each_step
def test_functions_are_short(folder):
    lengths = {}
    for file, source in modules_of(folder, "app/").items():
        for name, node in definitions_of(parse(source)):
            if isinstance(node, FUNCTIONS):
                has_docstring = ast.get_docstring(node) is not None
                docstring = length_of(node.body[0]) if has_docstring else 0
                lengths[f"{file}: {name}"] = length_of(node) - docstring
    nothing([pair for pair in lengths.items() if pair[1] > LONGEST_FUNCTION])
    assert median(lengths.values()) <= MEDIAN_FUNCTION


def calls_of(names):
    """Return a function that finds the functions of a module that call these names."""

    def find(source):
        return [
            name
            for name, node in definitions_of(parse(source))
            if isinstance(node, FUNCTIONS)
            for call in ast.walk(node)
            if isinstance(call, ast.Call) and called_name(call) in names
        ]

    return find


def called_name(call):
    """Return the last part of what a call calls."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def test_only_some_functions_end_a_transaction():
    ends = {
        place for step in STEPS for place in in_modules(step, calls_of(ENDS), "app/")
    }
    assert ends == set(MAY_END)


@each_step
def test_a_predicate_changes_nothing(folder):
    found = in_modules(folder, calls_of(CHANGES), "app/")
    nothing([place for place in found if re.search(PREDICATE, place)])


def forbidden(texts, patterns):
    """Return each place where a text has what it must not have."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start() + 1) + 1}: {what}: {match[0]!r}"
        for name, text in texts.items()
        for what, pattern in patterns.items()
        for match in re.finditer(pattern, text)
    ]


@each_step
def test_code_does_not_speak_of_steps_nor_of_work_to_do(folder):
    texts = {n: t for n, t in texts_of(folder).items() if not n.endswith(".md")}
    nothing(forbidden(texts, ANY_TEXT))


@each_step
def test_pages_have_no_inline_style_or_script_and_no_other_host(folder):
    texts = texts_of(folder, "app/", (".html", ".css", ".js", ".svg"))
    nothing(forbidden(texts, IN_BROWSER))


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("# see chapter 04, new in this step, which leaves a TODO", ANY_TEXT),
        (
            """<p style="" onclick='go()'><script>go()</script> url(//a.io)""",
            IN_BROWSER,
        ),
    ],
)
def test_each_of_these_is_found(text, patterns):
    found = "\n".join(forbidden({"a file": text}, patterns))
    assert [what for what in patterns if what not in found] == []

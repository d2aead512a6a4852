"""The steps read as one diff after another: small, and nothing moves."""

import ast
import os
import re
import shutil
import subprocess
import sys
from difflib import SequenceMatcher
from importlib.metadata import packages_distributions
from importlib.util import resolve_name
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from tests.kit.sources import FUNCTIONS
from tests.kit.sources import JUNK
from tests.kit.sources import files_of
from tests.kit.sources import modules_of
from tests.kit.sources import parse
from tests.kit.sources import read
from tests.kit.sources import routes_of

ROOT = Path(__file__).parents[2]
STEPS = sorted(path for path in ROOT.glob("steps/[0-9][0-9]-*") if path.is_dir())

# How many lines of the step before a step may take away or change.
DELETED_LINES = {"02": 5, "03": 5, "04": 75, "05": 25, "06": 48}
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

JUNK |= {".pytest_cache", ".ruff_cache"}
NEEDED = ("README.md", "requirements.txt", ".env.example", "wsgi.py", "app/__init__.py")
SHARED = tuple(f"app/templates/{name}.html" for name in ("base", "_form", "error"))
SHARED += ("wsgi.py",)
CALLED_BY_NAME = {"init_app", "upgrade", "downgrade"}
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==(\d[\w.+!]*)(?:\s*;.+)?")

ANY_TEXT = (
    (r"(?i)\b(?:steps?|chapters?)[ -]?0?[1-6]\b|\b0[1-6]-[a-z]", "a step number"),
    (r"(?i)\bnew in (?:this|the) (?:step|chapter)", "'new in this step'"),
    (r"\b(?:TODO|FIXME|XXX)\b", "something left to do"),
)
IN_BROWSER = (
    (r"(?i)\sstyle\s*=", "a style attribute"),
    (r"(?i)\son(?:blur|change|click|error|focus|input|load|submit)\s*=", "a handler"),
    (r"(?i)<script\b(?![^>]*\ssrc=)", "an inline script"),
    (
        r"(?i)https?://(?!www\.w3\.org/2000/svg[\"'])|[\"'(]//\w",
        "a reference to another host",
    ),
)

each_step = pytest.mark.parametrize("folder", STEPS, ids=lambda path: path.name)
each_pair = pytest.mark.parametrize(
    ("before", "after"),
    list(pairwise(STEPS)),
    ids=[f"{before.name[:2]}-{after.name[:2]}" for before, after in pairwise(STEPS)],
)
needs_git = pytest.mark.skipif(
    not shutil.which("git") and os.environ.get("TUTORIAL_PARTS") != "all",
    reason="git is not installed",
)


# What is in a step


def texts_of(folder, suffixes=("",)):
    """Return the texts of a step by their names, without Markdown and binary files."""
    found = {}
    for name, path in files_of(folder).items():
        if name.endswith(suffixes) and not name.endswith(".md"):
            try:
                found[name] = read(path)
            except UnicodeDecodeError:
                continue
    return found


def docstring_of(node):
    """Return the statement that is the docstring of a module, class or function."""
    return node.body[0] if ast.get_docstring(node) is not None else None


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


# How long it is


def lines_of(node):
    """Return the numbers of the lines that a piece of syntax takes."""
    return range(node.lineno, node.end_lineno + 1)


def function_lengths(folder):
    """Return how long each function of the app is, without its docstring."""
    lengths = {}
    for file, source in modules_of(folder, "app/").items():
        for name, node in definitions_of(parse(source)):
            if isinstance(node, FUNCTIONS):
                docstring = docstring_of(node)
                documented = len(lines_of(docstring)) if docstring else 0
                lengths[f"{file}: {name}"] = len(lines_of(node)) - documented
    return lengths


def raw_changes(before, after):
    """Return the added and deleted lines of each module and template."""
    options = ["--no-index", "--numstat", "-z", "--no-renames", "--no-ext-diff"]
    command = ["git", "diff", *options, "--diff-algorithm=myers", "--", before, after]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode in (0, 1), done.stderr
    fields = done.stdout.split("\0")[:-1]
    changes = {}
    for counts, old, new in zip(*[iter(fields)] * 3, strict=True):
        folder, path = (before, old) if new == "/dev/null" else (after, new)
        place = Path(path).relative_to(folder)
        if is_counted(place):
            added, deleted, _ = counts.split("\t")
            changes[place.as_posix()] = (int(added), int(deleted))
    return changes


def is_counted(place):
    """Tell whether the lines of a file count: Python and templates, no migrations."""
    left_out = JUNK | {"migrations"}
    return place.suffix in (".py", ".html") and not left_out.intersection(place.parts)


def too_many_deleted(changes, most_deleted):
    """Return which files lose how many lines, if a step loses too many."""
    if sum(deleted for _, deleted in changes.values()) <= most_deleted:
        return []
    return [f"{-deleted:5}  {name}" for name, (_, deleted) in changes.items()]


# What stays as it was


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
    """Return what happened to the names that are not where they were."""
    old, new = names_of(parse(before)), names_of(parse(after))
    changes = {name: "is gone" for name in old if name not in new}
    old = [name for name in old if name in new]
    new = [name for name in new if name in old]
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    in_place = {
        name for block in blocks for name in old[block.a : block.a + block.size]
    }
    return changes | {name: "has moved" for name in old if name not in in_place}


def moves(before, after):
    """Return what happened to the names of a step's modules, by file and name."""
    later = modules_of(after)
    return {
        (after.name[:2], file, name): change
        for file, source in modules_of(before).items()
        for name, change in moved_names(source, later.get(file, "")).items()
    }


def style_of(folder):
    """Return what every page shares, byte by byte."""
    files = files_of(folder).items()
    return {
        name: path.read_bytes()
        for name, path in files
        if name in SHARED or name.startswith("app/static/")
    }


def different_keys(before, after):
    """Return the keys under which two mappings do not hold the same."""
    return sorted(
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    )


def headings_of(folder):
    """Return the headings of a step's README below its title."""
    path = folder / "README.md"
    prose = re.sub(r"(?ms)^```.*?^```", "", read(path) if path.exists() else "")
    return re.findall(r"(?m)^##+ .*\S", prose)


# What it is made with


def normalise(package):
    """Return the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", package).lower()


def requirement_lines(text):
    """Return the lines that ask for a package."""
    lines = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pins_of(text):
    """Return the versions by package, and the lines that do not pin one."""
    pins, loose = {}, []
    for line in requirement_lines(text):
        match = PIN.fullmatch(line)
        if match:
            pins[normalise(match[1])] = match[2]
        else:
            loose.append(line)
    return pins, loose


def foreign_imports(folder):
    """Return what a step imports from elsewhere, with the files that do so."""
    found = {}
    for file, source in modules_of(folder).items():
        for node in ast.walk(parse(source)):
            for name in absolute_names(node):
                if name not in sys.stdlib_module_names and name != "app":
                    found.setdefault(name, file)
    return found


def absolute_names(node):
    """Return the top-level names that an import statement reaches for."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [node.module.split(".")[0]]
    return []


def requirement_problems(folder, packages):
    """Return the imports that no requirement covers, and the idle requirements."""
    pins, _ = pins_of(read(folder / "requirements.txt"))
    problems, used = [], set(RUNTIME_ONLY)
    for name, file in foreign_imports(folder).items():
        owners = {normalise(package) for package in packages.get(name, [])}
        owners |= {COMES_WITH[owner] for owner in owners if owner in COMES_WITH}
        used |= owners
        if not owners:
            problems.append(f"{file}: no package that is installed has {name}")
        elif not owners.intersection(pins):
            problems.append(
                f"{file}: {name} ({', '.join(sorted(owners))}) is not listed"
            )
    idle = [f"requirements.txt: nothing imports {name}" for name in pins.keys() - used]
    return problems + sorted(idle)


# How its imports look


def absolute_app_imports(source):
    """Return the lines that import the app by its name."""
    nodes = ast.walk(parse(source))
    return [node.lineno for node in nodes if "app" in absolute_names(node)]


def import_graph(folder):
    """Return which module of the app imports which."""
    sources = {module_name(file): file for file in modules_of(folder, "app/")}
    graph = {}
    for module, file in sources.items():
        is_package = file.endswith("/__init__.py")
        package = module if is_package else module.rpartition(".")[0]
        nodes = ast.walk(parse(read(folder / file)))
        relative = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.level]
        graph[module] = [target_of(node, package, sources) for node in relative]
    return graph


def module_name(file):
    """Return the name under which a file is imported."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def target_of(node, package, modules):
    """Return the module that a relative import reaches."""
    base = resolve_name("." * node.level + (node.module or ""), package)
    full = f"{base}.{node.names[0].name}"
    return full if full in modules else base


def find_cycle(graph):
    """Return the modules of a circle of imports, or nothing."""
    done = set()

    def walk(module, way):
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        done.add(module)
        cycles = (walk(target, [*way, module]) for target in graph.get(module, []))
        return next(filter(None, cycles), [])

    return next(filter(None, (walk(module, []) for module in graph)), [])


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


# How it reads


def undocumented(source):
    """Return the public functions and classes without a docstring."""
    return [
        name
        for name, node in definitions_of(parse(source))
        if not node.name.startswith("_")
        and node.name not in CALLED_BY_NAME
        and not ast.get_docstring(node)
    ]


def reworded_modules(before, after):
    """Return the modules whose docstring is another one in the later step."""
    old, new = (
        {
            name: ast.get_docstring(parse(text))
            for name, text in modules_of(step).items()
        }
        for step in (before, after)
    )
    return [name for name in old if name in new and old[name] != new[name]]


def forbidden(texts, patterns):
    """Return each place where a text has what it must not have."""
    return [
        f"{name}:{text.count(chr(10), 0, match.start() + 1) + 1}: {what}: {match[0]!r}"
        for name, text in texts.items()
        for pattern, what in patterns
        for match in re.finditer(pattern, text)
    ]


def in_modules(folder, find, under=""):
    """Return what a check finds in the modules of a step, with the file."""
    return [
        f"{file}: {found}"
        for file, source in modules_of(folder, under).items()
        for found in find(source)
    ]


def nothing(problems):
    """Fail with a list of problems, if there are any."""
    __tracebackhide__ = True
    if problems:
        pytest.fail("\n".join(map(str, problems)), pytrace=False)


# The steps


@each_step
def test_a_step_has_the_files_that_every_step_has(folder):
    nothing([name for name in NEEDED if name not in files_of(folder)])


@needs_git
@each_pair
def test_a_step_takes_almost_no_line_away(before, after):
    changes = raw_changes(before, after)
    nothing(too_many_deleted(changes, DELETED_LINES[after.name[:2]]))


@each_pair
def test_every_file_is_still_there(before, after):
    nothing([name for name in files_of(before) if name not in files_of(after)])


@each_pair
def test_every_name_is_still_there_and_in_its_place(before, after):
    found = moves(before, after)
    nothing([(*key, found[key]) for key in found if key not in REPLACED])


def test_what_is_excused_is_really_replaced():
    found = [key for pair in pairwise(STEPS) for key in moves(*pair)]
    nothing([key for key in REPLACED if key not in found])


@each_pair
def test_every_route_is_still_there(before, after):
    nothing(sorted(routes_of(before) - routes_of(after)))


@each_pair
def test_style_and_shared_templates_never_change(before, after):
    different = different_keys(style_of(before), style_of(after))
    nothing([name for name in different if (after.name[:2], name) not in ADDED_TO])


@each_pair
def test_a_step_only_adds_requirements(before, after):
    old = requirement_lines(read(before / "requirements.txt"))
    new = requirement_lines(read(after / "requirements.txt"))
    nothing([line for line in old if line not in new])
    assert [line for line in new if line in old] == old


@each_step
def test_every_requirement_is_one_exact_version(folder):
    pins, loose = pins_of(read(folder / "requirements.txt"))
    nothing(loose)
    assert pins


@each_step
def test_every_pin_is_the_one_of_the_whole_tutorial(folder):
    constraints = ROOT / "requirements" / "constraints.txt"
    if not constraints.exists():
        pytest.skip("there is no requirements/constraints.txt")
    common, _ = pins_of(read(constraints))
    pins, _ = pins_of(read(folder / "requirements.txt"))
    wrong = {name: pin for name, pin in pins.items() if common.get(name) != pin}
    nothing([f"{name} {pin}, not {common.get(name)}" for name, pin in wrong.items()])


@each_step
def test_requirements_are_what_the_step_imports(folder):
    nothing(requirement_problems(folder, packages_distributions()))


@each_step
def test_every_module_says_what_it_is(folder):
    sources = modules_of(folder).items()
    nothing([name for name, text in sources if not ast.get_docstring(parse(text))])


@each_pair
def test_a_module_says_the_same_in_every_step(before, after):
    nothing(reworded_modules(before, after))


@each_step
def test_imports_inside_the_app_are_relative(folder):
    nothing(in_modules(folder, absolute_app_imports, "app/"))


@each_step
def test_no_import_runs_in_a_circle(folder):
    cycle = find_cycle(import_graph(folder))
    assert not cycle, " -> ".join(cycle)


@each_step
def test_every_public_function_and_class_says_what_it_is_for(folder):
    nothing(in_modules(folder, undocumented))


@each_step
def test_functions_are_short(folder):
    lengths = function_lengths(folder)
    nothing([pair for pair in lengths.items() if pair[1] > LONGEST_FUNCTION])
    assert median(lengths.values()) <= MEDIAN_FUNCTION


@each_step
def test_only_some_functions_end_a_transaction(folder):
    found = in_modules(folder, calls_of(ENDS), "app/")
    nothing([place for place in found if not place.startswith(MAY_END)])


def test_what_may_end_a_transaction_does():
    found = [place for step in STEPS for place in in_modules(step, calls_of(ENDS))]
    nothing([place for place in MAY_END if not any(map(place.__eq__, found))])


@each_step
def test_a_predicate_changes_nothing(folder):
    found = in_modules(folder, calls_of(CHANGES), "app/")
    nothing([place for place in found if re.search(PREDICATE, place)])


@each_step
def test_code_does_not_speak_of_steps_nor_of_work_to_do(folder):
    nothing(forbidden(texts_of(folder), ANY_TEXT))


@each_step
def test_pages_have_no_inline_style_or_script_and_no_other_host(folder):
    suffixes = (".html", ".css", ".js", ".svg")
    nothing(forbidden(texts_of(folder / "app", suffixes), IN_BROWSER))


@each_pair
def test_all_readmes_have_the_same_headings(before, after):
    old, new = headings_of(before), headings_of(after)
    assert old == new
    assert old


# The checks themselves


def plant(folder, **files):
    """Write modules of an app, by name, into a step."""
    (folder / "app").mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        (folder / "app" / f"{name}.py").write_text(source)
    return folder


@needs_git
def test_raw_changes_are_counted_by_file_and_without_junk(tmp_path):
    before = plant(tmp_path / "01", a="one\ntwo\n", gone="1\n2\n3\n")
    after = plant(tmp_path / "02", a="one\n2\nthree\n", new="1\n2\n")
    (after / "instance").mkdir()
    (after / "instance" / "left.py").write_text("1\n")
    (after / "app" / "style.css").write_text("1\n")
    assert raw_changes(before, after) == {
        "app/a.py": (2, 1),
        "app/gone.py": (0, 3),
        "app/new.py": (2, 0),
    }


def test_a_limit_of_deleted_lines_is_exact_and_says_which_file_is_to_blame():
    changes = {"app/a.py": (3, 1), "app/b.py": (1, 0)}
    assert too_many_deleted(changes, 1) == []
    assert too_many_deleted(changes, 0)[0] == "   -1  app/a.py"
    assert too_many_deleted({}, 0) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("def a(): ...\ndef new(): ...\nB = 1\nclass C:\n def d(self): ...", {}),
        (
            "def renamed(): ...\nB = 1\nclass C:\n def d(self): ...",
            {("02", "app/m.py", "a"): "is gone"},
        ),
        ("def a(): ...\nB = 1\nclass C: ...", {("02", "app/m.py", "C.d"): "is gone"}),
        (
            "B = 1\nclass C:\n def d(self): ...\ndef a(): ...",
            {("02", "app/m.py", "a"): "has moved"},
        ),
    ],
)
def test_a_renamed_or_reordered_name_is_found(tmp_path, after, expected):
    source = "def a(): ...\nB = 1\nclass C:\n def d(self): ..."
    before = plant(tmp_path / "01-x", m=source)
    assert moves(before, plant(tmp_path / "02-y", m=after)) == expected


def test_the_names_of_a_deleted_module_are_found(tmp_path):
    before = plant(tmp_path / "01-x", m="a, b = 1, 2\nc: int = 3\n")
    after = plant(tmp_path / "02-y")
    assert [key[2] for key in moves(before, after)] == ["a", "b", "c"]


def test_routes_are_read_from_the_decorators(tmp_path):
    source = (
        '@bp.route("/a", methods=["GET", "POST"])\n@login_required\ndef a(): ...\n'
        '@bp.post("/b")\ndef b(): ...\n'
        '@bp.route("/c")\ndef c(): ...\n'
    )
    assert routes_of(plant(tmp_path, m=source)) == {
        ("GET", "/a"),
        ("POST", "/a"),
        ("POST", "/b"),
        ("GET", "/c"),
    }


def test_a_changed_style_is_found(tmp_path):
    before, after = plant(tmp_path / "01"), plant(tmp_path / "02")
    for folder in (before, after):
        (folder / "app" / "static").mkdir()
        (folder / "app" / "static" / "style.css").write_text(folder.name)
    assert different_keys(style_of(before), style_of(after)) == ["app/static/style.css"]


@pytest.mark.parametrize("line", ["Flask>=3.1", "Flask", "Flask==3.*", "-r other.txt"])
def test_a_requirement_without_an_exact_version_is_found(line):
    assert pins_of(f"# Flask\nPy_JWT[x]==2.1\n{line}\n") == ({"py-jwt": "2.1"}, [line])


def test_imports_and_requirements_that_do_not_agree_are_found(tmp_path):
    folder = plant(tmp_path, m="import os\nimport a.b\nimport c\nfrom d import e\n")
    (folder / "requirements.txt").write_text("A-a==1\nidle==1\ngunicorn==1\n")
    packages = {"a": ["a.a"], "c": ["C"]}
    assert requirement_problems(folder, packages) == [
        "app/m.py: c (c) is not listed",
        "app/m.py: no package that is installed has d",
        "requirements.txt: nothing imports idle",
    ]


def test_an_import_of_the_app_by_name_is_found():
    assert absolute_app_imports("from . import a\nfrom app.b import c\n") == [2]


@pytest.mark.parametrize(
    ("sources", "cycle"),
    [
        ({"__init__": "from . import a", "a": "from .b import c", "b": ""}, []),
        (
            {"a": "from . import b", "b": "from .a import c"},
            ["app.a", "app.b", "app.a"],
        ),
        (
            {"__init__": "from . import a", "a": "from . import name"},
            ["app", "app.a", "app"],
        ),
    ],
)
def test_a_circle_of_imports_is_found_and_named(tmp_path, sources, cycle):
    sources = {"__init__": "", **sources}
    assert find_cycle(import_graph(plant(tmp_path, **sources))) == cycle


def test_what_lacks_a_docstring_is_found():
    source = (
        "def init_app(app): ...\ndef _hidden(): ...\ndef bare(): ...\n"
        "class A:\n '''A.'''\n def method(self):\n  def nested(): ...\n"
        " class Meta: ...\n"
    )
    assert undocumented(source) == ["bare", "A.method"]


def test_a_function_is_as_long_as_its_lines_without_decorators_and_docstring(tmp_path):
    source = '@a\n@b\ndef f(\n    c,\n):\n    """D.\n    E."""\n\n    return c\n'
    assert function_lengths(plant(tmp_path, m=source)) == {"app/m.py: f": 5}


def test_a_reworded_module_is_found(tmp_path):
    before = plant(tmp_path / "01", a='"""A."""', b='"""B."""')
    after = plant(tmp_path / "02", a='"""A."""', b='"""C."""', d='"""D."""')
    assert reworded_modules(before, after) == ["app/b.py"]


@pytest.mark.parametrize(
    "text",
    [
        "# as in step 3",
        "# see chapter 04",
        "steps/02-totp-verify",
        "# New in this step",
        "TODO: more",
    ],
)
def test_talk_of_steps_is_found(text):
    assert forbidden({"a.py": text}, ANY_TEXT)


@pytest.mark.parametrize(
    "text", ["step - 1", "time_step2", "RFC 6238 section 5.2", "one step 10 times"]
)
def test_talk_of_other_things_is_allowed(text):
    assert not forbidden({"a.py": text}, ANY_TEXT)


@pytest.mark.parametrize(
    "text",
    [
        '<p\nstyle="color: red">',
        "<p onclick='go()'>",
        "<script>go()</script>",
        '<link href="https://example.com/a.css">',
        "url(//example.com/a.woff)",
        '<svg xmlns="http://www.w3.org/1999/xlink">',
    ],
)
def test_what_a_page_must_not_have_is_found(text):
    assert forbidden({"a.html": text}, IN_BROWSER)


def test_what_a_page_may_have_is_not_found():
    text = '<svg xmlns="http://www.w3.org/2000/svg"><script src="/a.js" defer></script>'
    assert not forbidden({"a.html": text + '<link rel="stylesheet">'}, IN_BROWSER)


def test_a_place_is_given_by_its_line():
    assert forbidden({"a.py": "a\nb # TODO"}, ANY_TEXT) == [
        "a.py:2: something left to do: 'TODO'"
    ]


def test_headings_are_not_read_from_examples(tmp_path):
    text = "# Title\n\n## Run it\n\n```\n## a comment\n```\n\n### Next\n"
    (tmp_path / "README.md").write_text(text)
    assert headings_of(tmp_path) == ["## Run it", "### Next"]

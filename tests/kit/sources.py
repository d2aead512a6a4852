"""The modules of a step, read as text: their files, and the routes in them."""

import ast
import re
from functools import cache

JUNK = {"instance", "__pycache__", ".env", ".flaskenv", ".venv"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
METHODS = {
    "route": None,
    "get": "GET",
    "post": "POST",
    "put": "PUT",
    "delete": "DELETE",
}


def files_of(folder):
    """Return the files of a step by their names, without what running it leaves."""
    found = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not JUNK.intersection(place.parts):
            found[place.as_posix()] = path
    return found


def read(path):
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


@cache
def parse(source):
    """Return the syntax tree of a module."""
    return ast.parse(source)


def modules_of(folder, under=""):
    """Return the sources of a step's modules by their names."""
    files = files_of(folder).items()
    return {
        name: read(path)
        for name, path in files
        if name.startswith(under) and name.endswith(".py")
    }


def routes_of(folder):
    """Return the methods and paths that a step answers."""
    found = set()
    for source in modules_of(folder, "app/").values():
        prefix = "".join(re.findall(r'Blueprint\(.*url_prefix="(.*?)"', source))
        for node in ast.walk(parse(source)):
            if isinstance(node, FUNCTIONS):
                for decorator in node.decorator_list:
                    found |= {
                        (how, prefix + path) for how, path in routes_in(decorator)
                    }
    return found


def routes_in(decorator):
    """Return the methods and the path of a decorator such as `@bp.get("/")`."""
    if not isinstance(decorator, ast.Call):
        return []
    kind = getattr(decorator.func, "attr", None)
    if kind not in METHODS or not decorator.args:
        return []
    given = {word.arg: word.value for word in decorator.keywords}
    listed = ast.literal_eval(given["methods"]) if "methods" in given else ["GET"]
    methods = [METHODS[kind]] if METHODS[kind] else listed
    return [(method, ast.literal_eval(decorator.args[0])) for method in methods]

"""The licences of what is packed, read off the packages themselves."""

import json
import os
import re
import sys
import zipfile
from pathlib import Path

CPYTHON = "https://www.python.org/downloads/source/"
PYODIDE = "https://github.com/pyodide/pyodide"
MPL = f"""\
Pyodide is used under the Mozilla Public License 2.0, https://mozilla.org/MPL/2.0/
Its source code, from which the packed files were built unchanged: {PYODIDE}
"""
PSF = "PSF-2.0, in full on https://docs.python.org/3.14/license.html\n\n"
# What bundles and compiles, and is not packed itself; and declarations of types.
TOOLS = ("esbuild", "@esbuild/", "@types/", "ws")


def of_modules(folder, lock):
    """Return the parts that npm installed and that a pack contains.

    A part is a dict: name, version, licence, source (an address) and text.
    """
    packages = json.loads(lock.read_text("utf-8"))["packages"]
    parts = [cpython()]
    for path, facts in packages.items():
        name = path.removeprefix("node_modules/")
        if name and not name.startswith(TOOLS):
            parts.append(module(folder / path, name, facts))
    return parts


def module(folder, name, facts):
    """Return a part that npm installed."""
    texts = [path.read_text("utf-8") for path in sorted(folder.glob("LICEN*"))]
    is_pyodide = name == "pyodide"
    return {
        "name": name,
        "version": facts["version"],
        "licence": facts["license"],
        "source": PYODIDE if is_pyodide else f"https://www.npmjs.com/package/{name}",
        "text": MPL if is_pyodide else "\n\n".join(texts),
    }


def cpython():
    """Return the interpreter that Pyodide is built from, with our own copy's text."""
    places = [
        Path(os.__file__).with_name("LICENSE.txt"),
        Path(sys.prefix, "LICENSE.txt"),
    ]
    texts = [path.read_text("utf-8") for path in places if path.exists()]
    return {
        "name": "CPython",
        "version": "3.14",
        "licence": "PSF-2.0",
        "source": CPYTHON,
        "text": PSF + "".join(texts[:1]),
    }


def of_wheels(wheels):
    """Return the parts that come from Python wheels."""
    return [wheel(path) for path in wheels]


def wheel(path):
    """Return the part of one wheel, with all licence files that lie in it."""
    with zipfile.ZipFile(path) as file:
        names = sorted(file.namelist())
        head = file.read(next(n for n in names if n.endswith(".dist-info/METADATA")))
        head = head.decode().partition("\n\n")[0]
        texts = [file.read(n).decode("utf-8", "replace") for n in names if is_text(n)]
    name = re.search(r"(?m)^Name: (.+)$", head)[1]
    return {
        "name": name,
        "version": re.search(r"(?m)^Version: (.+)$", head)[1],
        "licence": licence_in(head),
        "source": f"https://pypi.org/project/{name}/",
        "text": "\n\n".join(texts) or head,
    }


def is_text(name):
    """Return whether a file of a wheel is the text of a licence."""
    folder, _, file = name.rpartition("/")
    return ".dist-info" in folder and bool(re.match(r"(?i)licen|notice|copying", file))


def licence_in(head):
    """Return the licence that the metadata of a wheel names in a line."""
    found = re.search(r"(?m)^License(?:-Expression)?: (.{1,60})$", head)
    if found:
        return found[1]
    found = re.search(r"(?m)^Classifier: License :: (?:.* :: )?(.+)$", head)
    return found[1] if found else "see its text"

"""The packs of the page *Try it here*: Python, the libraries, the steps, the suite.

`python -m live.pack` makes docs/assets/packs, which the site is built with. Nothing in
there is ours alone, so nothing of it is committed: npm brings what package-lock.json
names, pip the wheels with the hashes of requirements.txt. If nothing has changed since
the last time, it does nothing.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile

from live import licences
from live.contents import describe_steps
from tools.steps import JUNK
from tools.steps import ROOT
from tools.steps import steps

HERE = ROOT / "live"
CACHE = ROOT / ".cache" / "live"
MODULES = CACHE / "node_modules"
TREES = CACHE / "trees"
WHEELS = CACHE / "wheels"
PACKS = ROOT / "docs" / "assets" / "packs"

WHEELS_OF = {
    "core": "flask flask-login flask-wtf python-dotenv werkzeug wtforms jinja2 "
    "markupsafe itsdangerous blinker click pyotp qrcode",
    "database": "flask-sqlalchemy flask-migrate sqlalchemy alembic mako "
    "typing-extensions zxcvbn email-validator dnspython idna flask-mail pyjwt",
    "test": "pytest pluggy iniconfig packaging pygments beautifulsoup4 soupsieve",
}
# The page runs Python without a compiler's help, so what is compiled stays away.
UNUSABLE = (".so", ".pyd", ".pyx", ".c", ".h", ".pyi", ".typed", ".po", ".pot")
# Interpreters for terminals, windows and other people's servers.
LEFT_OUT = (
    "idlelib/", "pydoc_data/", "xmlrpc/", "imaplib.py", "poplib.py", "ftplib.py",
    "wsgiref/", "pickletools.py", "curses/", "ensurepip/", "venv/", "turtle",
    "tkinter/", "multiprocessing/", "xml/dom/", "xml/sax/",
    "_ios_support.py", "_android_support.py",
    "_apple_support.py", "_aix_support.py", "webbrowser.py", "mailbox.py",
    "sqlalchemy/testing/", "alembic/testing/", "alembic/templates/",
    "sqlalchemy/dialects/mssql/", "sqlalchemy/dialects/mysql/",
    "sqlalchemy/dialects/oracle/", "wtforms/locale/", "werkzeug/debug/shared/",
    "dns/quic/",
    "qrcode/tests/", "sqlalchemy/ext/mypy/", "sqlalchemy/ext/asyncio/",
)  # fmt: skip
# Pygments knows hundreds of languages, and pytest colours two.
LEXERS = re.compile(r"pygments/lexers/(__init__|_mapping|diff|python)\.py")
# Of the tables for old character sets, those that zip files and browsers still use.
ENCODINGS = re.compile(
    r"encodings/(__init__|aliases|ascii|cp437|cp1252|idna|latin_1|punycode|"
    r"raw_unicode_escape|unicode_escape|undefined|utf_.*|hex_codec|base64_codec)\.py"
)
FIRST_WITH_DATABASE = "04"
TIME = (2020, 1, 1, 0, 0, 0)  # of each file, so that two packs of the same are the same


class PackError(Exception):
    """What keeps the packs from being made, in a sentence."""


def main():
    """Make the packs if anything changed since the last time; return the status."""
    try:
        make_if_needed()
    except (OSError, PackError) as error:
        print(f"{error}\n\nThe packs for the page Try it here could not be made.")
        return 1
    return 0


def make_if_needed():
    """Make the packs, unless those that are there were made of the same sources."""
    stamp, mark = PACKS / "made-of.txt", fingerprint()
    if stamp.exists() and stamp.read_text("utf-8") == mark:
        return
    print("Packing Python, the steps and their tests for the page Try it here.")
    shutil.rmtree(PACKS, ignore_errors=True)
    shutil.rmtree(TREES, ignore_errors=True)
    fetch_modules()
    fetch_wheels()
    plant_trees()
    fill_packs()
    stamp.write_text(mark, "utf-8")
    size = sum(file.stat().st_size for file in PACKS.rglob("*") if file.is_file())
    print(f"Packed {size / 1e6:.1f} MB into {PACKS.relative_to(ROOT).as_posix()}.")


def fingerprint():
    """Return what changes with any file that a pack is made of."""
    digest = hashlib.sha256()
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def sources():
    """Return the files of ours that the packs are made of."""
    files = [ROOT / name for name in ("conftest.py", "pyproject.toml", "tutorial.py")]
    files += [ROOT / "requirements.txt"]
    for folder in (HERE, ROOT / "steps", ROOT / "tests", ROOT / "tools"):
        files += files_in(folder)
    return sorted(files)


def files_in(folder):
    """Return the files below a folder, without what running them leaves behind."""
    junk = shutil.ignore_patterns(*JUNK)
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not junk(str(folder), parts):
            found.append(path)
    return found


# What is fetched


def run(*command, folder=None):
    """Run a command; raise PackError with its output if it fails."""
    words = [str(word) for word in command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(words, cwd=folder, check=False, **pipes)
    if done.returncode:
        raise PackError(f"{done.stdout}\n{' '.join(words[:6])} … failed: see above.")
    return done.stdout


def program(name):
    """Return the path of node or npm; install Node as a wheel if it is missing."""
    path = find_program(name)
    if path is None:
        lists = [
            ROOT / "requirements" / "live.in",
            ROOT / "requirements/constraints.txt",
        ]
        print("There is no Node here, so it is installed as a Python package.")
        run(
            sys.executable, "-m", "pip", "install", "-q", "-r", lists[0], "-c", lists[1]
        )
        path = find_program(name)
    if path is None:
        raise PackError(f"There is no {name}: install Node 20 or newer.")
    return path


def find_program(name):
    """Return the path of a program, of this Python's own folder first, or None."""
    own = sysconfig.get_path("scripts")
    return shutil.which(name, path=own) or shutil.which(name)


def fetch_modules():
    """Install what package-lock.json names, and run none of its scripts."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for path in (*HERE.glob("*.json"), *HERE.glob("*.js"), *HERE.glob("*.mjs")):
        shutil.copy(path, CACHE)  # beside the modules that they import
    npm = [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    run(*npm, folder=CACHE)


def fetch_wheels():
    """Download the wheels that are packed, with the hashes of requirements.txt."""
    wanted = set(" ".join(WHEELS_OF.values()).split())
    blocks = re.split(r"(?m)^(?=\S)", (ROOT / "requirements.txt").read_text("utf-8"))
    blocks = [block for block in blocks if block.partition("==")[0] in wanted]
    shutil.rmtree(WHEELS, ignore_errors=True)
    WHEELS.mkdir(parents=True)
    (CACHE / "wheels.txt").write_text("".join(blocks), "utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
    pip += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-d", WHEELS]
    pip += ["--python-version", "3.14", "--platform", "manylinux_2_28_x86_64"]
    pip += ["--platform", "manylinux2014_x86_64", "-r", CACHE / "wheels.txt"]
    run(*pip)


def wheel(name):
    """Return the wheel of a package."""
    found = {normal(path.name.split("-")[0]): path for path in WHEELS.glob("*.whl")}
    return found[name]


def normal(name):
    """Return the name of a package as requirements.txt writes it."""
    return name.lower().replace("_", "-")


# What is packed: a tree of files for each pack


def plant_trees():
    """Lay out the files of each pack, and compile those that nobody reads."""
    unpack(MODULES / "pyodide" / "python_stdlib.zip", TREES / "stdlib")
    for pack, names in WHEELS_OF.items():
        for name in names.split():
            unpack(wheel(name), TREES / pack)
    copy_tree(HERE / "python", TREES / "core")
    copy_tree(HERE / "python_test", TREES / "test")
    for folder in TREES.glob("*/*.dist-info"):
        for path in files_in(folder):
            if path.name not in ("METADATA", "entry_points.txt"):
                path.unlink()
    folders = [TREES / name for name in ("stdlib", *WHEELS_OF)]
    run(program("node"), CACHE / "compile.mjs", *folders)
    plant_suite()


def plant_suite():
    """Lay out the suite, and let pytest compile it as it would in the page.

    Python takes what is compiled for that of a file by the file's date and size. So
    each is as old as time here, and the page makes it so as well.
    """
    suite = TREES / "suite"
    for path in sources():
        if not path.is_relative_to(HERE) and path.suffix != ".sh":
            place = suite / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
            os.utime(place, (0, 0))
    run(program("node"), CACHE / "collect.mjs", TREES)


def unpack(archive, folder):
    """Unpack those files of an archive that Python in a page can use."""
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            if is_needed(name):
                file.extract(name, folder)


def is_needed(name):
    """Return whether Python in a page can use a file."""
    for folder, kept in (("encodings/", ENCODINGS), ("pygments/lexers/", LEXERS)):
        if name.startswith(folder):
            return bool(kept.fullmatch(name))
    is_left_out = any(f"/{part}" in f"/{name}" for part in LEFT_OUT)
    return not (is_left_out or name.endswith((*UNUSABLE, "/", "RECORD")))


def copy_tree(source, target):
    """Copy the files of a folder, without what running them leaves behind."""
    for path in files_in(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def fill_packs():
    """Write the packs, the bundled scripts, the licences and the list of contents."""
    PACKS.mkdir(parents=True)
    for name in ("stdlib", *WHEELS_OF, "suite"):
        packed = [path for path in (TREES / name).rglob("*") if path.is_file()]
        write_zip(name, TREES / name, packed)
    for step in steps():
        write_zip(f"step-{step.name[:2]}", ROOT, files_in(step))
    write_gzip("python.wasm", (MODULES / "pyodide" / "pyodide.asm.wasm").read_bytes())
    # A module would have to be of the page's origin; the worker has one of its own.
    origin = '--define:import.meta.url="https://packed.invalid/worker.js"'
    write_gzip("worker.js", bundle("worker.js", "--format=iife", origin))
    (PACKS / "editor.js").write_bytes(bundle("editor.js", "--format=esm"))
    write_licences()
    write_contents()


def write_zip(name, below, files):
    """Write a pack that is the same whenever its files are the same.

    Python imports from the zip as it is. So its files are stored as they are, and the
    whole is compressed: that is smaller, and is unpacked once.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(files):
            info = zipfile.ZipInfo(path.relative_to(below).as_posix(), TIME)
            file.writestr(info, path.read_bytes())
    write_gzip(f"{name}.zip", archive.getvalue())


def write_gzip(name, data):
    """Write a compressed file; a name in .gz would make some servers unpack it."""
    (PACKS / f"{name}.bin").write_bytes(gzip.compress(data, 9, mtime=0))


def bundle(name, *options):
    """Return a script together with the modules that it imports."""
    command = [MODULES / "esbuild" / "bin" / "esbuild", CACHE / name, "--bundle"]
    command += ["--minify", *options, "--target=es2022", "--log-level=error"]
    command += ["--legal-comments=none", "--external:node:*", f"--outfile={CACHE}/out"]
    run(program("node"), *command)
    return (CACHE / "out").read_bytes()


def write_licences():
    """Write the licence of each part that is packed, and the list of them."""
    (PACKS / "licences").mkdir()
    wheels = [wheel(name) for name in " ".join(WHEELS_OF.values()).split()]
    parts = licences.of_modules(CACHE, HERE / "package-lock.json")
    parts += licences.of_wheels(wheels)
    for part in parts:
        name = re.sub(r"[^\w.-]+", "-", part["name"]).strip("-")
        part["file"] = f"licences/{name}.txt"
        (PACKS / part["file"]).write_text(part.pop("text"), "utf-8")
    write_json("licences.json", sorted(parts, key=lambda part: part["name"]))


def write_contents():
    """Write what the page knows about each step, and how much each step loads."""
    described = describe_steps()
    for number, step in described.items():
        packs = ["core"] if number < FIRST_WITH_DATABASE else ["core", "database"]
        step["packs"] = ["stdlib", *packs, f"step-{number}"]
        # the tests of any step import what those of the last one need
        step["suite"] = [n for n in ("database", "test", "suite") if n not in packs]
        step["suite_bytes"] = size_of(step["suite"])
        files = [PACKS / "python.wasm.bin", PACKS / "worker.js.bin"]
        step["bytes"] = size_of(step["packs"]) + sum(f.stat().st_size for f in files)
        write_json(f"step-{number}.json", step)
    short = ("folder", "title", "bytes")
    rows = {number: {k: step[k] for k in short} for number, step in described.items()}
    write_json("steps.json", rows)


def size_of(packs):
    """Return how much these packs are to load, in bytes."""
    return sum((PACKS / f"{name}.zip.bin").stat().st_size for name in packs)


def write_json(name, data):
    """Write a list for the page and for tools/stepdocs.py."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (PACKS / name).write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())

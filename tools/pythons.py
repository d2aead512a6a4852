"""Runs the tests of the last step on every Python that this computer has.

Each gets a virtual environment of its own, with the pins. Needs a package registry.
The tests with a browser or many processes are left out: they run on one Python.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
CONTRACT = "contract"  # what a visitor sees: the rest hardly depends on the version
PIP = ("-m", "pip", "install", "-q", "--disable-pip-version-check")
PINNED = ("-r", "requirements/test.in", "-c", "requirements/constraints.txt")


def candidates(version):
    """Return the programs that may be this version of Python."""
    found = shutil.which(f"python{version}")
    homes = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    return [*filter(None, [found]), *map(str, homes)]


def find(version):
    """Return a Python of this version that really starts, or None."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for program in candidates(version):
        answer = subprocess.run([program, "-c", question], capture_output=True)
        if answer.stdout.decode().strip() == version:
            return program
    return None


def run_suite(program, folder):
    """Install the pins for a Python and run the suite; return status and output."""
    subprocess.run([program, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, *PIP, *PINNED], cwd=ROOT, check=True)
    newest = max((ROOT / "steps").glob("[0-9][0-9]-*"))  # it has what all have
    options = ["-q", "-n", "auto", "-p", "no:cacheprovider"]
    command = [python, "-m", "pytest", *options, newest, "-k", CONTRACT]
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def try_version(version):
    """Run the suite on one version, and say how it went; return it in a word."""
    program, began = find(version), time.monotonic()
    if program is None:
        return "not installed"
    with tempfile.TemporaryDirectory() as folder:
        status, output = run_suite(program, Path(folder, "venv"))
    if status:
        print(output)
    seconds = time.monotonic() - began
    word = "FAILED" if status else "passed"
    print(f"{version}: {word}, {seconds:.0f} s: {output.splitlines()[-1]}", flush=True)
    return word


def main():
    """Run the suite on each Python; return 1 if it fails on one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="only these")
    parser.add_argument(
        "--others",
        action="store_true",
        help="leave out the one that runs this, whose suite runs anyway",
    )
    parser.add_argument(
        "--newest", action="store_true", help="only the newest of those that are left"
    )
    given = parser.parse_args()
    mine = "{}.{}".format(*sys.version_info)
    wanted = given.versions or VERSIONS
    wanted = [v for v in wanted if not (given.others and v == mine)]
    if not any(map(find, wanted)):
        parser.error(f"none of these is installed: {', '.join(wanted) or 'no others'}")
    if given.newest:
        wanted = [version for version in wanted if find(version)][-1:]
    words = {version: try_version(version) for version in wanted}
    print(", ".join(f"{version}: {word}" for version, word in words.items()))
    return int("FAILED" in words.values())


if __name__ == "__main__":
    sys.exit(main())

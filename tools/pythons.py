"""Runs the tests of the last step on every Python that this computer has.

uv finds them and gives each an environment of its own, with the pins. The tests with a
browser or many processes are left out: they run on one Python.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
CONTRACT = "contract"  # what a visitor sees: the rest hardly depends on the version
PINNED = "-r {0}/test.in\n-c {0}/constraints.txt\n".format(ROOT / "requirements")
HERE = ("--no-project", "--no-python-downloads")  # nothing but what is installed


def is_installed(version):
    """Return whether uv finds this version of Python."""
    command = ["uv", "python", "find", *HERE, version]
    return subprocess.run(command, capture_output=True).returncode == 0


def run_suite(version):
    """Run the suite with the pins on a Python; return status and output."""
    newest = max((ROOT / "steps").glob("[0-9][0-9]-*"))  # it has what all have
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder, "pinned.txt")
        pinned.write_text(PINNED, "utf-8")
        command = ["uv", "run", "--isolated", *HERE, "--python", version]
        command += ["--with-requirements", pinned, "python", "-m", "pytest", "-q"]
        command += ["-n", "auto", "-p", "no:cacheprovider", newest, "-k", CONTRACT]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        done = subprocess.run(command, cwd=ROOT, **pipes)
    return done.returncode, done.stdout


def try_version(version):
    """Run the suite on one version, and say how it went; return it in a word."""
    if not is_installed(version):
        return "not installed"
    began = time.monotonic()
    status, output = run_suite(version)
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
    if not any(map(is_installed, wanted)):
        parser.error(f"none of these is installed: {', '.join(wanted) or 'no others'}")
    if given.newest:
        wanted = [version for version in wanted if is_installed(version)][-1:]
    words = {version: try_version(version) for version in wanted}
    print(", ".join(f"{version}: {word}" for version, word in words.items()))
    return int("FAILED" in words.values())


if __name__ == "__main__":
    sys.exit(main())

"""Runs the suite with the newest releases of all that it uses, and says what changed.

The exact pins are left out, other limits are kept. Needs a package registry.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIP = ("-m", "pip", "--disable-pip-version-check")
QUICK = "not browser and not races"


def requirements(path):
    """Return the lines of a file of requirements and of those that it names."""
    for line in path.read_text("utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            yield from requirements(path.parent / line[3:].strip())
        elif line:
            yield line


def without_pin(line):
    """Return a requirement without its exact version."""
    return re.sub(r"==\s*[^\s;]+", "", line)


def normalised(name):
    """Return the name of a package as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned():
    """Return the version of each package in the constraints."""
    pins = requirements(ROOT / "requirements" / "constraints.txt")
    pairs = (line.partition(";")[0].strip().split("==") for line in pins)
    return {normalised(name): version for name, version in pairs}


def installed(python):
    """Return the version of each package in a virtual environment."""
    command = [python, *PIP, "list", "--format=json"]
    found = subprocess.run(command, check=True, capture_output=True).stdout
    packages = {normalised(p["name"]): p["version"] for p in json.loads(found)}
    packages.pop("pip")
    packages.pop("setuptools", None)
    return packages


def changes(before, after):
    """Say in a line for each package what is not as it was pinned."""
    lines = []
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            lines.append(f"{name}: {before[name]} -> {after[name]}")
    new = sorted(after.keys() - before.keys())
    return lines + [f"{name}: new, {after[name]}" for name in new]


def main():
    """Install the newest releases, say what changed, run the suite."""
    wanted = [without_pin(r) for r in requirements(ROOT / "requirements" / "test.in")]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, *PIP, "install", "-q", *wanted], check=True)
        lines = changes(pinned(), installed(python))
        print("\n".join(lines) or "nothing is newer than the pins", flush=True)
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", QUICK]
        return subprocess.run([*command, *sys.argv[1:]], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Writes the versions that the lock has chosen into the requirements of the steps."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def locked_versions(constraints):
    """Return the version of each package, by its name in lower case."""
    lines = [line.partition(";")[0].strip() for line in constraints.splitlines()]
    return dict(line.split("==") for line in lines if "==" in line)


def pin(line, versions):
    """Return a requirement with the locked version of its package."""
    wanted, *marker = line.split(" ;")
    name = wanted.partition("==")[0]
    version = versions[name.partition("[")[0].lower()]
    return " ;".join([f"{name}=={version}", *marker])


def main():
    """Write the versions into the requirements of each step."""
    constraints = ROOT / "requirements" / "constraints.txt"
    versions = locked_versions(constraints.read_text("utf-8"))
    for path in ROOT.glob("steps/*/requirements.txt"):
        lines = path.read_text("utf-8").splitlines()
        path.write_text("".join(f"{pin(line, versions)}\n" for line in lines), "utf-8")


if __name__ == "__main__":
    main()

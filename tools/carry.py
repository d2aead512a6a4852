"""Carries what changed in a step since the last commit through the later steps.

Each file is merged by `git apply --3way`. Names the recipes in docs/recipes whose
changes no longer apply to the last step: what git cannot find needs a person.

After a conflict the exit status is 1: resolve it by hand, and commit before you carry
more, because git would find the same conflict again.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CONFLICT_MARK = b"\n<<<<<<< "


def git(*command, cwd, **how):
    """Run git; return its exit status and its output."""
    command = ["git", *command]
    done = subprocess.run(command, cwd=cwd, capture_output=True, **how)  # noqa: S603
    return done.returncode, done.stdout


def find_steps(wanted, base, refuse):
    """Return the step that is wanted, and a list of those after it."""
    failed, root = git("rev-parse", "--show-toplevel", f"{base}^{{commit}}", cwd=".")
    if failed:
        refuse(f"no commit {base} here" if root else "this is not a git repository")
    steps = sorted(Path(root.decode().split("\n")[0]).glob("steps/[0-9][0-9]-*"))
    for place, step in enumerate(steps):
        if wanted == step.name or wanted.zfill(2) == step.name[:2]:
            return step, steps[place + 1 :]
    return refuse(f"no step {wanted}, only {[step.name for step in steps]}")


def content(path):
    """Return what is in a file, or None."""
    return path.read_bytes() if path.is_file() else None


def has_conflict(text):
    """Return whether git has marked a conflict in a file."""
    return CONFLICT_MARK in b"\n" + (text or b"")


class Change:
    """What has changed in a step since a commit."""

    def __init__(self, step, base, index):
        self.step = step
        self.base = base
        self.root = step.parents[1]
        # Of its own, with all files as they are: git merges into no other.
        self.environment = {**os.environ, "GIT_INDEX_FILE": str(index)}
        git("add", "--all", ".", cwd=self.root, env=self.environment)

    def diff(self, *options):
        """Return what git tells of the change."""
        command = ["diff", "--no-renames", "--relative", self.base, *options]
        return git(*command, cwd=self.step, env=self.environment)[1]

    def files(self):
        """Return the files that are new, changed or deleted."""
        names = self.diff("--name-only", "-z").decode().split("\0")
        return [name for name in names if name]

    def apply(self, file, later):
        """Merge the change of a file into a later step; return whether it failed."""
        patch = self.diff("--binary", "--full-index", "--", file)
        place = f"--directory={later.relative_to(self.root).as_posix()}"
        how = {"cwd": self.root, "env": self.environment, "input": patch}
        return git("apply", "--3way", place, **how)[0] != 0

    def carry(self, file, later):
        """Carry a file's change into a later step; return what to say about it."""
        before = content(later / file)
        if before == content(self.step / file):
            return "already there"
        if has_conflict(before):
            return "CONFLICT: has the marks of an earlier one"
        failed = self.apply(file, later)
        after = content(later / file)
        if failed:
            where = "marked in the file" if has_conflict(after) else "left as it was"
            return f"CONFLICT: {where}"
        if after == before:
            return "already there"
        if after is None:
            return "deleted"
        return "copied" if before is None else "merged"


def check_recipe(diff, step):
    """Return whether a recipe's changes still apply to the last step, in words."""
    repository = step.parents[1]
    check = ["apply", "--check", f"--directory={step.relative_to(repository)}"]
    failed, _ = git(*check, str(diff), cwd=repository)
    words = "CONFLICT: no longer applies" if failed else "still applies"
    return f"recipe {diff.parent.name}: {words} to {step.name}"


def carry_all(change, later_steps, named):
    """Carry files into later steps; return what to say about each file."""
    changed = change.files()
    wanted = [Path(name).as_posix().split(f"{change.step.name}/")[-1] for name in named]
    lines = [f"{file}: no change" for file in wanted if file not in changed]
    for file in [file for file in changed if file in wanted or not wanted]:
        for later in later_steps:
            lines.append(f"{file}: {later.name}: {change.carry(file, later)}")
    return lines


def main():
    """Carry what changed; return 1 if there was a conflict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", help="1, 01 or 01-basic-login")
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these")
    parser.add_argument("--base", default="HEAD", metavar="REV", help="not HEAD")
    given = parser.parse_args()
    step, later_steps = find_steps(given.step, given.base, parser.error)
    with TemporaryDirectory() as folder:
        change = Change(step, given.base, Path(folder, "index"))
        lines = carry_all(change, later_steps, given.files)
    last = (later_steps or [step])[-1]
    diffs = sorted(last.parents[1].glob("docs/recipes/*/changes.diff"))
    lines += [check_recipe(diff, last) for diff in diffs]
    print("\n".join(lines) or f"{step.name}: nothing to carry")
    return int(any(": CONFLICT: " in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())

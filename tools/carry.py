"""Carries what changed in a step since the last commit through the later steps.

Names the recipes in docs/recipes whose changes no longer apply to the last step. They
have one line around each change, so what git cannot find needs a person.

After a conflict the exit status is 1: resolve it by hand, then carry again.
"""

import argparse
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory

JUNK = {"instance", "__pycache__", ".env", ".flaskenv"}


def git(*command, cwd=None):
    """Run git; return its exit status and its output."""
    command = ["git", *command]
    done = subprocess.run(command, cwd=cwd, capture_output=True)  # noqa: S603
    return done.returncode, done.stdout


def find_steps(wanted, base, refuse):
    """Return the step that is wanted, and a list of those after it."""
    failed, root = git("rev-parse", "--show-toplevel", f"{base}^{{commit}}")
    if failed:
        refuse(f"no commit {base} here" if root else "this is not a git repository")
    steps = sorted(Path(root.decode().split("\n")[0]).glob("steps/[0-9][0-9]-*"))
    for place, step in enumerate(steps):
        if wanted == step.name or wanted.zfill(2) == step.name[:2]:
            return step, steps[place + 1 :]
    return refuse(f"no step {wanted}, only {[step.name for step in steps]}")


def changed_files(step, base):
    """Return the files of a step that are new, changed or deleted, but no junk."""
    tracked = ["diff", "--name-only", "--no-renames", "--relative", "-z", base, "--"]
    new = ["ls-files", "--others", "--exclude-standard", "-z"]
    names = (git(*tracked, cwd=step)[1] + git(*new, cwd=step)[1]).decode().split("\0")
    files = sorted(set(names) - {""})
    return [file for file in files if not JUNK.intersection(file.split("/"))]


def not_there_yet(base, theirs, ours):
    """Leave out of a change what a file that was merged by hand has already."""
    top, end = b"\0top\n", b"\0end\n"
    base, theirs = ([top, *text.splitlines(True), end] for text in (base, theirs))
    changes = SequenceMatcher(None, base, theirs, autojunk=False).get_opcodes()
    text, kept = b"\n" + top + ours + end, []
    for tag, i1, i2, j1, j2 in changes:
        near = theirs[j1 - 1 : max(j2, j1 + 1)], theirs[min(j1, j2 - 1) : j2 + 1]
        there = any(b"\n" + b"".join(lines) in text for lines in near)
        kept += base[i1:i2] if tag == "equal" or there else theirs[j1:j2]
    return b"".join(kept[1:-1])


def merge(base, theirs, ours, labels):
    """Merge a changed text as git does; return it, and what to say about it."""
    with TemporaryDirectory() as folder:
        for label, text in zip(labels, (ours, base, theirs), strict=True):
            Path(folder, label).write_bytes(text)
        conflicts, text = git("merge-file", "-p", *labels, cwd=folder)
    if conflicts not in range(128):
        return ours, "CONFLICT: git cannot merge such a file"
    rest = not_there_yet(base, theirs, ours) if conflicts else theirs
    if rest != theirs:
        return merge(base, rest, ours, labels)
    word = "already there" if text == ours else "merged"
    return text, "CONFLICT: marked in the file" if conflicts else word


def settle(base, theirs, ours, labels):
    """Return what a later step's file becomes, and what to say about it."""
    if ours == theirs:
        return ours, "already there"
    if ours == base:
        word = "copied" if base is None else "merged"
        return theirs, "deleted" if theirs is None else word
    if None in (base, theirs, ours):
        return ours, "CONFLICT: new, changed or deleted, but not so here"
    if b"\n<<<<<<< " in b"\n" + ours:
        return ours, "CONFLICT: has the marks of an earlier one"
    return merge(base, theirs, ours, labels)


def carry(file, base, step, later):
    """Carry a file's change into a later step; return what to say about it."""
    paths = (step / file, later / file)
    theirs, ours = (path.read_bytes() if path.is_file() else None for path in paths)
    text, word = settle(base, theirs, ours, (later.name, "before", step.name))
    if text is None:
        paths[1].unlink(missing_ok=True)
    elif text != ours:
        paths[1].parent.mkdir(parents=True, exist_ok=True)
        paths[1].write_bytes(text)
    return f"{file}: {later.name}: {word}"


def check_recipe(diff, step):
    """Return whether a recipe's changes still apply to the last step, in words."""
    repository = step.parents[1]
    check = ["apply", "--check", f"--directory={step.relative_to(repository)}"]
    failed, _ = git(*check, str(diff), cwd=repository)
    words = "CONFLICT: no longer applies" if failed else "still applies"
    return f"recipe {diff.parent.name}: {words} to {step.name}"


def main():
    """Carry what changed; return 1 if there was a conflict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", help="1, 01 or 01-basic-login")
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these")
    parser.add_argument("--base", default="HEAD", metavar="REV", help="not HEAD")
    given = parser.parse_args()
    step, later_steps = find_steps(given.step, given.base, parser.error)
    changed = changed_files(step, given.base)
    wanted = [Path(file).as_posix().split(f"{step.name}/")[-1] for file in given.files]
    lines = [f"{file}: no change" for file in wanted if file not in changed]
    for file in [file for file in changed if file in wanted or not wanted]:
        failed, text = git("cat-file", "--filters", f"{given.base}:./{file}", cwd=step)
        base = None if failed else text
        lines += [carry(file, base, step, later) for later in later_steps]
    last = (later_steps or [step])[-1]
    diffs = sorted(last.parents[1].glob("docs/recipes/*/changes.diff"))
    lines += [check_recipe(diff, last) for diff in diffs]
    print("\n".join(lines) or f"{step.name}: nothing to carry")
    return int(any(": CONFLICT: " in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())

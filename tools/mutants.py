"""Makes the mistakes that learners make, and demands that the suite finds each one.

The mistakes are in tests/mutants/, a file for each step. Each is made in a copy of the
steps and of the suite; then the step's tests run until one fails.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BANK = ROOT / "tests" / "mutants"
ADD_IT = "add-it"
COPIED = ("conftest.py", "pyproject.toml", "tutorial.py", ".github", "docs")
COPIED += ("benchmarks", "live", "requirements", "requirements.txt", "steps")
COPIED += ("tests", "tools")
JUNK = shutil.ignore_patterns("instance", "__pycache__", ".env", ".venv", "*.db*")
MOST_TESTS_FOR_A_TYPING_MISTAKE = 10
PASSED, FAILED, NOTHING_CHOSEN = 0, 1, 5  # exit statuses of pytest
TYPING_MISTAKE = re.compile(
    r"^E +(?:Syntax|Import|Name|Attribute|Type)Error", re.MULTILINE
)


class Mutant(NamedTuple):
    """A small mistake in one file of a step."""

    step: str  # or "add-it", the package that a reader copies; or a recipe
    mistake: str  # what the learner got wrong
    file: str
    old: str
    new: str
    tests: str = ""  # the tests that matter, as in pytest -k; else all of the step
    # As in pytest -m, for tests that are left out else. With marks a recipe's tests are
    # those in tests/recipes, and without, those in its own folder.
    marks: str = ""

    def __str__(self):
        return f"{self.step} {self.file}: {self.mistake}"


class Suite:
    """A copy of the steps and of the suite, in which a mistake can be made."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.witness = self.folder / "witness"
        self.moment = 1_000_000_000  # before all that is real, in seconds since 1970
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=JUNK)
            else:
                shutil.copy2(source, self.folder)

    def run(self, step, tests="", marks=""):
        """Run tests until one shows a misbehaviour; return status, name and output."""
        if is_recipe(step) and not marks:
            return self.run_recipe(step, tests)
        named = files_of(tests)
        if not is_recipe(step) and step != ADD_IT:
            named.insert(0, f"steps/{step}")
        command = [sys.executable, "-m", "pytest", *named]
        command += ["-q", "--tb=short", "-p", "no:cacheprovider"]
        command += ["-p", "tests.tools.witness", f"--witness={self.witness}"]
        command += [f"--maxfail={MOST_TESTS_FOR_A_TYPING_MISTAKE}"]
        command += ["-k", tests] if tests else []
        command += ["-m", marks] if marks else []
        self.witness.unlink(missing_ok=True)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        pipes["env"] = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(command, cwd=self.folder, **pipes)
        name = self.witness.read_text("utf-8") if self.witness.exists() else ""
        return done.returncode, name, done.stdout

    def run_recipe(self, recipe, tests):
        """Run tests of a recipe until one fails; return status, name and output."""
        with tempfile.TemporaryDirectory() as folder:
            app = Path(folder, "app")
            command = [sys.executable, "-m", "tools.recipes", app, recipe]
            subprocess.run(command, cwd=self.folder, check=True)
            command = [sys.executable, "-m", "pytest", "tests", "-q", "-x", "-k", tests]
            done = subprocess.run(command, cwd=app, capture_output=True, text=True)
        failed = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
        is_typing_mistake = TYPING_MISTAKE.search(done.stdout)
        name = failed[1] if failed and not is_typing_mistake else ""
        return done.returncode, name, done.stdout

    def try_mutant(self, mutant):
        """Make a mistake, run the tests that matter, mend it; return what was found."""
        path = path_of(mutant, self.folder)
        right = path.read_text("utf-8")
        if right.count(mutant.old) != 1:
            found = f"{right.count(mutant.old)} times"
            return "NO MATCH", f"the old text is there {found}, not once"
        self.write(path, right.replace(mutant.old, mutant.new))
        try:
            return judge(*self.run(mutant.step, mutant.tests, mutant.marks))
        finally:
            self.write(path, right)

    def write(self, path, text):
        """Write a file as if at another time, so that Python compiles it anew."""
        path.write_text(text, "utf-8")
        self.moment += 1
        os.utime(path, (self.moment, self.moment))


def files_of(tests):
    """Return the files that a choice of tests is about; none if it may be any."""
    first = [choice.split()[0].strip("()") for choice in tests.split(" or ") if choice]
    found = [list(ROOT.glob(f"tests/*/{word}.py")) for word in dict.fromkeys(first)]
    if not all(found):
        return []
    return [path.relative_to(ROOT).as_posix() for paths in found for path in paths]


def judge(status, witness, output):
    """Say in a word and a sentence what the tests made of a mistake."""
    if witness:
        return "caught", witness
    if status == PASSED:
        return "SURVIVED", "no test fails"
    if status == NOTHING_CHOSEN:
        return "BROKEN", "no test was chosen"
    last = [line for line in output.splitlines() if line][-5:]
    return "BROKEN", "\n  ".join(["it stumbles over a typing mistake", *last])


def is_recipe(name):
    """Return whether mistakes are made in a recipe that changes the last step."""
    return (ROOT / "docs" / "recipes" / name / "changes.diff").exists()


def path_of(mutant, root=ROOT):
    """Return the file in which a mistake is made."""
    if mutant.step == ADD_IT:
        return root / "docs" / "recipes" / ADD_IT / "two_factor" / mutant.file
    if is_recipe(mutant.step):
        return root / "docs" / "recipes" / mutant.step / mutant.file
    (step,) = (root / "steps").glob(f"{mutant.step}-*")
    return step / mutant.file


def all_mutants():
    """Return the mistakes of all steps."""
    mutants = []
    for path in sorted(BANK.glob("*.toml")):
        tables = tomllib.loads(path.read_text("utf-8"))["mutant"]
        mutants += [Mutant(step_of(path.stem), **table) for table in tables]
    return mutants


def step_of(name):
    """Return the number of a step, or "add-it", from the name of a file or a folder."""
    number = re.match(r"[0-9]+", name)
    return number[0].zfill(2) if number else name.replace("_", "-")


def chosen(mutants, steps, word):
    """Return the mistakes that were asked for."""
    numbers = {step_of(Path(step).name) for step in steps}
    return [
        mutant
        for mutant in mutants
        if (not numbers or mutant.step in numbers)
        and word.lower() in str(mutant).lower()
    ]


def one_of_each_file(mutants, day):
    """Return a mistake of each file, of another step or another one each day."""
    files = {}
    for mutant in mutants:
        files.setdefault(mutant.file, []).append(mutant)
    return [group[day.toordinal() % len(group)] for group in files.values()]


def check_unchanged(suite, mutants):
    """Prove that the steps as they are pass the tests that a mistake has to fail."""
    groups = {}
    for mutant in mutants:
        groups.setdefault((mutant.step, mutant.marks), set()).add(mutant.tests)
    for (step, marks), named in groups.items():
        tests = "" if "" in named else " or ".join(f"({k})" for k in sorted(named))
        status, _, output = suite.run(step, tests, marks)
        if status != PASSED:
            sys.exit(f"{output}\nStep {step} fails unchanged: see above.")
        print(f"unchanged {step}: {output.splitlines()[-1]}", flush=True)


def try_all(suites, mutants):
    """Try each mistake in a copy that is free; print a line for it."""
    free, verdicts = SimpleQueue(), Counter()
    for suite in suites:
        free.put(suite)

    def attempt(mutant):
        suite = free.get()
        try:
            return suite.try_mutant(mutant)
        finally:
            free.put(suite)

    with ThreadPoolExecutor(len(suites)) as pool:
        results = zip(mutants, pool.map(attempt, mutants), strict=True)
        for mutant, (verdict, why) in results:
            verdicts[verdict] += 1
            print(f"{verdict:9} {mutant}: {why}", flush=True)
    return verdicts


def main():
    """Try the mistakes; return 1 if one survives or cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these: 02")
    parser.add_argument("-k", dest="word", default="", help="only those with this word")
    parser.add_argument("-j", dest="jobs", type=int, choices=(1, 2), default=1)
    parser.add_argument(
        "--quick", action="store_true", help="one mistake in every third file today"
    )
    given = parser.parse_args()
    mutants = chosen(all_mutants(), given.steps, given.word)
    if given.quick:
        today = date.today()
        mutants = one_of_each_file(mutants, today)[today.toordinal() % 3 :: 3]
    if not mutants:
        parser.error("there is no such mutant")
    with ExitStack() as stack:
        folders = [tempfile.TemporaryDirectory() for _ in range(given.jobs)]
        suites = [Suite(stack.enter_context(folder)) for folder in folders]
        check_unchanged(suites[0], mutants)
        verdicts = try_all(suites, mutants)
    print(", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
    return int(set(verdicts) != {"caught"})


if __name__ == "__main__":
    sys.exit(main())

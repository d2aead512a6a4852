"""Applies recipes to a copy of the last step: python -m tools.recipes FOLDER RECIPE...

Without the name of a recipe it applies them all, in the order of the site.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "recipes"
RECIPES = ("ai-service", "passkeys", "change-email", "breached-passwords")
JUNK = shutil.ignore_patterns("instance", "__pycache__", ".env", "*.db*")
MERGE = ["-m", "flask", "--debug", "db", "merge", "heads", "-m", "Merge the recipes."]
KEYS = {"SECRET_KEY": "for the commands alone", "TOTP_KEYS": "for these as well"}


def apply(folder, recipes, step=None):
    """Copy the last step, and apply recipes to the copy; return its folder."""
    step = step or sorted(ROOT.glob("steps/[0-9][0-9]-*"))[-1]
    shutil.copytree(step, folder, ignore=JUNK)
    # A repository of its own: inside another one, git would change nothing.
    run(folder, "git", "init", "--quiet")
    for recipe in recipes:
        shutil.copytree(FOLDER / recipe, folder, ignore=JUNK, dirs_exist_ok=True)
        run(folder, "git", "apply", "changes.diff")
    if len([*folder.glob("migrations/versions/0004_*.py")]) > 1:
        run(folder, sys.executable, *MERGE)
    return folder


def run(folder, *command):
    """Run a command in a folder; raise CalledProcessError if it fails."""
    subprocess.run(
        command, cwd=folder, env=os.environ | KEYS, check=True, capture_output=True
    )


def main():
    """Apply the recipes that were named."""
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(RECIPES):
        sys.exit(f"{__doc__}\nThere are: {', '.join(RECIPES)}")
    try:
        apply(Path(sys.argv[1]).resolve(), sys.argv[2:] or RECIPES)
    except subprocess.CalledProcessError as error:
        sys.exit(error.stderr.decode())


if __name__ == "__main__":
    main()

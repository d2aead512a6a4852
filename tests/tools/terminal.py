"""The suite as a reader runs it: in a terminal."""

import os
import subprocess
import sys

from tests.kit.stage import ROOT


def run(*arguments, folder=ROOT, **variables):
    """Run the suite as a reader does; return its exit status and what it prints."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr

"""Programs that not everybody has, run with nothing but the settings of production."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.drill.network import NAME
from tests.kit.real_browser import missing

SETTINGS = {
    "SECRET_KEY": "a key for tests that is as long as a real one",
    "TOTP_KEYS": "a key for the secrets in the database of the tests",
    "DATABASE_URL": "postgres://door@127.0.0.1/door",
    "BASE_URL": f"https://{NAME}",
    "MAIL_SERVER": "127.0.0.1",
    "MAIL_DEFAULT_SENDER": f"door@{NAME}",
}


def run(*command, folder=None, **changes):
    """Run a program with nothing but the settings; return status and output."""
    usual = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command,
        cwd=folder,
        env=usual | SETTINGS | changes,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout


def bare_copy(folder, target):
    """Copy a step, without what a developer leaves in it; return the copy."""
    hidden = shutil.ignore_patterns("instance", "__pycache__", ".env", ".flaskenv")
    return shutil.copytree(folder, target, ignore=hidden)


def run_python(folder, *words, text="", **settings):
    """Run Python in a folder with these settings alone; return how it ended."""
    known = {"PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP", "TMP"}
    environment = {name: os.environ[name] for name in known & set(os.environ)}
    return subprocess.run(
        [sys.executable, *words],
        input=text,
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def find_tool(name, package):
    """Return a program that not everybody has."""
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    return found or missing(f"{name} ({package})")

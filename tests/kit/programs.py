"""Programs that are run beside the tests, and that not everybody has."""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.kit.production import SETTINGS
from tests.kit.real_browser import missing

WAIT_SECONDS = 30


def run(*command, folder=None, **changes):
    """Run a program with nothing but the settings; return status and output."""
    usual = {"PATH": os.environ["PATH"]}
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
    """Return a program that not everybody has, or that Debian keeps off the path."""
    found = shutil.which(name) or shutil.which(name, path=Path(sys.executable).parent)
    found = found or shutil.which(name, path="/usr/sbin")
    return found or missing(f"{name} ({package})")


def free_port():
    """Return a port at which nobody listens, and that no outgoing connection takes."""
    while True:
        port = random.randrange(20_000, 32_000)
        with suppress(OSError), socket.create_server(("", port)):
            return port


def is_open(port):
    """Return whether somebody listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(is_true, process=None, log=str):
    """Wait until something is true, but not for ever, nor for a process that ended."""
    end = time.monotonic() + WAIT_SECONDS
    while not is_true():
        is_dead = process and process.poll() is not None
        if is_dead or time.monotonic() > end:
            raise RuntimeError(f"we waited in vain:\n{log()[-2000:]}")
        time.sleep(0.02)

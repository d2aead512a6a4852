"""Starts the steps as a reader does on a fresh machine, and times it.

Each start is a fresh clone of the last commit, with no virtual environment active, no
setting in the environment and nothing left over. Needs a package registry.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent
KEPT = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP", "TMPDIR", "SSL_CERT_FILE")
LONGEST = 120  # seconds


def fresh_environment():
    """Return the environment without what a maintainer may have set."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith("PIP_")
    }


def wait_for_page(url, server):
    """Wait until a page opens, and return its text."""
    while server.poll() is None:
        try:
            with urlopen(url, timeout=5) as page:  # noqa: S310  our own server
                return page.read().decode()
        except URLError:
            time.sleep(0.02)
    raise SystemExit(f"The server of {url} ended with status {server.returncode}.")


def start(command, folder, find_url):
    """Start a server; return the seconds to its first page, and end it by Ctrl-C."""
    began = time.perf_counter()
    server = subprocess.Popen(
        command,
        cwd=folder,
        env=fresh_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    watchdog = threading.Timer(LONGEST, server.kill)
    watchdog.start()
    try:
        page = wait_for_page(find_url(server.stdout), server)
        seconds = time.perf_counter() - began
    finally:
        watchdog.cancel()
        os.killpg(server.pid, signal.SIGINT)  # to all, as a terminal does
        server.communicate(timeout=30)
    if "<h1>Log in</h1>" not in page:
        raise SystemExit(f"That is no login page:\n{page}")
    return seconds


def printed_url(output):
    """Return the address that tutorial.py prints."""
    seen = ""
    for line in output:
        seen += line
        found = re.search(r"Open (http://\S+)", line)
        if found:
            return found[1]
    raise SystemExit(f"No address was printed:\n{seen}")


def with_one_command(folder):
    """Start step 03 cold and warm, and then the last step, by the README's command."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
    for words, kind in ((["03"], "cold"), (["03"], "warm"), ([], "more to install")):
        command = [sys.executable, "tutorial.py", "run", *words]
        seconds = start(command, clone, printed_url)
        print(f"{seconds:5.1f} s  tutorial.py {' '.join(command[2:])}: {kind}")


def typed_by_hand(step):
    """Return the commands that the README of a step names beside tutorial.py."""
    blocks = re.findall(
        r"```console\n(.*?)```", (step / "README.md").read_text("utf-8"), re.S
    )
    [block] = [block for block in blocks if "$ pip install" in block]
    return [line.removeprefix("$ ").split() for line in block.splitlines()]


def by_hand(step, port, folder):
    """Start a copied step with its own requirements alone, as its README says."""
    copy = folder / step.name
    ignored = shutil.ignore_patterns("instance", ".env", "__pycache__")
    shutil.copytree(step, copy, ignore=ignored)
    programs = copy / ".venv" / "bin"
    subprocess.run([sys.executable, "-m", "venv", programs.parent], check=True)
    *before, (program, *words) = typed_by_hand(step)
    for name, *rest in before:
        command = [programs / name, *rest]
        subprocess.run(command, cwd=copy, env=fresh_environment(), check=True)
    command = [programs / program, *words, "--port", str(port)]
    url = f"http://127.0.0.1:{port}/login"
    seconds = start(command, copy, lambda output: url)
    print(f"{seconds:5.1f} s  {' '.join([program, *words])} in a copy of {step.name}")


def quickly(steps, day):
    """Return the first step, the last one, and another one of the rest each day."""
    between = steps[1:-1]
    return [steps[0], between[day.toordinal() % len(between)], steps[-1]]


def main():
    """Try every way in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="type in the commands of three steps only, of other ones each day",
    )
    steps = sorted(ROOT.glob("steps/[0-9]*"))
    if parser.parse_args().quick:
        steps = quickly(steps, date.today())
    with tempfile.TemporaryDirectory() as folder:
        with_one_command(Path(folder))
        for port, step in enumerate(steps, start=5070):
            by_hand(step, port, Path(folder))


if __name__ == "__main__":
    main()

"""A PostgreSQL of our own, which can be stopped and started."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.kit.programs import find_tool
from tests.kit.programs import free_port

OPTIONS = "-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"


def find_programs():
    """Return the folder with initdb and pg_ctl; Debian does not put it on the path."""
    found = Path("/usr/lib/postgresql").glob("*/bin")
    newest = max(found, key=lambda folder: int(folder.parent.name), default=None)
    return newest or Path(find_tool("initdb", "postgresql")).parent


class PostgreSQL:
    """A cluster in a scratch folder; it refuses root, so it runs as its own user."""

    def __init__(self):
        self.programs = find_programs()
        self.port = free_port()

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="two-steps-in-postgres-"))
        self.folder.chmod(0o711)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *failure):
        self._run("pg_ctl", "stop", "-m", "immediate", check=False)
        shutil.rmtree(self.folder)

    def _run(self, program, *arguments, check=True):
        command = [self.programs / program, "-D", self.folder / "data", *arguments]
        user = "postgres" if os.geteuid() == 0 else None
        subprocess.run(
            command,
            check=check,
            user=user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def start(self):
        """Start it, and wait until it answers."""
        options = OPTIONS.format(port=self.port, folder=self.folder)
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-l", log, "-o", options)

    def stop(self):
        """Stop it as an operator does: whoever is connected is thrown out."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast")

    def url(self, database):
        """Return the address of a database, as a platform hands it out."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def connect(self, database):
        """Open a connection on which each statement is a transaction."""
        return psycopg.connect(self.url(database), autocommit=True)

    def create(self, database, dump=""):
        """Make a database, empty or as it was dumped; return its address."""
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {database}")
        with self.connect(database) as connection:
            connection.execute(dump)
        return self.url(database)

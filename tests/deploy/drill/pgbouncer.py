"""PgBouncer in front of a database: each transaction gets another connection."""

import os
import shutil
import subprocess
from contextlib import contextmanager

from tests.deploy.drill.network import free_port
from tests.deploy.drill.network import is_open
from tests.kit.real_browser import missing

SETTINGS = """
[databases]
* = host=127.0.0.1 port={upstream}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = options
"""


def find_pgbouncer():
    """Return the program; Debian does not put it on everybody's path."""
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    return found or missing("PgBouncer (pgbouncer)")


@contextmanager
def pgbouncer(postgres):
    """Start PgBouncer in front of a server; return the port at which it listens."""
    program, port = find_pgbouncer(), free_port()
    file = postgres.folder / "pgbouncer.ini"
    settings = SETTINGS.format(upstream=postgres.port, port=port)
    file.write_text(settings.replace("* = host", "* = user=postgres host"))
    process = subprocess.Popen(
        [program, "-q", file],
        user="postgres" if os.geteuid() == 0 else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not is_open(port):
            assert process.poll() is None, "PgBouncer has ended"
        yield port
    finally:
        process.kill()
        process.wait()

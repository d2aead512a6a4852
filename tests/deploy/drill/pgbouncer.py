"""PgBouncer in front of a database: each transaction gets another connection."""

import os
import subprocess
from contextlib import contextmanager

from tests.kit.programs import find_tool
from tests.kit.programs import free_port
from tests.kit.programs import is_open
from tests.kit.programs import wait_until

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


@contextmanager
def pgbouncer(postgres):
    """Start PgBouncer in front of a server; return the port at which it listens."""
    program, port = find_tool("pgbouncer", "pgbouncer"), free_port()
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
        wait_until(lambda: is_open(port), process)
        yield port
    finally:
        process.kill()
        process.wait()

"""Makes the dumps of this folder anew: a database of the step that had the first one.

    python -m tests.dumps.make

Two users, with keys that serve nothing but tests. The hash of the first one is of the
kind that Werkzeug makes by default.
"""

import json
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

import flask_migrate

from tests.deploy.drill.postgres import PostgreSQL
from tests.deploy.drill.site import SECRET_KEY
from tests.deploy.drill.site import TOTP_KEY
from tests.kit.stage import STEPS
from tests.kit.stage import import_step

HERE = Path(__file__).parent
USERS = (
    ("kim", "four lamps under one umbrella", "scrypt:32768:8:1"),
    ("sam", "nine spoons beside the river", "scrypt:32768:8:3"),
)
SECRETS = ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U")


def app_of(door, database):
    """Return the app of the step, with a database that has its tables."""
    keys = {"SECRET_KEY": SECRET_KEY, "TOTP_KEYS": TOTP_KEY}
    app = door.create_app(keys | {"SQLALCHEMY_DATABASE_URI": database})
    with app.app_context():
        flask_migrate.upgrade()
    return app


def fill(door, app):
    """Make the users; return what they know."""
    known = []
    for (name, password, method), secret in zip(USERS, SECRETS, strict=True):
        app.config["PASSWORD_HASH_METHOD"] = method
        password_hash = door.passwords.hash_password(password)
        user = door.users.create(name, f"{name}@example.org", password_hash)
        door.second_factor.activate(user, secret, 59_000_000)
        codes = door.recovery_codes.regenerate_codes(user)
        values = {"username": name, "password": password, "secret": secret}
        known.append(values | {"recovery_code": codes[0]})
    door.db.db.session.commit()
    return known


def copy(door, source, target):
    """Copy all rows from the database of one app to that of the other."""
    tables = door.db.db.metadata.sorted_tables
    with source.app_context(), door.db.db.engine.connect() as connection:
        rows = {table: connection.execute(table.select()).all() for table in tables}
    with target.app_context(), door.db.db.engine.begin() as connection:
        for table in filter(rows.get, tables):
            values = [row._asdict() for row in rows[table]]
            connection.execute(table.insert(), values)
        connection.exec_driver_sql("SELECT setval('users_id_seq', max(id)) FROM users")


def dump_postgresql(postgres):
    """Return the database as SQL, without what only psql understands."""
    program = postgres.programs / "pg_dump"
    command = [program, "--inserts", "--no-owner", "--dbname", postgres.url("door")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line for line in text.splitlines() if line and line[:1] != "\\"]
    return "\n".join(line for line in lines if not line.startswith("--")) + "\n"


def main():
    """Write the two dumps, and what the users know."""
    door = import_step(STEPS["04"])
    with tempfile.TemporaryDirectory() as folder, PostgreSQL() as postgres:
        file = Path(folder, "door.db")
        first = app_of(door, f"sqlite:///{file}")
        with first.app_context():
            known = fill(door, first)
        url = postgres.create("door").replace("postgres://", "postgresql://")
        copy(door, first, app_of(door, url))
        (HERE / "users.json").write_text(json.dumps(known, indent=2) + "\n")
        (HERE / "door.postgresql.sql").write_text(dump_postgresql(postgres))
        with closing(sqlite3.connect(file)) as connection:
            lines = connection.iterdump()
            (HERE / "door.sqlite.sql").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

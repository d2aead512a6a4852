"""A plugin for pytest: the apps of a recipe's tests have their database on PostgreSQL.

It is started in the folder of a service, so it imports nothing of ours. `POSTGRES_URL`
is the address of a database that has the tables already; each app finds them empty.
"""

import os

import psycopg

import app

URL = os.environ["POSTGRES_URL"]
TABLES = """
    SELECT string_agg(tablename, ', ') FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
"""

create_on_sqlite = app.create_app


def create_on_postgresql(config):
    """Make an app with an empty database."""
    with psycopg.connect(URL) as connection:
        [tables] = connection.execute(TABLES).fetchone()
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
    url = URL.replace("postgres:", "postgresql+psycopg:")
    return create_on_sqlite(config | {"SQLALCHEMY_DATABASE_URI": url})


app.create_app = create_on_postgresql

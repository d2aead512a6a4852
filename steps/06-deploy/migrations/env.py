"""How the migrations reach the database of the app."""

from alembic import context
from flask import current_app

# Two that start at once would make the same table twice: the second one waits.
LOCKS = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "SELECT pg_advisory_xact_lock(6238)",
}

current_app.config["DATABASE_TIMEOUT_SECONDS"] = None  # the second one may wait long

migrate = current_app.extensions["migrate"]

with migrate.db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=migrate.db.metadata,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        connection.exec_driver_sql(LOCKS[connection.dialect.name])
        context.run_migrations()

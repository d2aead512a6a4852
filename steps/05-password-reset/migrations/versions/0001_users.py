"""Create the tables of users, second factors, recovery codes and rate limits."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("normalised_username", sa.String(32), nullable=False, unique=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("session_token", sa.String(43), nullable=False, unique=True),
    )
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("encrypted_secret", sa.String(255), nullable=False),
        sa.Column("last_time_step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(64), primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False, index=True
        ),
    )
    op.create_table(
        "pending_secrets",
        sa.Column("session_id", sa.String(22), primary_key=True),
        sa.Column("encrypted_secret", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "rate_limit_counters",
        sa.Column("bucket", sa.String(64), primary_key=True),
        sa.Column("window_started_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("count", sa.Integer, nullable=False),
    )


def downgrade():
    for table in (
        "rate_limit_counters",
        "pending_secrets",
        "recovery_codes",
        "second_factors",
        "users",
    ):
        op.drop_table(table)

"""The tables of users, second factors, recovery codes and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("username_key", sa.String(32), nullable=False, unique=True),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("session_token", sa.String(43), nullable=False, unique=True),
    )
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("last_time_step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False, index=True
        ),
    )
    op.create_table(
        "waiting_secrets",
        sa.Column("session_id", sa.String(22), primary_key=True),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "attempts",
        sa.Column("bucket", sa.String(64), primary_key=True),
        sa.Column("opened", sa.BigInteger, nullable=False, index=True),
        sa.Column("count", sa.Integer, nullable=False),
    )


def downgrade():
    for table in (
        "attempts",
        "waiting_secrets",
        "recovery_codes",
        "second_factors",
        "users",
    ):
        op.drop_table(table)

"""Create the tables of recovery codes and rate limits."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = "0001b"


def upgrade():
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(64), primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False, index=True
        ),
    )
    op.create_table(
        "rate_limit_counters",
        sa.Column("bucket", sa.String(64), primary_key=True),
        sa.Column("window_started_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("count", sa.Integer, nullable=False),
    )


def downgrade():
    op.drop_table("rate_limit_counters")
    op.drop_table("recovery_codes")

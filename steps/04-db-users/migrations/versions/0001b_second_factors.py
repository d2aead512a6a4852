"""Create the tables of second factors, and of pending secrets."""

import sqlalchemy as sa
from alembic import op

revision = "0001b"
down_revision = "0001a"


def upgrade():
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("encrypted_secret", sa.String(255), nullable=False),
        sa.Column("last_time_step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "pending_secrets",
        sa.Column("session_id", sa.String(22), primary_key=True),
        sa.Column("encrypted_secret", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    )


def downgrade():
    op.drop_table("pending_secrets")
    op.drop_table("second_factors")

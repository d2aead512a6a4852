"""Create the tables of pending registrations and email codes."""

import sqlalchemy as sa
from alembic import op

revision = "0002b"
down_revision = "0002a"


def upgrade():
    op.create_table(
        "pending_registrations",
        sa.Column("session_id", sa.String(22), primary_key=True),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "email_codes",
        sa.Column("email", sa.String(254), primary_key=True),
        sa.Column("nonce", sa.String(22), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("email_count", sa.Integer, nullable=False),
    )


def downgrade():
    op.drop_table("email_codes")
    op.drop_table("pending_registrations")

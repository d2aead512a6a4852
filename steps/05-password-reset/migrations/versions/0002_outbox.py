"""Create the tables of the outbox, registrations, codes, reset links and lockouts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "outbox_emails",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("recipient", sa.String(254), primary_key=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("delivery_attempts", sa.Integer, nullable=False),
        sa.Column("request_count", sa.Integer, nullable=False),
    )
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
    op.create_table(
        "password_resets",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("token_id", sa.String(22), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("email_count", sa.Integer, nullable=False),
    )
    op.create_table(
        "lockouts",
        sa.Column("bucket", sa.String(64), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )


def downgrade():
    for table in (
        "lockouts",
        "password_resets",
        "email_codes",
        "pending_registrations",
        "outbox_emails",
    ):
        op.drop_table(table)

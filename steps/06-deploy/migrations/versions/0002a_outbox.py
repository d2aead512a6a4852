"""Create the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002a"
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


def downgrade():
    op.drop_table("outbox_emails")

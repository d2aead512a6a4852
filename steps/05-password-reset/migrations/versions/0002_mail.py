"""The tables of waiting mails, registrations and reset links."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "letters",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("about", sa.String(254), primary_key=True),
        sa.Column("posted", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("wishes", sa.Integer, nullable=False),
    )
    op.create_table(
        "registrations",
        sa.Column("session_id", sa.String(22), primary_key=True),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("code_hash", sa.String(64)),
        sa.Column("since", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "resets",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("link_id", sa.String(22), nullable=False),
    )


def downgrade():
    for table in ("resets", "registrations", "letters"):
        op.drop_table(table)

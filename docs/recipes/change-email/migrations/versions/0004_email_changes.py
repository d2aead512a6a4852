"""Create the tables of changes of the email address, and of objections to them."""

import sqlalchemy as sa
from alembic import op

revision = "0004_email_changes"
down_revision = "0003"


def upgrade():
    op.create_table(
        "email_changes",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "email_objections",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("email", sa.String(254), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    )


def downgrade():
    for table in ("email_objections", "email_changes"):
        op.drop_table(table)

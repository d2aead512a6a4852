"""Create the table of reset links."""

import sqlalchemy as sa
from alembic import op

revision = "0002c"
down_revision = "0002b"


def upgrade():
    op.create_table(
        "password_resets",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("token_id", sa.String(22), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("email_count", sa.Integer, nullable=False),
    )


def downgrade():
    op.drop_table("password_resets")

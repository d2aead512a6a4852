"""Create the table of users."""

import sqlalchemy as sa
from alembic import op

revision = "0001a"
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


def downgrade():
    op.drop_table("users")

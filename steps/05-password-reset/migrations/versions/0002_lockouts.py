"""Create the table of lockouts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0002c"


def upgrade():
    op.create_table(
        "lockouts",
        sa.Column("bucket", sa.String(64), primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )


def downgrade():
    op.drop_table("lockouts")

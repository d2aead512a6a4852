"""Create the table by which wrong TOTP keys are found."""

import sqlalchemy as sa
from alembic import op

revision = "0003a"
down_revision = "0002"


def upgrade():
    op.create_table(
        "key_checks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("encrypted_value", sa.String(255), nullable=False),
    )


def downgrade():
    op.drop_table("key_checks")

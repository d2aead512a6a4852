"""The tables of suspended users, and of those who may set up a phone again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    for table in ("suspensions", "renewals"):
        user_id = sa.ForeignKey("users.id")
        op.create_table(
            table, sa.Column("user_id", sa.Integer, user_id, primary_key=True)
        )


def downgrade():
    for table in ("renewals", "suspensions"):
        op.drop_table(table)

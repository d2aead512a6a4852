"""Add what operators need, and the counts of wrong passwords."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.add_column("users", sa.Column("disabled_at", sa.BigInteger))
    op.add_column("users", sa.Column("re_enrolment_required_at", sa.BigInteger))
    op.add_column("lockouts", sa.Column("user_id", sa.Integer))
    op.create_table(
        "key_checks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("encrypted_value", sa.String(255), nullable=False),
    )


def downgrade():
    op.drop_table("key_checks")
    op.execute("DELETE FROM lockouts WHERE user_id IS NULL")
    op.drop_column("lockouts", "user_id")
    op.drop_column("users", "re_enrolment_required_at")
    op.drop_column("users", "disabled_at")

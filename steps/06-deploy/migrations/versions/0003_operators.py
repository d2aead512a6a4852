"""Add what operators need, and the counts of wrong passwords."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0003a"


def upgrade():
    op.add_column("users", sa.Column("disabled_at", sa.BigInteger))
    op.add_column("users", sa.Column("re_enrolment_required_at", sa.BigInteger))
    op.add_column("lockouts", sa.Column("user_id", sa.Integer))
    # Every row is about some user so far, and only those of unknown names have NULL.
    op.execute("UPDATE lockouts SET user_id = 0")


def downgrade():
    op.execute("DELETE FROM lockouts WHERE user_id IS NULL")
    op.drop_column("lockouts", "user_id")
    op.drop_column("users", "re_enrolment_required_at")
    op.drop_column("users", "disabled_at")

"""Add the columns by which operators disable users and ask for re-enrolment."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.add_column("users", sa.Column("disabled_at", sa.BigInteger))
    op.add_column("users", sa.Column("re_enrolment_required_at", sa.BigInteger))


def downgrade():
    op.drop_column("users", "re_enrolment_required_at")
    op.drop_column("users", "disabled_at")

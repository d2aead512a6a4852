"""Create the tables of passkeys, of their owners and of challenges."""

import sqlalchemy as sa
from alembic import op

revision = "0004_passkeys"
down_revision = "0003"


def upgrade():
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False, index=True
        ),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "passkey_owners",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("handle", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("passkeys_only", sa.Boolean, nullable=False),
    )
    op.create_table(
        "passkey_challenges",
        sa.Column("session_id", sa.String(22), primary_key=True),
        sa.Column("challenge", sa.String(43), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False, index=True),
    )


def downgrade():
    for table in ("passkey_challenges", "passkey_owners", "passkeys"):
        op.drop_table(table)

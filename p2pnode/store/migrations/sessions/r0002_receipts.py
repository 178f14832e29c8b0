"""Receipts: signed requests with their signed answers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text()
BYTES = sa.LargeBinary()


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "receipt",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("session_key", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("verb", TEXT, nullable=False),
        sa.Column("peer", TEXT, nullable=False),
        sa.Column("request", BYTES, nullable=False),
        sa.Column("answer", BYTES, nullable=False),
        sa.Column("request_key", BYTES, nullable=False),
        sa.Column("answer_key", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_receipt"),
    )
    op.create_index("ix_receipt_session_key", "receipt", ["session_key"])


def downgrade() -> None:
    """Drop the table, and with it all receipts."""
    op.drop_table("receipt")

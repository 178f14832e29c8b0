"""CDRs that differ from the one a session has, kept for a person; CDRs found by when they came."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger()
BYTES = sa.LargeBinary()


def upgrade() -> None:
    """Make the table, and the index by which CDRs are also found."""
    op.create_table(
        "cdr_review",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("session_key", KEY, nullable=False),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("peer", TEXT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("energy", TEXT, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cdr_review"),
    )
    op.create_index("ix_cdr_review_session_key_digest", "cdr_review", ["session_key", "digest"], unique=True)
    op.create_index("ix_cdr_emp_received_at_key", "cdr", ["emp", "received_at", "key"])


def downgrade() -> None:
    """Forget the CDRs that were kept for a person."""
    op.drop_index("ix_cdr_emp_received_at_key", "cdr")
    op.drop_table("cdr_review")

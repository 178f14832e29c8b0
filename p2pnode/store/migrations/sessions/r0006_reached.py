"""Who gets directly what peers send to be given on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "reached",
        sa.Column("owner", KEY, nullable=False),
        sa.Column("operation", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("reached", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "operation", "key", name="pk_reached"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop the table: everybody gets everything."""
    op.drop_table("reached")

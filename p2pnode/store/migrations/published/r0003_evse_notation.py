"""A page is served without a search through its records for places that are to be converted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty for the versions there are: theirs is looked for when they are served."""
    op.add_column("evse_body", sa.Column("notation", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("evse_body", "notation")

"""Who has published the status of an EVSE is looked up for a remote start."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_status_evse_key_owner", "status", ["evse_key", "owner"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_status_evse_key_owner", "status")

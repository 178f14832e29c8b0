"""Lanes of the outbox are read, and counted, without what waits for other peers and what has been given up."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    for name, columns, state in (
        ("ix_outbox_waiting", ["peer", "lane", "id", "state"], sa.text("state = 'waiting'")),
        ("ix_outbox_dead", ["peer", "id", "state"], sa.text("state = 'dead'")),
    ):
        op.create_index(name, "outbox", columns, sqlite_where=state, postgresql_where=state)


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_outbox_dead", "outbox")
    op.drop_index("ix_outbox_waiting", "outbox")

"""Sessions with their history, and CDRs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger()
FLAG = sa.SmallInteger()
BYTES = sa.LargeBinary()


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "cdr",
        sa.Column("key", KEY, nullable=False),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("cpo", TEXT, nullable=False),
        sa.Column("emp", TEXT, nullable=False),
        sa.Column("operator_key", TEXT, nullable=False),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("provider_key", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("evse_id", TEXT, nullable=False),
        sa.Column("session_start", MOMENT, nullable=False),
        sa.Column("session_end", MOMENT, nullable=False),
        sa.Column("energy", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("forwarded_at", MOMENT),
        sa.PrimaryKeyConstraint("key", name="pk_cdr"),
    )
    op.create_index("ix_cdr_emp_session_start_key", "cdr", ["emp", "session_start", "key"])
    op.create_table(
        "session",
        sa.Column("key", KEY, nullable=False),
        sa.Column("session_id", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("cpo", TEXT, nullable=False),
        sa.Column("emp", TEXT, nullable=False),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("evse_key", TEXT),
        sa.Column("evse_id", TEXT),
        sa.Column("identification", BYTES),
        sa.Column("authorized_by_push", FLAG, nullable=False),
        sa.Column("cpo_partner_session_id", TEXT),
        sa.Column("emp_partner_session_id", TEXT),
        sa.Column("charging_start", MOMENT),
        sa.Column("energy", TEXT),
        sa.Column("expires_at", MOMENT),
        sa.PrimaryKeyConstraint("key", name="pk_session"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_session_updated_at", "session", ["updated_at"])
    op.create_table(
        "session_event",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("session_key", KEY, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("verb", TEXT, nullable=False),
        sa.Column("peer", TEXT, nullable=False),
        sa.Column("code", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_key"], ["session.key"], name="fk_session_event_session_key", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_session_event"),
    )
    op.create_index("ix_session_event_session_key", "session_event", ["session_key"])


def downgrade() -> None:
    """Drop the tables, and with them everything."""
    op.drop_table("session_event")
    op.drop_table("session")
    op.drop_table("cdr")

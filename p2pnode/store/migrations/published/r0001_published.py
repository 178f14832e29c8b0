"""What parties publish: EVSE data with its history, status, prices, identifications."""

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
FLOAT = sa.Float()
BYTES = sa.LargeBinary()
CURRENT = sa.text("valid_to IS NULL")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "authentication",
        sa.Column("kind", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("provider_key", KEY, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("pin_function", TEXT),
        sa.Column("pin_hash", TEXT),
        sa.PrimaryKeyConstraint("kind", "key", "owner", "provider_key", name="pk_authentication"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_authentication_owner_provider_key", "authentication", ["owner", "provider_key"])
    op.create_table(
        "evse",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("operator_key", KEY, nullable=False),
        sa.Column("evse_key", KEY, nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_to", MOMENT),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("country", TEXT, nullable=False),
        sa.Column("latitude", FLOAT),
        sa.Column("longitude", FLOAT),
        sa.Column("x", FLOAT),
        sa.Column("y", FLOAT),
        sa.Column("z", FLOAT),
        sa.Column("is_hubject_compatible", FLAG, nullable=False),
        sa.Column("is_open_24_hours", FLAG, nullable=False),
        sa.Column("renewable_energy", FLAG, nullable=False),
        sa.Column("accessibility", TEXT, nullable=False),
        sa.Column("calibration_law", TEXT, nullable=False),
        sa.Column("authentication_modes", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evse"),
    )
    op.create_index(
        "ix_evse_current", "evse", ["evse_key", "owner"], unique=True, sqlite_where=CURRENT, postgresql_where=CURRENT
    )
    op.create_index("ix_evse_owner", "evse", ["owner", "operator_key"], sqlite_where=CURRENT, postgresql_where=CURRENT)
    op.create_index("ix_evse_page", "evse", ["operator_key", "evse_key", "owner", "valid_from", "valid_to"])
    op.create_table(
        "evse_pricing",
        sa.Column("owner", KEY, nullable=False),
        sa.Column("operator_key", KEY, nullable=False),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("operator_name", TEXT, nullable=False),
        sa.Column("evse_key", KEY, nullable=False),
        sa.Column("provider_key", KEY, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner", "operator_key", "evse_key", "provider_key", name="pk_evse_pricing"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mark",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_mark"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "product",
        sa.Column("owner", KEY, nullable=False),
        sa.Column("operator_key", KEY, nullable=False),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("provider_key", KEY, nullable=False),
        sa.Column("product_id", KEY, nullable=False),
        sa.Column("header", BYTES, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner", "operator_key", "provider_key", "product_id", name="pk_product"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "status",
        sa.Column("owner", KEY, nullable=False),
        sa.Column("evse_key", KEY, nullable=False),
        sa.Column("evse_id", TEXT, nullable=False),
        sa.Column("operator_key", KEY, nullable=False),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("operator_name", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("owner", "evse_key", name="pk_status"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_status_operator_key_evse_key", "status", ["operator_key", "evse_key"])
    op.create_table(
        "evse_body",
        sa.Column("id", SERIAL, autoincrement=False, nullable=False),
        sa.Column("evse_id", TEXT, nullable=False),
        sa.Column("operator_id", TEXT, nullable=False),
        sa.Column("operator_name", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.ForeignKeyConstraint(["id"], ["evse.id"], name="fk_evse_body_id"),
        sa.PrimaryKeyConstraint("id", name="pk_evse_body"),
    )


def downgrade() -> None:
    """Drop the tables, and with them everything."""
    op.drop_table("evse_body")
    op.drop_table("status")
    op.drop_table("product")
    op.drop_table("mark")
    op.drop_table("evse_pricing")
    op.drop_table("evse")
    op.drop_table("authentication")

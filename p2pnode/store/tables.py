"""The tables, as SQLAlchemy sees them: the one place where columns, keys and indexes are named.

They are in two databases, so that a push of 200 MB, one long transaction, keeps no session waiting: one of `sessions`
and CDRs, one of everything that is `published`. No row of one refers to a row of the other.

Moments are integers: microseconds since 1970 in UTC. Decimals are text, exactly as they were. Booleans are 0 and 1.
What came over the wire is kept as bytes.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)


class Bytes(LargeBinary):
    """Bytes that are read as the driver gives them, without a copy."""

    cache_ok = True

    def result_processor(self, dialect: object, coltype: object) -> None:
        """Nothing is to be done."""


_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
sessions = MetaData(naming_convention=_NAMES)
published = MetaData(naming_convention=_NAMES)

KEY = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that is compared and ordered by its code points on every database."""
SERIAL = BigInteger().with_variant(Integer(), "sqlite")
"""A number counted upwards; on SQLite it has to be INTEGER to be the row's own address."""
MOMENT = BigInteger()
FLAG = SmallInteger()
BYTES = Bytes()

session = Table(
    "session",
    sessions,
    Column("key", KEY, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("cpo", Text, nullable=False),
    Column("emp", Text, nullable=False),
    Column("operator_id", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("updated_at", MOMENT, nullable=False),  # without an index, which every message would have to keep up
    Column("evse_key", Text),
    Column("evse_id", Text),
    Column("identification", BYTES),
    Column("authorized_by_push", FLAG, nullable=False),
    Column("cpo_partner_session_id", Text),
    Column("emp_partner_session_id", Text),
    Column("charging_start", MOMENT),
    Column("energy", Text),
    Column("expires_at", MOMENT),
    sqlite_with_rowid=False,
)

session_event = Table(
    "session_event",
    sessions,
    Column("id", SERIAL, primary_key=True),
    Column("session_key", KEY, ForeignKey("session.key", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", MOMENT, nullable=False),
    Column("operation", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("body", BYTES, nullable=False),
)

# A CDR outlives its session's row and may come from a peer for a session that this node never saw: no foreign key.
cdr = Table(
    "cdr",
    sessions,
    Column("key", KEY, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("cpo", Text, nullable=False),
    Column("emp", Text, nullable=False),
    Column("operator_key", Text, nullable=False),
    Column("operator_id", Text, nullable=False),
    Column("provider_key", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("evse_id", Text, nullable=False),
    Column("session_start", MOMENT, nullable=False),
    Column("session_end", MOMENT, nullable=False),
    Column("energy", Text, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("forwarded_at", MOMENT),
    Index(None, "emp", "session_start", "key"),
    Index(None, "emp", "received_at", "key"),
)

# CDRs that were refused because their session has another one; a person decides what becomes of them.
cdr_review = Table(
    "cdr_review",
    sessions,
    Column("id", SERIAL, primary_key=True),
    Column("session_key", KEY, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("received_at", MOMENT, nullable=False),
    Column("energy", Text, nullable=False),
    Column("digest", BYTES, nullable=False),  # of the body: the same one again is kept once
    Column("body", BYTES, nullable=False),
    Index(None, "session_key", "digest", unique=True),
)

# Numbered as they come, so that the oldest are the first; a receipt outlives its session's row as a CDR does.
receipt = Table(
    "receipt",
    sessions,
    Column("id", SERIAL, primary_key=True),
    Column("session_key", KEY, nullable=False, index=True),
    Column("at", MOMENT, nullable=False),
    Column("operation", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("peer", Text, nullable=False),
    Column("request", BYTES, nullable=False),
    Column("answer", BYTES, nullable=False),
    Column("request_key", BYTES, nullable=False),
    Column("answer_key", BYTES, nullable=False),
)

# Messages that have not been answered. No foreign keys: they are removed on their own, and may outlive their session.
outbox = Table(
    "outbox",
    sessions,
    Column("id", SERIAL, primary_key=True, autoincrement=False),
    Column("peer", KEY, nullable=False),
    Column("lane", Text, nullable=False),
    Column("session_key", KEY, nullable=False, index=True),
    Column("operation", Text, nullable=False),
    Column("caller_id", Text, nullable=False),
    Column("process_id", Text, nullable=False),
    Column("counterpart_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("created_at", MOMENT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", MOMENT),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
WAITING, DEAD = text("state = 'waiting'"), text("state = 'dead'")
Index(
    "ix_outbox_waiting",
    outbox.c.peer,
    outbox.c.lane,
    outbox.c.id,
    outbox.c.state,
    sqlite_where=WAITING,
    postgresql_where=WAITING,
)
Index("ix_outbox_dead", outbox.c.peer, outbox.c.id, outbox.c.state, sqlite_where=DEAD, postgresql_where=DEAD)
# The state is in them so that counts read nothing else.

breaker = Table(
    "breaker",
    sessions,
    Column("peer", KEY, primary_key=True),
    Column("state", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", MOMENT),
    Column("next_at", MOMENT),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    sessions,
    Column("peer", KEY, primary_key=True),
    Column("operation", KEY, primary_key=True),
    Column("known_at", MOMENT, nullable=False),
    sqlite_with_rowid=False,
)

reached = Table(
    "reached",
    sessions,
    Column("owner", KEY, primary_key=True),
    Column("operation", KEY, primary_key=True),
    Column("key", KEY, primary_key=True),
    Column("reached", Text, nullable=False),  # each one between line feeds
    sqlite_with_rowid=False,
)

# One row per version of an EVSE data record. Narrow, because searches walk it; what an answer needs is in evse_body.
evse = Table(
    "evse",
    published,
    Column("id", SERIAL, primary_key=True),
    Column("operator_key", KEY, nullable=False),
    Column("evse_key", KEY, nullable=False),
    Column("owner", KEY, nullable=False),
    Column("valid_from", MOMENT, nullable=False),
    Column("valid_to", MOMENT),  # NULL: the current version
    Column("digest", BYTES, nullable=False),  # of all that makes two versions differ
    Column("country", Text, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("x", Float),  # with y and z: the place on a sphere of radius 1
    Column("y", Float),
    Column("z", Float),
    Column("is_hubject_compatible", FLAG, nullable=False),
    Column("is_open_24_hours", FLAG, nullable=False),
    Column("renewable_energy", FLAG, nullable=False),
    Column("accessibility", Text, nullable=False),
    Column("calibration_law", Text, nullable=False),
    Column("authentication_modes", Text, nullable=False),  # each one between line feeds
)
Index("ix_evse_page", evse.c.operator_key, evse.c.evse_key, evse.c.owner, evse.c.valid_from, evse.c.valid_to)
Index(
    "ix_evse_current",
    evse.c.evse_key,
    evse.c.owner,
    unique=True,
    sqlite_where=evse.c.valid_to.is_(None),
    postgresql_where=evse.c.valid_to.is_(None),
)
Index(
    "ix_evse_owner",
    evse.c.owner,
    evse.c.operator_key,
    sqlite_where=evse.c.valid_to.is_(None),
    postgresql_where=evse.c.valid_to.is_(None),
)

evse_body = Table(
    "evse_body",
    published,
    Column("id", SERIAL, ForeignKey("evse.id"), primary_key=True, autoincrement=False),
    Column("evse_id", Text, nullable=False),
    Column("operator_id", Text, nullable=False),
    Column("operator_name", Text, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("notation", Text, nullable=False, server_default=""),  # of all its places; empty: to be looked for
)

status = Table(
    "status",
    published,
    Column("owner", KEY, primary_key=True),
    Column("evse_key", KEY, primary_key=True),
    Column("evse_id", Text, nullable=False),
    Column("operator_key", KEY, nullable=False),
    Column("operator_id", Text, nullable=False),
    Column("operator_name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
    Index(None, "operator_key", "evse_key"),
    Index(None, "evse_key", "owner"),
    sqlite_with_rowid=False,
)

product = Table(
    "product",
    published,
    Column("owner", KEY, primary_key=True),
    Column("operator_key", KEY, primary_key=True),
    Column("operator_id", Text, nullable=False),
    Column("provider_key", KEY, primary_key=True),
    Column("product_id", KEY, primary_key=True),
    Column("header", BYTES, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
    sqlite_with_rowid=False,
)

evse_pricing = Table(
    "evse_pricing",
    published,
    Column("owner", KEY, primary_key=True),
    Column("operator_key", KEY, primary_key=True),
    Column("operator_id", Text, nullable=False),
    Column("operator_name", Text, nullable=False),
    Column("evse_key", KEY, primary_key=True),
    Column("provider_key", KEY, primary_key=True),
    Column("body", BYTES, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
    sqlite_with_rowid=False,
)

authentication = Table(
    "authentication",
    published,
    Column("kind", KEY, primary_key=True),
    Column("key", KEY, primary_key=True),
    Column("owner", KEY, primary_key=True),
    Column("provider_key", KEY, primary_key=True),
    Column("provider_id", Text, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("pin_function", Text),
    Column("pin_hash", Text),
    Index(None, "owner", "provider_key"),
    sqlite_with_rowid=False,
)

mark = Table(
    "mark",
    published,
    Column("name", Text, primary_key=True),
    Column("at", MOMENT, nullable=False),
    sqlite_with_rowid=False,
)
"""Moments the store itself remembers, by name: how far its clock is, since when it keeps the history of EVSE data."""

CLOCK = "clock"
HISTORY = "evse_history"

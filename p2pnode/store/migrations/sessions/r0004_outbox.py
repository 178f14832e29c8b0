"""The outbox, with what had not been delivered without it; the breakers, and what peers are known to have."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text()
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.BigInteger()
BYTES = sa.LargeBinary()

CDR = "ChargeDetailRecord"
NOTIFICATION = "ChargingNotification"
AWAY = {"300", "210", "310", "320"}
FAILED = {"021", "017"}
LINES_AT_ONCE = 1000


def upgrade() -> None:
    """Make the tables, and queue what waits in the histories of sessions and among the CDRs."""
    outbox = op.create_table(
        "outbox",
        sa.Column("id", SERIAL, nullable=False, autoincrement=False),
        sa.Column("peer", KEY, nullable=False),
        sa.Column("lane", TEXT, nullable=False),
        sa.Column("session_key", KEY, nullable=False),
        sa.Column("operation", TEXT, nullable=False),
        sa.Column("caller_id", TEXT, nullable=False),
        sa.Column("process_id", TEXT, nullable=False),
        sa.Column("counterpart_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_session_key", "outbox", ["session_key"])
    op.create_table(
        "breaker",
        sa.Column("peer", KEY, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT),
        sa.Column("next_at", MOMENT),
        sa.Column("reason", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("peer", name="pk_breaker"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "delivery",
        sa.Column("peer", KEY, nullable=False),
        sa.Column("operation", KEY, nullable=False),
        sa.Column("known_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("peer", "operation", name="pk_delivery"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    waiting = [*_notifications(connection), *_cdrs(connection)]
    if waiting:
        op.bulk_insert(outbox, [{**row, "id": number} for number, row in enumerate(waiting, start=1)])


def downgrade() -> None:
    """Drop the tables; what waits is forgotten, but for the CDRs that are not marked as forwarded."""
    op.drop_table("delivery")
    op.drop_table("breaker")
    op.drop_table("outbox")


def _notifications(connection: sa.Connection) -> list[dict[str, Any]]:
    """The notifications our CPO has sent whose last line in the history tells a reason that may pass."""
    lines = connection.execute(
        sa.text(
            "SELECT e.id, e.session_key, e.operation, e.body, e.code FROM session_event e"
            " JOIN session s ON s.key = e.session_key"
            " WHERE e.verb = 'send' AND e.operation LIKE :operation"
            " AND e.session_key IN (SELECT a.session_key FROM session_event a WHERE a.verb = 'send'"
            " AND a.operation LIKE :operation AND a.code IN :away) ORDER BY e.id"
        ).bindparams(sa.bindparam("away", expanding=True)),
        {"operation": f"{NOTIFICATION}%", "away": sorted(AWAY)},
        execution_options={"yield_per": LINES_AT_ONCE},
    )
    waiting: dict[tuple[str, str, bytes], int] = {}
    for number, key, operation, body, code in lines:
        told = (key, operation, sha256(body).digest())
        if code in AWAY:
            waiting.setdefault(told, number)
        else:
            waiting.pop(told, None)
    found = sa.text(
        "SELECT e.session_key, e.operation, e.body, e.at, s.emp, s.operator_id, s.provider_id, s.cpo"
        " FROM session_event e JOIN session s ON s.key = e.session_key WHERE e.id = :id"
    )
    rows = (connection.execute(found, {"id": number}).one() for number in waiting.values())
    return [
        _row(
            NOTIFICATION,
            at,
            session_key=key,
            operation=operation,
            body=body,
            peer=peer,
            caller_id=caller_id,
            counterpart_id=provider_id,
            source=source,
        )
        for key, operation, body, at, peer, caller_id, provider_id, source in rows
    ]


def _cdrs(connection: sa.Connection) -> Iterable[dict[str, Any]]:
    """The CDRs that are not marked as forwarded and have not been refused."""
    found = connection.execute(
        sa.text(
            "SELECT c.key, c.emp, c.operator_id, c.provider_id, c.cpo, c.received_at,"
            " (SELECT e.code FROM session_event e"
            " WHERE e.session_key = c.key AND e.operation = :operation AND length(e.body) = 0"
            " ORDER BY e.id DESC LIMIT 1) FROM cdr c WHERE c.forwarded_at IS NULL"
            " ORDER BY c.received_at, c.session_start, c.key"
        ),
        {"operation": CDR},
    ).fetchall()
    for key, peer, caller_id, provider_id, cpo, received_at, code in found:
        if code is None or code in AWAY | FAILED:
            yield _row(
                CDR,
                received_at,
                session_key=key,
                operation=CDR,
                body=b"",
                peer=peer,
                caller_id=caller_id,
                counterpart_id=provider_id,
                source="" if peer == "" else cpo,
            )


def _row(lane: str, created_at: int, **columns: object) -> dict[str, Any]:
    return {
        **columns,
        "lane": lane,
        "process_id": str(uuid4()),
        "created_at": created_at,
        "attempts": 0,
        "next_at": None,
        "state": "waiting",
        "reason": "",
    }

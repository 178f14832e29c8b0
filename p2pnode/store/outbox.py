"""The rows of the outbox, of the breakers and of what peers are known to have: how they are written and listed."""

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, literal, select, update

from p2pnode.roaming.outbox_records import (
    BreakerRecord,
    DeliveryRecord,
    QueueCount,
    QueuedRecord,
    QueueState,
    ReachedRecord,
)
from p2pnode.store import tables
from p2pnode.store.connection import WriteConnection
from p2pnode.store.lookups import SessionLookups
from p2pnode.store.reads import records
from p2pnode.store.rows import BREAKERS, DELIVERIES, OUTBOX, REACHED
from p2pnode.store.statements import chunks, hot, upsert
from p2pnode.store.values import from_us, to_us

_TABLE = tables.outbox
_LAST = hot(select(func.max(_TABLE.c.id)), [])
_ADD = hot(insert(_TABLE).values({name: bindparam(name) for name in OUTBOX.names}), OUTBOX.names)
_REMOVE = hot(delete(_TABLE).where(_TABLE.c.id == bindparam("id")), ["id"])
_CHANGE = hot(
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("the_id"))
    .values(
        attempts=bindparam("attempts"),
        next_at=bindparam("next_at"),
        state=bindparam("state"),
        reason=bindparam("reason"),
    ),
    ["attempts", "next_at", "state", "reason", "the_id"],
)
_SUPERSEDE = hot(
    delete(_TABLE).where(
        _TABLE.c.session_key == bindparam("session_key"),
        _TABLE.c.peer == bindparam("peer"),
        _TABLE.c.operation == bindparam("operation"),
    ),
    ["session_key", "peer", "operation"],
)
_OF_SESSION = hot(
    select(*OUTBOX.columns)
    .where(
        _TABLE.c.session_key == bindparam("session_key"),
        _TABLE.c.peer == bindparam("peer"),
        _TABLE.c.lane == bindparam("lane"),
    )
    .order_by(_TABLE.c.id),
    ["session_key", "peer", "lane"],
)
_ONE = hot(select(*OUTBOX.columns).where(_TABLE.c.id == bindparam("id")), ["id"])
_PUT_BREAKER = hot(upsert(tables.breaker, BREAKERS.names), BREAKERS.names)
_PUT_DELIVERY = hot(upsert(tables.delivery, DELIVERIES.names), DELIVERIES.names)
_PUT_REACHED = hot(upsert(tables.reached, REACHED.names), REACHED.names)


class OutboxWriting(SessionLookups):
    """What a transaction writes of the outbox."""

    def __init__(self, connection: WriteConnection) -> None:
        super().__init__(connection)
        self._writing = connection
        self._last_id: int | None = None

    def queue(self, record: QueuedRecord) -> QueuedRecord:
        """Put a message behind all others; returns it with its id."""
        number = self._last_id = self._last() + 1
        placed = replace(record, id=number)
        self._writing.run(_ADD, OUTBOX.encode(placed))
        return placed

    def queued(self, session_key: str, peer: str, lane: str) -> Sequence[QueuedRecord]:
        """The messages about a session in a lane, oldest first, dead letters among them."""
        return [OUTBOX.decode(row) for row in self._writing.rows(_OF_SESSION, (session_key, peer, lane))]

    def queued_one(self, number: int) -> QueuedRecord | None:
        """The message with this id."""
        found = self._writing.rows(_ONE, (number,))
        return OUTBOX.decode(found[0]) if found else None

    def unqueue(self, number: int) -> bool:
        """Take a message out; returns whether it was there."""
        self._last()
        return self._writing.run(_REMOVE, (number,)) > 0

    def requeue(self, record: QueuedRecord) -> None:
        """Note the attempts, the next one, the state and the reason of a message."""
        next_at = None if record.next_at is None else to_us(record.next_at)
        self._writing.run(_CHANGE, (record.attempts, next_at, record.state.value, record.reason, record.id))

    def supersede(self, session_key: str, peer: str, operation: str) -> None:
        """Take out what is queued of an operation about a session: what comes now tells more."""
        self._last()
        self._writing.run(_SUPERSEDE, (session_key, peer, operation))

    def _last(self) -> int:
        """The last id given; read before the first message leaves, or its id would be given again behind its back."""
        if self._last_id is None:
            self._last_id = int(self._writing.rows(_LAST, ())[0][0] or 0)
        return self._last_id

    def put_breaker(self, record: BreakerRecord) -> None:
        """Note the state of a peer's circuit breaker."""
        self._writing.run(_PUT_BREAKER, BREAKERS.encode(record))

    def put_delivery(self, record: DeliveryRecord) -> None:
        """Note what a peer is known to have."""
        self._writing.run(_PUT_DELIVERY, DELIVERIES.encode(record))

    def put_reached(self, record: ReachedRecord) -> None:
        """Note who gets directly what a peer sends to be given on."""
        self._writing.run(_PUT_REACHED, REACHED.encode(record))


def _is(state: QueueState) -> ColumnElement[bool]:
    """The condition of the partial indexes, which the database knows by its text only."""
    return _TABLE.c.state == literal(state.value, literal_execute=True)


def waiting(connection: Connection, peer: str, lane: str, after: int, limit: int) -> list[QueuedRecord]:
    """The messages that wait in a lane behind this id, oldest first."""
    c = _TABLE.c
    query = select(*OUTBOX.columns).where(c.peer == peer, c.lane == lane, c.id > after, _is(QueueState.WAITING))
    return records(connection, OUTBOX, query.order_by(c.id).limit(limit))


def lanes(connection: Connection) -> list[tuple[str, str]]:
    """The lanes in which something waits, as peer and lane."""
    query = select(_TABLE.c.peer, _TABLE.c.lane).where(_is(QueueState.WAITING)).distinct()
    return [(str(row[0]), str(row[1])) for row in connection.execute(query)]


def listed(connection: Connection, peer: str | None, state: QueueState | None, limit: int) -> list[QueuedRecord]:
    """The messages of the outbox, oldest first."""
    query = select(*OUTBOX.columns).order_by(_TABLE.c.id).limit(limit)
    if peer is not None:
        query = query.where(_TABLE.c.peer == peer)
    if state is not None:
        query = query.where(_is(state))
    return records(connection, OUTBOX, query)


def about(connection: Connection, peer: str, lane: str, session_keys: Sequence[str]) -> list[QueuedRecord]:
    """The messages about these sessions in a lane, dead letters among them."""
    c = _TABLE.c
    query = select(*OUTBOX.columns).where(c.peer == peer, c.lane == lane)
    return [
        found
        for some in chunks(session_keys)
        for found in records(connection, OUTBOX, query.where(c.session_key.in_(some)))
    ]


def one(connection: Connection, number: int) -> QueuedRecord | None:
    """The message with this id."""
    found = records(connection, OUTBOX, select(*OUTBOX.columns).where(_TABLE.c.id == number))
    return found[0] if found else None


def counts(connection: Connection) -> dict[str, QueueCount]:
    """How much is in the outbox for each peer."""
    c = _TABLE.c
    each = select(c.peer, func.count(), func.min(c.id)).group_by(c.peer)
    dead = {peer: count for peer, count, _ in connection.execute(each.where(_is(QueueState.DEAD)))}
    waiting = connection.execute(each.where(_is(QueueState.WAITING))).all()
    oldest = select(c.peer, c.created_at).where(c.id.in_([first for _, _, first in waiting]))
    since = {peer: from_us(at) for peer, at in connection.execute(oldest)}
    found = {peer: QueueCount(count, dead.pop(peer, 0), since.get(peer)) for peer, count, _ in waiting}
    return found | {peer: QueueCount(0, count) for peer, count in dead.items()}


def breakers(connection: Connection) -> list[BreakerRecord]:
    """The circuit breakers that have ever opened."""
    return records(connection, BREAKERS, select(*BREAKERS.columns))


def deliveries(connection: Connection) -> list[DeliveryRecord]:
    """What peers are known to have."""
    return records(connection, DELIVERIES, select(*DELIVERIES.columns))


def reached(connection: Connection) -> list[ReachedRecord]:
    """Who gets directly what peers send to be given on."""
    return records(connection, REACHED, select(*REACHED.columns))

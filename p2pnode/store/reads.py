"""Lists and pages, as functions of a connection, so that the same queries run on a thread and on an async driver."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, text

from p2pnode.roaming.outbox_records import QueueState
from p2pnode.roaming.published_records import AuthenticationRecord, EvsePricingRecord, ProductRecord, StatusRecord
from p2pnode.roaming.records import (
    CdrFilter,
    CdrPage,
    CdrReview,
    Page,
    PageRequest,
    ReceiptRecord,
    SessionEvent,
    SessionFilter,
    SessionRecord,
    SessionState,
)
from p2pnode.store import tables
from p2pnode.store.database import LEFT_OUT, PUBLISHED
from p2pnode.store.errors import Damaged
from p2pnode.store.rows import (
    AUTHENTICATION,
    CDRS,
    EVENTS,
    EVSE_PRICING,
    PRODUCTS,
    RECEIPTS,
    REVIEWS,
    SESSIONS,
    STATUSES,
    Rows,
    checked,
)
from p2pnode.store.statements import Query, chunks
from p2pnode.store.values import to_us

R = TypeVar("R")
Keys = tuple[str, ...] | None

AT_ONCE = 1000
"""How many rows are taken from the database before they become records."""

EVENTS_A_SESSION = 4
"""How many of the last events are looked at for each session that is wanted, at first."""


def records(connection: Connection, rows: Rows[R], query: Query) -> list[R]:
    """The records of a query over all columns of `rows`, without those that cannot be read: see `left_out`."""
    found: list[R] = []
    for some in connection.execute(query).partitions(AT_ONCE):
        try:
            found += [rows.decode(row) for row in some]
        except Damaged:
            found += readable(connection, rows, some)
    return found


def readable(connection: Connection, rows: Rows[R], some: Iterable[Any]) -> Iterator[R]:
    """The records of those rows that can be read."""
    for row in some:
        try:
            yield rows.decode(row)
        except Damaged as error:
            left_out(connection, error)


def left_out(connection: Connection, error: Damaged) -> None:
    """Tell of a row that a list does without, so that it spoils only itself."""
    connection.get_execution_options()[LEFT_OUT](str(error))


def sessions(connection: Connection, limit: int) -> list[SessionRecord]:
    """The most recently changed sessions: those of the last events, since every change leaves one."""
    table = tables.session
    query = select(*SESSIONS.columns).order_by(table.c.updated_at.desc(), table.c.key.desc()).limit(limit)
    keys = _latest_keys(connection, limit)
    if len(keys) < limit:  # there are hardly more, so that sorting all of them takes no time
        return records(connection, SESSIONS, query)
    found = [one for some in chunks(keys) for one in records(connection, SESSIONS, query.where(table.c.key.in_(some)))]
    return sorted(found, key=lambda one: (one.updated_at, one.key), reverse=True)


def sessions_by_key(connection: Connection, wanted: SessionFilter, after: str, limit: int) -> list[SessionRecord]:
    """The sessions that are asked for behind a key, in the order of their keys."""
    c = tables.session.c
    query = select(*SESSIONS.columns).where(
        c.key > after,
        c.state == wanted.state.value,
        c.cpo == wanted.cpo,
        c.emp == wanted.emp,
        c.updated_at >= to_us(wanted.from_),
        c.updated_at < to_us(wanted.to),
    )
    return records(connection, SESSIONS, query.order_by(c.key).limit(limit))


def untold(connection: Connection, state: SessionState, emp: str, operation: str) -> list[SessionRecord]:
    """The sessions of an EMP in a state whose history does not tell of an operation."""
    session, event = tables.session, tables.session_event
    told = exists(event.c.id).where(event.c.session_key == session.c.key, event.c.operation == operation)
    query = select(*SESSIONS.columns).where(session.c.state == state.value, session.c.emp == emp, ~told)
    return records(connection, SESSIONS, query.order_by(session.c.key))


def _latest_keys(connection: Connection, limit: int) -> list[str]:
    """The keys of at most so many sessions, by their last events, the latest first."""
    event = tables.session_event
    found: dict[str, None] = {}
    query = select(event.c.id, event.c.session_key).order_by(event.c.id.desc()).limit(limit * EVENTS_A_SESSION)
    rows = connection.execute(query).all()
    while rows and len(found) < limit:
        found.update(dict.fromkeys(row.session_key for row in rows))
        rows = connection.execute(query.where(event.c.id < rows[-1].id)).all()
    return list(found)[:limit]


def history(connection: Connection, key: str) -> list[SessionEvent]:
    """A session's history in the order in which it was written, whatever the clock did meanwhile."""
    event = tables.session_event
    query = select(*EVENTS.columns).where(event.c.session_key == key).order_by(event.c.id)
    return records(connection, EVENTS, query)


def receipts(connection: Connection, key: str) -> list[ReceiptRecord]:
    """The receipts of a session, in the order in which they were kept."""
    receipt = tables.receipt
    query = select(*RECEIPTS.columns).where(receipt.c.session_key == key).order_by(receipt.c.id)
    return records(connection, RECEIPTS, query)


def cdr_page(connection: Connection, wanted: CdrFilter, page: PageRequest) -> Page:
    """The bodies of one page of CDRs, in the order in which they came."""
    found, total = _cdrs(connection, wanted, page, [tables.cdr.c.body])
    return Page(tuple(checked(bytes, (row[0] for row in connection.execute(found)), tables.cdr)), total)


def cdrs(connection: Connection, wanted: CdrFilter, page: PageRequest) -> CdrPage:
    """The same page, with what its CDRs are found by."""
    found, total = _cdrs(connection, wanted, page, CDRS.columns)
    return CdrPage(tuple(records(connection, CDRS, found)), total)


def cdr_reviews(connection: Connection, number: int | None = None) -> list[CdrReview]:
    """The CDRs kept for a person, oldest first; with a number, the one that has it."""
    query, c = select(*REVIEWS.columns), tables.cdr_review.c
    return records(connection, REVIEWS, (query if number is None else query.where(c.id == number)).order_by(c.id))


def _cdrs(
    connection: Connection, wanted: CdrFilter, page: PageRequest, columns: Sequence[ColumnElement[Any]]
) -> tuple[Query, int]:
    """The query for one page of CDRs, and how many there are on all pages."""
    cdr = tables.cdr
    from_, to = to_us(wanted.from_), to_us(wanted.to)
    moments = (cdr.c.received_at, cdr.c.session_start)
    conditions: list[ColumnElement[bool]] = [or_(*(and_(at >= from_, at < to) for at in moments))]
    for side, name in ((cdr.c.emp, wanted.emp), (cdr.c.cpo, wanted.cpo)):
        if name is not None:
            conditions.append(side == name)
    for column, keys in (
        (cdr.c.provider_key, wanted.provider_keys),
        (cdr.c.operator_key, wanted.operator_keys),
        (cdr.c.key, wanted.session_keys),
    ):
        if keys is not None:
            conditions.append(column.in_(keys))
    if wanted.forwarded is not None:
        conditions.append(cdr.c.forwarded_at.is_not(None) if wanted.forwarded else cdr.c.forwarded_at.is_(None))
    if wanted.told is not None:
        peer, lane = wanted.told
        outbox = tables.outbox.c
        waits = (
            outbox.session_key == cdr.c.key,
            outbox.peer == peer,
            outbox.lane == lane,
            outbox.state != QueueState.DEAD.value,  # "waits" would have the whole lane read for each CDR
        )
        conditions.append(~exists(tables.outbox.c.id).where(*waits))
    query = select(*columns).where(*conditions).order_by(cdr.c.received_at, cdr.c.key)
    total = connection.execute(select(func.count()).select_from(cdr).where(*conditions)).scalar_one()
    return query.limit(page.size).offset(page.page * page.size), total


def statuses(
    connection: Connection, owners: tuple[str, ...], evse_keys: Keys, operator_keys: Keys, status: str | None
) -> list[StatusRecord]:
    """Current statuses, ordered by operator and EVSE."""
    table = tables.status
    query = select(*STATUSES.columns).where(table.c.owner.in_(owners))
    if operator_keys is not None:
        query = query.where(table.c.operator_key.in_(operator_keys))
    if status is not None:
        query = query.where(table.c.status == status)
    ordered = query.order_by(table.c.operator_key, table.c.evse_key, table.c.owner)
    if evse_keys is None:
        return records(connection, STATUSES, ordered)
    found: list[StatusRecord] = []
    for some in chunks(list(dict.fromkeys(evse_keys))):
        found += records(connection, STATUSES, ordered.where(table.c.evse_key.in_(some)))
    return sorted(found, key=lambda record: (record.operator_key, record.evse_key, record.owner))


def products(
    connection: Connection,
    owners: tuple[str, ...],
    operator_keys: Keys,
    changed_since: datetime | None,
    product_id: str | None = None,
) -> list[ProductRecord]:
    """Pricing products, ordered by operator, provider and product."""
    query = _pricing(PRODUCTS, owners, operator_keys, changed_since)
    c = PRODUCTS.table.c
    if product_id is not None:
        query = query.where(c.product_id == product_id)
    return records(connection, PRODUCTS, query.order_by(c.operator_key, c.provider_key, c.product_id, c.owner))


def evse_pricing(
    connection: Connection,
    owners: tuple[str, ...],
    operator_keys: Keys,
    changed_since: datetime | None,
    evse_key: str | None = None,
) -> list[EvsePricingRecord]:
    """EVSE pricing, ordered by operator and EVSE."""
    query = _pricing(EVSE_PRICING, owners, operator_keys, changed_since)
    c = EVSE_PRICING.table.c
    if evse_key is not None:
        query = query.where(c.evse_key == evse_key)
    return records(connection, EVSE_PRICING, query.order_by(c.operator_key, c.evse_key, c.provider_key, c.owner))


def _pricing(rows: Rows[Any], owners: tuple[str, ...], operator_keys: Keys, changed_since: datetime | None) -> Query:
    """What both pricing pulls ask for."""
    table = rows.table
    query = select(*rows.columns).where(table.c.owner.in_(owners))
    if operator_keys is not None:
        query = query.where(table.c.operator_key.in_(operator_keys))
    if changed_since is not None:
        query = query.where(table.c.changed_at >= to_us(changed_since))
    return query


def authentication_of(connection: Connection, owner: str) -> list[AuthenticationRecord]:
    """Everything the owner vouches for, ordered by provider."""
    table = tables.authentication
    query = (
        select(*AUTHENTICATION.columns)
        .where(table.c.owner == owner)
        .order_by(table.c.provider_key, table.c.kind, table.c.key)
    )
    return records(connection, AUTHENTICATION, query)


def mark(connection: Connection, name: str) -> int:
    """A moment the store remembers (microseconds), 0 where it has none."""
    found = connection.execute(select(tables.mark.c.at).where(tables.mark.c.name == name)).scalars()
    return max(checked(int, found, tables.mark), default=0)


def ended_versions(connection: Connection, before: int) -> list[int]:
    """The versions of EVSE data that ended at this moment (microseconds) or earlier."""
    return list(connection.execute(select(tables.evse.c.id).where(tables.evse.c.valid_to <= before)).scalars())


def faults(connection: Connection, databases: Iterable[str] = ("main", PUBLISHED)) -> list[str]:
    """What SQLite finds wrong with the files and with references between rows; empty where all is well."""
    wrong: list[str] = []
    for database in databases:
        found = [str(row[0]) for row in connection.execute(text(f"PRAGMA {database}.integrity_check"))]
        orphans = connection.execute(text(f"PRAGMA {database}.foreign_key_check")).fetchall()
        wrong += [line for line in found if line != "ok"]
        wrong += [f"a row of {row[0]} refers to a row of {row[2]} that does not exist" for row in orphans]
    return wrong

"""The node's memory: the `Store` of the roaming services on two SQLite databases."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sqlalchemy import Engine

from p2pnode.roaming.outbox_records import (
    BreakerRecord,
    DeliveryRecord,
    QueueCount,
    QueuedRecord,
    QueueState,
    ReachedRecord,
)
from p2pnode.roaming.published_records import (
    AuthenticationRecord,
    EvseFilter,
    EvseOwner,
    EvsePricingRecord,
    EvseRecord,
    EvseVersions,
    ProductRecord,
    StatusRecord,
)
from p2pnode.roaming.records import (
    CdrFilter,
    CdrPage,
    CdrRecord,
    CdrReview,
    Page,
    PageRequest,
    ReceiptRecord,
    SessionEvent,
    SessionFilter,
    SessionRecord,
    SessionState,
)
from p2pnode.store import outbox, reads, retention, search
from p2pnode.store.clock import LogicalClock
from p2pnode.store.connection import WriteConnection
from p2pnode.store.database import Database
from p2pnode.store.publication import SqlPublication, changed_mark
from p2pnode.store.reader import SEARCHES, ReadConnection, Reader
from p2pnode.store.snapshots import Snapshots
from p2pnode.store.transaction import Keep, SqlTransaction, Start
from p2pnode.store.values import from_us, to_us
from p2pnode.store.writer import Writer

T = TypeVar("T")

PURGED_AT_ONCE = 2000
"""How many versions one transaction of `purge` removes, so that nobody else waits long for theirs."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def _ignore(_: str) -> None:
    """Nobody wants to know."""


class Connections(NamedTuple):
    """What a store works with; opening them blocks."""

    writing: WriteConnection
    publishing: WriteConnection
    searching: Engine
    looking_up: ReadConnection
    glancing: ReadConnection


class SqlStore:
    """A `Store` on two SQLite files, made by `SqlStore.open`. Every method raises StoreError where a database fails.

    What is published is in a file, and written on a thread, of its own: a push of 100,000 records is one transaction of
    seconds, for which no session waits. In one file its rows would have to be written piece by piece, each invisible to
    every reader until the last one is there.

    It belongs to the event loop it is opened on.
    """

    def __init__(self, path: Path, connections: Connections, now: Callable[[], datetime]) -> None:
        """Of open databases; `open` sees to that."""
        self.path = path
        self._clock = LogicalClock(now)
        self._writer = Writer("store-writer", connections.writing, SqlTransaction(connections.writing), _nothing)
        publication = SqlPublication(connections.publishing, self._clock)
        self._publisher = Writer("store-publisher", connections.publishing, publication, self._clock.settle)
        self._reader = Reader(connections.searching, connections.looking_up, connections.glancing)
        self._snapshots = Snapshots(self._reader, self._clock)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        where: str | Path,
        *,
        now: Callable[[], datetime] = utc_now,
        lock_timeout: float = 5.0,
        left_out: Callable[[str], None] = _ignore,
    ) -> AsyncGenerator["SqlStore"]:
        """The store at a path or `sqlite:///` URL; made, readable by its owner only, where there is none.

        What is published is beside it, in `p2pnode-published.db` beside `p2pnode.db`. The tables of both are brought up
        to date first. `lock_timeout` is how long another process may hold a database, in seconds. `left_out` is told,
        on any thread, of a row that a list does without because nobody can read it. Raises Unopenable, or another
        StoreError that says what is wrong with a file.
        """
        database = Database.at(where, lock_timeout)
        store = cls(database.path, await asyncio.to_thread(_connect, database, left_out), now)
        try:
            yield store
        finally:
            await store.close()

    async def close(self) -> None:
        """Finish everything that has been asked for, then close the file."""
        await self._reader.aclose()
        await self._writer.aclose()
        await self._publisher.aclose()

    async def write(self, work: Callable[[SqlTransaction], T]) -> T:
        """Run `work` on sessions in one transaction and return its result once it is on disk; an exception undoes it.

        `work` runs once, on the writer's thread, and touches nothing but the transaction. It shares its commit with
        whatever else is being written. Cancelled, it is on disk wholly or not at all.
        """
        return await self._writer.run(work)

    def start(self, session: SessionRecord, event: SessionEvent) -> asyncio.Future[SessionRecord | None]:
        """Insert a session with the first line of its history, on disk when this returns, at less cost than `write`.

        Where there is a session with its key, that one is returned and nothing changed.
        """
        return self._writer.run(Start(session, event))

    async def publish(self, work: Callable[[SqlPublication], T]) -> T:
        """The same for what is published; no `write` waits for it, however long it takes."""
        return await self._publisher.run(work)

    def keep_receipt(self, record: ReceiptRecord) -> asyncio.Future[None]:
        """Put a receipt on disk, with whatever `write` is asked for next, or soon; the future is done when it is."""
        return self._writer.add(Keep(record))

    def clock(self) -> datetime:
        """A moment of the store's clock (UTC), which never goes backwards, for `EvseFilter.as_of`.

        EVSE data at that moment includes everything written so far and never changes again.
        """
        return from_us(self._clock.read())

    async def session(self, key: str) -> SessionRecord | None:
        """The session with this key."""
        return await self._reader.look_up(lambda lookups: lookups.session(key))

    async def sessions(self, limit: int = 100) -> Sequence[SessionRecord]:
        """The most recently changed sessions."""
        return await self._reader.search(lambda connection: reads.sessions(connection, limit))

    async def sessions_by_key(self, wanted: SessionFilter, after: str, limit: int) -> Sequence[SessionRecord]:
        """The sessions that are asked for behind a key, in the order of their keys; reads all of them."""
        return await self._reader.search(lambda connection: reads.sessions_by_key(connection, wanted, after, limit))

    async def untold(self, state: SessionState, emp: str, operation: str) -> Sequence[SessionRecord]:
        """The sessions of an EMP in a state whose history does not tell of an operation; reads all sessions."""
        return await self._reader.search(lambda connection: reads.untold(connection, state, emp, operation))

    async def history(self, key: str) -> Sequence[SessionEvent]:
        """A session's history, in the order in which it was written."""
        return await self._reader.search(lambda connection: reads.history(connection, key))

    async def receipts(self, key: str) -> Sequence[ReceiptRecord]:
        """The receipts of the session with this key, in the order in which they were kept."""
        return await self._reader.search(lambda connection: reads.receipts(connection, key))

    async def cdr(self, key: str) -> CdrRecord | None:
        """The CDR of the session with this key."""
        return await self._reader.look_up(lambda lookups: lookups.cdr(key))

    async def cdr_page(self, wanted: CdrFilter, page: PageRequest) -> Page:
        """The bodies of one page of CDRs, in the order in which they came."""
        return await self._reader.search(lambda connection: reads.cdr_page(connection, wanted, page))

    async def cdrs(self, wanted: CdrFilter, page: PageRequest) -> CdrPage:
        """The same page, with what its CDRs are found by."""
        return await self._reader.search(lambda connection: reads.cdrs(connection, wanted, page))

    async def cdr_reviews(self, number: int | None = None) -> Sequence[CdrReview]:
        """The CDRs kept for a person, oldest first; with a number, the one that has it."""
        return await self._reader.search(lambda connection: reads.cdr_reviews(connection, number))

    async def waiting(self, peer: str, lane: str, after: int, limit: int) -> Sequence[QueuedRecord]:
        """The messages that wait in a lane of the outbox behind this id, oldest first."""
        return await self._reader.search(lambda connection: outbox.waiting(connection, peer, lane, after, limit))

    async def lanes(self) -> Sequence[tuple[str, str]]:
        """The lanes of the outbox in which something waits, as peer and lane."""
        return await self._reader.search(outbox.lanes)

    async def outbox(
        self, peer: str | None = None, state: QueueState | None = None, limit: int = 100
    ) -> Sequence[QueuedRecord]:
        """The messages of the outbox, oldest first."""
        return await self._reader.search(lambda connection: outbox.listed(connection, peer, state, limit))

    async def outbox_about(self, peer: str, lane: str, session_keys: Sequence[str]) -> Sequence[QueuedRecord]:
        """The messages about these sessions in a lane of the outbox, dead letters among them."""
        return await self._reader.search(lambda connection: outbox.about(connection, peer, lane, session_keys))

    async def outbox_message(self, number: int) -> QueuedRecord | None:
        """The message of the outbox with this id."""
        return await self._reader.search(lambda connection: outbox.one(connection, number))

    async def outbox_counts(self) -> Mapping[str, QueueCount]:
        """How much is in the outbox for each peer."""
        return await self._reader.search(outbox.counts)

    async def breakers(self) -> Sequence[BreakerRecord]:
        """The circuit breakers that have ever opened."""
        return await self._reader.search(outbox.breakers)

    async def deliveries(self) -> Sequence[DeliveryRecord]:
        """What peers are known to have of what we publish."""
        return await self._reader.search(outbox.deliveries)

    async def reached(self) -> Sequence[ReachedRecord]:
        """Who gets directly what peers send to be given on."""
        return await self._reader.search(outbox.reached)

    async def changed_at(self, kind: str, *, own: bool) -> datetime:
        """When what we publish of a kind (the name of its table), or what others do, has changed last; else 1970."""
        name = changed_mark(kind, own=own)
        return from_us(await self._reader.search(lambda connection: reads.mark(connection, name)))

    async def evse(self, evse_key: str, owner: str | None = None) -> EvseRecord | None:
        """The current record of an EVSE, of one owner or of any: our own before those of peers."""
        return await self._reader.look_up(lambda lookups: lookups.evse(evse_key, owner))

    async def evse_owners(self, evse_key: str) -> Sequence[EvseOwner]:
        """Who has published the EVSE: its data, then its status alone; of each our own party before peers."""
        return await self._reader.glance(lambda lookups: lookups.evse_owners(evse_key))

    async def evse_page(self, wanted: EvseFilter, page: PageRequest) -> Sequence[EvseRecord]:
        """One page of EVSE data records, by operator, EVSE and owner. Raises HistoryGone."""
        return await self._snapshots.page(wanted, page, search.page, list)

    async def evse_versions(self, wanted: EvseFilter, page: PageRequest, made: Callable[[EvseVersions], T]) -> T:
        """What `made` makes, off the event loop, of what an answer needs of `evse_page`. Raises HistoryGone."""
        return await self._snapshots.page(wanted, page, search.versions, made)

    async def evse_count(self, wanted: EvseFilter) -> int:
        """How many EVSE data records the filter selects. Raises HistoryGone."""
        return await self._snapshots.count(wanted)

    async def lacks_evse(self, owner: str, evse_key: str, operator_key: str | None = None) -> bool:
        """Whether the owner has published EVSE data (for the operator), and none of this EVSE."""
        return await self._reader.look_up(lambda lookups: lookups.lacks_evse(owner, evse_key, operator_key))

    async def statuses(
        self,
        owners: tuple[str, ...],
        *,
        evse_keys: tuple[str, ...] | None = None,
        operator_keys: tuple[str, ...] | None = None,
        status: str | None = None,
    ) -> Sequence[StatusRecord]:
        """Current statuses, ordered by operator and EVSE."""
        return await self._reader.search(
            lambda connection: reads.statuses(connection, owners, evse_keys, operator_keys, status)
        )

    async def products(
        self,
        owners: tuple[str, ...],
        operator_keys: tuple[str, ...] | None,
        changed_since: datetime | None = None,
        *,
        product_id: str | None = None,
    ) -> Sequence[ProductRecord]:
        """Pricing products, ordered by operator, provider and product."""
        self._clock.read()  # what changes from here on does so later
        changed_since = self._snapshots.seen_before(changed_since)
        return await self._reader.search(lambda c: reads.products(c, owners, operator_keys, changed_since, product_id))

    async def evse_pricing(
        self,
        owners: tuple[str, ...],
        operator_keys: tuple[str, ...] | None,
        changed_since: datetime | None = None,
        *,
        evse_key: str | None = None,
    ) -> Sequence[EvsePricingRecord]:
        """EVSE pricing, ordered by operator and EVSE."""
        self._clock.read()  # as above
        since = self._snapshots.seen_before(changed_since)
        return await self._reader.search(lambda c: reads.evse_pricing(c, owners, operator_keys, since, evse_key))

    async def authentication(self, kind: str, key: str) -> Sequence[AuthenticationRecord]:
        """Who vouches for this identification."""
        return await self._reader.look_up(lambda lookups: lookups.authentication(kind, key))

    async def authentication_of(self, owner: str) -> Sequence[AuthenticationRecord]:
        """Everything the owner vouches for, ordered by provider."""
        return await self._reader.search(lambda connection: reads.authentication_of(connection, owner))

    async def purge(self, before: datetime) -> int:
        """Forget the versions of EVSE data that ended at this moment or earlier; how many there were.

        From then on a filter that reaches back before it raises HistoryGone. Other writes pass in between.
        """
        horizon = min(to_us(before), self._clock.read())
        await self._publisher.run(lambda publication: publication.keep_history_since(horizon))
        ended = await self._reader.search(lambda connection: reads.ended_versions(connection, horizon))
        for start in range(0, len(ended), PURGED_AT_ONCE):
            some = ended[start : start + PURGED_AT_ONCE]
            await self._publisher.run(partial(SqlPublication.remove_versions, ids=some))
        return len(ended)

    async def purge_receipts(self, before: datetime) -> int:
        """Forget the receipts that are older than this; how many there were. Other writes pass in between."""
        forgotten = 0
        while some := await self._writer.run(lambda work: work.forget_receipts(before, PURGED_AT_ONCE)):
            forgotten += some
        return forgotten

    async def purge_sessions(self, before: datetime) -> tuple[int, int]:
        """Forget the sessions that were over before this, their history, and CDRs that were forwarded before it.

        Returns how many there were of each. Other writes pass in between. See `retention` for what is never forgotten.
        """
        sessions = cdrs = 0
        for kind in range(2):
            after = ""
            while keys := await self._reader.search(
                partial(retention.old_keys, kind=kind, before=to_us(before), after=after)
            ):
                after = keys[-1]
                for start in range(0, len(keys), retention.AT_ONCE):
                    some = keys[start : start + retention.AT_ONCE]
                    gone = await self._writer.run(partial(SqlTransaction.forget_sessions, keys=some, before=before))
                    sessions, cdrs = sessions + gone[0], cdrs + gone[1]
        return sessions, cdrs

    async def check(self) -> Sequence[str]:
        """What is wrong with the database files, in sentences; empty where nothing is. Reads all of them."""
        return await self._reader.search(reads.faults)


def _connect(database: Database, left_out: Callable[[str], None]) -> Connections:
    for each in (database, database.published):
        each.create()
        each.migrate()
    searching = database.reading(SEARCHES + 2, left_out)
    return Connections(
        WriteConnection(database.writing()),
        WriteConnection(database.published.writing()),
        searching,
        ReadConnection(searching),
        ReadConnection(searching, waits=False),
    )


def _nothing() -> None:
    """Nothing is to be done."""


if TYPE_CHECKING:
    from p2pnode.roaming.store_ports import Store

    _: type[Store] = SqlStore

"""What one work may read and write of sessions and CDRs: the `Transaction` of the roaming services."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from sqlalchemy import bindparam, delete, func, insert, select, update

from p2pnode.oicp.status import Code
from p2pnode.roaming.records import CdrRecord, CdrReview, ReceiptRecord, SessionEvent, SessionRecord
from p2pnode.store import retention, tables
from p2pnode.store.connection import WriteConnection
from p2pnode.store.outbox import OutboxWriting
from p2pnode.store.rows import CDRS, EVENTS, RECEIPTS, REVIEWS, SESSIONS
from p2pnode.store.statements import ADD_CDR, ADD_EVENT, ADD_RECEIPT, PUT_SESSION, hot, insert_rows
from p2pnode.store.values import to_us

_DELETE_SESSION = hot(delete(tables.session).where(tables.session.c.key == bindparam("key")), ["key"])
_EVENT = tables.session_event
_HAS_EVENT = hot(
    select(_EVENT.c.id).where(
        _EVENT.c.session_key == bindparam("key"),
        _EVENT.c.operation == bindparam("operation"),
        _EVENT.c.body == bindparam("body"),
        _EVENT.c.code == bindparam("code"),
    ),
    ["key", "operation", "body", "code"],
)
_FORWARD_CDR = hot(
    update(tables.cdr).where(tables.cdr.c.key == bindparam("the_key")).values(forwarded_at=bindparam("at")),
    ["at", "the_key"],
)
_REVIEW = tables.cdr_review
_REVIEWS_OF = hot(select(_REVIEW.c.digest).where(_REVIEW.c.session_key == bindparam("key")), ["key"])
_ADD_REVIEW = hot(
    insert(_REVIEW).values({name: bindparam(name) for name in REVIEWS.names if name != "id"}),
    [name for name in REVIEWS.names if name != "id"],
)
_DROP_REVIEW = hot(delete(_REVIEW).where(_REVIEW.c.id == bindparam("the_id")), ["the_id"])
MOST_REVIEWS = 100
"""How many different CDRs of one session are kept for a person."""

_first = select(func.min(tables.receipt.c.id)).scalar_subquery()
_FORGET_RECEIPTS = hot(
    delete(tables.receipt).where(
        tables.receipt.c.at < bindparam("before"), tables.receipt.c.id < _first + bindparam("most")
    ),
    ["before", "most"],
)


T = TypeVar("T")

FEWEST_TOGETHER = 2
MOST_TOGETHER = 32
"""How many sessions, or receipts, one statement inserts."""


class Start(Struct, frozen=True):
    """A work: insert a session with the first line of its history, or return the one that has its key."""

    session: SessionRecord
    event: SessionEvent

    def __call__(self, transaction: "SqlTransaction") -> SessionRecord | None:
        """Do it alone."""
        known = transaction.session(self.session.key)
        if known is None:
            transaction.put_session(self.session)
            transaction.add_event(self.event)
        return known


class Keep(Struct, frozen=True):
    """A work: append a receipt."""

    receipt: ReceiptRecord

    def __call__(self, transaction: "SqlTransaction") -> None:
        """Do it alone."""
        transaction.add_receipt(self.receipt)


@cache
def _receipts(count: int) -> str:
    return insert_rows(RECEIPTS.table, RECEIPTS.names, count)


@cache
def _sessions(count: int) -> str:
    return insert_rows(SESSIONS.table, SESSIONS.names, count, unless_known=True)


@cache
def _events(count: int) -> str:
    return insert_rows(EVENTS.table, EVENTS.names, count)


class SqlTransaction(OutboxWriting):
    """Reads and writes inside a transaction of the writer of sessions. Used on its thread, by one at a time."""

    def __init__(self, connection: WriteConnection) -> None:
        super().__init__(connection)
        self._connection = connection

    def do_together(self, works: Sequence[Callable[["SqlTransaction"], Any]]) -> Collection[int]:
        """Do those of the works that can be done at once, where all of them succeed; their places in the list.

        Each statement costs the writer's thread several turns at the interpreter, which the event loop would have.
        """
        starts = [work for work in works if isinstance(work, Start)]
        receipts = [work for work in works if isinstance(work, Keep)]
        kinds: tuple[type, ...] = (Start,) if self._all(starts, self._start) else ()
        kinds += (Keep,) if self._all(receipts, self._keep) else ()
        return [place for place, work in enumerate(works) if isinstance(work, kinds)]

    def _all(self, works: Sequence[T], do: Callable[[Sequence[T]], bool]) -> bool:
        """Do all of the works, where there are several; whether that succeeded."""
        if len(works) < FEWEST_TOGETHER:
            return False
        pieces = (works[at : at + MOST_TOGETHER] for at in range(0, len(works), MOST_TOGETHER))
        try:
            are_done = all(do(piece) for piece in pieces)
        except Exception:  # noqa: BLE001 - each is done alone then, and its error goes to its caller
            are_done = False
        if are_done:
            self._connection.keep()
        else:
            self._connection.undo()
        return are_done

    def _keep(self, kept: Sequence[Keep]) -> bool:
        """Append all of the receipts."""
        values = [value for each in kept for value in RECEIPTS.encode(each.receipt)]
        return self._connection.run_once(_receipts(len(kept)), values) == len(kept)

    def _start(self, starts: Sequence[Start]) -> bool:
        """Insert all of them; whether none of their keys was taken."""
        sessions = [value for start in starts for value in SESSIONS.encode(start.session)]
        if self._connection.run_once(_sessions(len(starts)), sessions) < len(starts):
            return False
        events = [value for start in starts for value in EVENTS.encode(start.event)]
        return self._connection.run_once(_events(len(starts)), events) == len(starts)

    def put_session(self, record: SessionRecord) -> None:
        """Insert the session, or replace the one with its key."""
        self._connection.run(PUT_SESSION, SESSIONS.encode(record))

    def delete_session(self, key: str) -> None:
        """Forget the session and its history; a CDR of it stays."""
        self._connection.run(_DELETE_SESSION, (key,))

    def add_event(self, event: SessionEvent) -> None:
        """Append one line to a session's history. Raises Conflict where there is no such session."""
        self._connection.run(ADD_EVENT, EVENTS.encode(event))

    def has_event(self, key: str, operation: str, body: bytes) -> bool:
        """Whether the session's history tells of this operation with this body, and of success."""
        return bool(self._connection.rows(_HAS_EVENT, (key, operation, body, Code.SUCCESS.value)))

    def add_cdr(self, record: CdrRecord) -> None:
        """Insert a CDR. Raises Conflict where its session has one."""
        self._connection.run(ADD_CDR, CDRS.encode(record))

    def add_receipt(self, record: ReceiptRecord) -> None:
        """Append a receipt."""
        self._connection.run(ADD_RECEIPT, RECEIPTS.encode(record))

    def forget_receipts(self, before: datetime, most: int) -> int:
        """Delete those of the `most` oldest receipts that are older than this; how many there were."""
        return self._connection.run(_FORGET_RECEIPTS, (to_us(before), most))

    def forget_sessions(self, keys: Sequence[str], before: datetime) -> tuple[int, int]:
        """Remove those sessions and CDRs that were over before; how many there were of each."""
        return retention.forget(self._connection, keys, to_us(before))

    def add_cdr_review(self, review: CdrReview) -> None:
        """Keep a CDR for a person; the same one again, and more than `MOST_REVIEWS` of one session, are not kept."""
        kept = {digest for (digest,) in self._connection.rows(_REVIEWS_OF, (review.session_key,))}
        if review.digest not in kept and len(kept) < MOST_REVIEWS:
            self._connection.run(_ADD_REVIEW, REVIEWS.encode(review)[1:])

    def drop_cdr_review(self, number: int) -> bool:
        """Forget a CDR kept for a person; whether there was one with this id."""
        return self._connection.run(_DROP_REVIEW, (number,)) > 0

    def mark_cdr_forwarded(self, key: str, at: datetime) -> None:
        """Note that the EMP has acknowledged the CDR."""
        self._connection.run(_FORWARD_CDR, (to_us(at), key))


if TYPE_CHECKING:
    from p2pnode.roaming.store_ports import Transaction

    _: type[Transaction] = SqlTransaction

"""Forgetting what is old, a little at a time, so that nobody waits: receipts, versions of EVSE data, sessions, CDRs.

Of sessions only those are forgotten that are over: settled, or expired without a CDR. A session that has ended waits
for its CDR, however long. Nothing is forgotten that the outbox or a person still has to do with.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, literal_column, or_, select
from structlog.typing import FilteringBoundLogger

from p2pnode.config.node import StoreSection
from p2pnode.roaming.records import SessionState
from p2pnode.roaming.sessions import EXPIRING
from p2pnode.store import tables
from p2pnode.store.errors import StoreError
from p2pnode.store.statements import hot

INTERVAL = 86400.0
"""Seconds between two purges."""
LOOKED_AT = 5000
"""How many keys are looked up at once."""
AT_ONCE = 200
"""How many sessions, or CDRs without one, one transaction removes."""

_SESSION, _CDR = tables.session.c, tables.cdr.c
_BEFORE: ColumnElement[int] = bindparam("before")


def _is_in(*states: SessionState) -> ColumnElement[bool]:
    return _SESSION.state.in_([literal_column(f"'{state.value}'") for state in sorted(states)])


def _is_settled(key: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether nothing is to be done any more about what has this key."""
    return and_(
        ~exists().where(tables.outbox.c.session_key == key), ~exists().where(tables.cdr_review.c.session_key == key)
    )


_CDR_IS_OLD = and_(_CDR.forwarded_at < _BEFORE, _CDR.received_at < _BEFORE)
_OLD_SESSION = and_(
    _SESSION.updated_at < _BEFORE,
    or_(
        _is_in(SessionState.SETTLED, SessionState.EXPIRED),
        and_(_is_in(*(state for state in EXPIRING if state is not None)), _SESSION.expires_at < _BEFORE),
    ),
    ~exists().where(_CDR.key == _SESSION.key, or_(_CDR.forwarded_at.is_(None), ~_CDR_IS_OLD)),
    _is_settled(_SESSION.key),
)
_OLD_CDR = and_(_CDR_IS_OLD, ~exists().where(_SESSION.key == _CDR.key), _is_settled(_CDR.key))
_MARKED = (
    select(_SESSION.key).where(_SESSION.key > bindparam("after"), _OLD_SESSION).order_by(_SESSION.key),
    select(_CDR.key).where(_CDR.key > bindparam("after"), _OLD_CDR).order_by(_CDR.key),
)
_REMOVE_SESSION = hot(
    delete(tables.session).where(_SESSION.key == bindparam("the_key"), _OLD_SESSION), ["the_key", *["before"] * 4]
)
_REMOVE_CDR = hot(delete(tables.cdr).where(_CDR.key == bindparam("the_key"), _OLD_CDR), ["the_key", *["before"] * 2])


class Removing(Protocol):
    """What removes rows."""

    def run_many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> int:
        """Run a compiled statement for each of the rows; how many rows of the table it changed in all."""
        ...


class Purging(Protocol):
    """The store, as far as it is purged."""

    async def purge(self, before: datetime) -> int:
        """Forget the versions of EVSE data that ended before; how many there were."""
        ...

    async def purge_receipts(self, before: datetime) -> int:
        """Forget the receipts that are older; how many there were."""
        ...

    async def purge_sessions(self, before: datetime) -> tuple[int, int]:
        """Forget the sessions that were over before, and their CDRs; how many there were of each."""
        ...


def old_keys(connection: Connection, kind: int, before: int, after: str) -> list[str]:
    """The first keys behind `after` of what can be forgotten: of sessions (0), or of CDRs without a session (1)."""
    found = connection.execute(_MARKED[kind].limit(LOOKED_AT), {"before": before, "after": after})
    return [str(key) for key in found.scalars()]


def forget(removing: Removing, keys: Sequence[str], before: int) -> tuple[int, int]:
    """Remove those sessions with their history, and CDRs, that can still be forgotten; how many there were of each."""
    sessions = removing.run_many(_REMOVE_SESSION, [(key, *[before] * 4) for key in keys])
    return sessions, removing.run_many(_REMOVE_CDR, [(key, *[before] * 2) for key in keys])


async def keep_purging(
    store: Purging, kept: StoreSection, now: Callable[[], datetime], log: FilteringBoundLogger
) -> None:
    """Purge at once, and once a day; what there was is logged."""
    while True:
        sessions = cdrs = 0
        try:
            receipts = await store.purge_receipts(now() - timedelta(days=kept.receipt_days))
            versions = await store.purge(now() - timedelta(days=kept.history_days))
            if kept.session_days:
                sessions, cdrs = await store.purge_sessions(now() - timedelta(days=kept.session_days))
        except StoreError as error:  # tomorrow the disk may be well again
            log.warning("not_purged", problem=str(error))
        else:
            if versions or receipts or sessions or cdrs:
                log.info("purged", versions=versions, receipts=receipts, sessions=sessions, cdrs=cdrs)
        await asyncio.sleep(INTERVAL)

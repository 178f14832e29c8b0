"""EVSE data as it was: pages and counts of a state, or of the difference between two, that never changes again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from p2pnode.roaming.published_records import EvseFilter, HistoryGone
from p2pnode.roaming.recent import Recent
from p2pnode.roaming.records import PageRequest
from p2pnode.store import reads, search, tables
from p2pnode.store.clock import LogicalClock
from p2pnode.store.reader import Reader
from p2pnode.store.values import from_us, to_us

T = TypeVar("T")
Made = TypeVar("Made")

EARLIEST = to_us(datetime.min.replace(tzinfo=UTC))
BOOKMARKS = 4096
"""How many ends of pages are remembered: the next page begins there instead of counting from the first record."""

ReadPage = Callable[[Connection, EvseFilter, PageRequest, search.Place | None], tuple[T, search.Place | None]]


class Snapshots:
    """What PullEvseData is answered from."""

    def __init__(self, reader: Reader, clock: LogicalClock) -> None:
        self._reader = reader
        self._clock = clock
        # Where pages end that have been read lately: the state they are cut from never changes.
        self._ends: Recent[tuple[EvseFilter, PageRequest], search.Place] = Recent(BOOKMARKS)

    async def page(self, wanted: EvseFilter, page: PageRequest, read: ReadPage[T], made: Callable[[T], Made]) -> Made:
        """What `made` makes, off the event loop, of one page as `read` has it. Raises HistoryGone."""
        wanted = self._settled(wanted)
        before = (wanted, PageRequest(page.page - 1, page.size))
        known = self._ends.get(before)

        def work(connection: Connection) -> tuple[Made, search.Place | None, search.Place | None]:
            after = search.end_before(connection, wanted, page) if known is None else known
            found, end = read(connection, wanted, page, after)
            return made(found), after, end

        found, after, end = await self._search(wanted, work)
        for bookmark, place in ((before, after), ((wanted, page), end)):
            if place is not None:
                self._ends.put(bookmark, place)
        return found

    async def count(self, wanted: EvseFilter) -> int:
        """How many EVSE data records the filter selects. Raises HistoryGone."""
        wanted = self._settled(wanted)
        return await self._search(wanted, lambda connection: search.count(connection, wanted))

    def seen_before(self, called: datetime | None) -> datetime | None:
        """A moment whose state somebody has seen who called then."""
        return None if called is None else from_us(max(self._clock.before(to_us(called)), EARLIEST))

    def _settled(self, wanted: EvseFilter) -> EvseFilter:
        """The filter with moments whose state has been decided, and was there to be seen."""
        as_of = min(wanted.as_of, from_us(self._clock.read()))
        since = wanted.changed_since if wanted.since_exactly else self.seen_before(wanted.changed_since)
        return replace(wanted, as_of=as_of, changed_since=None if since is None else min(since, as_of))

    async def _search(self, wanted: EvseFilter, work: Callable[[Connection], T]) -> T:
        oldest = to_us(wanted.changed_since or wanted.as_of)

        def run(connection: Connection) -> T:
            kept_since = reads.mark(connection, tables.HISTORY)
            if oldest < kept_since:
                raise HistoryGone(from_us(kept_since))
            return work(connection)

        return await self._reader.search(run)

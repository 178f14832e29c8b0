"""Crawls over pages: every page of one crawl is cut from the same snapshot, so that nothing shifts under the pages."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from p2pnode.roaming.recent import Recent
from p2pnode.roaming.records import PageRequest

MOST_PAGES = 1000
"""How many pages one crawl over a peer's answers asks for."""
GUARD = timedelta(minutes=10)
"""By how much earlier than what we have reaches we ask for changes: clocks differ, and answers take time."""


class PageAnswer(Protocol):
    """What the answer to a paged pull tells of its page; a foreign one may tell nothing."""

    @property
    def total_pages(self) -> int | None:
        """How many pages there are."""

    @property
    def last(self) -> bool | None:
        """Whether this is the last one."""


def is_last_page(answer: PageAnswer, records: int, page: PageRequest) -> bool:
    """Whether a crawl is over: an empty page, else the number of pages, else `last` or a short page tell it."""
    if records == 0:
        return True
    if answer.total_pages is not None:
        return page.page + 1 >= answer.total_pages
    return answer.last is True or records < page.size


@dataclass(slots=True)
class Snapshot:
    """The moment a crawl's pages are cut at, how many records there were, and when the crawl asked last."""

    as_of: datetime
    total: int | None
    asked_at: datetime


class Snapshots:
    """The snapshots of the crawls that are under way, at most `size`, each until it pauses for `lifetime`."""

    def __init__(self, size: int, lifetime: timedelta) -> None:
        self._crawls: Recent[Hashable, Snapshot] = Recent(size)
        self._lifetime = lifetime

    def at(self, crawl: Hashable, page: int, now: datetime, clock: Callable[[], datetime]) -> Snapshot:
        """The snapshot for a page of this crawl; page 0 begins anew, at the moment the store's clock shows."""
        snapshot = self._crawls.get(crawl) if page > 0 else None
        if snapshot is None or now - snapshot.asked_at > self._lifetime:
            snapshot = Snapshot(clock(), None, now)
            self._crawls.put(crawl, snapshot)
        snapshot.asked_at = now
        return snapshot

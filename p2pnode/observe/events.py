"""What happens in a node, told to whoever listens, without anybody being able to slow it down."""

import asyncio
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from p2pnode.roaming.records import CallOutcome

RECENT = 1000
QUEUED = 1000


NO_DATA: Final[Mapping[str, object]] = MappingProxyType({})


class Event(Struct, frozen=True):
    """Something that happened: `call` with its outcome, or a kind of another part of the node with its data."""

    kind: str
    at: datetime
    call: CallOutcome | None = None
    data: Mapping[str, object] = NO_DATA


class Subscription:
    """The events since it began, oldest first. Where they are not read, the oldest are dropped; `lost` counts them."""

    def __init__(self, limit: int) -> None:
        self._queue: deque[Event] = deque(maxlen=limit)
        self._arrived = asyncio.Event()
        self.lost = 0

    def put(self, event: Event) -> None:
        """Append an event, dropping the oldest where the queue is full."""
        if len(self._queue) == self._queue.maxlen:
            self.lost += 1
        self._queue.append(event)
        self._arrived.set()

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()


class EventBus:
    """The events of one node: to subscribers as they happen, and the most recent ones to those who ask later."""

    def __init__(self, recent: int = RECENT) -> None:
        self._recent: deque[Event] = deque(maxlen=recent)
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: Event) -> None:
        """Tell all subscribers; never waits."""
        self._recent.append(event)
        for subscription in self._subscriptions:
            subscription.put(event)

    @contextmanager
    def subscribe(self, limit: int = QUEUED) -> Generator[Subscription]:
        """Listen while the context lasts. At most `limit` events wait unread."""
        subscription = Subscription(limit)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def recent(self, limit: int = RECENT) -> tuple[Event, ...]:
        """The last events, oldest first."""
        return tuple(self._recent)[-limit:] if limit > 0 else ()

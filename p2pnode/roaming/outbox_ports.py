"""What the outbox needs of the store; part of `store_ports.Transaction` and `store_ports.Store`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from p2pnode.roaming.outbox_records import (
    BreakerRecord,
    DeliveryRecord,
    QueueCount,
    QueuedRecord,
    QueueState,
    ReachedRecord,
)


class OutboxWriting(Protocol):
    """What is written of the outbox inside a transaction."""

    def queue(self, record: QueuedRecord) -> QueuedRecord:
        """Put a message into the outbox, behind all others; returns it with its id."""
        ...

    def queued(self, session_key: str, peer: str, lane: str) -> Sequence[QueuedRecord]:
        """The messages about a session in a lane of the outbox, oldest first, dead letters among them."""
        ...

    def queued_one(self, number: int) -> QueuedRecord | None:
        """The message of the outbox with this id."""
        ...

    def unqueue(self, number: int) -> bool:
        """Take a message out of the outbox; returns whether it was there."""
        ...

    def requeue(self, record: QueuedRecord) -> None:
        """Note the attempts, the next one, the state and the reason of a message of the outbox."""

    def supersede(self, session_key: str, peer: str, operation: str) -> None:
        """Take out of the outbox what it has of an operation about a session: what comes now tells more."""

    def put_breaker(self, record: BreakerRecord) -> None:
        """Note the state of a peer's circuit breaker."""

    def put_delivery(self, record: DeliveryRecord) -> None:
        """Note what a peer is known to have."""

    def put_reached(self, record: ReachedRecord) -> None:
        """Note who gets directly what a peer sends to be given on."""


class OutboxReading(Protocol):
    """What is read of the outbox."""

    async def waiting(self, peer: str, lane: str, after: int, limit: int) -> Sequence[QueuedRecord]:
        """The messages that wait in a lane of the outbox behind this id, oldest first."""
        ...

    async def lanes(self) -> Sequence[tuple[str, str]]:
        """The lanes of the outbox in which something waits, as peer and lane."""
        ...

    async def outbox(
        self, peer: str | None = None, state: QueueState | None = None, limit: int = 100
    ) -> Sequence[QueuedRecord]:
        """The messages of the outbox, oldest first."""
        ...

    async def outbox_about(self, peer: str, lane: str, session_keys: Sequence[str]) -> Sequence[QueuedRecord]:
        """The messages about these sessions in a lane of the outbox, dead letters among them."""
        ...

    async def outbox_counts(self) -> Mapping[str, QueueCount]:
        """How much is in the outbox for each peer."""
        ...

    async def breakers(self) -> Sequence[BreakerRecord]:
        """The circuit breakers that have ever opened."""
        ...

    async def changed_at(self, kind: str, *, own: bool) -> datetime:
        """When what we publish of a kind (the name of its table), or what others do, has changed last; else 1970."""
        ...

    async def deliveries(self) -> Sequence[DeliveryRecord]:
        """What peers are known to have of what we publish."""
        ...

    async def reached(self) -> Sequence[ReachedRecord]:
        """Who gets directly what peers send to be given on."""
        ...

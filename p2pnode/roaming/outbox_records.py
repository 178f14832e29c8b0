"""What a node remembers of its peers, as plain values: what waits for them, circuit breakers, what they have."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct


class QueueState(StrEnum):
    """Whether a message in the outbox is still tried."""

    WAITING = "waiting"
    DEAD = "dead"


class QueuedRecord(Struct, frozen=True):
    """A message in the outbox. `id` is its place in the order of all.

    `peer` is `OWN` where our own backend is to get it, `counterpart_id` its identifier, by which it is found again
    should the peer be gone. `source` is the peer the message is relayed for; empty: nobody. `body` is empty for a CDR,
    which is stored already.
    """

    id: int
    peer: str
    lane: str
    session_key: str
    operation: str
    caller_id: str
    process_id: str
    counterpart_id: str
    source: str
    body: bytes
    created_at: datetime
    attempts: int = 0
    next_at: datetime | None = None
    state: QueueState = QueueState.WAITING
    reason: str = ""


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many messages of the outbox wait for a peer, and how many have been given up; since when the oldest waits."""

    waiting: int = 0
    dead: int = 0
    oldest: datetime | None = None


class BreakerState(StrEnum):
    """Whether a peer is called: closed as ever, open not for now, half-open to see whether it is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class BreakerRecord(Struct, frozen=True):
    """The circuit breaker of one peer: `failures` calls in a row had no answer, `next_at` it may be called again."""

    peer: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    since: datetime | None = None
    next_at: datetime | None = None
    reason: str = ""


class DeliveryRecord(Struct, frozen=True):
    """What a peer is known to have: all we published with the operation up to `known_at`, a moment of `Store.clock`.

    Of an operation by which we pull it is the other way round: what we have of the peer's, at the time of our clock.
    `PushEvseData fullLoad` and the like tell when it was last sent everything though nothing had changed.
    """

    peer: str
    operation: str
    known_at: datetime


NOTHING_KNOWN = datetime(1969, 1, 1, tzinfo=UTC)
"""The `known_at` of a peer that is to get everything, also that there is nothing; before any moment of the store."""


class ReachedRecord(Struct, frozen=True):
    """Who gets directly what `owner` sends us for the party with this key to be given on, as their keys."""

    owner: str
    operation: str
    key: str
    reached: frozenset[str]

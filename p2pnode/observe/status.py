"""The status of a node as one object, shown as a table, as JSON and at the admin face."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from p2pnode.config.peers import PeerEntry
from p2pnode.roaming.outbox_records import BreakerRecord, QueueCount
from p2pnode.roaming.records import OWN

NOTHING = QueueCount()
CLOSED = BreakerRecord(OWN)


@dataclass(slots=True)
class PeerHealth:
    """What the messages of and to one peer told. Times are UTC.

    `failure` is why the last call that was not answered failed, `refusal` the last negative answer in either direction:
    operation, OICP code and reason.
    """

    heard_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""
    refused_at: datetime | None = None
    refusal: str = ""
    sent: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer: its entry, its health, and what waits for it."""

    name: str
    url: str | None
    enabled: bool
    operators: tuple[str, ...]
    providers: tuple[str, ...]
    health: PeerHealth = field(default_factory=PeerHealth)
    outbox: QueueCount = NOTHING
    breaker: BreakerRecord = CLOSED

    @classmethod
    def of(cls, entry: PeerEntry, health: PeerHealth, outbox: QueueCount, breaker: BreakerRecord) -> "PeerStatus":
        """The status of a peer in the table, with what of the outbox it is to get."""
        return cls(entry.name, entry.url, entry.enabled, entry.operators, entry.providers, health, outbox, breaker)


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """Everything a person asks first. `faces` maps a face to its URL, `cells` an operation to its two counts.

    `warnings` are sentences about what needs somebody soon, such as a certificate that ends.
    """

    name: str
    version: str
    operators: tuple[str, ...]
    providers: tuple[str, ...]
    started_at: datetime
    at: datetime
    faces: Mapping[str, str] = field(default_factory=dict[str, str])
    pin: str = ""
    certificate_until: datetime | None = None
    warnings: tuple[str, ...] = ()
    peers: tuple[PeerStatus, ...] = ()
    outbox: QueueCount = NOTHING
    """What our own backend is to get."""
    cells: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])

    def to_json(self) -> bytes:
        """The status as a JSON object, times in ISO 8601."""
        return msgspec.json.encode(self)

"""What a node remembers, as plain values: the rows the roaming services read and write through the store.

Keys are the comparison keys of `oicp.identifiers`, never the text of an identifier; the text stands beside them.
`owner` is the name of the peer that published a record, or `OWN`. What is made for every message is a msgspec Struct,
which takes a tenth of the time of a frozen dataclass.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from p2pnode.oicp.status import Code, described

OWN = ""
"""The owner of what our own party published, and the name of our own side of a session. No peer can have it."""


class SessionState(StrEnum):
    """Where a session stands."""

    RESERVED = "reserved"
    AUTHORIZED = "authorized"
    UNCONFIRMED = "unconfirmed"
    CHARGING = "charging"
    ENDED = "ended"
    SETTLED = "settled"
    EXPIRED = "expired"


class Verb(StrEnum):
    """The two directions in which every operation exists."""

    SEND = "send"
    RECEIVE = "receive"


class SessionRecord(Struct, frozen=True):
    """A roaming session: who, where, with which identification, and how far it is.

    `cpo` and `emp` are peer names, or `OWN` for the side this node plays. `identification` is the JSON of the message's
    Identification. `authorized_by_push` says that pushed authentication data said yes, so that only the same medium
    may stop it. Energy is in kWh, times are UTC.
    """

    key: str
    session_id: str
    state: SessionState
    cpo: str
    emp: str
    operator_id: str
    provider_id: str
    created_at: datetime
    updated_at: datetime
    evse_key: str | None = None
    evse_id: str | None = None
    identification: bytes | None = None
    authorized_by_push: bool = False
    cpo_partner_session_id: str | None = None
    emp_partner_session_id: str | None = None
    charging_start: datetime | None = None
    energy: Decimal | None = None
    expires_at: datetime | None = None


class SessionEvent(Struct, frozen=True):
    """One line of a session's history: a message that was sent or received, with its outcome."""

    session_key: str
    at: datetime
    operation: str
    verb: Verb
    peer: str
    code: str
    body: bytes


class EvseRecord(Struct, frozen=True, gc=False):
    """One EVSE data record as it came (`body`), with what searches need beside it. Coordinates in degrees (WGS 84).

    What has not been stored yet may be a view into the push or page it came in, so that 200 MB are held once.
    """

    owner: str
    evse_key: str
    evse_id: str
    operator_key: str
    operator_id: str
    operator_name: str
    body: bytes | memoryview
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None
    is_hubject_compatible: bool = True
    is_open_24_hours: bool = False
    renewable_energy: bool = False
    accessibility: str = ""
    calibration_law: str = ""
    authentication_modes: frozenset[str] = frozenset()
    changed_at: datetime | None = None
    delta_type: str | None = None


class EvseVersion(Struct, frozen=True, gc=False):
    """What a page needs of an EVSE data record: its bytes, since when they hold, and how they differ in a delta."""

    body: bytes
    changed_at: datetime
    delta_type: str | None = None


@dataclass(frozen=True, slots=True)
class EvseFilter:
    """Which EVSE data records a PullEvseData asks for; None means any. Distances in km.

    `as_of` is a moment of `Store.clock`, the same for all pages of an answer. With `changed_since` the answer is the
    difference between the state then and the state at `as_of`, each record with its `delta_type`; what no longer meets
    the filter counts as deleted. `owners` are the owners whose records may be seen, except those of `hubs`
    for the operators with the keys in `direct`; `evse_key_prefixes` narrows by visibility.
    """

    owners: tuple[str, ...]
    as_of: datetime
    changed_since: datetime | None = None
    operator_keys: tuple[str, ...] | None = None
    countries: tuple[str, ...] | None = None
    authentication_modes: tuple[str, ...] | None = None
    accessibility: tuple[str, ...] | None = None
    calibration_law: tuple[str, ...] | None = None
    renewable_energy: bool | None = None
    is_hubject_compatible: bool | None = None
    is_open_24_hours: bool | None = None
    center: tuple[float, float] | None = None
    radius: float | None = None
    evse_key_prefixes: tuple[str, ...] | None = None
    hubs: tuple[str, ...] = ()
    direct: tuple[str, ...] = ()


class HistoryGone(LookupError):
    """The state at `changed_since` is no longer kept; the one at `since` (UTC) is the earliest. A full pull helps."""

    def __init__(self, since: datetime) -> None:
        super().__init__(f"changes are known since {since.isoformat()} only")
        self.since = since


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """The current status of one EVSE, as it came (`body`) and as the standard value."""

    owner: str
    evse_key: str
    evse_id: str
    operator_key: str
    operator_id: str
    operator_name: str
    status: str
    body: bytes
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One pricing product of an operator for a provider (`*`: all); `header` is the JSON of the members around it."""

    owner: str
    operator_key: str
    operator_id: str
    provider_key: str
    product_id: str
    header: bytes
    body: bytes
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class EvsePricingRecord:
    """Which products apply at one EVSE for a provider (`*` for all)."""

    owner: str
    operator_key: str
    operator_id: str
    operator_name: str
    provider_key: str
    evse_key: str
    body: bytes
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class EvseOwner:
    """Who has published an EVSE, and its IsHubjectCompatible; None where only its status is published."""

    owner: str
    is_hubject_compatible: bool | None


@dataclass(frozen=True, slots=True)
class AuthenticationRecord:
    """One identification a provider vouches for. `key` compares the medium (kind and UID or EvcoID).

    `body` never holds a PIN: `pin_function` and `pin_hash` do, always as a hash; both are None where there is no PIN.
    """

    owner: str
    provider_key: str
    provider_id: str
    kind: str
    key: str
    body: bytes
    pin_function: str | None = None
    pin_hash: str | None = None


@dataclass(frozen=True, slots=True)
class CdrRecord:
    """A charge detail record as it came (`body`). One per session. `cpo` and `emp` as in `SessionRecord`."""

    key: str
    session_id: str
    cpo: str
    emp: str
    operator_key: str
    operator_id: str
    provider_key: str
    provider_id: str
    evse_id: str
    session_start: datetime
    session_end: datetime
    energy: Decimal
    body: bytes
    received_at: datetime
    forwarded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CdrReview:
    """A CDR that was refused because its session has another one, kept for a person.

    `peer` sent it, our own backend where it is `OWN`; `id` is 0 until it is stored. Energy in kWh.
    """

    session_key: str
    session_id: str
    peer: str
    received_at: datetime
    energy: Decimal
    digest: bytes
    body: bytes
    id: int = 0


@dataclass(frozen=True, slots=True)
class CdrFilter:
    """Which CDRs are asked for; None: any.

    The interval (UTC, half-open) is about when this node received them. The specification says so of the hub; what an
    EMP means may be when the session started, so that those are in it, too.
    """

    emp: str | None
    provider_keys: tuple[str, ...] | None
    from_: datetime
    to: datetime
    cpo: str | None = None
    session_keys: tuple[str, ...] | None = None
    operator_keys: tuple[str, ...] | None = None
    forwarded: bool | None = None
    told: tuple[str, str] | None = None
    """A peer and a lane of the outbox: only CDRs of whose session nothing waits there for the peer."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`?page=&size=` of a paged operation: page counts from 0, size at most 2000."""

    page: int = 0
    size: int = 20


FIRST_PAGE = PageRequest()


@dataclass(frozen=True, slots=True)
class Page:
    """Stored records of one page, as bytes, and how many there are in all."""

    records: tuple[bytes, ...]
    total: int


class ReceiptRecord(Struct, frozen=True):
    """A request and its positive answer, each as it was on the wire with its signature, and the public keys of both.

    `verb` tells whose request it was: ours (`SEND`) or the peer's. A key is a SubjectPublicKeyInfo in DER form.
    """

    session_key: str
    at: datetime
    operation: str
    verb: Verb
    peer: str
    request: bytes
    answer: bytes
    request_key: bytes
    answer_key: bytes


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


NOTHING_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""The `known_at` of a peer that is to get everything."""


class ReachedRecord(Struct, frozen=True):
    """Who gets directly what `owner` sends us for the party with this key to be given on, as their keys."""

    owner: str
    operation: str
    key: str
    reached: frozenset[str]


@dataclass(frozen=True, slots=True)
class CdrPage:
    """One page of CDRs with what they are found by, and how many there are in all."""

    records: tuple[CdrRecord, ...]
    total: int


class CallOutcome(Struct, frozen=True):
    """What became of one message on the wire, for logs, metrics and events: `ms` its duration, `code` the OICP code.

    `detail` says more of a negative code where the words are this node's own: what others write may name a person.
    `address` is that of a caller who was refused.
    """

    operation: str
    verb: Verb
    peer: str
    http: int
    code: str
    ms: float
    process_id: str
    at: datetime
    detail: str = ""
    address: str = ""

    @property
    def reason(self) -> str:
        """Why the outcome is negative, in words for people that name no driver; empty where it is not."""
        if self.code == Code.SUCCESS:
            return ""
        return f"{described(self.code)} {self.detail}".strip()

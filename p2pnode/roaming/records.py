"""What a node remembers, as plain values: sessions with their history, CDRs, receipts, and what became of a message.

`published_records` and `outbox_records` hold the rest of the rows that are read and written through the store.
Keys are the comparison keys of `oicp.identifiers`, never the text of an identifier; the text stands beside them.
`owner` is the name of the peer that published a record, or `OWN`. What is made for every message is a msgspec Struct,
which takes a tenth of the time of a frozen dataclass.
"""

from dataclasses import dataclass
from datetime import datetime
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
class SessionFilter:
    """Which sessions are asked for: of these two parties, in this state since a moment of the interval (UTC)."""

    state: SessionState
    cpo: str
    emp: str
    from_: datetime
    to: datetime


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

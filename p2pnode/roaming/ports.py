"""What the roaming services need of the rest of the node: a way to call peers, and a backend for each role."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStop,
    AuthorizeRemoteStart,
    AuthorizeRemoteStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.notifications import (
    ChargingNotificationEnd,
    ChargingNotificationError,
    ChargingNotificationProgress,
    ChargingNotificationStart,
)
from p2pnode.oicp.operations import Operation
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.roaming.records import (
    FIRST_PAGE,
    OWN,
    PageRequest,
)

Request = TypeVar("Request", bound=OicpModel)
Answer = TypeVar("Answer", bound=OicpModel)

ChargingNotification = (
    ChargingNotificationStart | ChargingNotificationProgress | ChargingNotificationEnd | ChargingNotificationError
)


class StoreFault(Exception):
    """The store could not do what was asked, and nothing of it is on disk. A sentence without stored values."""


class Received(Struct, Generic[Request], frozen=True):
    """A message a peer sent us. For operations that carry records, `message` has none and `records` holds their bytes.

    `caller_id` is the identifier the peer speaks for, as it stands in the path (in the body for notifications): pricing
    pulls and EVSE pricing pushes name it nowhere else. Empty, it is the peer's first one. `reached` are the ids
    of parties that get the message without us: a push directly from the peer, or a question they have answered.
    """

    operation: Operation[Request, Any]
    message: Request
    body: bytes
    peer: PeerEntry
    process_id: str
    caller_id: str = ""
    records: Sequence[bytes] = ()
    page: PageRequest = FIRST_PAGE
    reached: Sequence[str] = ()


class Outgoing(Struct, Generic[Request], frozen=True):
    """A message on its way out: of our own party, or of the peer `source` that this node relays it for.

    `to` names the peer where the sender has chosen one. `caller_id` is the sender's identifier in the path; empty, it
    is the one in the body or our first one. `reached` as in `Received`.
    """

    operation: Operation[Request, Any]
    message: Request
    body: bytes
    process_id: str
    caller_id: str = ""
    records: Sequence[bytes] = ()
    page: PageRequest = FIRST_PAGE
    to: str | None = None
    source: PeerEntry | None = None
    reached: Sequence[str] = ()

    @property
    def sender(self) -> str:
        """The sender's side of a session: `OWN`, or the name of the peer the message is relayed for."""
        return self.source.name if self.source is not None else OWN


def onward(received: Received[Any], source: PeerEntry | None = None, reached: Sequence[str] = ()) -> Outgoing[Any]:
    """A message as it goes on: its bytes, its Process-ID, under the identifier it came with."""
    return Outgoing(
        received.operation,
        received.message,
        received.body,
        received.process_id,
        received.caller_id,
        received.records,
        received.page,
        source=source,
        reached=reached,
    )


@dataclass(frozen=True, slots=True)
class PeerAnswer(Generic[Answer]):
    """What a peer answered: the message, its bytes, and for pages the bytes of each record. `ms` is the duration."""

    answer: Answer
    body: bytes
    http: int
    ms: float
    records: Sequence[bytes] = ()


class PeerCaller(Protocol):
    """Sends one message to one peer."""

    async def call(  # noqa: PLR0913 - the parts of one call
        self,
        peer: PeerEntry,
        operation: Operation[Any, Answer],
        body: bytes,
        *,
        caller_id: str,
        process_id: str,
        page: PageRequest | None = None,
        deadline: float | None = None,
        reached: Sequence[str] = (),
    ) -> PeerAnswer[Answer]:
        """The peer's answer; a negative answer of the operation is an answer.

        Raises Unreachable, NoAnswer, Refused, BadStatus or Unreadable. `deadline` is in seconds, the operation's own
        where it is not given. A relay is told who is `reached` without it, by ids.
        """
        ...


class CpoBackend(Protocol):
    """Who answers for our own CPO role.

    `body` is the message as it came, with the SessionID put in where it had none. Each method raises ProtocolError to
    refuse, PeerError where nobody knows what became of the message.
    """

    async def authorize_remote_start(self, request: AuthorizeRemoteStart, body: bytes) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStart."""
        ...

    async def authorize_remote_stop(self, request: AuthorizeRemoteStop, body: bytes) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStop."""
        ...

    async def authorize_remote_reservation_start(
        self, request: AuthorizeRemoteReservationStart, body: bytes
    ) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStart."""
        ...

    async def authorize_remote_reservation_stop(
        self, request: AuthorizeRemoteReservationStop, body: bytes
    ) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStop."""
        ...


class EmpBackend(Protocol):
    """Who answers for our own EMP role. `body`, and what the methods raise, as in `CpoBackend`."""

    async def authorize_start(self, request: AuthorizeStart, body: bytes) -> AuthorizationStart:
        """eRoamingAuthorizeStart: whether the driver may start, with the reason if not."""
        ...

    async def authorize_stop(self, request: AuthorizeStop, body: bytes) -> AuthorizationStop:
        """eRoamingAuthorizeStop: whether the driver may stop."""
        ...

    async def charging_notification(self, notification: ChargingNotification, body: bytes) -> Acknowledgement:
        """eRoamingChargingNotifications of any type."""
        ...

    async def charge_detail_record(self, record: ChargeDetailRecord, body: bytes, operator_id: str) -> Acknowledgement:
        """eRoamingChargeDetailRecord. It does not name its operator: `operator_id` is that of its session."""
        ...

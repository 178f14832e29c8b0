"""What the roaming services share: our own identifiers, the limits, and the way to everything around them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from p2pnode.config.node import RoamingSection, StoreSection
from p2pnode.config.outbox import OutboxSection
from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp.errors import ProtocolError, Violation
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.background import Background
from p2pnode.roaming.breaker import Breakers
from p2pnode.roaming.deadline import Deadlines
from p2pnode.roaming.ports import CpoBackend, EmpBackend, Outgoing, PeerCaller, Received
from p2pnode.roaming.store_ports import Store

Receivers = Mapping[AnyOperation, Callable[[Received[Any]], Awaitable[OicpModel | bytes]]]
"""What a service does with messages of peers. Each raises ProtocolError to refuse."""

Senders = Mapping[AnyOperation, Callable[[Outgoing[Any]], Awaitable[OicpModel | bytes]]]
"""What a service does with messages of our own party. Each raises ProtocolError to tell why it could not."""


@dataclass(frozen=True, slots=True)
class OwnParty:
    """Our own identifiers in each role, as configured; the first of each is the one we speak with by default."""

    operators: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    keys: dict[Role, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the comparison keys once."""
        keys = {
            Role.CPO: frozenset(operator_key(text) for text in self.operators),
            Role.EMP: frozenset(provider_key(text) for text in self.providers),
        }
        object.__setattr__(self, "keys", keys)

    def ids(self, role: Role) -> tuple[str, ...]:
        """Our identifiers in this role, as configured."""
        return self.operators if role is Role.CPO else self.providers

    def is_own(self, role: Role, identifier: str) -> bool:
        """Whether the identifier, in any spelling, is one of ours in this role."""
        key = operator_key(identifier) if role is Role.CPO else provider_key(identifier)
        return key in self.keys[role]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much: deadlines in seconds, lifetimes, and the sizes of what is kept in memory."""

    authorize_deadline: float = 10.0
    """For an AuthorizeStart in all, however many peers are asked."""
    learned_head_start: float = 1.0
    """How long a provider that knew the UID before is asked alone."""
    learned_uids: int = 100_000
    reservation: timedelta = timedelta(minutes=15)
    """How long a reservation holds where the message names no duration."""
    authorized: timedelta = timedelta(days=7)
    """How long an authorization may wait for its first notification or CDR."""
    unconfirmed: timedelta = timedelta(days=1)
    """How long a remote start without an answer may still be confirmed."""
    remote_start_on_timeout: Literal["keep", "stop"] = "keep"
    """Whether a remote start whose answer is lost is followed by a RemoteStop."""
    remembered_starts: int = 10_000
    """How many starts that came without SessionID are remembered by their CPOPartnerSessionID."""
    push_wait: float = 5.0
    """How long a push of our own waits for the peers before it is answered."""
    crawls: int = 256
    """How many crawls over pages may be under way at the same time."""
    crawl: timedelta = timedelta(minutes=15)
    """How long a crawl may pause between two pages."""
    cdrs_kept: timedelta | None = None
    """For how long CDRs are kept; None: for ever."""
    outbox: OutboxSection = OutboxSection()  # noqa: RUF009 - it cannot be changed
    """How what nobody took is sent again."""
    pin_rounds: int = 10
    """The cost of the bcrypt hash of a PIN, as a power of two."""

    @classmethod
    def of(cls, settings: RoamingSection, outbox: OutboxSection, store: StoreSection) -> "Limits":
        """Those that are configured; the others as they are by default."""
        return cls(
            authorize_deadline=settings.authorize_seconds,
            push_wait=settings.push_seconds,
            remote_start_on_timeout=settings.remote_start_on_timeout,
            reservation=timedelta(minutes=settings.reservation_minutes),
            authorized=timedelta(days=settings.authorized_days),
            unconfirmed=timedelta(hours=settings.unconfirmed_hours),
            cdrs_kept=timedelta(days=store.session_days) if store.session_days else None,
            outbox=outbox,
        )


@dataclass(frozen=True, slots=True)
class Party:
    """Our own party in its surroundings; built once by `Roaming` and read by every service."""

    own: OwnParty
    peers: Callable[[], PeerTable]
    store: Store
    caller: PeerCaller
    cpo: CpoBackend | None
    emp: EmpBackend | None
    now: Callable[[], datetime]
    new_session_id: Callable[[], str]
    limits: Limits
    background: Background
    breakers: Breakers
    relay: bool = False
    """Whether we pass on what peers send each other."""
    checked: Callable[[str, Sequence[Violation]], None] = lambda _session_id, _violations: None
    """Is told what the pre-flight of a CDR has found."""
    deadlines: Deadlines = field(default_factory=Deadlines)

    @property
    def own_emp(self) -> EmpBackend:
        """The backend of our EMP role. Raises ProtocolError 320 where this node plays no EMP."""
        if self.emp is None:
            raise ProtocolError(Code.SERVICE_NOT_AVAILABLE, "this node plays no EMP")
        return self.emp

    @property
    def own_cpo(self) -> CpoBackend:
        """The backend of our CPO role. Raises ProtocolError 320 where this node plays no CPO."""
        if self.cpo is None:
            raise ProtocolError(Code.SERVICE_NOT_AVAILABLE, "this node plays no CPO")
        return self.cpo

    def push_records(self, peer: PeerEntry) -> int:
        """How many records one push to the peer holds that brings it up to date."""
        return peer.push_records or self.limits.outbox.push_records

    def own_id(self, outgoing: Outgoing[Any], in_body: str | None = None) -> str:
        """The identifier a message goes out under: that of the peer it is relayed for, else one of ours.

        Raises ProtocolError 017 for one that is not ours.
        """
        role = outgoing.operation.caller
        if outgoing.source is not None:
            return outgoing.caller_id or in_body or next(iter(outgoing.source.ids(role)), "")
        identifiers = self.own.ids(role)
        chosen = in_body or outgoing.caller_id or (identifiers[0] if identifiers else "")
        if not self.own.is_own(role, chosen):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"{chosen or role} is not an identifier of this node")
        return chosen


def caller_of(received: Received[Any]) -> str:
    """The identifier a peer speaks for in a message: the one in the path, else its first one in that role."""
    identifiers = received.peer.ids(received.operation.caller)
    return received.caller_id or (identifiers[0] if identifiers else "")

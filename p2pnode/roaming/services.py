"""Everything a party does with OICP: a function for each operation in each direction."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Any, Protocol, Self

from p2pnode.config.peers import PeerTable
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.errors import NotAllowed, ProtocolError, Violation
from p2pnode.oicp.evse_data import PullEvseData
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import OPERATIONS, AnyOperation, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.authentication import Authentication
from p2pnode.roaming.authorization import Authorization
from p2pnode.roaming.background import Background
from p2pnode.roaming.breaker import Breakers, WatchedCaller
from p2pnode.roaming.catch_up import CatchUp, Caught
from p2pnode.roaming.cdrs import Cdrs
from p2pnode.roaming.evse_data import EvseDataService
from p2pnode.roaming.evse_status import EvseStatusService
from p2pnode.roaming.full_loads import FullLoads
from p2pnode.roaming.notifications import Notifications
from p2pnode.roaming.outbox import Outbox
from p2pnode.roaming.outbox_records import BreakerRecord
from p2pnode.roaming.party import Limits, OwnParty, Party, Receivers, Senders
from p2pnode.roaming.ports import CpoBackend, EmpBackend, Outgoing, PeerCaller, Received
from p2pnode.roaming.preflight import Preflight
from p2pnode.roaming.pricing import Pricing
from p2pnode.roaming.publishing import Publisher
from p2pnode.roaming.reconcile import Reconciler, Reconciliation
from p2pnode.roaming.relay import Relay
from p2pnode.roaming.remote import Remote
from p2pnode.roaming.session_ids import session_ids
from p2pnode.roaming.store_ports import Store
from p2pnode.roaming.succession import spoken_for


class Service(Protocol):
    """One part of the two tables."""

    @property
    def receivers(self) -> Receivers:
        """What becomes of messages of peers."""
        ...

    @property
    def senders(self) -> Senders:
        """What becomes of messages of our own party."""
        ...


class Roaming:
    """Our party among its peers.

    `receivers` and `senders` have a function for each of the 24 operations; an operation whose answering role we do
    not play is not among the receivers, unless we relay. An async context manager: leaving it ends the work in the
    background.
    """

    def __init__(  # noqa: PLR0913 - everything around a party, once
        self,
        own: OwnParty,
        *,
        peers: Callable[[], PeerTable],
        store: Store,
        caller: PeerCaller,
        cpo: CpoBackend | None,
        emp: EmpBackend | None,
        now: Callable[[], datetime],
        limits: Limits | None = None,
        relay: bool = False,
        checked: Callable[[str, Sequence[Violation]], None] = lambda _session_id, _violations: None,
        caught_up: Callable[[Caught], None] = lambda _: None,
    ) -> None:
        self._background = Background()
        limits = limits or Limits()
        self.breakers = Breakers(limits.outbox, now, self._note_breaker)
        self._party = Party(
            own=own,
            peers=peers,
            store=store,
            caller=WatchedCaller(caller, self.breakers),
            cpo=cpo,
            emp=emp,
            now=now,
            new_session_id=session_ids(now),
            limits=limits,
            background=self._background,
            breakers=self.breakers,
            relay=relay,
            checked=checked,
        )
        self._evse_data = EvseDataService(self._party)
        self._evse_status = EvseStatusService(self._party)
        self._pricing = Pricing(self._party)
        self._authentication = Authentication(self._party)
        self._resumed = False
        self.outbox = Outbox(self._party)
        self._remote = Remote(self._party, self.outbox)
        cdrs = self._cdrs = Cdrs(self._party, self.outbox)
        self.catch_up = CatchUp(self._party, self._evse_data, self._evse_status, cdrs, caught_up)
        self.full_loads = FullLoads(self._party, self._publishers)
        services: tuple[Service, ...] = (
            self._evse_data,
            self._evse_status,
            self._pricing,
            self._authentication,
            cdrs,
            Authorization(self._party),
            Notifications(self._party, self.outbox),
            self._remote,
        )
        played = {role for role, backend in ((Role.CPO, cpo), (Role.EMP, emp)) if backend is not None}
        self.receivers, self.senders = _tables(services, played, relay=relay)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send nothing more, let what is on its way arrive, and end what still runs in the background."""
        self.catch_up.rest()
        self.full_loads.rest()
        try:
            await self.outbox.rest(self._party.limits.outbox.rest_seconds)
            for publisher, _ in self._publishers():
                await publisher.rest()
        finally:
            await self._background.aclose()

    def _note_breaker(self, record: BreakerRecord) -> None:
        """Store the state of a breaker, without anybody waiting for it."""
        write = self._party.store.write(lambda transaction: transaction.put_breaker(record))
        self._background.start(write, "state of a circuit breaker")

    async def resume(self) -> None:
        """Take up what was under way when the node ended."""
        if not self._resumed:
            self._resumed = True
            try:
                await self.outbox.resume()
                await self._remote.resume()
            except BaseException:
                self._resumed = False
                raise
            self.catch_up.schedule()
            self.full_loads.schedule()

    async def settle(self) -> None:
        """Wait until what runs in the background has ended by itself: late approvals, deliveries, CDRs handed over."""
        await self._background.settle()

    async def receive(self, received: Received[Any]) -> OicpModel | bytes:
        """The answer to a message of a peer: a message, or the bytes of one.

        Raises ProtocolError to refuse: 210 where the peer's entry does not let it send this operation, 017 where a hub
        gives an id that it does not speak for, 320 where we do not offer the operation.
        """
        self.breakers.heard(received.peer.name)
        handle = self.receivers.get(received.operation)
        if handle is None:
            raise ProtocolError(
                Code.SERVICE_NOT_AVAILABLE,
                f"this node plays no {received.operation.callee}",
            )
        if not received.peer.may_receive(received.operation):
            told = f"{received.operation.name} is not agreed between the two parties."
            raise NotAllowed(Code.NO_VALID_CONTRACT, told)
        if self._party.peers().hubs:
            received = await spoken_for(self._party, received)
        return await handle(received)

    async def send(self, outgoing: Outgoing[Any]) -> OicpModel | bytes:
        """The answer to a message of our own party, from whoever it concerns. Raises ProtocolError to tell why not."""
        if not self._party.own.ids(outgoing.operation.caller):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"this node plays no {outgoing.operation.caller}")
        return await self.senders[outgoing.operation](outgoing)

    async def publish_all(self, peer_name: str) -> list[str]:
        """Send a peer everything we publish, for one that is new or was away; returns what went wrong.

        Raises LookupError for a name that is not in the peer table.
        """
        peer = self._party.peers().get(peer_name)
        if peer is None:
            raise LookupError(peer_name)
        problems: list[str] = []
        for publisher, role in self._publishers():
            if peer.enabled and (peer.hub or peer.ids(role)):
                problem = await publisher.publish_all(peer)
                problems += [problem] if problem is not None else []
        return problems

    async def meet_peers(self) -> None:
        """Learn what peers that are new since the start have of ours, so that the next push to each brings the rest."""
        for publisher, role in self._publishers():
            await publisher.meet(self._party.peers().with_role(role))

    async def publish_pending(self) -> list[str]:
        """Send everything published to the peers that fell behind; returns what went wrong.

        To be called after each change of the peer table, too: hubs are asked for what a direct peer tells no more.
        """
        await self.catch_up.note_peers()
        await self.meet_peers()
        problems: list[str] = []
        for publisher, _ in self._publishers():
            for name in sorted(publisher.behind()):
                peer = self._party.peers().get(name)
                problem = await publisher.catch_up(peer) if peer is not None and peer.enabled else None
                problems += [problem] if problem is not None else []
        return problems

    async def check_cdr(self, message: ChargeDetailRecord) -> Sequence[Violation]:
        """What the pre-flight would find wrong with a CDR of our CPO; nothing is stored or sent."""
        return await Preflight(self._party).check(message)

    async def reconcile(self, peer_name: str, from_: datetime, to: datetime) -> Reconciliation:
        """Compare CDRs with a peer: see `Reconciler.run`. Raises LookupError for a name not in the peer table."""
        peer = self._party.peers().get(peer_name)
        if peer is None:
            raise LookupError(peer_name)
        return await Reconciler(self._party).run(peer, from_, to)

    async def fetch_missing(self, found: Reconciliation) -> int:
        """Take over the CDRs that a comparison has found missing here; returns how many came. Raises ProtocolError."""
        peer, lacking = self._party.peers().get(found.peer), [entry.session_id for entry in found.missing_here]
        return await self._cdrs.fetch(peer, found.from_, found.to, lacking) if peer is not None else 0

    async def pull_evse_data(self, message: PullEvseData, peer_name: str) -> int:
        """Pull all pages of a peer's EVSE data and keep them; returns how many records came.

        Raises ProtocolError as sending one PullEvseData does.
        """
        return await self._evse_data.pulls.crawl(message, peer_name, self._party.new_session_id())

    def _publishers(self) -> list[tuple[Publisher, Role]]:
        """What we publish, and the role of who takes it."""
        found: list[tuple[Publisher, Role]] = []
        if self._party.own.operators or self._party.relay:
            found += [
                (self._evse_data.publisher, Role.EMP),
                (self._evse_status.publisher, Role.EMP),
                (self._pricing.publisher, Role.EMP),
                (self._pricing.evse_pricing.publisher, Role.EMP),
            ]
        if self._party.own.providers or self._party.relay:
            found.append((self._authentication.publisher, Role.CPO))
        return found


def _tables(services: Sequence[Service], played: Collection[Role], *, relay: bool) -> tuple[Receivers, Senders]:
    """What becomes of messages of peers, and of our own party's, by all services together."""
    receivers = {operation: handle for service in services for operation, handle in service.receivers.items()}
    senders = {operation: handle for service in services for operation, handle in service.senders.items()}
    if relay:
        answered = Relay().receivers(receivers, senders)
    else:
        answered = {operation: handle for operation, handle in receivers.items() if operation.callee in played}
    return _in_order(answered), _in_order(senders)


def _in_order(table: Mapping[AnyOperation, Any]) -> Mapping[AnyOperation, Any]:
    """The table in the order of the operation table, not to be changed."""
    return MappingProxyType({operation: table[operation] for operation in OPERATIONS if operation in table})

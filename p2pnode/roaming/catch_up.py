"""Catching up by pulling: what a party that was away has told nobody of, or we could not hear while we were.

What peers owe us they send again by themselves. Not all do: a system that is no node of this kind pushes once, and one
that has counted us out publishes to nobody. So a peer that is heard from after a long absence, and every peer after a
start of ours, is asked for its EVSE data, status and CDRs. One peer is asked at a time, and one question of it. A relay
gives on what it has learned so.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import SystemRandom

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.roaming.breaker import pause
from p2pnode.roaming.cdr_pages import EARLIEST
from p2pnode.roaming.cdrs import Cdrs
from p2pnode.roaming.crawls import GUARD
from p2pnode.roaming.evse_data import EvseDataService
from p2pnode.roaming.evse_status import EvseStatusService
from p2pnode.roaming.outbox_records import NOTHING_KNOWN, BreakerRecord, DeliveryRecord
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import StoreFault
from p2pnode.roaming.refusals import ASK_AGAIN
from p2pnode.roaming.store_ports import Transaction

LONGEST = 3600.0
"""For how many seconds one question may go over its pages."""
AFTER_START = 10.0
"""How many seconds after its start the node begins: who starts together has to listen first."""
MOST_TRIES = 5
"""How often a peer is asked again that answers and cannot tell; later its next absence, or our next start, does it."""
CDRS_BEFORE = timedelta(days=31)
"""How far back a peer is asked for CDRs that does not answer for all the time they are kept."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What came from one peer: how many records with each operation, new ones only of CDRs, and what went wrong."""

    peer: str
    records: Mapping[str, int]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: one of our own providers, or, of a relay without any, the EMP that it relays for."""

    provider_id: str
    source: PeerEntry | None = None


@dataclass(slots=True)
class Attempt:
    """What one attempt with a peer has brought so far, and whether to try it again."""

    records: dict[str, int] = field(default_factory=dict[str, int])
    problems: list[str] = field(default_factory=list[str])
    again: bool = False


class CatchUp:
    """Asks peers for what we have missed of them; `tell` gets the outcome of each."""

    def __init__(
        self,
        party: Party,
        evse_data: EvseDataService,
        evse_status: EvseStatusService,
        cdrs: Cdrs,
        tell: Callable[[Caught], None],
    ) -> None:
        self._party = party
        self._evse_data = evse_data
        self._evse_status = evse_status
        self._cdrs = cdrs
        self._tell = tell
        self._due: dict[str, None] = {}
        self._direct = self._direct_cpos()
        self._current = ""
        self._working = False
        self._tries: Counter[str] = Counter()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._resting = False
        self._random = SystemRandom().random
        party.breakers.listen(self._back)

    def schedule(self) -> None:
        """Ask all peers soon: this node has been away."""
        if self._party.limits.outbox.catch_up and not self._resting:
            self._timers[""] = asyncio.get_running_loop().call_later(AFTER_START * (1 + self._random()), self.ask_all)

    async def note_peers(self) -> None:
        """Ask hubs for everything where a direct CPO has left the peer table: what it published comes from them now."""
        former, self._direct = self._direct, self._direct_cpos()
        if self._direct.issuperset(former) or not self._party.limits.outbox.catch_up:
            return
        for hub in self._party.peers().hubs:
            nothing = DeliveryRecord(hub.name, ops.PULL_EVSE_DATA.name, NOTHING_KNOWN)
            await self._party.store.write(partial(_put, nothing))
            self.ask(hub.name)

    def _direct_cpos(self) -> frozenset[str]:
        return frozenset(peer.name for peer in self._party.peers().with_role(Role.CPO) if not peer.hub)

    def ask_all(self) -> None:
        """Ask all peers, in the background, one after the other."""
        for peer in self._party.peers().with_role(Role.CPO):
            self.ask(peer.name)

    def ask(self, name: str) -> None:
        """Ask a peer, in the background, after those that wait already."""
        if self._resting or name in self._due or name == self._current:
            return
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
        self._due[name] = None
        if not self._working:
            self._working = True
            self._party.background.start(self._work(), "catching up with peers")

    def rest(self) -> None:
        """Ask nobody any more."""
        self._resting = True
        for timer in self._timers.values():
            timer.cancel()

    def _back(self, name: str, record: BreakerRecord) -> None:
        """The peer is heard from: ask it if it was away for long, or could not be asked then."""
        settings = self._party.limits.outbox
        away = self._party.now() - record.since if record.since is not None else None
        is_long = away is not None and away >= timedelta(seconds=settings.catch_up_seconds)
        if settings.catch_up and name != self._current and (is_long or name in self._tries):
            self._tries.pop(name, None)
            self.ask(name)

    async def _work(self) -> None:
        begun = self._party.store.clock()
        try:
            while self._due:
                name = self._current = next(iter(self._due))
                del self._due[name]
                try:
                    await self._catch_up(name)
                except Exception as error:  # noqa: BLE001 - whatever it is, the other peers are asked all the same
                    self._tell(Caught(name, {}, (f"{type(error).__name__} while it was asked",)))
                    self._plan(name, Attempt(again=True))
            if self._party.relay and not self._resting:
                for publisher in (self._evse_data.publisher, self._evse_status.publisher):
                    self._party.background.start(publisher.give_on(begun), "giving on what was pulled")
        finally:
            self._current, self._working = "", False

    async def _catch_up(self, name: str) -> None:
        """Ask one peer, and later again if it cannot tell now."""
        peer = self._party.peers().get(name)
        asker = self._asker(peer) if peer is not None else None
        if peer is None or asker is None or not peer.enabled or peer.url is None:
            return
        attempt = Attempt()
        questions: Mapping[AnyOperation, Callable[[PeerEntry, Asker, datetime | None], Awaitable[int]]] = {
            ops.PULL_EVSE_DATA: self._pull_evse_data,
            ops.PULL_EVSE_STATUS: self._pull_status,
            ops.PULL_EVSE_STATUS_BY_OPERATOR_ID: self._pull_status_by_operator,
            ops.GET_CHARGE_DETAIL_RECORDS: self._get_cdrs,
        }
        for operation, question in questions.items():
            if peer.may_send(operation) and not await self._asked(peer, asker, operation, question, attempt):
                break
        if attempt.records or attempt.problems:
            self._tell(Caught(name, attempt.records, tuple(attempt.problems)))
        self._plan(name, attempt)

    async def _asked(
        self,
        peer: PeerEntry,
        asker: Asker,
        operation: AnyOperation,
        question: Callable[[PeerEntry, Asker, datetime | None], Awaitable[int]],
        attempt: Attempt,
    ) -> bool:
        """Ask one question; returns whether the next one is worth asking now."""
        begun = self._party.now()
        try:
            known_at = await self._known_at(peer, operation)
            async with asyncio.timeout(LONGEST):
                count = await question(peer, asker, known_at)
            if count >= 0:
                record = DeliveryRecord(peer.name, operation.name, begun)
                await self._party.store.write(partial(_put, record))
                attempt.records[operation.name] = count
        except ProtocolError as error:
            attempt.problems.append(f"{operation.name}: {error}")
            attempt.again = attempt.again or error.code in ASK_AGAIN
            return error.code not in ASK_AGAIN
        except (StoreFault, TimeoutError) as error:
            reason = str(error) or "it takes too long"
            attempt.problems.append(f"{operation.name}: {reason}")
            attempt.again = True
            return False
        return True

    def _plan(self, name: str, attempt: Attempt) -> None:
        """Ask the peer again after a pause where that may help, the longer the more often it did not."""
        if not attempt.again:
            self._tries.pop(name, None)
            return
        self._tries[name] += 1
        if self._tries[name] <= MOST_TRIES and not self._resting:
            wait = pause(self._party.limits.outbox, self._tries[name], self._random)
            self._timers[name] = asyncio.get_running_loop().call_later(wait.total_seconds(), self.ask, name)

    def _asker(self, peer: PeerEntry) -> Asker | None:
        """Who asks the peer; None where it is no CPO, or nobody can."""
        if not peer.hub and not peer.operators:
            return None
        party = self._party
        if party.own.providers:
            return Asker(party.own.providers[0])
        emps = party.peers().with_role(Role.EMP) if party.relay else ()
        return next((Asker(emp.providers[0], emp) for emp in emps if not emp.hub and emp.name != peer.name), None)

    async def _known_at(self, peer: PeerEntry, operation: AnyOperation) -> datetime | None:
        """Up to when we have everything of the peer's that the operation tells."""
        for record in await self._party.store.deliveries():
            if (record.peer, record.operation) == (peer.name, operation.name):
                return record.known_at if record.known_at > NOTHING_KNOWN else None
        return None

    async def _pull_evse_data(self, peer: PeerEntry, asker: Asker, known_at: datetime | None) -> int:
        return await self._evse_data.catch_up(peer, asker.provider_id, known_at, asker.source)

    async def _pull_status(self, peer: PeerEntry, asker: Asker, _: datetime | None) -> int:
        return await self._evse_status.pull(peer, asker.provider_id, source=asker.source)

    async def _pull_status_by_operator(self, peer: PeerEntry, asker: Asker, _: datetime | None) -> int:
        """Where the other pull of status is not allowed; -1 where it is."""
        if peer.may_send(ops.PULL_EVSE_STATUS) or not peer.operators:
            return -1
        return await self._evse_status.pull(peer, asker.provider_id, source=asker.source, by_operator=True)

    async def _get_cdrs(self, peer: PeerEntry, asker: Asker, known_at: datetime | None) -> int:
        """The CDRs of our own drivers that the peer has received since; the first time all that we would keep."""
        if asker.source is not None:
            return -1
        now, kept = self._party.now().astimezone(UTC), self._party.limits.cdrs_kept
        if known_at is not None:
            return await self._cdrs.fetch(peer, min(known_at - GUARD, now), now + GUARD)
        try:
            return await self._cdrs.fetch(peer, now - kept if kept is not None else EARLIEST, now + GUARD)
        except ProtocolError as error:
            if error.code in ASK_AGAIN:
                raise
            return await self._cdrs.fetch(peer, now - CDRS_BEFORE, now + GUARD)


def _put(record: DeliveryRecord, transaction: Transaction) -> None:
    transaction.put_delivery(record)

"""Delivering what our party publishes: to every peer that may see it, in order, and the latest state after an outage.

What peers publish through us is delivered in the same way where we relay.

For each peer and operation there is one lane with one push in flight, as the specification demands. A lane whose push
failed has fallen behind: the next delivery is what has changed since, or a full load, once, not the backlog; it is
tried again with growing pauses, and as soon as the peer is heard from. Up to when a peer has everything is stored, now
and then and when the node ends: after its start a peer gets what it has missed since, one that is new in the peer table
gets everything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom
from typing import Any

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import PeerError, ProtocolError, Refused
from p2pnode.oicp.operations import AnyOperation
from p2pnode.roaming.breaker import pause
from p2pnode.roaming.outbox_records import BreakerRecord, DeliveryRecord
from p2pnode.roaming.parcels import Parcel
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing, StoreFault
from p2pnode.roaming.reached import Reached
from p2pnode.roaming.refusals import PASSING
from p2pnode.roaming.router import Knowledge, resolve
from p2pnode.roaming.store_ports import Transaction

RANDOM = SystemRandom()
MOST_WAITING = 16
"""How many pushes may wait in a lane before they are given up for one full load."""


FullLoad = Callable[[PeerEntry, datetime | None], Awaitable[Sequence[Parcel]]]
"""What we publish to a peer with one operation, as it is now: what has changed since a moment, or everything."""
KINDS: Mapping[AnyOperation, str] = {
    ops.PUSH_EVSE_DATA: "evse",
    ops.PUSH_EVSE_STATUS: "status",
    ops.PUSH_PRICING_PRODUCT_DATA: "product",
    ops.PUSH_EVSE_PRICING: "evse_pricing",
    ops.PUSH_AUTHENTICATION_DATA: "authentication",
}
"""The table whose rows an operation publishes."""
QUIET = 2.0
"""For how many seconds nothing is published before it is stored who has everything."""


@dataclass(slots=True)
class Lane:
    """The pushes of one operation to one peer.

    `refused` says that the peer did not take a full load either, `unsure` that the lane is behind only because the
    peer is new since the start of the node. Pushes are counted as they are `issued`; those up to
    `covered` are in a full load, or left to one, and not sent any more. `dropped` is the last that was never queued.
    `known` is the moment up to which the peer is known to have everything. `told` are the ids of direct peers that it
    was told of with the last push, being a hub.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    behind: bool = False
    refused: bool = False
    unsure: bool = False
    issued: int = 0
    covered: int = 0
    dropped: int = 0
    known: datetime | None = None
    failures: int = 0
    told: frozenset[str] = frozenset()
    timer: asyncio.TimerHandle | None = None


class Publisher:
    """The lanes of one operation to all peers."""

    def __init__(self, party: Party, operation: AnyOperation, full_load: FullLoad) -> None:
        self._party = party
        self._operation = operation
        self._full_load = full_load
        self._lanes: dict[str, Lane] = {}
        self._met: dict[str, PeerEntry] = {}
        self.reached = Reached(party, operation)
        self._quiet: asyncio.TimerHandle | None = None
        self._resting = False
        party.breakers.listen(self._back)

    @property
    def operation(self) -> AnyOperation:
        """What the lanes are of."""
        return self._operation

    async def publish(self, outgoing: Outgoing[Any], parcel_for: Callable[[PeerEntry], Parcel | None]) -> str | None:
        """Deliver a push to every peer that takes it; `parcel_for` gives what of it the peer may see.

        Returns when all have answered or after `push_wait`, with a sentence on those that have not taken it. What is
        not delivered by then goes on in the background.
        """
        knowledge = Knowledge(self._party.own, to=outgoing.to, source=outgoing.source)
        try:
            found = resolve(self._operation, outgoing.message, self._party.peers(), knowledge)
        except ProtocolError as error:
            return f"stored, and sent to nobody: {error.reason}"
        new, lists = await self.reached.note(outgoing)
        reached = self.reached.listed(outgoing)
        for peer in new:
            self._owe_everything(peer)
        peers = [
            each.peer
            for each in found
            if each.peer is not None and each.peer.url and not self.reached.covers(reached, each.peer)
        ]
        parcels: list[tuple[PeerEntry, Parcel | None]] = [
            (peer, parcel) for peer in peers if peer not in new and (parcel := parcel_for(peer)) is not None
        ]
        parcels += [(peer, None) for peer in new if peer.url and peer.may_send(self._operation)]
        running = [
            asyncio.create_task(self._deliver(peer, parcel, outgoing.process_id), name=peer.name)
            for peer, parcel in parcels
        ]
        for task in running:
            self._party.background.adopt(task)
        if lists is not None:
            await self._party.store.write(lists)
        if not running:
            return None
        self._await_quiet()
        done, late = await asyncio.wait(running, timeout=self._party.limits.push_wait)
        problems = [problem for task in running if task in done and (problem := task.result())]
        problems += [f"{task.get_name()}: no answer yet" for task in running if task in late]
        return "; ".join(problems) or None

    async def publish_all(self, peer: PeerEntry) -> str | None:
        """Send the peer everything we publish with the operation; returns what went wrong."""
        if peer.url is None or not peer.may_send(self._operation):
            return None
        self._owe_everything(peer)
        return await self.catch_up(peer)

    async def meet(self, peers: Iterable[PeerEntry]) -> None:
        """Count those of the peers as behind that are new since the start, and hubs that have to know who left.

        One that has refused everything is tried again once its entry has changed.
        """
        self._owe_hubs()
        met, listed = self._met, [peer for peer in peers if peer.url is not None and peer.may_send(self._operation)]
        new = [peer for peer in listed if peer.name not in met]
        for peer in listed:
            if peer.name in met and met[peer.name] != peer and (lane := self._lanes.get(peer.name)) is not None:
                lane.refused = False
        met |= {peer.name: peer for peer in listed}
        if not new:
            return
        stored = {
            record.peer: record.known_at
            for record in await self._party.store.deliveries()
            if record.operation == self._operation.name
        }
        for peer in new:
            lane = self._lanes.setdefault(peer.name, Lane())
            lane.known = lane.known or stored.get(peer.name)
            lane.unsure = not lane.behind
            lane.behind = True

    async def rest(self) -> None:
        """Try nothing more, and store who has everything; where it cannot be stored they get it again."""
        self._resting = True
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        if self._quiet is not None:
            self._quiet.cancel()
            with suppress(StoreFault):
                await self._remember()

    async def catch_up(self, peer: PeerEntry) -> str | None:
        """Send a peer that is behind what we publish with the operation; returns what went wrong."""
        if peer.url is None or not peer.may_send(self._operation):
            return None
        return await self._deliver(peer, None, self._party.new_session_id())

    def behind(self) -> frozenset[str]:
        """The names of the peers that have missed a push and may still take a full load."""
        return frozenset(name for name, lane in self._lanes.items() if lane.behind and not lane.refused)

    async def _deliver(self, peer: PeerEntry, parcel: Parcel | None, process_id: str) -> str | None:
        """Send one push, or everything where the peer has missed one; returns what went wrong."""
        lane = self._lanes.setdefault(peer.name, Lane())
        lane.issued += 1
        turn = lane.issued
        lane.unsure = lane.unsure and parcel is None
        if lane.waiting >= MOST_WAITING:
            lane.behind, lane.dropped = True, turn
            return f"{peer.name}: not delivered yet"
        lane.waiting += 1
        try:
            await lane.lock.acquire()
        except BaseException:
            lane.behind, lane.dropped = True, max(lane.dropped, turn)
            raise
        finally:
            lane.waiting -= 1
        try:
            return await self._in_turn(lane, turn, peer, parcel, process_id)
        finally:
            lane.lock.release()

    async def _in_turn(
        self, lane: Lane, turn: int, peer: PeerEntry, parcel: Parcel | None, process_id: str
    ) -> str | None:
        """As `_deliver`, with nothing else of the lane in flight."""
        if turn <= lane.covered:
            return f"{peer.name}: not delivered yet" if lane.behind else None
        if self._party.breakers.open_until(peer.name) is not None and parcel is not None:
            lane.behind, lane.covered = True, lane.issued
            self._set_timer(lane, peer)
            return f"{peer.name}: it is away, and gets it when it is back"
        try:
            problem = await self._send(lane, peer, parcel, process_id)
        except (PeerError, StoreFault) as error:
            self._fall_behind(lane, peer)
            return str(error) if isinstance(error, PeerError) else f"{peer.name}: not delivered yet, {error}"
        except BaseException:
            lane.behind = True
            raise
        lane.failures = 0
        if lane.refused:
            for hub in self._owe_hubs():
                self._party.background.start(self.catch_up(hub), f"what {peer.name} has to get through {hub.name}")
        return problem

    def _owe_everything(self, peer: PeerEntry) -> None:
        """The peer gets everything with its next delivery."""
        lane = self._lanes.setdefault(peer.name, Lane())
        lane.behind, lane.refused, lane.unsure, lane.known = True, False, False, None

    def _owe_hubs(self) -> list[PeerEntry]:
        """The hubs that were told of a direct peer that is none now: with everything, they are told again."""
        directly = self._directly()
        hubs = [
            hub
            for hub in self._party.peers().hubs
            if (lane := self._lanes.get(hub.name)) is not None and not lane.told.issubset(directly)
        ]
        for hub in hubs:
            self._owe_everything(hub)
        return hubs

    def _directly(self) -> tuple[str, ...]:
        """The ids of those who get what is published from us, and not through a hub."""
        role = self._operation.callee
        peers = (peer for peer in self._party.peers().with_role(role) if peer.url and not peer.hub)
        return tuple(
            text
            for peer in peers
            if peer.may_send(self._operation) and not ((lane := self._lanes.get(peer.name)) and lane.refused)
            for text in peer.ids(role)
        )

    def _fall_behind(self, lane: Lane, peer: PeerEntry) -> None:
        """The peer has not got what was published: it will be brought up to date later."""
        lane.behind, lane.covered, lane.failures = True, lane.issued, lane.failures + 1
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        self._set_timer(lane, peer)

    def _set_timer(self, lane: Lane, peer: PeerEntry) -> None:
        """Try again after a pause, unless that is to be done already."""
        if lane.timer is None and not self._resting:
            wait = pause(self._party.limits.outbox, lane.failures, RANDOM.random).total_seconds()
            lane.timer = asyncio.get_running_loop().call_later(wait, self._try_again, peer.name)

    def _back(self, name: str, _: BreakerRecord) -> None:
        """The peer may be back."""
        lane = self._lanes.get(name)
        if lane is not None and lane.behind and not lane.refused and (lane.failures or lane.timer is not None):
            self._try_again(name)

    def _try_again(self, name: str) -> None:
        peer = self._party.peers().get(name)
        lane = self._lanes[name]
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        if peer is not None and peer.enabled and lane.behind and not self._resting and not lane.lock.locked():
            self._party.background.start(self.catch_up(peer), f"what {name} has missed")

    async def _send(self, lane: Lane, peer: PeerEntry, parcel: Parcel | None, process_id: str) -> str | None:
        if parcel is not None and (lane.refused or not lane.behind):
            problem = await self._push(peer, parcel, process_id)
            if parcel.full:
                lane.behind, lane.refused = lane.behind or problem is not None, problem is not None
            if problem is None or lane.refused:
                return problem
        lane.behind = True
        covered = lane.issued
        changed_at = await self._changed_at()
        if lane.known is None or lane.known < changed_at:
            problem = await self._bring_up_to_date(lane, peer, process_id)
            if problem is not None:
                lane.refused = True
                return problem
        lane.behind, lane.refused, lane.covered = lane.dropped > covered, False, covered
        lane.unsure = False
        lane.known = changed_at
        self._await_quiet()
        return None

    async def _bring_up_to_date(self, lane: Lane, peer: PeerEntry, process_id: str) -> str | None:
        """Send what has changed since the peer had everything; everything where it does not take that."""
        for since in (lane.known, None):
            problem = None
            for part in await self._full_load(peer, since):
                if part.is_empty and lane.unsure and lane.known is None:
                    continue
                problem = await self._push(peer, part, process_id)
                if problem is not None:
                    break
            if problem is None or since is None:
                return problem
        return None

    async def _changed_at(self) -> datetime:
        """When what we publish with the operation has changed last."""
        store, kind = self._party.store, KINDS[self._operation]
        own = await store.changed_at(kind, own=True)
        return max(own, await store.changed_at(kind, own=False)) if self._party.relay else own

    def _await_quiet(self) -> None:
        """Store who has everything once nothing has been published for a while."""
        if self._quiet is not None:
            self._quiet.cancel()
        loop = asyncio.get_running_loop()
        self._quiet = loop.call_later(
            QUIET, lambda: self._party.background.start(self._remember(), "what peers are known to have")
        )

    async def _remember(self) -> None:
        """Store up to when the peers that are not behind have everything, unless something is published meanwhile."""
        issued = {name: lane.issued for name, lane in self._lanes.items() if not lane.behind and not lane.waiting}
        known_at = await self._changed_at()
        if not self._resting:
            await asyncio.sleep(QUIET)  # what was on disk before that has been issued by now
        even = [
            name
            for name, count in issued.items()
            if (lane := self._lanes[name]).issued == count and not lane.behind and not lane.lock.locked()
        ]
        records = [DeliveryRecord(name, self._operation.name, known_at) for name in even]
        for record in records:
            self._lanes[record.peer].known = known_at

        def work(transaction: Transaction) -> None:
            for record in records:
                transaction.put_delivery(record)

        if records:
            await self._party.store.write(work)

    async def _push(self, peer: PeerEntry, parcel: Parcel, process_id: str) -> str | None:
        """One push; returns the reason where the peer refuses it.

        Raises PeerError where it did not get through, or the peer could not take it now: its disk may be full.
        """
        is_told = peer.hub and peer.dialect == "oicp"  # Hubject has no use for the list
        directly = self._directly() if is_told else ()
        answered = await self._party.caller.call(
            peer,
            self._operation,
            parcel.body,
            caller_id=parcel.caller_id,
            process_id=process_id,
            reached=await self.reached.with_others(directly, parcel.caller_id) if is_told else (),
        )
        answer = answered.answer
        if answer.result:
            self._lanes[peer.name].told = frozenset(directly)
            return None
        status = answer.status_code
        told = f"{status.code} {status.additional_info or status.description or ''}".rstrip()
        if status.code in PASSING:
            raise Refused(peer.name, told, status.code)
        return f"{peer.name}: {told}"

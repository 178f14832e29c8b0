"""Delivering what our party publishes: to every peer that may see it, in order, and the latest state after an outage.

What peers publish through us is delivered in the same way where we relay.

For each peer and operation one push is in flight, as the specification demands. A peer for which one failed has fallen
behind: the next delivery is what has changed since, or a full load, once, not the backlog; it is
tried again with growing pauses, and as soon as the peer is heard from. Up to when a peer has everything is stored, now
and then and when the node ends: after its start a peer gets what it has missed since, one that is new in the peer table
gets everything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from random import SystemRandom
from typing import Any

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import PeerError, ProtocolError, Refused
from p2pnode.oicp.operations import AnyOperation
from p2pnode.roaming.breaker import pause
from p2pnode.roaming.deliveries import Delivery
from p2pnode.roaming.outbox_records import NOTHING_KNOWN, BreakerRecord, DeliveryRecord
from p2pnode.roaming.parcels import Parcel
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing, StoreFault
from p2pnode.roaming.reached import Reached
from p2pnode.roaming.refusals import PASSING
from p2pnode.roaming.router import Knowledge, resolve
from p2pnode.roaming.store_ports import Transaction

RANDOM = SystemRandom()
MOST_WAITING = 16
"""How many pushes may wait for a peer before they are given up for one full load."""


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


class Publisher:
    """The deliveries of one operation to all peers."""

    def __init__(self, party: Party, operation: AnyOperation, full_load: FullLoad) -> None:
        self._party = party
        self._operation = operation
        self._full_load = full_load
        self._deliveries: dict[str, Delivery] = {}
        self._met: dict[str, PeerEntry] = {}
        self.reached = Reached(party, operation)
        self._quiet: asyncio.TimerHandle | None = None
        self._resting = False
        party.breakers.listen(self._back)

    @property
    def operation(self) -> AnyOperation:
        """What is delivered."""
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
            if (
                peer.name in met
                and met[peer.name] != peer
                and (delivery := self._deliveries.get(peer.name)) is not None
            ):
                delivery.refused = False
        met |= {peer.name: peer for peer in listed}
        if not new:
            return
        stored = {
            record.peer: record.known_at
            for record in await self._party.store.deliveries()
            if record.operation == self._operation.name
        }
        for peer in new:
            if stored.get(peer.name) == NOTHING_KNOWN:
                self._owe_everything(peer)
                continue
            delivery = self._deliveries.setdefault(peer.name, Delivery())
            delivery.known = delivery.known or stored.get(peer.name)
            delivery.unsure = not delivery.behind
            delivery.behind = True

    async def rest(self) -> None:
        """Try nothing more, and store who has everything; where it cannot be stored they get it again."""
        self._resting = True
        for delivery in self._deliveries.values():
            delivery.stop_timer()
        if self._quiet is not None:
            self._quiet.cancel()
            with suppress(StoreFault):
                await self._remember()

    async def catch_up(self, peer: PeerEntry) -> str | None:
        """Send a peer that is behind what we publish with the operation; returns what went wrong."""
        if peer.url is None or not peer.may_send(self._operation):
            return None
        return await self._deliver(peer, None, self._party.new_session_id())

    async def give_on(self, since: datetime) -> None:
        """Bring all peers up to date, also with what no push has brought since then: a relay has pulled it."""
        peers = self._party.peers().with_role(self._operation.callee)
        await self.meet(peers)
        for peer in peers:
            delivery = self._deliveries.get(peer.name)
            if delivery is not None and not delivery.refused:
                delivery.behind = True
                delivery.known = min(delivery.known, since) if delivery.known is not None else None
                await self.catch_up(peer)

    def behind(self) -> frozenset[str]:
        """The names of the peers that have missed a push and may still take a full load."""
        return frozenset(
            name for name, delivery in self._deliveries.items() if delivery.behind and not delivery.refused
        )

    async def _deliver(self, peer: PeerEntry, parcel: Parcel | None, process_id: str) -> str | None:
        """Send one push, or everything where the peer has missed one; returns what went wrong."""
        delivery = self._deliveries.setdefault(peer.name, Delivery())
        delivery.issued += 1
        turn = delivery.issued
        delivery.unsure = delivery.unsure and parcel is None
        if delivery.waiting >= MOST_WAITING:
            delivery.behind, delivery.dropped = True, turn
            return f"{peer.name}: not delivered yet"
        delivery.waiting += 1
        try:
            await delivery.lock.acquire()
        except BaseException:
            delivery.behind, delivery.dropped = True, max(delivery.dropped, turn)
            raise
        finally:
            delivery.waiting -= 1
        try:
            return await self._in_turn(delivery, turn, peer, parcel, process_id)
        finally:
            delivery.lock.release()

    async def _in_turn(
        self, delivery: Delivery, turn: int, peer: PeerEntry, parcel: Parcel | None, process_id: str
    ) -> str | None:
        """As `_deliver`, with nothing else of the delivery in flight."""
        if turn <= delivery.covered:
            return f"{peer.name}: not delivered yet" if delivery.behind else None
        if self._party.breakers.open_until(peer.name) is not None and parcel is not None:
            delivery.behind, delivery.covered = True, delivery.issued
            self._set_timer(delivery, peer)
            return f"{peer.name}: it is away, and gets it when it is back"
        try:
            problem = await self._send(delivery, peer, parcel, process_id)
        except (PeerError, StoreFault) as error:
            self._fall_behind(delivery, peer)
            return str(error) if isinstance(error, PeerError) else f"{peer.name}: not delivered yet, {error}"
        except BaseException:
            delivery.behind = True
            raise
        delivery.failures = 0
        if delivery.refused:
            for hub in self._owe_hubs():
                self._party.background.start(self.catch_up(hub), f"what {peer.name} has to get through {hub.name}")
        return problem

    def _owe_everything(self, peer: PeerEntry) -> None:
        """The peer gets everything with its next delivery."""
        self._deliveries.setdefault(peer.name, Delivery()).owe_everything()

    def _owe_hubs(self) -> list[PeerEntry]:
        """The hubs that were told of a direct peer that is none now: with everything, they are told again."""
        directly = self._directly()
        hubs = [
            hub
            for hub in self._party.peers().hubs
            if (delivery := self._deliveries.get(hub.name)) is not None and not delivery.told.issubset(directly)
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
            if peer.may_send(self._operation)
            and not ((delivery := self._deliveries.get(peer.name)) and delivery.refused)
            for text in peer.ids(role)
        )

    def _fall_behind(self, delivery: Delivery, peer: PeerEntry) -> None:
        """The peer has not got what was published: it will be brought up to date later."""
        delivery.behind, delivery.covered, delivery.failures = True, delivery.issued, delivery.failures + 1
        delivery.stop_timer()
        self._set_timer(delivery, peer)

    def _set_timer(self, delivery: Delivery, peer: PeerEntry) -> None:
        """Try again after a pause, unless that is to be done already."""
        if delivery.timer is None and not self._resting:
            wait = pause(self._party.limits.outbox, delivery.failures, RANDOM.random).total_seconds()
            delivery.timer = asyncio.get_running_loop().call_later(wait, self._try_again, peer.name)

    def _back(self, name: str, _: BreakerRecord) -> None:
        """The peer may be back."""
        delivery = self._deliveries.get(name)
        if (
            delivery is not None
            and delivery.behind
            and not delivery.refused
            and (delivery.failures or delivery.timer is not None)
        ):
            self._try_again(name)

    def _try_again(self, name: str) -> None:
        peer = self._party.peers().get(name)
        delivery = self._deliveries[name]
        delivery.stop_timer()
        if peer is not None and peer.enabled and delivery.behind and not self._resting and not delivery.lock.locked():
            self._party.background.start(self.catch_up(peer), f"what {name} has missed")

    async def _send(self, delivery: Delivery, peer: PeerEntry, parcel: Parcel | None, process_id: str) -> str | None:
        if parcel is not None and (delivery.refused or not delivery.behind):
            problem = await self._push(peer, parcel, process_id)
            if parcel.full:
                delivery.behind, delivery.refused = delivery.behind or problem is not None, problem is not None
            if problem is None or delivery.refused:
                return problem
        delivery.behind = True
        covered = delivery.issued
        changed_at = await self._changed_at()
        if delivery.known is None or delivery.known < changed_at:
            problem = await self._bring_up_to_date(delivery, peer, process_id)
            if problem is not None:
                delivery.refused = True
                return problem
        delivery.behind, delivery.refused, delivery.covered = delivery.dropped > covered, False, covered
        delivery.unsure = False
        delivery.known = changed_at
        self._await_quiet()
        return None

    async def _bring_up_to_date(self, delivery: Delivery, peer: PeerEntry, process_id: str) -> str | None:
        """Send what has changed since the peer had everything; everything where it does not take that.

        Of a peer of which nothing is known, a copy is not emptied that another party has filled: we may have lost ours.
        """
        own, role = self._party.own, self._operation.caller
        for since in (delivery.known, None):
            problem = None
            for part in await self._full_load(peer, since):
                is_certain = not delivery.unsure and own.is_own(role, part.caller_id)
                if part.is_empty and delivery.known is None and not is_certain:
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
        issued = {
            name: delivery.issued
            for name, delivery in self._deliveries.items()
            if not delivery.behind and not delivery.waiting
        }
        known_at = await self._changed_at()
        if not self._resting:
            await asyncio.sleep(QUIET)  # what was on disk before that has been issued by now
        even = [
            name
            for name, count in issued.items()
            if (delivery := self._deliveries[name]).issued == count
            and not delivery.behind
            and not delivery.lock.locked()
        ]
        records = [DeliveryRecord(name, self._operation.name, known_at) for name in even]
        for record in records:
            self._deliveries[record.peer].known = known_at

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
            self._deliveries[peer.name].told = frozenset(directly)
            return None
        status = answer.status_code
        told = f"{status.code} {status.additional_info or status.description or ''}".rstrip()
        if status.code in PASSING:
            raise Refused(peer.name, told, status.code)
        return f"{peer.name}: {told}"

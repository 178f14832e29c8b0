"""Delivering what our party publishes: to every peer that may see it, in order, and the latest state after an outage.

What peers publish through us is delivered in the same way where we relay.

For each peer and operation there is one lane with one push in flight, as the specification demands. A lane whose push
failed has fallen behind: the next delivery is a full load of what we publish then, once, not the backlog. Lanes are
not kept on disk: after a start of the node every peer may have missed something and counts as behind, as does one that
is new in the peer table.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import PeerError, ProtocolError
from p2pnode.oicp.operations import AnyOperation
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.router import Knowledge, resolve

MOST_WAITING = 16
"""How many pushes may wait in a lane before they are given up for one full load."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One push ready to go: under which of our ids, its body, whether it is a full load, and one of nothing."""

    caller_id: str
    body: bytes
    full: bool
    is_empty: bool = False


FullLoad = Callable[[PeerEntry], Awaitable[Sequence[Parcel]]]
"""Everything we publish to a peer with one operation, as it is now."""


@dataclass(slots=True)
class Lane:
    """The pushes of one operation to one peer.

    `refused` says that the peer did not take a full load either, `unsure` that the lane is behind only because the
    peer is new since the start of the node. Pushes are counted as they are `issued`; those up to
    `covered` are in a full load, or left to one, and not sent any more. `dropped` is the last that was never queued.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    behind: bool = False
    refused: bool = False
    unsure: bool = False
    issued: int = 0
    covered: int = 0
    dropped: int = 0


class Publisher:
    """The lanes of one operation to all peers."""

    def __init__(self, party: Party, operation: AnyOperation, full_load: FullLoad) -> None:
        self._party = party
        self._operation = operation
        self._full_load = full_load
        self._lanes: dict[str, Lane] = {}
        self._met: set[str] = set()

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
        peers = [destination.peer for destination in found if destination.peer is not None]
        parcels = [(peer, parcel) for peer in peers if peer.url and (parcel := parcel_for(peer)) is not None]
        if not parcels:
            return None
        running = [
            asyncio.create_task(self._deliver(peer, parcel, outgoing.process_id), name=peer.name)
            for peer, parcel in parcels
        ]
        for task in running:
            self._party.background.adopt(task)
        done, late = await asyncio.wait(running, timeout=self._party.limits.push_wait)
        problems = [problem for task in running if task in done and (problem := task.result())]
        problems += [f"{task.get_name()}: no answer yet" for task in running if task in late]
        return "; ".join(problems) or None

    async def publish_all(self, peer: PeerEntry) -> str | None:
        """Send the peer everything we publish with the operation; returns what went wrong."""
        if peer.url is None or not peer.may_send(self._operation):
            return None
        lane = self._lanes.setdefault(peer.name, Lane())
        lane.behind, lane.refused, lane.unsure = True, False, False
        return await self.catch_up(peer)

    def meet(self, peers: Iterable[PeerEntry]) -> None:
        """Count those of the peers as behind that are new since the start of the node: what they have is not known."""
        for peer in peers:
            if peer.url is not None and peer.may_send(self._operation) and peer.name not in self._met:
                self._met.add(peer.name)
                lane = self._lanes.setdefault(peer.name, Lane())
                lane.unsure = not lane.behind
                lane.behind = True

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
        async with lane.lock:
            lane.waiting -= 1
            if turn <= lane.covered:
                return f"{peer.name}: not delivered yet" if lane.behind else None
            try:
                return await self._send(lane, peer, parcel, process_id)
            except PeerError as error:
                lane.behind, lane.covered = True, lane.issued
                return str(error)
            except BaseException:
                lane.behind = True
                raise

    async def _send(self, lane: Lane, peer: PeerEntry, parcel: Parcel | None, process_id: str) -> str | None:
        if parcel is not None and (lane.refused or not lane.behind):
            problem = await self._push(peer, parcel, process_id)
            if parcel.full:
                lane.behind, lane.refused = lane.behind or problem is not None, problem is not None
            if problem is None or lane.refused:
                return problem
        lane.behind = True
        covered = lane.issued
        for part in await self._full_load(peer):
            if part.is_empty and lane.unsure:
                continue
            problem = await self._push(peer, part, process_id)
            if problem is not None:
                lane.refused = True
                return problem
        lane.behind, lane.refused, lane.covered = lane.dropped > covered, False, covered
        lane.unsure = False
        return None

    async def _push(self, peer: PeerEntry, parcel: Parcel, process_id: str) -> str | None:
        """One push; returns the reason where the peer refuses it. Raises PeerError where it did not get through."""
        answered = await self._party.caller.call(
            peer, self._operation, parcel.body, caller_id=parcel.caller_id, process_id=process_id
        )
        answer = answered.answer
        if answer.result:
            return None
        status = answer.status_code
        return f"{peer.name}: {status.code} {status.additional_info or status.description or ''}".rstrip()

"""Who gets what is published directly, so that a relay does not bring it a second time.

A push to a relay lists the direct peers it goes to. The relay keeps the list, for each party that publishes something
through it, and leaves them out of all it delivers of it, until a push no longer lists them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.roaming.merged import Shown, shown_to
from p2pnode.roaming.outbox_records import NOTHING_KNOWN, DeliveryRecord, ReachedRecord
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.store_ports import Transaction

MOST_LISTED = 500
"""How many ids are listed, and read from a list: the line of a header has its limits. The others get a push twice."""


class Reached:
    """The lists that came with the pushes of one operation."""

    def __init__(self, party: Party, operation: AnyOperation) -> None:
        self._party = party
        self._operation = operation
        self._lists: dict[tuple[str, str], frozenset[str]] | None = None
        self._loading = asyncio.Lock()

    async def load(self) -> dict[tuple[str, str], frozenset[str]]:
        """The keys of who is reached, by who sent the push and the key of who publishes; read from the store once."""
        async with self._loading:
            if self._lists is None:
                self._lists = {
                    (record.owner, record.key): record.reached
                    for record in (await self._party.store.reached() if self._party.relay else ())
                    if record.operation == self._operation.name
                }
            return self._lists

    async def note(self, outgoing: Outgoing[Any]) -> tuple[tuple[PeerEntry, ...], Callable[[Transaction], None] | None]:
        """Take up the list of a push that is relayed: the peers that it no longer has, and what is to be stored of it.

        Those peers get everything by us now. It is stored later, so that no push overtakes another.
        """
        source = outgoing.source
        if source is None:
            return (), None
        lists = await self.load()
        place = source.name, _key(self._operation.caller, self._party.own_id(outgoing))
        former = lists.get(place, frozenset())
        listed = self.listed(outgoing)
        if listed == former:
            return (), None
        lists[place] = listed
        new = tuple(
            peer
            for peer in self._party.peers().with_role(self._operation.callee)
            if self.covers(former, peer) and not self.covers(listed, peer) and peer.name != source.name
        )
        name = self._operation.name

        def work(transaction: Transaction) -> None:
            transaction.put_reached(ReachedRecord(place[0], name, place[1], listed))
            for peer in new:
                transaction.put_delivery(DeliveryRecord(peer.name, name, NOTHING_KNOWN))

        return new, work

    async def shown_to(self, peer: PeerEntry) -> Shown:
        """What is published with the operation and delivered to the peer by us."""
        lists = await self.load()
        elsewhere = frozenset(place for place, reached in lists.items() if self.covers(reached, peer))
        return replace(shown_to(self._party, peer, self._operation.caller), elsewhere=elsewhere)

    def listed(self, outgoing: Outgoing[Any]) -> frozenset[str]:
        """The keys of who gets a push without us."""
        return frozenset(_key(self._operation.callee, text) for text in outgoing.reached[:MOST_LISTED])

    async def with_others(self, directly: tuple[str, ...], caller_id: str) -> tuple[str, ...]:
        """The list for a push to a hub: who gets it directly from us, or from the party it is relayed for."""
        lists, key = await self.load(), _key(self._operation.caller, caller_id)
        others = frozenset[str]().union(*(reached for place, reached in lists.items() if place[1] == key))
        return (*directly, *sorted(others - {_key(self._operation.callee, text) for text in directly}))[:MOST_LISTED]

    def covers(self, reached: frozenset[str], peer: PeerEntry) -> bool:
        """Whether all parties of the peer are reached; behind a hub there may be others."""
        role = self._operation.callee
        return bool(reached) and not peer.hub and reached.issuperset(_key(role, text) for text in peer.ids(role))


def _key(role: Role, text: str) -> str:
    return operator_key(text) if role is Role.CPO else provider_key(text)

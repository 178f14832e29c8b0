"""EVSE data: what our CPO publishes, and what peers publish to our EMP."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.envelopes import join, views
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE, OperatorEvseData, PullEvseData, PushEvseData
from p2pnode.oicp.evse_types import GeoCoordinatesResponseFormatType
from p2pnode.oicp.identifiers import evse_key, operator_key
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA, Role
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.crawls import GUARD
from p2pnode.roaming.evse_pull import EvsePulls
from p2pnode.roaming.evse_rows import Listing, Rows, add_evse, named_evses, push_form
from p2pnode.roaming.merged import gives_on, published_for
from p2pnode.roaming.parcels import Heading, Parcel, full_loads
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import EvseFilter, EvseRecord, HistoryGone
from p2pnode.roaming.publishing import Publisher
from p2pnode.roaming.pushes import (
    InOrder,
    action_of,
    refuse_foreign,
    refuse_invalid,
    refuse_misfits,
    refuse_repeated,
)
from p2pnode.roaming.records import OWN, PageRequest
from p2pnode.roaming.refusals import ASK_AGAIN
from p2pnode.roaming.relay import relayed
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import is_visible, visible_prefixes

RECORDS = "/OperatorEvseData/EvseDataRecord"


class EvseDataService:
    """PushEvseData and PullEvseData, both verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._in_order = InOrder()
        self.pulls = EvsePulls(party, self._in_order)
        self.publisher = Publisher(party, PUSH_EVSE_DATA, self._changes)

    @property
    def receivers(self) -> Receivers:
        """What our EMP takes, and what our CPO shows."""
        return {PUSH_EVSE_DATA: self.receive_push, PULL_EVSE_DATA: self.pulls.receive}

    @property
    def senders(self) -> Senders:
        """What our CPO publishes, and what our EMP asks for."""
        return {PUSH_EVSE_DATA: self.send_push, PULL_EVSE_DATA: self.pulls.send}

    async def receive_push(self, received: Received[PushEvseData]) -> Acknowledgement:
        """eRoamingPushEvseData of a CPO, taken as a whole or not at all; the records are kept as they came.

        Raises InvalidMessage (022) that names every record that cannot be taken, ProtocolError 022 for records that
        must not or must exist, 017 for an operator that is not the peer's, 018 for EvseIDs that are not the operator's
        or stand twice.
        """
        data, peer = received.message.operator_evse_data, received.peer
        if not peer.speaks_for(Role.CPO, data.operator_id):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"{data.operator_id} is not an operator of {peer.name}")
        action = action_of(received.message.action_type)
        listing = Listing(peer.name, data.operator_id, data.operator_name, is_shown=self._party.relay)
        async with self._in_order.of(peer.name):
            evse_ids, rows = await self._read(received.records, listing, action)
            await asyncio.to_thread(refuse_foreign, peer, evse_ids)
            await self._apply(action, evse_ids, rows, listing)
            self._in_order.note(peer.name, action, operator_key(data.operator_id), evse_ids)
        if gives_on(self._party, peer, Role.CPO, operator_key(data.operator_id)):
            await self._publish(relayed(received), action, evse_ids, data.operator_id)
        return acknowledge()

    async def send_push(self, outgoing: Outgoing[PushEvseData]) -> Acknowledgement:
        """eRoamingPushEvseData of our CPO: kept as ours, then delivered to every EMP that may see it.

        Positive once it is stored; the additional information tells who has not got it yet. Raises ProtocolError where
        our own data is not valid.
        """
        data = outgoing.message.operator_evse_data
        caller_id = self._party.own_id(outgoing, data.operator_id)
        action = action_of(outgoing.message.action_type)
        listing = Listing(OWN, data.operator_id, data.operator_name, is_shown=True)
        evse_ids, rows = await self._read(outgoing.records, listing, action)
        await self._apply(action, evse_ids, rows, listing)
        problems = await self._publish(outgoing, action, evse_ids, caller_id)
        return acknowledge(code=Code.SUCCESS, additional_info=problems)

    async def catch_up(
        self, peer: PeerEntry, provider_id: str, known_at: datetime | None, source: PeerEntry | None = None
    ) -> int:
        """Pull what has changed since `known_at`; returns how many records came. Raises ProtocolError.

        Everything is pulled where the peer does not tell that, or we hold more than it has: what came after the moment
        of LastCall, which is earlier by the guard, and is gone again, no answer tells of.
        """
        new_id = self._party.new_session_id
        whole = PullEvseData(
            provider_id=provider_id, geo_coordinates_response_format=GeoCoordinatesResponseFormatType.GOOGLE
        )
        if known_at is not None:
            message = whole.model_copy(update={"last_call": known_at - GUARD})
            try:
                count = await self.pulls.crawl(message, peer.name, new_id(), source)
                theirs = await self.pulls.total(whole, peer.name, new_id(), source)
            except ProtocolError as error:
                if error.code in ASK_AGAIN:
                    raise
            else:
                held = EvseFilter(owners=(peer.name,), as_of=self._party.store.clock())
                if theirs is not None and await self._party.store.evse_count(held) <= theirs:
                    return count
        return await self.pulls.crawl(whole, peer.name, new_id(), source)

    async def _publish(
        self, outgoing: Outgoing[PushEvseData], action: ActionType, evse_ids: Sequence[str], caller_id: str
    ) -> str | None:
        """Deliver a push to every EMP that may see some of it; returns what went wrong."""
        keys = [evse_key(evse_id) for evse_id in evse_ids]

        def parcel_for(peer: PeerEntry) -> Parcel | None:
            full = action is ActionType.FULL_LOAD
            if visible_prefixes(peer) is None:
                return Parcel(caller_id, outgoing.body, full)
            seen = [raw for key, raw in zip(keys, outgoing.records, strict=True) if is_visible(peer, key)]
            if not seen and not full:
                return None
            return Parcel(caller_id, join(PUSH_EVSE_DATA, outgoing.message, seen), full)

        return await self.publisher.publish(outgoing, parcel_for)

    async def _read(
        self, records: Sequence[bytes], listing: Listing, action: ActionType
    ) -> tuple[list[str], list[EvseRecord]]:
        """The EvseIDs of all records, and the rows of those that are not to be deleted."""
        found: Rows[EvseRecord] = Rows([])
        if action is ActionType.DELETE:
            evse_ids = await named_evses(records, found)
        else:
            async for index, raw in found.reading(views(records)):
                add_evse(found, index, raw, listing)
            evse_ids = [row.evse_id for row in found.rows]
        refuse_invalid(found.violations, RECORDS)
        await asyncio.to_thread(refuse_repeated, evse_ids, RECORDS)
        return evse_ids, found.rows

    async def _apply(
        self, action: ActionType, evse_ids: Sequence[str], rows: Sequence[EvseRecord], listing: Listing
    ) -> None:
        at = self._party.now()

        def work(publication: Publication) -> None:
            if action is ActionType.FULL_LOAD:
                publication.replace_evses(listing.owner, operator_key(listing.operator_id), rows, at)
                return
            keys = [evse_key(evse_id) for evse_id in evse_ids]
            refuse_misfits(action, keys, publication.known_evses(listing.owner, keys))
            if action is ActionType.DELETE:
                publication.delete_evses(listing.owner, keys, at)
            else:
                publication.put_evses(rows, at)

        await self._party.store.publish(work)

    async def _changes(self, peer: PeerEntry, since: datetime | None) -> list[Parcel]:
        """The EVSE data that the peer may see: what has changed since then, or one full load per operator."""
        if since is not None and not self._party.relay:
            try:
                return await self._delta(peer, since)
            except HistoryGone:
                pass
        shown = await self.publisher.reached.shown_to(peer)
        blocks: dict[Heading, list[bytes]] = {
            (operator_id, ""): [] for operator_id in published_for(self._party, shown, Role.CPO)
        }
        wanted = EvseFilter(
            owners=shown.owners,
            as_of=self._party.store.clock(),
            evse_key_prefixes=visible_prefixes(peer),
            hubs=shown.hubs,
            direct=tuple(sorted(shown.direct)),
        )
        for record in await self._all(wanted):
            if shown.elsewhere and not shown.includes(record.owner, record.operator_key):
                continue
            blocks.setdefault((record.operator_id, record.operator_name), []).append(push_form(bytes(record.body)))
        size = self._party.push_records(peer)
        return full_loads(PUSH_EVSE_DATA, blocks, lambda heading: _push_of(ActionType.FULL_LOAD, *heading), size)

    async def _delta(self, peer: PeerEntry, since: datetime) -> list[Parcel]:
        """What has changed since then, as pushes that delete, update and insert. Raises HistoryGone."""
        wanted = EvseFilter(
            owners=(OWN,),
            as_of=self._party.store.clock(),
            changed_since=since,
            since_exactly=True,
            evse_key_prefixes=visible_prefixes(peer),
        )
        blocks: dict[tuple[ActionType, str, str], list[bytes]] = {}
        for record in await self._all(wanted):
            action = ActionType(record.delta_type or ActionType.UPDATE)
            key = (action, record.operator_id, record.operator_name)
            blocks.setdefault(key, []).append(push_form(bytes(record.body)))
        size = self._party.push_records(peer)
        return [
            Parcel(
                operator_id,
                join(PUSH_EVSE_DATA, _push_of(action, operator_id, name), records[at : at + size]),
                full=False,
            )
            for wished in (ActionType.DELETE, ActionType.UPDATE, ActionType.INSERT)
            for (action, operator_id, name), records in blocks.items()
            if action is wished
            for at in range(0, len(records), size)
        ]

    async def _all(self, wanted: EvseFilter) -> list[EvseRecord]:
        found: list[EvseRecord] = []
        number = 0
        while page := await self._party.store.evse_page(wanted, PageRequest(number, LARGEST_PAGE_SIZE)):
            found += page
            number += 1
        return found


def _push_of(action: ActionType, operator_id: str, name: str) -> PushEvseData:
    data = OperatorEvseData(operator_id=operator_id, operator_name=name or operator_id, evse_data_record=[])
    return PushEvseData(action_type=action.value, operator_evse_data=data)

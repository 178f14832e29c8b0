"""PushEVSEPricing: which pricing products apply at which charging points."""

from collections.abc import Sequence
from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.codec import read
from p2pnode.oicp.envelopes import join
from p2pnode.oicp.errors import InvalidMessage, ProtocolError
from p2pnode.oicp.identifiers import evse_key, operator_key, provider_key
from p2pnode.oicp.operations import PUSH_EVSE_PRICING, Role
from p2pnode.oicp.pricing import EvsePricingType, PushEvsePricing
from p2pnode.oicp.rules import check, errors_in
from p2pnode.oicp.scalars import ANY_PROVIDER, ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.evse_rows import Rows
from p2pnode.roaming.merged import gives_on, published_for
from p2pnode.roaming.parcels import Heading, Parcel, full_loads
from p2pnode.roaming.party import Party, Receivers, Senders, caller_of
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import EvsePricingRecord
from p2pnode.roaming.publishing import Publisher
from p2pnode.roaming.pushes import action_of, refuse_foreign, refuse_invalid, refuse_misfits, refuse_twice
from p2pnode.roaming.records import OWN
from p2pnode.roaming.relay import relayed
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import is_priced_for, is_visible

RECORDS = "/EVSEPricing"


class EvsePricingPushes:
    """The operation's two verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self.publisher = Publisher(party, PUSH_EVSE_PRICING, self._everything)

    @property
    def receivers(self) -> Receivers:
        """What our EMP takes."""
        return {PUSH_EVSE_PRICING: self.receive_push}

    @property
    def senders(self) -> Senders:
        """What our CPO publishes."""
        return {PUSH_EVSE_PRICING: self.send_push}

    async def receive_push(self, received: Received[PushEvsePricing]) -> Acknowledgement:
        """eRoamingPushEVSEPricing of a CPO for our provider or for all, taken as a whole or not at all.

        Raises InvalidMessage (022) that names every record that cannot be taken, ProtocolError 022 for records that
        must not or must exist and for a provider that is not ours, 018 for EvseIDs that are not the operator's or
        stand twice for a provider.
        """
        party = self._party
        rows = await self._read(received.records, received.peer.name, caller_of(received))
        refuse_foreign(received.peer, [row.evse_key for row in rows])
        foreign = {row.provider_key for row in rows} - {ANY_PROVIDER} - party.own.keys[Role.EMP]
        if foreign and not party.relay:
            raise ProtocolError(Code.DATA_ERROR, f"{min(foreign)} is not a provider of this node")
        action = action_of(received.message.action_type)
        caller_id = caller_of(received)
        await self._apply(action, rows, received.peer.name, operator_key(caller_id))
        if gives_on(party, received.peer, Role.CPO, operator_key(caller_id)):
            await self._publish(relayed(received), action, rows, caller_id)
        return acknowledge()

    async def send_push(self, outgoing: Outgoing[PushEvsePricing]) -> Acknowledgement:
        """eRoamingPushEVSEPricing of our CPO: kept as ours, then delivered to every EMP that may see the prices.

        Positive once it is stored; the additional information tells who has not got it yet.
        """
        caller_id = self._party.own_id(outgoing)
        action = action_of(outgoing.message.action_type)
        rows = await self._read(outgoing.records, OWN, caller_id)
        await self._apply(action, rows, OWN, operator_key(caller_id))
        return acknowledge(additional_info=await self._publish(outgoing, action, rows, caller_id))

    async def _publish(
        self,
        outgoing: Outgoing[PushEvsePricing],
        action: ActionType,
        rows: Sequence[EvsePricingRecord],
        caller_id: str,
    ) -> str | None:
        """Deliver a push to every EMP that may see some of it; returns what went wrong."""

        def parcel_for(peer: PeerEntry) -> Parcel | None:
            full = action is ActionType.FULL_LOAD
            seen = [row.body for row in rows if _sees(peer, row)]
            if len(seen) == len(rows):
                return Parcel(caller_id, outgoing.body, full)
            if not seen and not full:
                return None
            return Parcel(caller_id, join(PUSH_EVSE_PRICING, outgoing.message, seen), full)

        return await self.publisher.publish(outgoing, parcel_for)

    async def _read(self, records: Sequence[bytes], owner: str, operator_id: str) -> list[EvsePricingRecord]:
        found: Rows[EvsePricingRecord] = Rows([])
        at = self._party.now()
        async for index, raw in found.reading(records):
            try:
                record = read(EvsePricingType, raw)
            except InvalidMessage as error:
                found.refuse(index, error.violations)
                continue
            found.refuse(index, errors_in(check(record)))
            found.rows.append(
                EvsePricingRecord(
                    owner=owner,
                    operator_key=operator_key(operator_id),
                    operator_id=operator_id,
                    operator_name="",
                    provider_key=provider_key(record.provider_id),
                    evse_key=evse_key(record.evse_id),
                    body=raw,
                    changed_at=at,
                )
            )
        refuse_invalid(found.violations, RECORDS)
        refuse_twice((f"{row.evse_key} for {row.provider_key}" for row in found.rows), RECORDS)
        return found.rows

    async def _apply(self, action: ActionType, rows: Sequence[EvsePricingRecord], owner: str, operator: str) -> None:
        keys = [(row.evse_key, row.provider_key) for row in rows]

        def work(publication: Publication) -> None:
            if action is ActionType.FULL_LOAD:
                publication.replace_evse_pricing(owner, operator, rows)
                return
            refuse_misfits(action, keys, publication.known_evse_pricing(owner, operator), " for ".join)
            if action is ActionType.DELETE:
                publication.delete_evse_pricing(owner, operator, keys)
            else:
                publication.put_evse_pricing(rows)

        await self._party.store.publish(work)

    async def _everything(self, peer: PeerEntry, _: datetime | None) -> list[Parcel]:
        """The EVSE pricing that the peer may see, one full load per operator."""
        shown = await self.publisher.reached.shown_to(peer)
        blocks: dict[Heading, list[bytes]] = {
            (operator_id, ""): [] for operator_id in published_for(self._party, shown, Role.CPO)
        }
        for record in await self._party.store.evse_pricing(shown.owners, None):
            if _sees(peer, record) and shown.includes(record.owner, record.operator_key):
                blocks.setdefault((record.operator_id, ""), []).append(record.body)
        message = PushEvsePricing(action_type=ActionType.FULL_LOAD.value, evse_pricing=[])
        return full_loads(PUSH_EVSE_PRICING, blocks, lambda _: message, self._party.push_records(peer))


def _sees(peer: PeerEntry, record: EvsePricingRecord) -> bool:
    return is_visible(peer, record.evse_key) and is_priced_for(peer, record.provider_key)

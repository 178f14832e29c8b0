"""Dynamic pricing: the products of an operator, and with them which apply at which charging point."""

from collections.abc import Sequence
from datetime import datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.codec import decode, encode, members_of, read
from p2pnode.oicp.errors import InvalidMessage, ProtocolError, Violation
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import PULL_EVSE_PRICING, PULL_PRICING_PRODUCT_DATA, PUSH_PRICING_PRODUCT_DATA, Role
from p2pnode.oicp.pricing import PricingProductDataRecord, PricingProductDataType, PushPricingProductData
from p2pnode.oicp.rules import check, errors_in, repeated
from p2pnode.oicp.scalars import ANY_PROVIDER, ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.evse_pricing import EvsePricingPushes
from p2pnode.roaming.evse_rows import Rows
from p2pnode.roaming.merged import gives_on
from p2pnode.roaming.parcels import Heading, Parcel, full_loads
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.pricing_pull import PricingPulls
from p2pnode.roaming.published_records import ProductRecord
from p2pnode.roaming.publishing import Publisher
from p2pnode.roaming.pushes import action_of, refuse_invalid, refuse_misfits
from p2pnode.roaming.records import OWN
from p2pnode.roaming.relay import relayed
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import is_priced_for

RECORDS = "/PricingProductData/PricingProductDataRecords"


class Pricing:
    """The four operations, both verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._pulls = PricingPulls(party)
        self.evse_pricing = EvsePricingPushes(party)
        self.publisher = Publisher(party, PUSH_PRICING_PRODUCT_DATA, self._everything)
        self._published: dict[tuple[str, str], bytes] = {}

    @property
    def receivers(self) -> Receivers:
        """What our EMP takes, and what our CPO shows."""
        return {
            PUSH_PRICING_PRODUCT_DATA: self.receive_push,
            PULL_PRICING_PRODUCT_DATA: self._pulls.receive_products,
            PULL_EVSE_PRICING: self._pulls.receive_evse_pricing,
            **self.evse_pricing.receivers,
        }

    @property
    def senders(self) -> Senders:
        """What our CPO publishes, and what our EMP asks for."""
        return {
            PUSH_PRICING_PRODUCT_DATA: self.send_push,
            PULL_PRICING_PRODUCT_DATA: self._pulls.send_products,
            PULL_EVSE_PRICING: self._pulls.send_evse_pricing,
            **self.evse_pricing.senders,
        }

    async def receive_push(self, received: Received[PushPricingProductData]) -> Acknowledgement:
        """eRoamingPushPricingProductData of a CPO for our provider or for all, taken as a whole or not at all.

        Raises InvalidMessage (022) that names every product that cannot be taken, ProtocolError 022 for products that
        must not or must exist and for a provider that is not ours, 017 for an operator that is not the peer's.
        """
        data, peer = received.message.pricing_product_data, received.peer
        if not peer.speaks_for(Role.CPO, data.operator_id):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"{data.operator_id} is not an operator of {peer.name}")
        require_for_us(self._party, data.provider_id)
        action = await self._take(received.message, received.records, peer.name)
        if gives_on(self._party, peer, Role.CPO, operator_key(data.operator_id)):
            await self._publish(relayed(received), action, data.operator_id)
        return acknowledge()

    async def send_push(self, outgoing: Outgoing[PushPricingProductData]) -> Acknowledgement:
        """eRoamingPushPricingProductData of our CPO: kept as ours, then delivered to the EMP it is for, or to all.

        Positive once it is stored; the additional information tells who has not got it yet.
        """
        data = outgoing.message.pricing_product_data
        caller_id = self._party.own_id(outgoing, data.operator_id)
        action = await self._take(outgoing.message, outgoing.records, OWN)
        self._published[data.operator_id, provider_key(data.provider_id)] = encode(data)
        return acknowledge(additional_info=await self._publish(outgoing, action, caller_id))

    async def _publish(
        self, outgoing: Outgoing[PushPricingProductData], action: ActionType, caller_id: str
    ) -> str | None:
        """Deliver a push to every EMP that may see it; returns what went wrong."""
        data = outgoing.message.pricing_product_data

        def parcel_for(peer: PeerEntry) -> Parcel | None:
            seen = is_priced_for(peer, provider_key(data.provider_id))
            return Parcel(caller_id, outgoing.body, action is ActionType.FULL_LOAD) if seen else None

        return await self.publisher.publish(outgoing, parcel_for)

    async def _take(self, message: PushPricingProductData, records: Sequence[bytes], owner: str) -> ActionType:
        data = message.pricing_product_data
        action = action_of(message.action_type)
        found: Rows[ProductRecord] = Rows([])
        header = encode(data)
        at = self._party.now()
        async for index, raw in found.reading(records):
            try:
                product_id = _product_id(raw, whole=action is not ActionType.DELETE)
            except InvalidMessage as error:
                found.refuse(index, error.violations)
                continue
            found.rows.append(
                ProductRecord(
                    owner=owner,
                    operator_key=operator_key(data.operator_id),
                    operator_id=data.operator_id,
                    provider_key=provider_key(data.provider_id),
                    product_id=product_id,
                    header=header,
                    body=raw,
                    changed_at=at,
                )
            )
        product_ids = [row.product_id for row in found.rows]
        refuse_invalid((*found.violations, *repeated(product_ids, "", "ProductID")), RECORDS)
        operator, provider = operator_key(data.operator_id), provider_key(data.provider_id)

        def work(publication: Publication) -> None:
            if action is ActionType.FULL_LOAD:
                publication.replace_products(owner, operator, provider, found.rows)
                return
            refuse_misfits(action, product_ids, publication.known_products(owner, operator, provider))
            if action is ActionType.DELETE:
                publication.delete_products(owner, operator, provider, product_ids)
            else:
                publication.put_products(found.rows)

        await self._party.store.publish(work)
        return action

    async def _everything(self, peer: PeerEntry, _: datetime | None) -> list[Parcel]:
        """The products that the peer may see, one full load per operator and provider, also where none are left."""
        shown = await self.publisher.reached.shown_to(peer)
        records = [
            record
            for record in await self._party.store.products(shown.owners, None)
            if shown.includes(record.owner, record.operator_key)
        ]
        listed: dict[Heading, list[ProductRecord]] = {heading: [] for heading in self._published}
        for record in records:
            listed.setdefault((record.operator_id, record.provider_key), []).append(record)

        def message_of(heading: Heading) -> PushPricingProductData:
            header = self._published.get(heading) or latest_header(listed[heading])
            data = read(PricingProductDataType, header)
            return PushPricingProductData(action_type=ActionType.FULL_LOAD.value, pricing_product_data=data)

        return full_loads(
            PUSH_PRICING_PRODUCT_DATA,
            {
                (operator_id, provider): [record.body for record in found]
                for (operator_id, provider), found in listed.items()
                if is_priced_for(peer, provider)
            },
            message_of,
            self._party.push_records(peer),
            key_of=lambda heading: (operator_key(heading[0]), heading[1]),
        )


def require_for_us(party: Party, provider_id: str) -> None:
    """Raises ProtocolError 022 for prices that are for another provider; whose they are a relay finds out later."""
    if provider_id != ANY_PROVIDER and not party.relay and not party.own.is_own(Role.EMP, provider_id):
        raise ProtocolError(Code.DATA_ERROR, f"{provider_id} is not a provider of this node")


def latest_header(records: Sequence[ProductRecord]) -> bytes:
    """The members around the products as they were sent last."""
    return max(records, key=lambda record: record.changed_at).header


def _product_id(raw: bytes, *, whole: bool) -> str:
    """The ProductID of a record. With `whole` the record has to be valid; to be deleted it only needs its id."""
    if whole:
        record = read(PricingProductDataRecord, raw)
        broken = errors_in(check(record))
        if broken:
            raise InvalidMessage("the product is not valid", broken)
        return record.product_id
    product_id = members_of(decode(raw)).get("ProductID")
    if not isinstance(product_id, str):
        raise InvalidMessage("ProductID is missing.", [Violation("/ProductID", "missing", "ProductID is missing.")])
    return product_id

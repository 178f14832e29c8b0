"""The two pulls of dynamic pricing: what we show a provider, and what our EMP asks of operators."""

from collections.abc import Iterable
from itertools import groupby

import msgspec

from p2pnode.oicp.codec import encode, replace_members
from p2pnode.oicp.identifiers import evse_key, operator_key, provider_key
from p2pnode.oicp.operations import PULL_EVSE_PRICING, PULL_PRICING_PRODUCT_DATA, Role
from p2pnode.oicp.pricing import (
    EvsePricing,
    OperatorEvsePricing,
    PricingProductData,
    PricingProductDataType,
    PullEvsePricing,
    PullPricingProductData,
)
from p2pnode.oicp.scalars import ANY_PROVIDER
from p2pnode.oicp.status import DONE
from p2pnode.roaming.asking import ask_each
from p2pnode.roaming.merged import first_hand, shown_to
from p2pnode.roaming.party import Party, caller_of
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.published_records import EvsePricingRecord, ProductRecord
from p2pnode.roaming.router import Knowledge, resolve
from p2pnode.roaming.store_ports import Publication
from p2pnode.roaming.visibility import is_visible

PRODUCTS = "PricingProductDataRecords"


class PricingPulls:
    """Both operations, both verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party

    async def receive_products(self, received: Received[PullPricingProductData]) -> bytes:
        """eRoamingPullPricingProductData: the products for the asking provider and for all, by operator."""
        message = received.message
        shown = shown_to(self._party, received.peer, Role.CPO)
        records = await self._party.store.products(shown.owners, _operators(message.operator_ids), message.last_call)
        providers = _shown_to(message.provider_id or caller_of(received))
        seen = [
            record
            for record in records
            if record.provider_key in providers and shown.includes(record.owner, record.operator_key)
        ]
        blocks: list[bytes] = []
        for _, group in groupby(seen, key=lambda record: (record.operator_key, record.provider_key)):
            listed = list(group)
            header = max(listed, key=lambda record: record.changed_at).header
            blocks.append(replace_members(header, {PRODUCTS: [msgspec.Raw(record.body) for record in listed]}))
        return b'{"PricingProductData":[%b],"StatusCode":%b}' % (b",".join(blocks), encode(DONE))

    async def receive_evse_pricing(self, received: Received[PullEvsePricing]) -> bytes:
        """eRoamingPullEVSEPricing: the EVSE pricing for the asking provider and for all, under both names (E015)."""
        message, peer = received.message, received.peer
        shown = shown_to(self._party, peer, Role.CPO)
        operators = _operators(message.operator_ids)
        records = await self._party.store.evse_pricing(shown.owners, operators, message.last_call)
        providers = _shown_to(message.provider_id)
        seen = [
            record
            for record in records
            if record.provider_key in providers
            and is_visible(peer, record.evse_key)
            and shown.includes(record.owner, record.operator_key)
        ]
        blocks: list[bytes] = []
        for _, group in groupby(seen, key=lambda record: record.operator_key):
            listed = list(group)
            name = await self._operator_name(listed)
            head = OperatorEvsePricing(operator_id=listed[0].operator_id, operator_name=name, evse_pricing=[])
            blocks.append(encode(head)[:-2] + b",".join(record.body for record in listed) + b"]}")
        joined = b",".join(blocks)
        return b'{"OperatorEVSEPricing":[%b],"EVSEPricing":[%b],"StatusCode":%b}' % (joined, joined, encode(DONE))

    async def _operator_name(self, records: Iterable[EvsePricingRecord]) -> str | None:
        """The operator's name, from the EVSE data it publishes: the push of prices does not tell it."""
        for record in records:
            if record.operator_name:
                return record.operator_name
            evse = await self._party.store.evse(record.evse_key, record.owner)
            if evse is not None and evse.operator_name:
                return evse.operator_name
        return None

    async def send_products(self, outgoing: Outgoing[PullPricingProductData]) -> PricingProductData:
        """eRoamingPullPricingProductData of our EMP, of one CPO or of all; what comes is kept as that peer's."""
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        knowledge = Knowledge(party.own, to=outgoing.to)
        destinations = resolve(PULL_PRICING_PRODUCT_DATA, message, party.peers(), knowledge)
        merged: list[PricingProductDataType] = []
        replies = await ask_each(party, destinations, outgoing, caller_id=caller_id)
        counts = first_hand(replies, Role.CPO)
        for reply in replies:
            answer: PricingProductData = reply.answer
            blocks = answer.pricing_product_data
            merged += [block for block in blocks if counts(reply, operator_key(block.operator_id))]
            await self._keep_products(reply.destination.name, answer, whole=message.last_call is None)
        return PricingProductData(pricing_product_data=merged, status_code=DONE)

    async def _keep_products(self, owner: str, answer: PricingProductData, *, whole: bool) -> None:
        at = self._party.now()
        rows: dict[tuple[str, str], list[ProductRecord]] = {}
        for block in answer.pricing_product_data:
            operator, provider = operator_key(block.operator_id), provider_key(block.provider_id)
            header = encode(block.model_copy(update={"pricing_product_data_records": []}))
            rows.setdefault((operator, provider), []).extend(
                ProductRecord(
                    owner=owner,
                    operator_key=operator,
                    operator_id=block.operator_id,
                    provider_key=provider,
                    product_id=record.product_id,
                    header=header,
                    body=encode(record),
                    changed_at=at,
                )
                for record in block.pricing_product_data_records
            )

        def work(publication: Publication) -> None:
            for (operator, provider), records in rows.items():
                if whole:
                    publication.replace_products(owner, operator, provider, records)
                else:
                    publication.put_products(records)

        await self._party.store.publish(work)

    async def send_evse_pricing(self, outgoing: Outgoing[PullEvsePricing]) -> EvsePricing:
        """eRoamingPullEVSEPricing of our EMP, of one CPO or of all; what comes is kept as that peer's."""
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        knowledge = Knowledge(party.own, to=outgoing.to)
        destinations = resolve(PULL_EVSE_PRICING, message, party.peers(), knowledge)
        merged: list[OperatorEvsePricing] = []
        replies = await ask_each(party, destinations, outgoing, caller_id=caller_id)
        counts = first_hand(replies, Role.CPO)
        for reply in replies:
            answer: EvsePricing = reply.answer
            blocks = answer.operator_evse_pricing
            merged += [block for block in blocks if counts(reply, operator_key(block.operator_id))]
            await self._keep_evse_pricing(reply.destination.name, answer, whole=message.last_call is None)
        return EvsePricing(operator_evse_pricing=merged, status_code=DONE)

    async def _keep_evse_pricing(self, owner: str, answer: EvsePricing, *, whole: bool) -> None:
        at = self._party.now()
        rows: dict[str, list[EvsePricingRecord]] = {}
        for block in answer.operator_evse_pricing:
            key = operator_key(block.operator_id)
            rows.setdefault(key, []).extend(
                EvsePricingRecord(
                    owner=owner,
                    operator_key=key,
                    operator_id=block.operator_id,
                    operator_name=block.operator_name or "",
                    provider_key=provider_key(record.provider_id),
                    evse_key=evse_key(record.evse_id),
                    body=encode(record),
                    changed_at=at,
                )
                for record in block.evse_pricing
            )

        def work(publication: Publication) -> None:
            for key, records in rows.items():
                if whole:
                    publication.replace_evse_pricing(owner, key, records)
                else:
                    publication.put_evse_pricing(records)

        await self._party.store.publish(work)


def _operators(texts: Iterable[str]) -> tuple[str, ...] | None:
    """The keys of the operators asked for; an empty list asks for all."""
    return tuple(sorted({operator_key(text) for text in texts})) or None


def _shown_to(provider_id: str) -> frozenset[str]:
    """The providers whose prices the asking one may see: its own, and those for all."""
    return frozenset({provider_key(provider_id), ANY_PROVIDER})

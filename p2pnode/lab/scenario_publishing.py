"""A CPO publishes its charge points, their status and prices; an EMP publishes who may charge."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from p2pnode.lab.messages import (
    product_at,
    push_evse_data,
    push_evse_pricing,
    push_evse_status,
    push_pricing_products,
)
from p2pnode.lab.parties import Product
from p2pnode.lab.stage import Actor, Crossing, Stage
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.operations import (
    PUSH_AUTHENTICATION_DATA,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
)
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code

LISTED = 4
"""Charge points in the full load; the others are inserted."""
NEW_NAME = "renamed"


@dataclass(frozen=True, slots=True)
class Published:
    """What the CPO has published in the end: EvseIDs, the one deleted, the one updated since `marked`, products."""

    evse_ids: frozenset[str]
    deleted: str
    updated: str
    marked: datetime
    products: tuple[Product, ...]


async def publish_charge_points(stage: Stage, cpo: Actor, emp: Actor) -> Published:
    """PushEvseData in all four kinds: full load, insert, update, delete."""
    stage.begin(f"{cpo.party.operator_name} publishes its charge points to {emp.name}")
    points = cpo.party.points
    crossing = Crossing(PUSH_EVSE_DATA, cpo, emp)

    async with stage.step(f"{LISTED} charge points, as a full load", crossing) as checks:
        body = push_evse_data(cpo.party, ActionType.FULL_LOAD, points[:LISTED])
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_DATA, body, emp)).code)
        known = set(await emp.published_by(cpo))
        checks.equal(f"EvseIDs at {emp.name}", {point.evse_id for point in points[:LISTED]}, known)

    async with stage.step(f"{len(points) - LISTED} more inserted", crossing) as checks:
        body = push_evse_data(cpo.party, ActionType.INSERT, points[LISTED:])
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_DATA, body, emp)).code)
        known = set(await emp.published_by(cpo))
        checks.equal(f"EvseIDs at {emp.name}", {point.evse_id for point in points}, known)

    marked = datetime.now(UTC)
    async with stage.step("one renamed", crossing) as checks:
        renamed = points[0].model_copy(update={"name": f"{points[0].name} {NEW_NAME}"})
        body = push_evse_data(cpo.party, ActionType.UPDATE, [renamed])
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_DATA, body, emp)).code)
        record = (await emp.published_by(cpo))[renamed.evse_id]["record"]
        checks.equal("its name", renamed.name, record["ChargingStationNames"][0]["value"])

    async with stage.step("one deleted", crossing) as checks:
        body = push_evse_data(cpo.party, ActionType.DELETE, points[-1:])
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_DATA, body, emp)).code)
        known = set(await emp.published_by(cpo))
        checks.equal(f"EvseIDs at {emp.name}", {point.evse_id for point in points[:-1]}, known)

    evse_ids = frozenset(point.evse_id for point in points[:-1])
    return Published(evse_ids, points[-1].evse_id, points[0].evse_id, marked, await _publish_rest(stage, cpo, emp))


async def _publish_rest(stage: Stage, cpo: Actor, emp: Actor) -> tuple[Product, ...]:
    """Status, pricing products and EVSE pricing; the products as they are in the end."""
    party, points = cpo.party, cpo.party.points[:-1]
    crossing = Crossing(PUSH_EVSE_STATUS, cpo, emp)

    async with stage.step("all of them available", crossing) as checks:
        statuses = {point.evse_id: EvseStatusType.AVAILABLE for point in points}
        body = push_evse_status(party, ActionType.FULL_LOAD, statuses)
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_STATUS, body, emp)).code)
        known = {evse_id: found["status"] for evse_id, found in (await emp.published_by(cpo)).items()}
        checks.equal(f"status at {emp.name}", statuses, known)

    for point, status in ((points[1], EvseStatusType.OUT_OF_SERVICE), (points[1], EvseStatusType.AVAILABLE)):
        async with stage.step(f"{point.evse_id} is {status}", crossing) as checks:
            body = push_evse_status(party, ActionType.UPDATE, {point.evse_id: status})
            checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_STATUS, body, emp)).code)
            checks.equal(f"status at {emp.name}", status, (await emp.published_by(cpo))[point.evse_id]["status"])

    crossing = Crossing(PUSH_PRICING_PRODUCT_DATA, cpo, emp)
    async with stage.step(f"{len(party.products)} pricing products", crossing) as checks:
        body = push_pricing_products(party, ActionType.FULL_LOAD, party.products)
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_PRICING_PRODUCT_DATA, body, emp)).code)
        checks.equal(f"prices at {emp.name}", _prices(party.products), await _known_prices(cpo, emp))

    cheaper = Product(party.products[0].product_id, party.products[0].price - Decimal("0.03"), party.products[0].power)
    products = (cheaper, *party.products[1:])
    async with stage.step(f"{cheaper.product_id} is now {cheaper.price} {party.currency}", crossing) as checks:
        body = push_pricing_products(party, ActionType.UPDATE, [cheaper])
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_PRICING_PRODUCT_DATA, body, emp)).code)
        checks.equal(f"prices at {emp.name}", _prices(products), await _known_prices(cpo, emp))

    async with stage.step("which product applies where", Crossing(PUSH_EVSE_PRICING, cpo, emp)) as checks:
        body = push_evse_pricing(party, ActionType.FULL_LOAD, points)
        checks.equal("code", Code.SUCCESS, (await cpo.send(PUSH_EVSE_PRICING, body, emp)).code)
        found = await emp.client.get("/api/pricing", owner=cpo.name)
        known = {pricing["EvseID"]: pricing["EvseIDProductList"] for pricing in found["evse_pricing"]}
        expected = {point.evse_id: [product_at(party, point).product_id] for point in points}
        checks.equal(f"products at {emp.name}", expected, known)
    return products


def _prices(products: tuple[Product, ...]) -> dict[str, Decimal]:
    return {product.product_id: product.price for product in products}


async def _known_prices(cpo: Actor, emp: Actor) -> dict[str, Decimal]:
    found = await emp.client.get("/api/pricing", owner=cpo.name)
    return {product["ProductID"]: product["PricePerReferenceUnit"] for product in found["products"]}


async def publish_contracts(stage: Stage, emp: Actor, cpo: Actor) -> None:
    """PushAuthenticationData: the contract of a car that charges by itself."""
    stage.begin(f"{emp.party.provider_id} publishes a contract to {cpo.name}")
    driver = emp.party.drivers.car
    crossing = Crossing(PUSH_AUTHENTICATION_DATA, emp, cpo)
    async with stage.step(f"{driver.name}'s car may charge", crossing) as checks:
        done = await emp.in_app("publish", drivers=[driver.name])
        checks.equal("code", Code.SUCCESS, done["code"])
        checks.equal("contracts published", 1, done["published"])

"""What was published and what has happened, fetched again: every pull, paged, by id, by operator, as a difference."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from p2pnode.lab.messages import Body, get_cdrs, product_at, pull_evse_data
from p2pnode.lab.scenario_publishing import NEW_NAME, Published
from p2pnode.lab.stage import Actor, Checks, Crossing, Stage
from p2pnode.oicp.operations import (
    GET_CHARGE_DETAIL_RECORDS,
    PULL_AUTHENTICATION_DATA,
    PULL_EVSE_DATA,
    PULL_EVSE_PRICING,
    PULL_EVSE_STATUS,
    PULL_EVSE_STATUS_BY_ID,
    PULL_EVSE_STATUS_BY_OPERATOR_ID,
    PULL_PRICING_PRODUCT_DATA,
    AnyOperation,
)
from p2pnode.oicp.status import Code

PAGE_SIZE = 2
LONG = timedelta(days=400)
"""Sessions of the lab lie ahead of the clock on the wall, since its time is scaled."""


async def pull_charge_points(stage: Stage, emp: Actor, cpo: Actor, published: Published, size: int) -> None:
    """PullEvseData: page by page with `size` records a page, of one operator, and the difference since a moment."""
    stage.begin(f"{emp.party.provider_id} pulls the charge points of {cpo.name}")
    crossing = Crossing(PULL_EVSE_DATA, emp, cpo)
    async with stage.step(f"page by page, {size} a page", crossing) as checks:
        body = pull_evse_data(emp.party)
        records = await crawl(emp, cpo, PULL_EVSE_DATA, body, size=size, checks=checks)
        own = {record["EvseID"]: record for record in records if record["EvseID"] in published.evse_ids}
        checks.equal("EvseIDs of the lab", published.evse_ids, own.keys())
        checks.equal("operators", {cpo.party.operator_id}, {record["OperatorID"] for record in own.values()})
        checks.equal("records that came twice", 0, len(records) - len({record["EvseID"] for record in records}))
        name = str(own[published.updated]["ChargingStationNames"][0]["value"])
        checks.that("the renamed one has its new name", holds=name.endswith(NEW_NAME))
    async with stage.step("by operator", crossing) as checks:
        body = pull_evse_data(emp.party, OperatorIds=[cpo.party.operator_id])
        pulled = await emp.send(PULL_EVSE_DATA, body, cpo, size=1)
        checks.equal("code", Code.SUCCESS, pulled.code)
        checks.equal("records in all", len(records), pulled.answer["totalElements"])
        checks.equal("records on the page", 1, len(pulled.answer["content"]))
    async with stage.step("what has changed since", crossing) as checks:
        body = pull_evse_data(emp.party, LastCall=published.marked)
        records = await crawl(emp, cpo, PULL_EVSE_DATA, body, size=size, checks=checks)
        changed = {
            record["EvseID"]: record.get("deltaType")
            for record in records
            if record["EvseID"] in {published.deleted, *published.evse_ids}
        }
        checks.equal("changes", {published.updated: "update", published.deleted: "delete"}, changed)


async def pull_status(stage: Stage, emp: Actor, cpo: Actor, published: Published) -> None:
    """PullEvseStatus, by id and by operator."""
    stage.begin(f"{emp.party.provider_id} pulls the status of {cpo.name}'s charge points")
    provider = {"ProviderID": emp.party.provider_id}
    available = dict.fromkeys(published.evse_ids, "Available")
    async with stage.step("of all", Crossing(PULL_EVSE_STATUS, emp, cpo)) as checks:
        pulled = await emp.send(PULL_EVSE_STATUS, provider, cpo)
        checks.equal("code", Code.SUCCESS, pulled.code)
        checks.equal("status", available, _own(by_operator(pulled.answer), published))
    async with stage.step("of two, by EvseID", Crossing(PULL_EVSE_STATUS_BY_ID, emp, cpo)) as checks:
        wanted = sorted(published.evse_ids)[:2]
        pulled = await emp.send(PULL_EVSE_STATUS_BY_ID, {**provider, "EvseID": wanted}, cpo)
        checks.equal("code", Code.SUCCESS, pulled.code)
        records = pulled.answer["EVSEStatusRecords"]["EvseStatusRecord"]
        checks.equal("status", dict.fromkeys(wanted, "Available"), _by_evse(records))
    async with stage.step("by operator", Crossing(PULL_EVSE_STATUS_BY_OPERATOR_ID, emp, cpo)) as checks:
        body = {**provider, "OperatorID": [cpo.party.operator_id]}
        pulled = await emp.send(PULL_EVSE_STATUS_BY_OPERATOR_ID, body, cpo)
        checks.equal("code", Code.SUCCESS, pulled.code)
        checks.equal("status", available, _own(by_operator(pulled.answer), published))


async def pull_prices(stage: Stage, emp: Actor, cpo: Actor, published: Published) -> None:
    """PullPricingProductData and PullEvsePricing."""
    stage.begin(f"{emp.party.provider_id} pulls the prices of {cpo.name}")
    async with stage.step("pricing products", Crossing(PULL_PRICING_PRODUCT_DATA, emp, cpo)) as checks:
        body: Body = {"OperatorIDs": [cpo.party.operator_id]}
        pulled = await emp.send(PULL_PRICING_PRODUCT_DATA, body, cpo)
        checks.equal("code", Code.SUCCESS, pulled.code)
        prices = {
            record["ProductID"]: record["PricePerReferenceUnit"]
            for block in pulled.answer["PricingProductData"]
            for record in block["PricingProductDataRecords"]
        }
        checks.equal("prices", {product.product_id: product.price for product in published.products}, prices)
    async with stage.step("which applies where", Crossing(PULL_EVSE_PRICING, emp, cpo)) as checks:
        body = {"ProviderID": emp.party.provider_id, "OperatorIDs": [cpo.party.operator_id]}
        pulled = await emp.send(PULL_EVSE_PRICING, body, cpo)
        checks.equal("code", Code.SUCCESS, pulled.code)
        applies = {
            record["EvseID"]: record["EvseIDProductList"]
            for block in pulled.answer["OperatorEVSEPricing"]
            for record in block["EVSEPricing"]
        }
        expected = {
            point.evse_id: [product_at(cpo.party, point).product_id]
            for point in cpo.party.points
            if point.evse_id in published.evse_ids
        }
        checks.equal("products", expected, applies)


async def pull_contracts(stage: Stage, cpo: Actor, emp: Actor) -> None:
    """PullAuthenticationData, the obsolete pull of everything a provider has published."""
    stage.begin(f"{cpo.party.operator_id} pulls the contracts of {emp.name}")
    async with stage.step("those it has published", Crossing(PULL_AUTHENTICATION_DATA, cpo, emp)) as checks:
        pulled = await cpo.send(PULL_AUTHENTICATION_DATA, {"OperatorID": cpo.party.operator_id}, emp)
        checks.equal("code", Code.SUCCESS, pulled.code)
        blocks = pulled.answer["AuthenticationData"]["ProviderAuthenticationData"]
        media = [
            (block["ProviderID"], record["Identification"]["PlugAndChargeIdentification"]["EvcoID"])
            for block in blocks
            for record in block["AuthenticationDataRecord"]
        ]
        checks.equal("contracts", [(emp.party.provider_id, emp.party.drivers.car.evco_id)], media)


async def fetch_cdrs(stage: Stage, emp: Actor, cpo: Actor) -> None:
    """GetChargeDetailRecords: page by page, and of one session."""
    stage.begin(f"{emp.party.provider_id} fetches the CDRs of {cpo.name}")
    crossing = Crossing(GET_CHARGE_DETAIL_RECORDS, emp, cpo)
    now = datetime.now(UTC)
    known = [found["record"] for found in (await emp.client.get("/api/cdrs", size="1000"))["cdrs"]]
    expected = {
        record["SessionID"]: record["ConsumedEnergy"]
        for record in known
        if record["EvseID"] in {point.evse_id for point in cpo.party.points}
    }
    async with stage.step(f"all, {PAGE_SIZE} a page", crossing) as checks:
        body = get_cdrs(emp.party, now - LONG, now + LONG)
        records = await crawl(emp, cpo, GET_CHARGE_DETAIL_RECORDS, body, size=PAGE_SIZE, checks=checks)
        fetched = {record["SessionID"]: record["ConsumedEnergy"] for record in records}
        checks.equal("energy by session", expected, fetched)
        checks.that("there are several pages", holds=len(records) > PAGE_SIZE)
        checks.note(f"{len(records)} CDRs, {sum(fetched.values())} kWh")
    async with stage.step("of one session", crossing) as checks:
        session_id = next(iter(expected))
        body = get_cdrs(emp.party, now - LONG, now + LONG, SessionID=[session_id])
        fetched_one = await emp.send(GET_CHARGE_DETAIL_RECORDS, body, cpo)
        checks.equal("code", Code.SUCCESS, fetched_one.code)
        ids = [record["SessionID"] for record in fetched_one.answer["content"]]
        checks.equal("sessions", [session_id], ids)


async def crawl(  # noqa: PLR0913 - what a crawl is made of
    emp: Actor, cpo: Actor, operation: AnyOperation, body: Body, *, size: int, checks: Checks
) -> Sequence[Mapping[str, Any]]:
    """Every record of a paged pull, page by page; checks what each page says of itself."""
    records: list[Mapping[str, Any]] = []
    page = 0
    while True:
        pulled = await emp.send(operation, body, cpo, page=page, size=size)
        checks.equal(f"code of page {page}", Code.SUCCESS, pulled.code)
        answer = pulled.answer
        content = answer["content"]
        checks.equal(f"number of page {page}", page, answer["number"])
        checks.equal(f"numberOfElements of page {page}", len(content), answer["numberOfElements"])
        records += content
        page += 1
        if answer["last"] or not content:
            checks.equal("totalElements", len(records), answer["totalElements"])
            checks.equal("totalPages", page, answer["totalPages"])
            return records


def by_operator(answer: Mapping[str, Any]) -> dict[str, str]:
    """The status by EvseID in an answer that groups it by operator."""
    blocks = answer["EvseStatuses"]["OperatorEvseStatus"]
    return {evse_id: status for block in blocks for evse_id, status in _by_evse(block["EvseStatusRecord"]).items()}


def _by_evse(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {record["EvseID"]: record["EvseStatus"] for record in records}


def _own(statuses: Mapping[str, str], published: Published) -> dict[str, str]:
    """The statuses of the lab's own charge points."""
    return {evse_id: status for evse_id, status in statuses.items() if evse_id in published.evse_ids}

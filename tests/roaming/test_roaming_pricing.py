"""Dynamic pricing: pushes and pulls of products and of EVSE pricing."""

import json
from typing import Any

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import (
    PULL_EVSE_PRICING,
    PULL_PRICING_PRODUCT_DATA,
    PUSH_EVSE_PRICING,
    PUSH_PRICING_PRODUCT_DATA,
    AnyOperation,
)
from p2pnode.oicp.pricing import PullEvsePricing, PullPricingProductData
from p2pnode.roaming.records import OWN
from tests.roaming.roaming_messages import NOON, decoded
from tests.roaming.roaming_world import Call, Party, World


def product(product_id: str, price: str = "0.49") -> dict[str, Any]:
    return {
        "ProductID": product_id,
        "ReferenceUnit": "KILOWATT_HOUR",
        "ProductPriceCurrency": "EUR",
        "PricePerReferenceUnit": price,
        "MaximumProductChargingPower": 22,
        "IsValid24hours": True,
        "ProductAvailabilityTimes": [],
    }


def products(action: str, *records: dict[str, Any] | str, provider_id: str = "*", **header: object) -> bytes:
    data = {
        "OperatorID": "DE*CPO",
        "OperatorName": "The CPO",
        "ProviderID": provider_id,
        "PricingDefaultPrice": 0.5,
        "PricingDefaultPriceCurrency": "EUR",
        "PricingDefaultReferenceUnit": "HOUR",
        "PricingProductDataRecords": [product(each) if isinstance(each, str) else each for each in records],
        **header,
    }
    return json.dumps({"ActionType": action, "PricingProductData": data}).encode()


def prices(action: str, *records: tuple[str, str, str]) -> bytes:
    """EVSE pricing of (EvseID, ProviderID, ProductID)."""
    listed = [{"EvseID": evse, "ProviderID": provider, "EvseIDProductList": [name]} for evse, provider, name in records]
    return json.dumps({"ActionType": action, "EVSEPricing": listed}).encode()


async def received(emp: Party, operation: AnyOperation, body: bytes, caller_id: str = "DE*CPO") -> dict[str, Any]:
    return decoded((await emp.answer(Call("cpo", "emp", operation, body, caller_id, None), "process"))[1])


async def pulled(cpo: Party, operation: AnyOperation, message: OicpModel, name: str = "emp") -> dict[str, Any]:
    call = Call(name, "cpo", operation, encode(message), f"DE-{'ONE' if name == 'emp' else name.upper()}", None)
    return decoded((await cpo.answer(call, "process"))[1])


async def product_ids(party: Party, owner: str) -> list[str]:
    return [found.product_id for found in await party.store.products((owner,), None)]


async def priced(party: Party, owner: str) -> list[tuple[str, str]]:
    return [(found.evse_key, found.provider_key) for found in await party.store.evse_pricing((owner,), None)]


async def test_products_are_kept_as_ours_and_reach_who_they_are_for(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", providers=("DE-TWO",))
    cpo.knows(two)
    two.knows(cpo)
    for_all, for_one = products("fullLoad", "AC1", "DC"), products("fullLoad", "Cheap", provider_id="DE*ONE")
    assert (await cpo.send(PUSH_PRICING_PRODUCT_DATA, for_all)).result
    assert (await cpo.send(PUSH_PRICING_PRODUCT_DATA, for_one)).result
    assert await product_ids(cpo, OWN) == await product_ids(emp, "cpo") == ["AC1", "DC", "Cheap"]
    assert await product_ids(two, "cpo") == ["AC1", "DC"]
    assert [call.body for call in world.wire.to("emp")] == [for_all, for_one]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (products("insert", "Night"), ["AC1", "DC", "Night"]),
        (products("update", product("AC1", "0.39")), ["AC1", "DC"]),
        (products("delete", {"ProductID": "AC1"}), ["DC"]),
        (products("fullLoad", "Night"), ["Night"]),
        (products("fullLoad"), []),
    ],
    ids=["insert", "update", "delete", "full load", "empty full load"],
)
async def test_an_action_on_products_does_what_it_says(pair: tuple[Party, Party], body: bytes, left: list[str]) -> None:
    _, emp = pair
    await received(emp, PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "AC1", "DC"))
    assert (await received(emp, PUSH_PRICING_PRODUCT_DATA, body))["Result"] is True
    assert await product_ids(emp, "cpo") == left


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (products("insert", "AC1", "Night"), "022"),
        (products("update", "Night"), "022"),
        (products("delete", {"ProductID": "Night"}), "022"),
        (products("fullLoad", "Night", "Night"), "022"),
        (products("fullLoad", {**product("Night"), "PricePerReferenceUnit": "much"}), "022"),
        (products("fullLoad", "Night", provider_id="DE-TWO"), "022"),
        (products("fullLoad", "Night", OperatorID="DE*XYZ"), "017"),
    ],
    ids=[
        "exists",
        "does not exist",
        "not there to delete",
        "twice",
        "not valid",
        "for somebody else",
        "foreign operator",
    ],
)
async def test_products_that_cannot_be_taken_change_nothing(pair: tuple[Party, Party], body: bytes, code: str) -> None:
    _, emp = pair
    await received(emp, PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "AC1", "DC"))
    assert (await received(emp, PUSH_PRICING_PRODUCT_DATA, body))["StatusCode"]["Code"] == code
    assert await product_ids(emp, "cpo") == ["AC1", "DC"]


async def test_after_an_outage_a_peer_has_the_products_of_now_also_where_none_are_left(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "AC1"))
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "Cheap", provider_id="DE-ONE"))
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("delete", {"ProductID": "Cheap"}, provider_id="DE-ONE"))
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("insert", "DC", PricingDefaultPrice=0.75))
    cpo.wire.down = set()
    assert await cpo.deliver_pending() == []
    assert await product_ids(emp, "cpo") == ["AC1", "DC"]
    assert all(b"0.75" in call.body for call in cpo.wire.calls[-2:-1])


async def test_a_provider_pulls_its_own_products_and_those_for_all(world: World) -> None:
    cpo, _ = await world.pair()
    two = await world.party("two", providers=("DE-TWO",))
    cpo.knows(two)
    two.knows(cpo)
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "AC1", product("DC", "0.79")))
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "Cheap", provider_id="DE-ONE"))
    blocks: list[Any] = []
    for name, expected in (("emp", [["AC1", "DC"], ["Cheap"]]), ("two", [["AC1", "DC"]])):
        answer = await pulled(cpo, PULL_PRICING_PRODUCT_DATA, PullPricingProductData(operator_ids=["DECPO"]), name)
        blocks = answer["PricingProductData"]
        names = [[each["ProductID"] for each in block["PricingProductDataRecords"]] for block in blocks]
        assert names == expected
    assert blocks[0]["OperatorName"] == "The CPO"
    assert blocks[0]["PricingProductDataRecords"] == [product("AC1"), product("DC", "0.79")]
    none = await pulled(cpo, PULL_PRICING_PRODUCT_DATA, PullPricingProductData(operator_ids=["DE*XYZ"]))
    assert none["PricingProductData"] == []


async def test_with_last_call_only_later_products_come(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "AC1", "DC"))
    cpo.clock.advance(hours=2)
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("update", product("DC", "0.99")))
    cpo.clock.advance(hours=-1)
    message = PullPricingProductData(operator_ids=["DE*CPO"], last_call=cpo.clock())
    (block,) = (await pulled(cpo, PULL_PRICING_PRODUCT_DATA, message))["PricingProductData"]
    assert block["PricingProductDataRecords"] == [product("DC", "0.99")]


async def test_pulled_products_are_kept_as_the_peers(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, send=("AuthorizeStart",))
    await received(emp, PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "Old"))
    await cpo.send(PUSH_PRICING_PRODUCT_DATA, products("fullLoad", "AC1"))
    answer = await emp.send(PULL_PRICING_PRODUCT_DATA, PullPricingProductData(operator_ids=["DE*CPO"]))
    assert [each.product_id for each in answer.pricing_product_data[0].pricing_product_data_records] == ["AC1"]
    assert await product_ids(emp, "cpo") == ["AC1"]


ALL = [("DE*CPO*E1", "*", "AC1"), ("DE*CPO*E2", "*", "DC"), ("DE*CPO*E2", "DE-ONE", "Cheap")]
KEYS = [("DE*CPO*E1", "*"), ("DE*CPO*E2", "*"), ("DE*CPO*E2", "DE-ONE")]


async def test_evse_pricing_reaches_who_may_see_it(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", providers=("DE-TWO",))
    cpo.knows(two, visible=("DE*CPO*E1", "DE*CPO*E2"))
    two.knows(cpo)
    cpo.knows(emp, visible=("DE*CPO*E2",))
    assert (await cpo.send(PUSH_EVSE_PRICING, prices("fullLoad", *ALL))).result
    assert await priced(cpo, OWN) == KEYS
    assert await priced(emp, "cpo") == KEYS[1:]
    assert await priced(two, "cpo") == KEYS[:2]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (prices("insert", ("DE*CPO*E1", "DE-ONE", "Cheap")), [KEYS[0], ("DE*CPO*E1", "DE-ONE"), *KEYS[1:]]),
        (prices("update", ("DECPOE1", "*", "DC")), KEYS),
        (prices("delete", ALL[1]), [KEYS[0], KEYS[2]]),
        (prices("fullLoad", ALL[2]), [KEYS[2]]),
        (prices("fullLoad"), []),
    ],
    ids=["insert", "update", "delete", "full load", "empty full load"],
)
async def test_an_action_on_evse_pricing_does_what_it_says(
    pair: tuple[Party, Party], body: bytes, left: list[tuple[str, str]]
) -> None:
    _, emp = pair
    await received(emp, PUSH_EVSE_PRICING, prices("fullLoad", *ALL))
    assert (await received(emp, PUSH_EVSE_PRICING, body))["Result"] is True
    assert await priced(emp, "cpo") == left


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (prices("insert", ALL[0], ("DE*CPO*E9", "*", "DC")), "022"),
        (prices("update", ("DE*CPO*E9", "*", "DC")), "022"),
        (prices("delete", ("DE*CPO*E1", "DE-ONE", "DC")), "022"),
        (prices("fullLoad", ("DE*CPO*E1", "DE-TWO", "DC")), "022"),
        (prices("fullLoad", ("DE*XYZ*E1", "*", "DC")), "018"),
        (prices("fullLoad", ALL[0], ("DECPOE1", "*", "DC")), "018"),
        (prices("fullLoad", ALL[0]).replace(b'"EvseIDProductList"', b'"Products"'), "022"),
    ],
    ids=["exists", "does not exist", "not there to delete", "for somebody else", "foreign EVSE", "twice", "not valid"],
)
async def test_evse_pricing_that_cannot_be_taken_changes_nothing(
    pair: tuple[Party, Party], body: bytes, code: str
) -> None:
    _, emp = pair
    await received(emp, PUSH_EVSE_PRICING, prices("fullLoad", *ALL))
    assert (await received(emp, PUSH_EVSE_PRICING, body))["StatusCode"]["Code"] == code
    assert await priced(emp, "cpo") == KEYS


async def test_the_operator_of_evse_pricing_is_the_one_in_the_path(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.knows(cpo, operators=("DE*CPO", "DE*TWO"))
    await received(emp, PUSH_EVSE_PRICING, prices("fullLoad", ALL[0]))
    await received(emp, PUSH_EVSE_PRICING, prices("fullLoad", ("DE*TWO*E1", "*", "DC")), "DE*TWO")
    assert await priced(emp, "cpo") == [KEYS[0], ("DE*TWO*E1", "*")]


async def test_a_provider_pulls_its_evse_pricing_under_both_names(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_PRICING, prices("fullLoad", *ALL))
    cpo.knows(emp, visible=("DE*CPO*E2",))
    message = PullEvsePricing(provider_id="DE-ONE", operator_ids=["DE*CPO"])
    answer = await pulled(cpo, PULL_EVSE_PRICING, message)
    assert answer["EVSEPricing"] == answer["OperatorEVSEPricing"]
    (block,) = answer["OperatorEVSEPricing"]
    assert block["OperatorID"] == "DE*CPO"
    assert [(each["EvseID"], each["ProviderID"]) for each in block["EVSEPricing"]] == KEYS[1:]
    later = PullEvsePricing(provider_id="DE-ONE", operator_ids=["DE*CPO"], last_call=NOON.replace(hour=13))
    assert (await pulled(cpo, PULL_EVSE_PRICING, later))["EVSEPricing"] == []


async def test_pulled_evse_pricing_is_kept_as_the_peers(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, send=("AuthorizeStart",))
    await received(emp, PUSH_EVSE_PRICING, prices("fullLoad", ("DE*CPO*E9", "*", "Old")))
    await cpo.send(PUSH_EVSE_PRICING, prices("fullLoad", *ALL))
    answer = await emp.send(PULL_EVSE_PRICING, PullEvsePricing(provider_id="DE-ONE", operator_ids=["DE*CPO"]))
    assert len(answer.operator_evse_pricing[0].evse_pricing) == 3
    assert await priced(emp, "cpo") == KEYS


async def test_after_an_outage_a_peer_has_the_evse_pricing_of_now(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_PRICING, prices("fullLoad", *ALL))
    await cpo.send(PUSH_EVSE_PRICING, prices("delete", ALL[0]))
    cpo.wire.down = set()
    await cpo.deliver_pending()
    assert await priced(emp, "cpo") == KEYS[1:]

"""What parties publish through a relay: given on as it came, shown in answers to pulls, and only to who may see it."""

import json

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.authentication import PullAuthenticationData
from p2pnode.oicp.authorization import AuthorizeRemoteStart
from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import PullEvseStatus, PullEvseStatusById, PullEvseStatusByOperatorId
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.pricing import PullEvsePricing, PullPricingProductData
from p2pnode.oicp.status import Code
from p2pnode.roaming.outbox_records import NOTHING_KNOWN, DeliveryRecord
from p2pnode.store.store import SqlStore
from tests.blank_store import put_store
from tests.roaming.roaming_messages import EVSE, UID, decoded, make, remote
from tests.roaming.roaming_world import PATIENT, Call, Party, World, refused
from tests.roaming.test_roaming_evse_data import known, pull, push, record

STATUS = {"EvseID": EVSE, "EvseStatus": "Available", "Extra": 1}
PRODUCT = {
    "ProductID": "AC1",
    "ReferenceUnit": "KILOWATT_HOUR",
    "ProductPriceCurrency": "EUR",
    "PricePerReferenceUnit": 0.5,
    "MaximumProductChargingPower": 22,
    "IsValid24hours": True,
    "ProductAvailabilityTimes": [{"Periods": [{"begin": "00:00", "end": "23:59"}], "on": "Everyday"}],
}
PRICE = {"EvseID": EVSE, "ProviderID": "*", "EvseIDProductList": ["AC1"]}
CARD = {"Identification": {"RFIDMifareFamilyIdentification": {"UID": UID}}}


def statuses(*records: object) -> bytes:
    block = {"OperatorID": "DE*CPO", "OperatorName": "The CPO", "EvseStatusRecord": records}
    return encode({"ActionType": "fullLoad", "OperatorEvseStatus": block})


def products() -> bytes:
    data = {
        "OperatorID": "DE*CPO",
        "OperatorName": "The CPO",
        "ProviderID": "*",
        "PricingDefaultPrice": 0.5,
        "PricingDefaultPriceCurrency": "EUR",
        "PricingDefaultReferenceUnit": "KILOWATT_HOUR",
        "PricingProductDataRecords": [PRODUCT],
    }
    return json.dumps({"ActionType": "fullLoad", "PricingProductData": data}).encode()


def cards() -> bytes:
    data = {"ProviderID": "DE-ONE", "AuthenticationDataRecord": [CARD]}
    return encode({"ActionType": "fullLoad", "ProviderAuthenticationData": data})


PUSHES: list[tuple[AnyOperation, bytes]] = [
    (ops.PUSH_EVSE_DATA, push("fullLoad", EVSE)),
    (ops.PUSH_EVSE_STATUS, statuses(STATUS)),
    (ops.PUSH_PRICING_PRODUCT_DATA, products()),
    (ops.PUSH_EVSE_PRICING, json.dumps({"ActionType": "fullLoad", "EVSEPricing": [PRICE]}).encode()),
    (ops.PUSH_AUTHENTICATION_DATA, cards()),
]


def sender_of(operation: AnyOperation, cpo: Party, emp: Party) -> Party:
    return emp if operation is ops.PUSH_AUTHENTICATION_DATA else cpo


@pytest.mark.parametrize(("operation", "body"), PUSHES, ids=[operation.name for operation, _ in PUSHES])
async def test_a_push_goes_on_as_it_came_and_to_nobody_twice(
    world: World, operation: AnyOperation, body: bytes
) -> None:
    cpo, _, emp = await world.star()
    sender = sender_of(operation, cpo, emp)
    assert (await sender.send(operation, body)).result
    first, second = (call for call in world.wire.calls if call.operation is operation)
    receiver = cpo if sender is emp else emp
    assert [(call.source, call.target) for call in (first, second)] == [
        (sender.name, "relay"),
        ("relay", receiver.name),
    ]
    assert second.body == first.body == body
    assert second.caller_id == first.caller_id


@pytest.mark.parametrize(("operation", "body"), PUSHES, ids=[operation.name for operation, _ in PUSHES])
async def test_a_peer_that_was_away_gets_everything_from_the_relay_when_it_is_back(
    world: World, operation: AnyOperation, body: bytes
) -> None:
    cpo, relay, emp = await world.star()
    sender = sender_of(operation, cpo, emp)
    receiver = cpo if sender is emp else emp
    world.wire.down = {receiver.name}
    assert (await sender.send(operation, body)).result
    world.wire.down = set()
    relay.restart()
    world.wire.calls.clear()
    await relay.deliver_pending()
    (call,) = world.wire.to(receiver.name, operation)
    assert json.loads(call.body) == json.loads(body)
    assert call.caller_id == ("DE-ONE" if sender is emp else "DE*CPO")
    assert not world.wire.to(sender.name, operation)


async def test_a_relay_restored_without_what_others_have_published_empties_nobodys_copy_of_it(world: World) -> None:
    cpo, relay, emp = await world.star()
    other = await world.party("other", operators=("DE*OTH",), limits=PATIENT)
    relay.knows(cpo, other, emp)
    other.knows(relay, hub=True)
    await cpo.send(ops.PUSH_EVSE_DATA, push("fullLoad", EVSE))
    relay.store = await world.enter(SqlStore.open(put_store(world.directory / "restored.db"), now=world.clock))
    owed = DeliveryRecord("emp", ops.PUSH_EVSE_DATA.name, NOTHING_KNOWN)
    await relay.store.write(lambda transaction: transaction.put_delivery(owed))
    relay.restart()
    await relay.deliver_pending()
    await other.send(ops.PUSH_EVSE_DATA, push("fullLoad", "DE*OTH*E1", operator_id="DE*OTH"))
    assert [kept.evse_id for kept in await known(emp, "relay")] == [EVSE, "DE*OTH*E1"]


async def test_a_pull_is_answered_from_what_all_others_have_published(world: World) -> None:
    cpo, relay, emp = await world.star()
    for operation, body in PUSHES[:4]:
        await cpo.send(operation, body)
    emp.knows(relay, hub=True, receive=())
    page = decoded(await emp.send_raw(ops.PULL_EVSE_DATA, pull()))
    (shown,) = page["content"]
    assert (shown["OperatorID"], shown["OperatorName"], shown["EvseID"]) == ("DE*CPO", "The CPO", EVSE)
    assert page["totalElements"] == 1
    told = decoded(await emp.send_raw(ops.PULL_EVSE_STATUS, make(PullEvseStatus, provider_id="DE-ONE")))
    assert told["EvseStatuses"]["OperatorEvseStatus"][0]["EvseStatusRecord"] == [STATUS]
    asked = make(PullEvseStatusByOperatorId, provider_id="DE-ONE", operator_id=["DE*CPO"])
    told = decoded(await emp.send_raw(ops.PULL_EVSE_STATUS_BY_OPERATOR_ID, asked))
    assert told["EvseStatuses"]["OperatorEvseStatus"][0]["OperatorID"] == "DE*CPO"
    by_id = make(PullEvseStatusById, provider_id="DE-ONE", evse_id=[EVSE, "DE*CPO*E9"])
    told = decoded(await emp.send_raw(ops.PULL_EVSE_STATUS_BY_ID, by_id))
    found = told["EVSEStatusRecords"]["EvseStatusRecord"]
    assert [one["EvseStatus"] for one in found] == ["Available", "EvseNotFound"]
    priced = make(PullPricingProductData, operator_ids=["DE*CPO"])
    told = decoded(await emp.send_raw(ops.PULL_PRICING_PRODUCT_DATA, priced))
    assert told["PricingProductData"][0]["PricingProductDataRecords"] == [PRODUCT]
    told = decoded(
        await emp.send_raw(ops.PULL_EVSE_PRICING, make(PullEvsePricing, provider_id="DE-ONE", operator_ids=[]))
    )
    assert told["OperatorEVSEPricing"][0]["EVSEPricing"] == [PRICE]


async def test_the_contracts_of_other_emps_are_pulled_through_a_relay_where_its_entry_says_so(world: World) -> None:
    cpo, relay, emp = await world.star()
    await emp.send(ops.PUSH_AUTHENTICATION_DATA, cards())
    asked = make(PullAuthenticationData, operator_id="DE*CPO")
    cpo.knows(relay, hub=True, pull_authentication_data=True)
    assert (await refused(cpo.send(ops.PULL_AUTHENTICATION_DATA, asked))).code == Code.NO_VALID_CONTRACT
    relay.knows(cpo, pull_authentication_data=True)
    told = decoded(await cpo.send_raw(ops.PULL_AUTHENTICATION_DATA, asked))
    block = told["AuthenticationData"]["ProviderAuthenticationData"]
    assert block == [{"ProviderID": "DE-ONE", "AuthenticationDataRecord": [CARD]}]


async def test_what_a_peer_may_not_see_is_neither_given_on_nor_shown_nor_started(world: World) -> None:
    cpo, relay, emp = await world.star()
    relay.knows(emp, visible=("DE*CPO*E2",))
    hidden, seen = "DE*CPO*E1*1", "DE*CPO*E2*1"
    await cpo.send(ops.PUSH_EVSE_DATA, push("fullLoad", hidden, seen))
    (call,) = world.wire.to("emp", ops.PUSH_EVSE_DATA)
    assert [one["EvseID"] for one in json.loads(call.body)["OperatorEvseData"]["EvseDataRecord"]] == [seen]
    page = decoded(await emp.send_raw(ops.PULL_EVSE_DATA, pull()))
    assert [one["EvseID"] for one in page["content"]] == [seen]
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=hidden, identification=remote())
    call = Call("emp", "relay", ops.AUTHORIZE_REMOTE_START, encode(start), "DE-ONE", None)
    _, answer = await relay.answer(call, "process")
    assert decoded(answer)["StatusCode"]["Code"] == Code.UNKNOWN_EVSE_ID
    start = start.model_copy(update={"evse_id": seen})
    assert (await emp.send(ops.AUTHORIZE_REMOTE_START, start)).result
    assert [message.evse_id for message in cpo.cpo.asked] == [seen]


async def test_a_relay_takes_nothing_that_is_not_the_senders(world: World) -> None:
    _, relay, _ = await world.star()
    thief = await world.party("thief", operators=("DE*THI",), limits=PATIENT)
    relay.knows(thief)
    thief.knows(relay, hub=True)
    body = push("fullLoad", record("DE*CPO*E1"), operator_id="DE*THI")
    answer = await thief.send(ops.PUSH_EVSE_DATA, body)
    assert "018" in (answer.status_code.additional_info or "")
    assert not world.wire.to("emp", ops.PUSH_EVSE_DATA)

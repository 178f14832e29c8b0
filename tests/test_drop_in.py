"""A backend that speaks OICP to Hubject works with two nodes in Hubject's place: only its base URL is another.

Both backends are `plain_backend`: aiohttp and bytes, written without this project.
"""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.operations import OPERATIONS, AnyOperation, Role
from tests.drop_in_stage import (
    OPERATOR,
    OTHER_SESSION,
    PROVIDER,
    SESSION,
    THIRD_SESSION,
    Security,
    Stage,
    own_path,
    sample,
    stage,
)
from tests.plain_backend import Answer, Got, authorized, refused

EVSE = f"{OPERATOR}*E1234*1"


@pytest.fixture(scope="session")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    return Security.made(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as running:
        yield running


async def _ok(running: Stage, operation: AnyOperation, body: bytes, query: str = "") -> Answer:
    answer = await running.send(operation, body, query)
    assert (answer.status, answer.code) == (200, "000"), answer.body
    return answer


async def _crosses(running: Stage, operation: AnyOperation, body: bytes) -> Answer:
    """The message arrives at the other backend as it was sent, at the path where Hubject would bring it."""
    other = running.emp if operation.caller is Role.CPO else running.cpo
    before = len(other.got)
    answer = await _ok(running, operation, body)
    got = (await other.told(before + 1))[before]
    assert got == Got(own_path(operation), body, answer.process_id)
    return answer


def _json(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members).encode()


async def _charge(running: Stage) -> None:
    """A card at a charging point: from the question to the record."""
    running.emp.answers["start"] = authorized(PROVIDER, EMPPartnerSessionID="emp-55d1", Unknown={"kept": [1.5]})
    running.emp.answers["stop"] = authorized(PROVIDER)
    answer = await _crosses(running, ops.AUTHORIZE_START, sample(ops.AUTHORIZE_START))
    assert answer.members == {
        "SessionID": SESSION,
        "CPOPartnerSessionID": "cpo-2024-000187",
        "EMPPartnerSessionID": "emp-55d1",
        "ProviderID": PROVIDER,
        "AuthorizationStatus": "Authorized",
        "StatusCode": {"Code": "000"},
        "Unknown": {"kept": [1.5]},
    }
    await _crosses(running, ops.CHARGING_NOTIFICATION_START, sample(ops.CHARGING_NOTIFICATION_START))
    await _crosses(running, ops.CHARGING_NOTIFICATION_PROGRESS, sample(ops.CHARGING_NOTIFICATION_PROGRESS))
    await _crosses(running, ops.CHARGING_NOTIFICATION_ERROR, sample(ops.CHARGING_NOTIFICATION_ERROR))
    await _crosses(running, ops.AUTHORIZE_STOP, sample(ops.AUTHORIZE_STOP))
    await _crosses(running, ops.CHARGING_NOTIFICATION_END, sample(ops.CHARGING_NOTIFICATION_END))
    record = sample(ops.CHARGE_DETAIL_RECORD)
    await _crosses(running, ops.CHARGE_DETAIL_RECORD, record)
    wanted = sample(ops.GET_CHARGE_DETAIL_RECORDS, (',\n  "CDRForwarded": false', ""))
    page = await _ok(running, ops.GET_CHARGE_DETAIL_RECORDS, wanted, "?page=0&size=5")
    assert record.strip() in page.body
    assert page.members["numberOfElements"] == 1


async def _ask_from_afar(running: Stage) -> None:
    """An app: a reservation, given back, and a start and stop."""
    for operation, session in (
        (ops.AUTHORIZE_REMOTE_RESERVATION_START, OTHER_SESSION),
        (ops.AUTHORIZE_REMOTE_RESERVATION_STOP, OTHER_SESSION),
        (ops.AUTHORIZE_REMOTE_START, THIRD_SESSION),
        (ops.AUTHORIZE_REMOTE_STOP, THIRD_SESSION),
    ):
        answer = await _crosses(running, operation, sample(operation, (SESSION, session)))
        assert answer.members["Result"] is True


async def _publish_charging_points(running: Stage) -> None:
    """What the CPO pushes is what the EMP pulls, as with Hubject."""
    inner = '{"Country" : "CHE", "City":"Z\\u00fcrich","Street":"Seestrasse","PostalCode":"8001","HouseNum":"1"}'
    record = (
        f'"EvseID":"{EVSE}","ChargingStationNames":[ {{"lang":"de","value":"A"}} ],"Address":{inner},'
        '"GeoCoordinates":{"Google":{"Coordinates":"47.36667 8.55000"}},"Plugs":["Type 2 Outlet"],'
        '"ChargingFacilities":[{"PowerType":"AC_3_PHASE","Power":22.50}],"RenewableEnergy":false,'
        '"CalibrationLawDataAvailability":"Local","AuthenticationModes":["REMOTE"],"PaymentOptions":["Contract"],'
        '"ValueAddedServices":["None"],"Accessibility":"Free publicly accessible","HotlinePhoneNumber":"+41441234567",'
        '"IsOpen24Hours":true,"IsHubjectCompatible":true,"DynamicInfoAvailable":"true","Unknown":{"kept":1.50}'
    )
    data = f'{{"ActionType":"fullLoad","OperatorEvseData":{{"OperatorID":"{OPERATOR}","OperatorName":"A",'
    await _ok(running, ops.PUSH_EVSE_DATA, f'{data}"EvseDataRecord":[{{{record}}}]}}}}'.encode())
    wanted = _json({"ProviderID": PROVIDER, "GeoCoordinatesResponseFormat": "Google"})
    page = await _ok(running, ops.PULL_EVSE_DATA, wanted, "?page=0&size=5")
    assert record.encode() in page.body

    status = {"EvseID": EVSE, "EvseStatus": "Occupied"}
    block = {"OperatorID": OPERATOR, "OperatorName": "A", "EvseStatusRecord": [status]}
    await _ok(running, ops.PUSH_EVSE_STATUS, _json({"ActionType": "fullLoad", "OperatorEvseStatus": block}))
    everything = await _ok(running, ops.PULL_EVSE_STATUS, _json({"ProviderID": PROVIDER}))
    assert everything.members["EvseStatuses"]["OperatorEvseStatus"] == [block]
    wanted = _json({"ProviderID": PROVIDER, "OperatorID": [OPERATOR]})
    by_operator = await _ok(running, ops.PULL_EVSE_STATUS_BY_OPERATOR_ID, wanted)
    assert by_operator.members["EvseStatuses"]["OperatorEvseStatus"] == [block]
    by_id = await _ok(running, ops.PULL_EVSE_STATUS_BY_ID, _json({"ProviderID": PROVIDER, "EvseID": [EVSE]}))
    assert by_id.members["EVSEStatusRecords"]["EvseStatusRecord"] == [status]


async def _publish_prices_and_drivers(running: Stage) -> None:
    products, prices = sample(ops.PUSH_PRICING_PRODUCT_DATA), sample(ops.PUSH_EVSE_PRICING)
    await _ok(running, ops.PUSH_PRICING_PRODUCT_DATA, products)
    await _ok(running, ops.PUSH_EVSE_PRICING, prices)
    wanted = _json({"ProviderID": PROVIDER, "OperatorIDs": [OPERATOR]})
    pulled = (await _ok(running, ops.PULL_PRICING_PRODUCT_DATA, wanted)).members["PricingProductData"]
    assert pulled == [json.loads(products)["PricingProductData"]]
    pulled = (await _ok(running, ops.PULL_EVSE_PRICING, wanted)).members["OperatorEVSEPricing"]
    assert pulled[0]["EVSEPricing"] == json.loads(prices)["EVSEPricing"]

    cards = [{"Identification": {"RFIDMifareFamilyIdentification": {"UID": "04E5A1B2C3D480"}}}]
    drivers = {"ProviderID": PROVIDER, "AuthenticationDataRecord": cards}
    push = {"ActionType": "fullLoad", "ProviderAuthenticationData": drivers}
    await _ok(running, ops.PUSH_AUTHENTICATION_DATA, _json(push))
    pulled = (await _ok(running, ops.PULL_AUTHENTICATION_DATA, sample(ops.PULL_AUTHENTICATION_DATA))).members
    assert pulled["AuthenticationData"]["ProviderAuthenticationData"] == [drivers]


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain HTTP", "mutual TLS"])
async def test_every_operation_passes_between_two_backends_that_know_hubject_only(
    tmp_path: Path, security: Security, *, encrypted: bool
) -> None:
    async with stage(tmp_path, security if encrypted else None) as running:
        await _charge(running)
        await _ask_from_afar(running)
        await _publish_charging_points(running)
        await _publish_prices_and_drivers(running)
        cells = {
            Role.CPO: running.cpo_node.observer.metrics.cells(),
            Role.EMP: running.emp_node.observer.metrics.cells(),
        }
    for operation in OPERATIONS:
        assert cells[operation.caller][operation.name]["sent"] > 0
        assert cells[operation.callee][operation.name]["received"] > 0
        assert cells[operation.caller][operation.name]["received"] == 0


@pytest.mark.parametrize(
    "operation", [ops.AUTHORIZE_START, ops.AUTHORIZE_REMOTE_START, ops.AUTHORIZE_REMOTE_RESERVATION_START]
)
async def test_a_start_without_session_id_gets_one_as_from_the_hub_and_is_otherwise_unchanged(
    played: Stage, operation: AnyOperation
) -> None:
    played.emp.answers["start"] = authorized(PROVIDER)
    body = sample(operation, (f'  "SessionID": "{SESSION}",\n', ""))
    answer = await _ok(played, operation, body)
    (got,) = (played.emp if operation.caller is Role.CPO else played.cpo).got
    session_id = got.members["SessionID"]
    assert got.members == json.loads(body) | {"SessionID": session_id}
    assert body[body.index(b'"Identification": ') + 18 : body.index(b"\n  },")] in got.body
    assert answer.members["SessionID"] == session_id


async def test_a_refusal_of_the_other_backend_is_told_with_its_code(played: Stage) -> None:
    played.emp.answers["start"] = refused("102")
    no = json.dumps({"Result": False, "StatusCode": {"Code": "510", "AdditionalInfo": "no car"}}).encode()
    played.cpo.answers["start"] = Answer(200, no)
    answer = await played.send(ops.AUTHORIZE_START, sample(ops.AUTHORIZE_START))
    assert (answer.status, answer.code, answer.members["AuthorizationStatus"]) == (200, "102", "NotAuthorized")
    answer = await played.send(ops.AUTHORIZE_REMOTE_START, sample(ops.AUTHORIZE_REMOTE_START))
    assert (answer.status, answer.code, answer.members["Result"]) == (200, "510", False)
    assert answer.members["StatusCode"]["AdditionalInfo"] == "no car"


async def test_a_partner_that_is_gone_is_answered_as_the_hub_does(played: Stage) -> None:
    await played.cpo_node.face.stop()
    await played.emp_node.face.stop()
    for operation in (ops.AUTHORIZE_START, ops.AUTHORIZE_REMOTE_START, ops.PULL_EVSE_DATA):
        answer = await played.send(operation, sample(operation))
        assert (answer.status, answer.code) == (200, "320"), operation


async def test_a_partner_nobody_knows_is_answered_with_300(played: Stage) -> None:
    body = sample(ops.AUTHORIZE_REMOTE_START, (EVSE, "DE*XYZ*E1"))
    assert (await played.send(ops.AUTHORIZE_REMOTE_START, body)).code == "300"


async def test_what_the_peer_table_does_not_allow_is_answered_with_210(played: Stage) -> None:
    (peer,) = played.emp_node.peers.current().peers
    table = type(played.emp_node.peers.current())([peer.model_copy(update={"send": ("PullEvseData",)})])
    await played.emp_node.peers.replace(table)
    assert (await played.send(ops.AUTHORIZE_REMOTE_START, sample(ops.AUTHORIZE_REMOTE_START))).code == "210"

"""A node and a partner that is as WWCP_OICP: every operation, both ways round, over HTTP."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from p2pnode.backends.own_messages import CallResult
from p2pnode.config import NodeConfig, PeerEntry, PeerTable
from p2pnode.node import Node
from p2pnode.oicp import operations as ops
from p2pnode.oicp.dialects import path_of
from p2pnode.oicp.operations import BASE_PATH, OPERATIONS, AnyOperation, Role
from p2pnode.roaming.published_records import EvseFilter
from p2pnode.roaming.records import PageRequest
from tests.wwcp_stand_in import OPERATOR, OWN_PATHS, PAGES, PROVIDER, StandIn, post, sample

UID = "7568290FFF765F"
EVCO_ID = "DE-DCB-C12345678-X"
EVSE = "DE*ABC*E1234*1"
FREE_EVSE = "DE*ABC*E5678*2"
RESERVED = "a1688855-7f00-0002-6d8e-48d883f6abb5"
PUSHES: tuple[AnyOperation, ...] = (ops.PUSH_EVSE_DATA, ops.PUSH_PRICING_PRODUCT_DATA, ops.PUSH_EVSE_PRICING)
WHILE_CHARGING: tuple[AnyOperation, ...] = (
    ops.CHARGING_NOTIFICATION_START,
    ops.CHARGING_NOTIFICATION_PROGRESS,
    ops.CHARGING_NOTIFICATION_ERROR,
)
Members = dict[str, Any]


@asynccontextmanager
async def playing(root: Path, partner: StandIn) -> AsyncGenerator[Node]:
    """A node that is CPO and EMP, with the partner as its only peer."""
    points = [{"evse_id": EVSE, "connected": True}, {"evse_id": FREE_EVSE, "connected": False}]
    config = NodeConfig.model_validate(
        {
            "node": {"name": "node", "operators": ["DE*ABC"], "providers": ["DE-DCB"]},
            "peer_face": {"port": 0, "tls": "off"},
            "backend_face": {"enabled": False},
            "store": {"path": str(root / "node.db")},
            "log": {"level": "warning"},
            "cpo": {"virtual": {"charge_points": points, "publish_at_start": False}},
            "emp": {"virtual": {"drivers": [{"name": "Ada", "uid": UID, "evco_id": EVCO_ID}]}},
        }
    )
    peer = PeerEntry(
        name="wwcp",
        url=partner.url,
        tls="off",
        operators=(OPERATOR,),
        providers=(PROVIDER,),
        dialect="wwcp",
        pull_authentication_data=True,
    )
    async with Node(config, PeerTable([peer])) as node:
        yield node


def ours(operation: AnyOperation, **changes: object) -> Members:
    """Our own message to the partner; None leaves a member out."""
    members = {**sample(operation, "request"), **changes}
    return {name: value for name, value in members.items() if value is not None}


async def send(node: Node, operation: AnyOperation, members: Members, page: PageRequest | None = None) -> CallResult:
    """Send a message of our own to the partner; it has to be taken."""
    result = await node.own.call(operation, json.dumps(members).encode(), to="wwcp", page=page)
    assert result.code == "000", (operation, result.answer)
    return result


async def test_everything_our_cpo_says_is_understood(tmp_path: Path) -> None:
    lower = {"RFIDMifareFamilyIdentification": {"UID": UID.lower()}}
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        for operation in PUSHES:
            await send(node, operation, ours(operation, ActionType="fullLoad"))
        block = sample(ops.PUSH_EVSE_STATUS, "request")["OperatorEvseStatus"] | {"OperatorName": None}
        await send(
            node, ops.PUSH_EVSE_STATUS, ours(ops.PUSH_EVSE_STATUS, ActionType="fullLoad", OperatorEvseStatus=block)
        )
        await send(node, ops.AUTHORIZE_START, ours(ops.AUTHORIZE_START, Identification=lower))
        for operation in WHILE_CHARGING:
            await send(node, operation, ours(operation, Identification=None))
        await send(node, ops.AUTHORIZE_STOP, ours(ops.AUTHORIZE_STOP, Identification=lower))
        end = ours(ops.CHARGING_NOTIFICATION_END, Identification=None, ChargingStart=None)
        await send(node, ops.CHARGING_NOTIFICATION_END, end)
        await send(node, ops.CHARGE_DETAIL_RECORD, ours(ops.CHARGE_DETAIL_RECORD, Identification=lower))
        await send(node, ops.PULL_AUTHENTICATION_DATA, ours(ops.PULL_AUTHENTICATION_DATA))
    assert partner.refused == []
    assert set(partner.requests) == {row for row in OPERATIONS if row.caller is Role.CPO}
    (told,) = partner.requests[ops.CHARGING_NOTIFICATION_END]
    assert told["Identification"] == {"RFIDMifareFamilyIdentification": {"UID": UID}}
    assert (told["ChargingStart"], told["ConsumedEnergy"]) == ("2024-03-15T08:02:11Z", "14.473")


async def test_everything_our_emp_says_is_understood(tmp_path: Path) -> None:
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        for operation in (row for row in OPERATIONS if row.caller is Role.EMP):
            session = {"SessionID": RESERVED} if "reservation" in path_of("wwcp", operation) else {}
            await send(node, operation, ours(operation, **session))
    assert partner.refused == []
    assert set(partner.requests) == {row for row in OPERATIONS if row.caller is Role.EMP}


async def test_what_the_partner_answers_is_read(tmp_path: Path) -> None:
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        by_id = await send(node, ops.PULL_EVSE_STATUS_BY_ID, ours(ops.PULL_EVSE_STATUS_BY_ID))
        records = json.loads(by_id.answer)["EVSEStatusRecords"]["EvseStatusRecord"]
        assert [record["EvseStatus"].casefold() for record in records] == ["available", "evsenotfound"]
        products = await send(node, ops.PULL_PRICING_PRODUCT_DATA, ours(ops.PULL_PRICING_PRODUCT_DATA))
        (block,) = json.loads(products.answer)["PricingProductData"]
        assert block["PricingDefaultPrice"] == 0.49
        assert "Periods" in block["PricingProductDataRecords"][0]["ProductAvailabilityTimes"][0]
        prices = await send(node, ops.PULL_EVSE_PRICING, ours(ops.PULL_EVSE_PRICING))
        assert json.loads(prices.answer)["EVSEPricing"][0]["OperatorID"] == OPERATOR


async def test_a_crawl_of_pages_that_tell_nothing_ends_at_a_short_one(tmp_path: Path) -> None:
    pull = ours(ops.PULL_EVSE_DATA, LastCall=None, SearchCenter=None)
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        for number in range(PAGES):
            page = json.loads((await send(node, ops.PULL_EVSE_DATA, pull, PageRequest(number, 2))).answer)
            assert (page["number"], page["last"]) == (number, number + 1 == PAGES)
            assert page["numberOfElements"] == len(page["content"])
        wanted = EvseFilter(owners=("wwcp",), as_of=node.store.clock())
        assert await node.store.evse_count(wanted) == 2 * PAGES - 1


async def test_the_failure_of_one_build_is_no_success_and_has_a_hint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with StandIn(broken_build=True) as partner, playing(tmp_path, partner) as node:
        body = json.dumps(ours(ops.PUSH_AUTHENTICATION_DATA)).encode()
        await node.own.call(ops.PUSH_AUTHENTICATION_DATA, body, to="wwcp")
        refused = await node.own.call(ops.PULL_EVSE_STATUS, b'{"ProviderID":"DE-DCB"}', to="wwcp")
        assert refused.code == "021"
        again = await node.own.call(ops.PULL_EVSE_STATUS, b'{"ProviderID":"DE-DCB"}', to="wwcp")
        assert again.code == "021"
    assert capfd.readouterr().err.count("one build of WWCP_OICP") == 1


def theirs(operation: AnyOperation, **changes: object) -> Members:
    """A message of the partner to us, with null for what it leaves out."""
    text = json.dumps(sample(operation, "request"))
    if operation.caller is Role.CPO:
        text = text.replace("DE*ABC", OPERATOR).replace(PROVIDER, "DE-DCB")
    else:
        text = text.replace("DE-DCB", PROVIDER).replace(OPERATOR, "DE*ABC")
    members: Members = json.loads(text)
    return members | {"CustomData": None} | changes


def path_at_us(operation: AnyOperation) -> str:
    path = OWN_PATHS.get(operation, operation.path)
    return BASE_PATH + path.replace("{operatorID}", OPERATOR).replace("{providerID}", PROVIDER)


async def tell(node: Node, operation: AnyOperation, **changes: object) -> Members:
    """The partner's message, and our answer, which has to be positive."""
    http, answer = await post(node.face.port, path_at_us(operation), theirs(operation, **changes))
    assert (http, (answer.get("StatusCode") or {"Code": "000"})["Code"]) == (200, "000"), (operation, answer)
    return answer


async def test_everything_the_partners_cpo_says_is_taken(tmp_path: Path) -> None:
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        for operation in (ops.PUSH_EVSE_STATUS, *PUSHES):
            await tell(node, operation, ActionType="fullLoad")
        await tell(node, ops.PULL_AUTHENTICATION_DATA)
        lower = {"RFIDMifareFamilyIdentification": {"UID": UID.lower()}, "RemoteIdentification": None}
        started = await tell(node, ops.AUTHORIZE_START, Identification=lower, SessionID=None)
        assert started["AuthorizationStatus"] == "Authorized"
        session = {"SessionID": started["SessionID"]}
        for operation in WHILE_CHARGING:
            assert (await tell(node, operation, **session))["Result"] is True
        await tell(node, ops.AUTHORIZE_STOP, **session)
        await tell(node, ops.CHARGING_NOTIFICATION_END, **session)
        for _ in range(2):
            assert (await tell(node, ops.CHARGE_DETAIL_RECORD, **session))["Result"] is True


async def test_everything_the_partners_emp_says_is_answered(tmp_path: Path) -> None:
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        await send(node, ops.PUSH_PRICING_PRODUCT_DATA, ours(ops.PUSH_PRICING_PRODUCT_DATA))
        await send(node, ops.PUSH_EVSE_PRICING, ours(ops.PUSH_EVSE_PRICING))
        reserved = {"SessionID": RESERVED, "EvseID": FREE_EVSE}
        for operation in (
            ops.PULL_EVSE_DATA,
            ops.PULL_EVSE_STATUS,
            ops.PULL_EVSE_STATUS_BY_ID,
            ops.PULL_EVSE_STATUS_BY_OPERATOR_ID,
            ops.PUSH_AUTHENTICATION_DATA,
            ops.GET_CHARGE_DETAIL_RECORDS,
        ):
            await tell(node, operation)
        assert (await tell(node, ops.AUTHORIZE_REMOTE_RESERVATION_START, **reserved))["Result"] is True
        assert (await tell(node, ops.AUTHORIZE_REMOTE_RESERVATION_STOP, **reserved))["Result"] is True
        assert (await tell(node, ops.AUTHORIZE_REMOTE_START))["Result"] is True
        assert (await tell(node, ops.AUTHORIZE_REMOTE_STOP))["Result"] is True
        products = await tell(node, ops.PULL_PRICING_PRODUCT_DATA, LastCall=None)
        (block,) = products["OperatorPricingProducts"]
        assert block["ProviderID"] == PROVIDER
        times = block["PricingProductDataRecords"][0]["ProductAvailabilityTimes"]
        assert [each["Period"]["begin"] for each in times] == ["06:00", "09:00", "13:00"]
        prices = await tell(node, ops.PULL_EVSE_PRICING, LastCall=None)
        assert {record["ProviderID"] for record in prices["OperatorEVSEPricing"][0]["EVSEPricing"]} == {PROVIDER}
    assert partner.refused == []


@pytest.mark.parametrize("operation", [ops.PUSH_EVSE_STATUS, ops.PULL_PRICING_PRODUCT_DATA, ops.AUTHORIZE_START])
async def test_an_invalid_message_is_refused_with_http_200(operation: AnyOperation, tmp_path: Path) -> None:
    async with StandIn() as partner, playing(tmp_path, partner) as node:
        members = {"OperatorIDs": 7} if operation is ops.PULL_PRICING_PRODUCT_DATA else {}
        http, answer = await post(node.face.port, path_at_us(operation), members)
    assert (http, answer["StatusCode"]["Code"]) == (200, "022")
    assert answer["validationErrors"]
    assert ("OperatorPricingProducts" in answer) is (operation is ops.PULL_PRICING_PRODUCT_DATA)

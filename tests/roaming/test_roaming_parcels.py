"""Full loads: everything a party publishes, however its id is spelled and whatever names it has had."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.envelopes import split
from p2pnode.oicp.operations import AnyOperation
from p2pnode.roaming.ports import Outgoing
from tests.roaming.roaming_world import Party
from tests.roaming.test_roaming_authentication import CAR, CARD, kinds
from tests.roaming.test_roaming_authentication import push as authentication_push
from tests.roaming.test_roaming_evse_data import ids
from tests.roaming.test_roaming_evse_data import push as evse_push
from tests.roaming.test_roaming_pricing import priced, prices, product_ids, products
from tests.roaming.test_roaming_publishing import push as status_push


def renamed(body: bytes, old: str, new: str) -> bytes:
    assert old.encode() in body
    return body.replace(old.encode(), new.encode())


async def with_status(party: Party, owner: str) -> list[str]:
    return [found.evse_id for found in await party.store.statuses((owner,))]


@pytest.mark.parametrize(
    ("operation", "bodies", "kept"),
    [
        (
            ops.PUSH_EVSE_DATA,
            (evse_push("insert", "DE*CPO*E1"), renamed(evse_push("insert", "DE*CPO*E2"), "The CPO", "New name")),
            ids,
        ),
        (
            ops.PUSH_EVSE_DATA,
            (evse_push("insert", "DE*CPO*E1"), evse_push("insert", "DE*CPO*E2", operator_id="DECPO")),
            ids,
        ),
        (
            ops.PUSH_EVSE_STATUS,
            (
                status_push("insert", E1="Available"),
                renamed(status_push("insert", E2="Available"), '"DE*CPO"', '"DECPO"'),
            ),
            with_status,
        ),
        (
            ops.PUSH_PRICING_PRODUCT_DATA,
            (products("insert", "AC1"), products("insert", "DC", OperatorID="DECPO")),
            product_ids,
        ),
        (
            ops.PUSH_EVSE_PRICING,
            (prices("insert", ("DE*CPO*E1", "*", "AC1")), prices("insert", ("DE*CPO*E2", "*", "AC1"))),
            priced,
        ),
    ],
    ids=["data, two names", "data, two spellings", "status", "products", "prices"],
)
async def test_a_full_load_of_an_operator_in_two_spellings_or_under_two_names_is_whole(
    pair: tuple[Party, Party],
    operation: AnyOperation,
    bodies: tuple[bytes, bytes],
    kept: Callable[[Party, str], Coroutine[Any, Any, list[Any]]],
) -> None:
    cpo, emp = pair
    cpo.forgets(emp)
    for body, spelling in zip(bodies, ("DE*CPO", "DECPO"), strict=True):
        envelope = split(operation, body)
        going = Outgoing(operation, envelope.message, body, "process", spelling, records=envelope.records)
        await cpo.roaming.send(going)
    cpo.knows(emp)
    assert await cpo.roaming.publish_all("emp") == []
    assert len(await kept(emp, "cpo")) == 2
    actions = [json.loads(call.body)["ActionType"] for call in cpo.wire.to("emp", operation)]
    assert actions == ["fullLoad", "insert"]


async def test_a_full_load_of_a_provider_in_two_spellings_is_whole(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.forgets(cpo)
    for medium, spelling in ((CARD, "DE-ONE"), (CAR, "DE*ONE")):
        body = authentication_push("insert", medium, provider_id=spelling)
        assert (await emp.send(ops.PUSH_AUTHENTICATION_DATA, body)).result
    emp.knows(cpo)
    assert await emp.roaming.publish_all("cpo") == []
    assert len(await kinds(cpo, "emp")) == 2

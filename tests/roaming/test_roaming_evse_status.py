"""PushEvseStatus and the pulls of status."""

import json
from typing import Any

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_status import PullEvseStatus, PullEvseStatusById, PullEvseStatusByOperatorId
from p2pnode.oicp.identifiers import evse_key
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import (
    PULL_EVSE_STATUS,
    PULL_EVSE_STATUS_BY_ID,
    PULL_EVSE_STATUS_BY_OPERATOR_ID,
    PUSH_EVSE_STATUS,
    AnyOperation,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.published_records import EvseRecord
from p2pnode.roaming.records import OWN
from tests.roaming.roaming_messages import NOON, decoded
from tests.roaming.roaming_world import Call, Party, World, refused

IDS = [f"DE*CPO*E{number}" for number in range(1, 4)]
NEAR, FAR = (50.1, 8.7), (47.3, 8.5)


def push(action: str, operator_id: str = "DE*CPO", **statuses: str) -> bytes:
    """A push; the names are the last characters of the EvseIDs."""
    records = [{"EvseID": f"{operator_id}*{name}", "EvseStatus": status} for name, status in statuses.items()]
    block = {"OperatorID": operator_id, "OperatorName": "The CPO", "EvseStatusRecord": records}
    return json.dumps({"ActionType": action, "OperatorEvseStatus": block}).encode()


async def received(emp: Party, body: bytes) -> dict[str, Any]:
    _, answer = await emp.answer(Call("cpo", "emp", PUSH_EVSE_STATUS, body, "DE*CPO", None), "process")
    return decoded(answer)


async def pulled(cpo: Party, operation: AnyOperation, message: OicpModel) -> dict[str, Any]:
    call = Call("emp", "cpo", operation, encode(message), "DE-ONE", None)
    return decoded((await cpo.answer(call, "process"))[1])


async def statuses(party: Party, owner: str) -> dict[str, str]:
    return {found.evse_id: found.status for found in await party.store.statuses((owner,))}


def located(evse_id: str, place: tuple[float, float]) -> EvseRecord:
    return EvseRecord(
        OWN, evse_key(evse_id), evse_id, "DE*CPO", "DE*CPO", "", b"{}", latitude=place[0], longitude=place[1]
    )


async def test_what_a_cpo_publishes_is_kept_as_ours_and_reaches_the_emps_verbatim(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    body = push("fullLoad", E1="Available", E2="Occupied")
    assert (await cpo.send(PUSH_EVSE_STATUS, body)).result
    assert [call.body for call in cpo.wire.calls] == [body]
    expected = {IDS[0]: "Available", IDS[1]: "Occupied"}
    assert await statuses(cpo, OWN) == await statuses(emp, "cpo") == expected


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (push("insert", E3="Reserved"), {IDS[0]: "Available", IDS[1]: "Occupied", IDS[2]: "Reserved"}),
        (push("update", E1="OutOfService"), {IDS[0]: "OutOfService", IDS[1]: "Occupied"}),
        (push("update", E1="Charging"), {IDS[0]: "Occupied", IDS[1]: "Occupied"}),
        (push("delete", E1="Available"), {IDS[1]: "Occupied"}),
        (push("fullLoad", E3="Unknown"), {IDS[2]: "Unknown"}),
        (push("fullLoad"), {}),
    ],
    ids=["insert", "update", "update with an older name", "delete", "full load", "empty full load"],
)
async def test_an_action_does_what_it_says(pair: tuple[Party, Party], body: bytes, left: dict[str, str]) -> None:
    _, emp = pair
    await received(emp, push("fullLoad", E1="Available", E2="Occupied"))
    assert (await received(emp, body))["Result"] is True
    assert await statuses(emp, "cpo") == left


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (push("insert", E1="Available", E3="Available"), "022"),
        (push("update", E3="Available"), "022"),
        (push("delete", E3="Available"), "022"),
        (push("fullLoad", E1="On fire"), "022"),
        (push("fullLoad", operator_id="DE*XYZ"), "017"),
        (push("update", E1="Available").replace(b"DE*CPO*E1", b"DE*XYZ*E1"), "018"),
        (push("fullLoad", E3="Available", **{"E3*": "Available"}), "018"),
    ],
    ids=["exists", "does not exist", "not there to delete", "no status", "foreign operator", "foreign EVSE", "twice"],
)
async def test_a_push_that_cannot_be_taken_changes_nothing(pair: tuple[Party, Party], body: bytes, code: str) -> None:
    _, emp = pair
    await received(emp, push("fullLoad", E1="Available", E2="Occupied"))
    assert (await received(emp, body))["StatusCode"]["Code"] == code
    assert await statuses(emp, "cpo") == {IDS[0]: "Available", IDS[1]: "Occupied"}


async def test_a_peer_that_was_away_gets_the_statuses_of_now(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.wire.down = {"emp"}
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Occupied"))
    await cpo.send(PUSH_EVSE_STATUS, push("update", E1="Occupied"))
    cpo.wire.down = set()
    await cpo.send(PUSH_EVSE_STATUS, push("update", E2="Available"))
    assert await statuses(emp, "cpo") == {IDS[0]: "Occupied", IDS[1]: "Available"}


async def test_an_emp_pulls_all_statuses_it_may_see_by_operator(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Occupied", E3="Available"))
    cpo.knows(emp, visible=("DE*CPO*E1", "DE*CPO*E2"))
    everything = await pulled(cpo, PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE"))
    (block,) = everything["EvseStatuses"]["OperatorEvseStatus"]
    assert (block["OperatorID"], block["OperatorName"], everything["StatusCode"]["Code"]) == (
        "DE*CPO",
        "The CPO",
        "000",
    )
    assert [each["EvseID"] for each in block["EvseStatusRecord"]] == IDS[:2]
    only = await pulled(cpo, PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE", evse_status="Occupied"))
    (block,) = only["EvseStatuses"]["OperatorEvseStatus"]
    assert block["EvseStatusRecord"] == [{"EvseID": IDS[1], "EvseStatus": "Occupied"}]


async def test_statuses_around_a_place_are_those_of_what_is_near(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Occupied"))
    places = [located(IDS[0], NEAR), located(IDS[1], FAR)]
    await cpo.store.publish(lambda publication: publication.put_evses(places, NOON))
    search = {"geo_coordinates": {"google": {"coordinates": "50.11 8.71"}}, "radius": "5"}
    message = PullEvseStatus.model_validate({"provider_id": "DE-ONE", "search_center": search})
    (block,) = (await pulled(cpo, PULL_EVSE_STATUS, message))["EvseStatuses"]["OperatorEvseStatus"]
    assert [each["EvseID"] for each in block["EvseStatusRecord"]] == IDS[:1]


async def test_statuses_by_operator(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    for operator_id, count in (("DECPO", 1), ("DE*XYZ", 0)):
        message = PullEvseStatusByOperatorId(provider_id="DE-ONE", operator_id=[operator_id])
        answer = await pulled(cpo, PULL_EVSE_STATUS_BY_OPERATOR_ID, message)
        assert len(answer["EvseStatuses"]["OperatorEvseStatus"]) == count


async def test_statuses_by_id_say_so_where_an_evse_is_not_ours_or_has_none(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E3="Available"))
    await cpo.store.publish(lambda publication: publication.put_evses([located(IDS[1], NEAR)], NOON))
    cpo.knows(emp, visible=("DE*CPO*E1", "DE*CPO*E2"))
    message = PullEvseStatusById(provider_id="DE-ONE", evse_id=[IDS[0].lower(), *IDS[1:], "DE*XYZ*E1"])
    answer = await pulled(cpo, PULL_EVSE_STATUS_BY_ID, message)
    assert answer["EVSEStatusRecords"]["EvseStatusRecord"] == [
        {"EvseID": IDS[0].lower(), "EvseStatus": "Available"},
        {"EvseID": IDS[1], "EvseStatus": "Unknown"},
        {"EvseID": IDS[2], "EvseStatus": "EvseNotFound"},
        {"EvseID": "DE*XYZ*E1", "EvseStatus": "EvseNotFound"},
    ]


async def test_pulled_statuses_are_kept_as_the_peers(world: World) -> None:
    cpo, emp = await world.pair()
    cpo.knows(emp, send=("AuthorizeStart",))
    two = await world.party("two", operators=("DE*TWO",))
    two.knows(emp, send=("AuthorizeStart",))
    emp.knows(two)
    await received(emp, push("fullLoad", E3="Occupied"))
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    await two.send(PUSH_EVSE_STATUS, push("fullLoad", operator_id="DE*TWO", E1="Reserved"))
    answer = await emp.send(PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE"))
    assert [block.operator_id for block in answer.evse_statuses.operator_evse_status] == ["DE*CPO", "DE*TWO"]
    assert await statuses(emp, "cpo") == {IDS[0]: "Available"}
    assert await statuses(emp, "two") == {"DE*TWO*E1": "Reserved"}
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad"))
    await emp.send(PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE"), to="cpo")
    assert await statuses(emp, "cpo") == {}


async def test_a_status_of_what_is_another_peers_is_shown_but_makes_no_peer_its_owner(world: World) -> None:
    emp = await world.party("emp", providers=("DE-ONE",))
    cpo = await world.party("cpo", operators=("DE*CPO",))
    other = await world.party("other", operators=("DE*OTH",))
    emp.knows(cpo, other)
    records = [{"EvseID": evse_id, "EvseStatus": "Available"} for evse_id in (IDS[0], "DE*OTH*E1", "DE*XYZ*E1")]
    blocks = {"OperatorEvseStatus": [{"OperatorID": "DE*CPO", "EvseStatusRecord": records}]}
    by_id = json.dumps({"EVSEStatusRecords": {"EvseStatusRecord": records}, "StatusCode": {"Code": "000"}}).encode()
    whole = json.dumps({"EvseStatuses": blocks, "StatusCode": {"Code": "000"}}).encode()
    for operation, message, answer in (
        (PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE"), whole),
        (PULL_EVSE_STATUS_BY_ID, PullEvseStatusById(provider_id="DE-ONE", evse_id=["DE*OTH*E1"]), by_id),
    ):
        cpo.foreign = answer
        assert b"DE*OTH*E1" in await emp.send_raw(operation, message, to="cpo")
        assert set(await statuses(emp, "cpo")) == {IDS[0], "DE*XYZ*E1"}


async def test_pulls_by_operator_and_by_id_change_only_what_they_asked_for(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, send=("AuthorizeStart",))
    await received(emp, push("fullLoad", E1="Occupied", E2="Occupied", E3="Occupied"))
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available", E2="Available"))
    by_id = PullEvseStatusById(provider_id="DE-ONE", evse_id=[IDS[0], IDS[2]])
    answer = await emp.send(PULL_EVSE_STATUS_BY_ID, by_id)
    assert [each.evse_status for each in answer.evse_status_records.evse_status_record] == ["Available", "EvseNotFound"]
    assert await statuses(emp, "cpo") == {IDS[0]: "Available", IDS[1]: "Occupied"}
    by_operator = PullEvseStatusByOperatorId(provider_id="DE-ONE", operator_id=["DE*CPO"])
    await emp.send(PULL_EVSE_STATUS_BY_OPERATOR_ID, by_operator)
    assert await statuses(emp, "cpo") == {IDS[0]: "Available", IDS[1]: "Available"}


async def test_by_id_a_cpo_that_knows_the_evse_is_believed(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", operators=("DE*TWO",))
    for party in (cpo, two):
        party.knows(emp, send=("AuthorizeStart",))
        emp.knows(party)
    await cpo.send(PUSH_EVSE_STATUS, push("fullLoad", E1="Available"))
    message = PullEvseStatusById(provider_id="DE-ONE", evse_id=[IDS[0]])
    answer = await emp.send(PULL_EVSE_STATUS_BY_ID, message)
    assert [each.evse_status for each in answer.evse_status_records.evse_status_record] == ["Available"]


async def test_a_refused_pull_of_statuses_changes_nothing(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await received(emp, push("fullLoad", E1="Occupied"))
    cpo.knows(emp, receive=("AuthorizeStart",))
    error = await refused(emp.send(PULL_EVSE_STATUS, PullEvseStatus(provider_id="DE-ONE")))
    assert error.code is Code.NO_VALID_CONTRACT
    assert await statuses(emp, "cpo") == {IDS[0]: "Occupied"}

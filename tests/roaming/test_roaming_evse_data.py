"""PushEvseData and PullEvseData."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_data import EvseData, PullEvseData
from p2pnode.oicp.identifiers import evse_key
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA
from p2pnode.oicp.status import Code
from p2pnode.roaming.published_records import EvseFilter, EvseRecord
from p2pnode.roaming.records import OWN, PageRequest
from tests.roaming.roaming_messages import decoded, make
from tests.roaming.roaming_world import Call, Party, World, refused
from tests.samples import sample_members

SAMPLE: dict[str, Any] = sample_members("PushEvseData.request")["OperatorEvseData"]["EvseDataRecord"][0]
IDS = [f"DE*CPO*E{number}" for number in range(1, 6)]


def record(evse_id: str, **members: object) -> dict[str, Any]:
    found = {**SAMPLE, "EvseID": evse_id, "GeoCoordinates": {"Google": {"Coordinates": "50.113600 8.679700"}}}
    return {name: value for name, value in {**found, **members}.items() if value is not None}


def push(action: str, *records: dict[str, Any] | str, operator_id: str = "DE*CPO") -> bytes:
    full = [record(entry) if isinstance(entry, str) else entry for entry in records]
    data = {"OperatorID": operator_id, "OperatorName": "The CPO", "EvseDataRecord": full}
    return json.dumps({"ActionType": action, "OperatorEvseData": data}, ensure_ascii=False).encode()


def pull(**members: object) -> PullEvseData:
    values = {"provider_id": "DE-ONE", "geo_coordinates_response_format": "Google", **members}
    return make(PullEvseData, **values)


async def known(party: Party, owner: str) -> list[EvseRecord]:
    wanted = EvseFilter(owners=(owner,), as_of=party.store.clock())
    return list(await party.store.evse_page(wanted, PageRequest(0, 2000)))


async def ids(party: Party, owner: str) -> list[str]:
    return [found.evse_id for found in await known(party, owner)]


async def received(emp: Party, body: bytes, source: str = "cpo", caller_id: str = "DE*CPO") -> dict[str, Any]:
    """The answer to a push of a foreign CPO."""
    _, answer = await emp.answer(Call(source, "emp", PUSH_EVSE_DATA, body, caller_id, None), "process")
    return decoded(answer)


async def page(cpo: Party, message: PullEvseData, number: int = 0, size: int = 20) -> tuple[EvseData, list[Any]]:
    """One page as an EMP gets it: the message and its decoded records."""
    call = Call("emp", "cpo", PULL_EVSE_DATA, encode(message), "DE-ONE", PageRequest(number, size))
    _, body = await cpo.answer(call, "process")
    members = decoded(body)
    return EvseData.model_validate(members), members["content"]


async def test_what_a_cpo_publishes_is_kept_as_ours_and_reaches_the_emps_verbatim(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    body = push("fullLoad", *IDS[:2])
    answer = await cpo.send(PUSH_EVSE_DATA, body)
    assert (answer.result, answer.status_code.additional_info) == (True, None)
    assert [call.body for call in cpo.wire.calls] == [body]
    assert await ids(cpo, OWN) == await ids(emp, "cpo") == IDS[:2]
    (first, _) = await known(emp, "cpo")
    assert first.body == json.dumps(record(IDS[0]), ensure_ascii=False).encode()
    assert (first.operator_id, first.operator_name, first.latitude) == ("DE*CPO", "The CPO", 50.1136)


@pytest.mark.parametrize(
    ("action", "evse_ids", "left"),
    [
        ("insert", IDS[3:5], IDS[:5]),
        ("update", IDS[:1], IDS[:3]),
        ("delete", IDS[1:2], [IDS[0], IDS[2]]),
        ("fullLoad", IDS[2:4], IDS[2:4]),
        ("fullLoad", [], []),
    ],
)
async def test_an_action_does_what_it_says(
    pair: tuple[Party, Party], action: str, evse_ids: Sequence[str], left: Sequence[str]
) -> None:
    _, emp = pair
    await received(emp, push("fullLoad", *IDS[:3]))
    assert (await received(emp, push(action, *evse_ids)))["Result"] is True
    assert await ids(emp, "cpo") == list(left)


@pytest.mark.parametrize(
    ("action", "evse_ids", "named"),
    [("insert", [IDS[3], IDS[0]], IDS[0]), ("update", [IDS[0], IDS[3]], IDS[3]), ("delete", [IDS[3]], IDS[3])],
)
async def test_a_record_that_exists_already_or_does_not_costs_the_whole_push(
    pair: tuple[Party, Party], action: str, evse_ids: Sequence[str], named: str
) -> None:
    _, emp = pair
    await received(emp, push("fullLoad", *IDS[:3]))
    before = await known(emp, "cpo")
    answer = await received(emp, push(action, *evse_ids))
    assert (answer["Result"], answer["StatusCode"]["Code"]) == (False, "022")
    assert evse_key(named) in answer["StatusCode"]["AdditionalInfo"]
    assert await known(emp, "cpo") == before


async def test_a_push_names_every_record_that_cannot_be_taken(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    bad = [record(IDS[0]), record(IDS[1], Address=None), record("no EvseID"), record(IDS[2], Plugs="x" * 60)]
    answer = await received(emp, push("insert", *bad))
    assert (answer["Result"], answer["StatusCode"]["Code"]) == (False, "022")
    places = [error["fieldReference"] for error in answer["validationErrors"]]
    assert any(place.startswith("/OperatorEvseData/EvseDataRecord/1/Address") for place in places)
    assert any(place.startswith("/OperatorEvseData/EvseDataRecord/2/EvseID") for place in places)
    assert not any(place.startswith("/OperatorEvseData/EvseDataRecord/0") for place in places)
    assert not await ids(emp, "cpo")


async def test_a_record_that_is_not_quite_right_is_mended_and_kept_as_it_came(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    loose = record(IDS[0], IsOpen24Hours="true", GeoCoordinates={"Google": "50.113600 8.679700"})
    assert (await received(emp, push("insert", loose)))["Result"] is True
    (kept,) = await known(emp, "cpo")
    assert json.loads(bytes(kept.body)) == loose
    assert (kept.is_open_24_hours, kept.latitude) == (True, 50.1136)


async def test_an_evse_id_twice_in_one_push_is_018(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    answer = await received(emp, push("insert", IDS[0], IDS[0].replace("*", "")))
    assert answer["StatusCode"]["Code"] == "018"


async def test_an_evse_id_of_another_operator_is_018_unless_the_entry_lists_it(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    foreign = push("fullLoad", IDS[0], "DE*SUB*E1", "DE*XYZ*E9*1")
    assert (await received(emp, foreign))["StatusCode"]["Code"] == "018"
    emp.knows(cpo, sub_operators=("DESUB",))
    answer = await received(emp, foreign)
    assert answer["StatusCode"]["Code"] == "018"
    assert "DE*XYZ*E9*1" in answer["StatusCode"]["AdditionalInfo"]
    assert "DE*SUB" not in answer["StatusCode"]["AdditionalInfo"]
    emp.knows(cpo, sub_operators=("DESUB",), evse_prefixes=("DE*XYZ*E9",))
    assert (await received(emp, foreign))["Result"] is True
    emp.knows(cpo, operators=(), hub=True)
    assert (await received(emp, push("fullLoad", "FR*ABC*E1", operator_id="FR*ABC")))["Result"] is True


async def test_an_operator_that_is_not_the_peers_is_017(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    assert (await received(emp, push("fullLoad", operator_id="DE*XYZ")))["StatusCode"]["Code"] == "017"


async def test_our_own_data_that_is_not_valid_goes_nowhere(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    error = await refused(cpo.send(PUSH_EVSE_DATA, push("insert", record(IDS[0], Address=None))))
    assert error.code is Code.DATA_ERROR
    assert (await refused(cpo.send(PUSH_EVSE_DATA, push("sync", IDS[0])))).code is Code.DATA_ERROR
    assert (await refused(cpo.send(PUSH_EVSE_DATA, push("insert", operator_id="DE*XYZ")))).code == "017"
    assert not cpo.wire.calls
    assert not await ids(cpo, OWN)


async def test_each_emp_gets_what_it_may_see_and_takes(world: World) -> None:
    cpo, some = await world.pair()
    others = {name: await world.party(name, providers=(f"DE-{name.upper()}",)) for name in ("all", "non", "mut")}
    for other in others.values():
        cpo.knows(other)
        other.knows(cpo)
    cpo.knows(some, visible=("DE*CPO*E1", "DECPOE3"))
    cpo.knows(others["non"], visible=("DE*CPO*E9",))
    cpo.knows(others["mut"], send=("AuthorizeStart",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:3]))
    await cpo.send(PUSH_EVSE_DATA, push("insert", IDS[3]))
    assert await ids(some, "cpo") == [IDS[0], IDS[2]]
    assert await ids(others["all"], "cpo") == IDS[:4]
    assert await ids(others["non"], "cpo") == []
    assert [len(world.wire.to(name)) for name in ("emp", "all", "non", "mut")] == [1, 2, 1, 0]


async def test_after_an_outage_a_peer_gets_the_current_state_once(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    cpo.wire.down = {"emp"}
    for action, evse_id in (("insert", IDS[2]), ("delete", IDS[0]), ("insert", IDS[3])):
        answer = await cpo.send(PUSH_EVSE_DATA, push(action, evse_id))
        assert answer.result
        assert "emp" in (answer.status_code.additional_info or "")
    cpo.wire.down, cpo.wire.calls = set(), []
    await cpo.deliver_pending()
    assert await ids(emp, "cpo") == IDS[1:4]
    assert len(cpo.wire.calls) == 1
    assert await cpo.deliver_pending() == []
    assert len(cpo.wire.calls) == 1


async def test_a_peer_that_lacks_what_we_change_gets_everything(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, enabled=False)
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    cpo.knows(emp)
    answer = await cpo.send(PUSH_EVSE_DATA, push("update", IDS[0]))
    assert (answer.result, answer.status_code.additional_info) == (True, None)
    assert await ids(emp, "cpo") == IDS[:2]
    pushed = json.loads(cpo.wire.calls[-1].body)["OperatorEvseData"]
    assert pushed["OperatorName"] == "The CPO"
    assert pushed["EvseDataRecord"] == [record(evse_id) for evse_id in IDS[:2]]


async def test_a_new_peer_gets_everything_when_it_is_asked_for(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, enabled=False)
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    cpo.knows(emp)
    assert await cpo.roaming.publish_all("emp") == []
    assert await ids(emp, "cpo") == IDS[:2]


async def test_a_peer_that_refuses_everything_is_not_sent_everything_each_time(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.knows(cpo, operators=("DE*OLD",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    cpo.wire.calls.clear()
    answer = await cpo.send(PUSH_EVSE_DATA, push("update", IDS[0]))
    assert "017" in (answer.status_code.additional_info or "")
    assert len(cpo.wire.calls) == 1
    emp.knows(cpo)
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:3]))
    assert await ids(emp, "cpo") == IDS[:3]


async def test_pushes_and_pulls_one_after_the_other_leave_what_the_last_one_says(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await received(emp, push("fullLoad", *IDS[:3], "DE*CPO*E9"))
    assert (await received(emp, push("insert", "DE*CPO*E6", "DE*CPO*E7", IDS[0])))["StatusCode"]["Code"] == "022"
    assert await ids(emp, "cpo") == [*IDS[:3], "DE*CPO*E9"]
    assert (await received(emp, push("insert", *IDS[3:], "DE*CPO*E6")))["Result"] is True
    assert (await received(emp, push("fullLoad", *IDS)))["Result"] is True
    assert await ids(emp, "cpo") == IDS
    cpo.knows(emp, send=("AuthorizeStart",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:4]))
    assert await emp.roaming.pull_evse_data(pull(), "cpo") == 4
    assert await ids(emp, "cpo") == IDS[:4]
    assert await emp.roaming.pull_evse_data(pull(renewable_energy=SAMPLE["RenewableEnergy"]), "cpo") == 4


async def test_a_small_push_does_not_overtake_a_large_one_that_came_before_it(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    large = push("fullLoad", *(f"DE*CPO*E{number}" for number in range(300)))
    first = asyncio.create_task(received(emp, large))
    await asyncio.sleep(0)
    answers = await asyncio.gather(first, received(emp, push("fullLoad", "DE*CPO*E7")))
    assert [answer["Result"] for answer in answers] == [True, True]
    assert await ids(emp, "cpo") == ["DE*CPO*E7"]

"""PushEvseData and PullEvseData."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_data import EvseData, PullEvseData
from p2pnode.oicp.identifiers import evse_key
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.published_records import EvseFilter, EvseRecord
from p2pnode.roaming.records import OWN, PageRequest
from tests.roaming.roaming_world import NOON, Call, Party, World, decoded, make, refused
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
    await cpo.roaming.deliver_pending()
    assert await ids(emp, "cpo") == IDS[1:4]
    assert len(cpo.wire.calls) == 1
    assert await cpo.roaming.deliver_pending() == []
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


async def test_a_page_has_the_records_with_their_operator_and_last_update(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    answer, records = await page(cpo, pull(), number=1, size=2)
    assert (answer.number, answer.size, answer.total_elements, answer.total_pages) == (1, 2, 5, 3)
    assert (answer.first, answer.last, answer.number_of_elements) == (False, False, 2)
    assert [found["EvseID"] for found in records] == IDS[2:4]
    first = records[0]
    assert (first["OperatorID"], first["OperatorName"]) == ("DE*CPO", "The CPO")
    assert first["lastUpdate"].startswith(NOON.isoformat()[:19])
    assert first["ChargingStationID"] == SAMPLE["ChargingStationId"]
    assert "ChargingStationId" not in first
    assert "deltaType" not in first


async def test_a_peer_pulls_only_what_it_may_see(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, visible=("DE*CPO*E2",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    answer, records = await page(cpo, pull())
    assert [found["EvseID"] for found in records] == [IDS[1]]
    assert answer.total_elements == 1


async def test_nothing_shifts_under_the_pages_of_a_crawl(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    _, first = await page(cpo, pull(), size=2)
    cpo.clock.advance(minutes=1)
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[0], IDS[1]))
    await cpo.send(PUSH_EVSE_DATA, push("insert", "DE*CPO*E0"))
    answers = [await page(cpo, pull(), number=number, size=2) for number in (1, 2)]
    crawled = [*first, *answers[0][1], *answers[1][1]]
    assert [found["EvseID"] for found in crawled] == IDS
    assert answers[-1][0].total_elements == 5
    anew, _ = await page(cpo, pull(), size=2)
    assert anew.total_elements == 4


async def test_a_crawl_that_pauses_too_long_sees_what_there_is(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    await page(cpo, pull(), size=2)
    cpo.clock.advance(hours=1)
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[0]))
    answer, _ = await page(cpo, pull(), number=1, size=2)
    assert answer.total_elements == 4


async def test_with_last_call_only_changes_come_with_their_delta_type(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:3]))
    cpo.clock.advance(hours=1)
    since = cpo.clock()
    cpo.clock.advance(hours=1)
    await cpo.send(PUSH_EVSE_DATA, push("update", record(IDS[0], RenewableEnergy=False)))
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[1]))
    await cpo.send(PUSH_EVSE_DATA, push("insert", IDS[3]))
    _, records = await page(cpo, pull(last_call=since))
    assert {found["EvseID"]: found["deltaType"] for found in records} == {
        IDS[0]: "update",
        IDS[1]: "delete",
        IDS[3]: "insert",
    }
    assert all(found["lastUpdate"] and found["Address"] for found in records)


@pytest.mark.parametrize(
    ("notation", "coordinates"),
    [
        ("Google", {"Google": {"Coordinates": "50.113600 8.679700"}}),
        ("DecimalDegree", {"DecimalDegree": {"Longitude": "8.679700", "Latitude": "50.113600"}}),
        ("DegreeMinuteSeconds", {"DegreeMinuteSeconds": {"Longitude": "8°40'46.9200''", "Latitude": "50°6'48.9600''"}}),
    ],
)
@pytest.mark.parametrize(
    "there",
    [
        {"Google": {"Coordinates": "50.113600 8.679700"}},
        {"DecimalDegree": {"Longitude": "8.679700", "Latitude": "50.113600"}},
    ],
    ids=["Google", "DecimalDegree"],
)
async def test_coordinates_come_in_the_notation_that_was_asked_for(
    pair: tuple[Party, Party], notation: str, coordinates: dict[str, Any], there: dict[str, Any]
) -> None:
    cpo, _ = pair
    entrance = record(IDS[0], GeoChargingPointEntrance=there)
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", entrance, IDS[1]))
    _, records = await page(cpo, pull(geo_coordinates_response_format=notation))
    assert [found["GeoCoordinates"] for found in records] == [coordinates] * 2
    assert records[0]["GeoChargingPointEntrance"] == coordinates


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"operator_ids": ["DECPO"]}, IDS[:2]),
        ({"operator_ids": ["DE*XYZ"]}, []),
        ({"operator_ids": []}, IDS[:2]),
        ({"country_codes": ["FRA"]}, IDS[1:2]),
        ({"renewable_energy": False}, IDS[1:2]),
        ({"authentication_modes": ["PnC"]}, IDS[1:2]),
        ({"is_hubject_compatible": False}, []),
    ],
    ids=["operator", "other operator", "empty list", "country", "renewable", "modes", "compatible"],
)
async def test_a_pull_is_narrowed_by_its_filters(
    pair: tuple[Party, Party], members: dict[str, Any], found: list[str]
) -> None:
    cpo, _ = pair
    other = record(
        IDS[1],
        Address={**SAMPLE["Address"], "Country": "FRA"},
        RenewableEnergy=False,
        AuthenticationModes=["PnC"],
    )
    plain = record(IDS[0], RenewableEnergy=True, AuthenticationModes=["REMOTE"])
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", plain, other))
    _, records = await page(cpo, pull(**members))
    assert [each["EvseID"] for each in records] == found


async def test_a_pull_around_a_place_finds_what_is_near(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    far = record(IDS[1], GeoCoordinates={"Google": {"Coordinates": "47.376900 8.541700"}})
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", IDS[0], far))
    place = {"google": {"coordinates": "50.1 8.7"}}
    _, records = await page(cpo, pull(search_center={"geo_coordinates": place, "radius": "10"}))
    assert [each["EvseID"] for each in records] == IDS[:1]
    nowhere = {"google": {"coordinates": "None None"}}
    request = encode(pull(search_center={"geo_coordinates": nowhere, "radius": "10"}))
    http, body = await cpo.answer(Call("emp", "cpo", PULL_EVSE_DATA, request, "DE-ONE", None), "process")
    assert (http, b"/SearchCenter/GeoCoordinates" in body) == (400, True)


async def test_a_full_crawl_replaces_the_old_copy_once_it_is_complete(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await received(emp, push("fullLoad", "DE*CPO*E77", IDS[0]))
    cpo.knows(emp, send=("AuthorizeStart",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    for number in range(3):
        assert await ids(emp, "cpo") == [IDS[0], "DE*CPO*E77"]
        answer = await emp.send(PULL_EVSE_DATA, pull(), page=PageRequest(number, 2))
        assert answer.number == number
    assert await ids(emp, "cpo") == IDS


async def test_a_crawl_goes_over_all_pages_by_itself(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.knows(emp, send=("AuthorizeStart",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    assert await emp.roaming.pull_evse_data(pull(), "cpo") == 5
    assert await ids(emp, "cpo") == IDS
    cpo.clock.advance(hours=1)
    since = cpo.clock()
    cpo.clock.advance(hours=1)
    await cpo.send(PUSH_EVSE_DATA, push("delete", IDS[0]))
    assert await emp.roaming.pull_evse_data(pull(last_call=since - timedelta(minutes=5)), "cpo") == 1
    assert await ids(emp, "cpo") == IDS[1:]
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad"))
    assert await emp.roaming.pull_evse_data(pull(), "cpo") == 0
    assert await ids(emp, "cpo") == []


async def test_a_filtered_pull_leaves_the_rest_of_the_copy(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await received(emp, push("fullLoad", "DE*CPO*E77"))
    cpo.knows(emp, send=("AuthorizeStart",))
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", IDS[0]))
    await emp.send(PULL_EVSE_DATA, pull(is_open_24_hours=SAMPLE["IsOpen24Hours"]))
    assert await ids(emp, "cpo") == [IDS[0], "DE*CPO*E77"]


async def test_a_refused_pull_does_not_wipe_the_copy(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await received(emp, push("fullLoad", IDS[0]))
    cpo.knows(emp, receive=("AuthorizeStart",))
    assert (await refused(emp.send(PULL_EVSE_DATA, pull()))).code is Code.NO_VALID_CONTRACT
    assert await ids(emp, "cpo") == IDS[:1]


async def test_one_bad_record_costs_itself_and_not_its_page(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair

    good = {**record(IDS[0]), "OperatorID": "DE*CPO", "OperatorName": "The CPO"}
    cpo.foreign = json.dumps({"content": [good, {"EvseID": 7}, "x", {**good, "EvseID": IDS[1]}]}).encode()
    await emp.roaming.pull_evse_data(pull(), "cpo")
    assert await ids(emp, "cpo") == IDS[:2]


async def test_a_pull_does_not_make_a_peer_the_owner_of_what_is_another_peers_or_ours(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", operators=("DE*TWO",))
    emp.own = OwnParty(("DE*OWN",), emp.own.providers)
    emp.restart()
    emp.knows(two, evse_prefixes=("DE*CPO*E5",))
    shown = [
        {**record(evse_id), "OperatorID": "DE*CPO", "OperatorName": "The CPO"}
        for evse_id in (IDS[0], IDS[4], "DE*TWO*E1", "DE*OWN*E1", "CH*NOB*E1")
    ]
    cpo.foreign = json.dumps({"content": shown}).encode()
    await emp.roaming.pull_evse_data(pull(), "cpo")
    assert await ids(emp, "cpo") == ["CH*NOB*E1", IDS[0]]
    emp.knows(cpo, hub=True)
    await emp.roaming.pull_evse_data(pull(), "cpo")
    assert len(await ids(emp, "cpo")) == 5


async def test_a_pull_of_all_cpos_merges_their_pages(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", operators=("DE*TWO",))
    two.knows(emp, send=("AuthorizeStart",))
    cpo.knows(emp, send=("AuthorizeStart",))
    emp.knows(two)
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    await two.send(PUSH_EVSE_DATA, push("fullLoad", "DE*TWO*E1", operator_id="DE*TWO"))
    answer = await emp.send(PULL_EVSE_DATA, pull())
    assert (answer.total_elements, [each.evse_id for each in answer.content]) == (3, [*IDS[:2], "DE*TWO*E1"])
    world.wire.down = {"two"}
    assert (await emp.send(PULL_EVSE_DATA, pull())).total_elements == 2
    assert await ids(emp, "two") == ["DE*TWO*E1"]


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


async def test_a_last_call_before_the_history_that_is_kept_is_refused_with_a_reason(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    since = cpo.clock()
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS[:2]))
    cpo.clock.advance(days=2)
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    await cpo.store.purge(cpo.clock())
    answer, records = await page(cpo, pull(last_call=since))
    assert answer.status_code is not None
    assert (answer.status_code.code, records) == ("022", [])
    assert "LastCall" in (answer.status_code.additional_info or "")

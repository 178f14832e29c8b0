"""PullEvseData, both verbs: what a page holds, what changes meanwhile, what is kept of what came."""

import json
from datetime import timedelta
from typing import Any

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import OwnParty
from p2pnode.roaming.records import PageRequest
from tests.roaming.roaming_messages import NOON
from tests.roaming.roaming_world import Call, Party, World, refused
from tests.roaming.test_roaming_evse_data import IDS, SAMPLE, ids, page, pull, push, received, record


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

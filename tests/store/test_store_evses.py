"""EVSE data as it is: put, found, filtered and paged."""

# pyright: reportPrivateUsage=false
# These tests look inside.

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from p2pnode.roaming.published_records import EvseFilter, EvseOwner, EvseRecord
from p2pnode.roaming.records import OWN, PageRequest
from p2pnode.store import search
from p2pnode.store.store import SqlStore
from p2pnode.store.versions import BODY
from tests.clock import Clock
from tests.store.store_kit import START, OpenStore, bodies, everything, evse, status

MOST = PageRequest(0, 2000)


async def put(store: SqlStore, *records: EvseRecord) -> None:
    await store.publish(lambda publication: publication.put_evses(records, START))


async def keys(store: SqlStore, wanted: EvseFilter, page: PageRequest = MOST) -> list[str]:
    return [record.evse_key for record in await store.evse_page(wanted, page)]


def unchanged(record: EvseRecord | None) -> EvseRecord | None:
    """The record as it was put."""
    return None if record is None else structs.replace(record, changed_at=None)


async def test_an_evse_is_read_as_it_was_written(store: SqlStore) -> None:
    full = evse(place=(-33.856784, 151.2152967), always_open=True, renewable=True)
    bare = EvseRecord(OWN, "E2", "E2", "OP", "OP", "", b"{}")
    await put(store, full, bare)
    assert unchanged(await store.evse(full.evse_key)) == full
    assert unchanged(await store.evse("E2", OWN)) == bare
    found = await store.evse_page(everything(store), MOST)
    assert [unchanged(record) for record in found] == [full, bare]
    assert [record.changed_at for record in found] == [START, START]
    assert [record.delta_type for record in found] == [None, None]


async def test_our_own_record_of_an_evse_comes_before_those_of_peers(store: SqlStore) -> None:
    own, foreign = evse("E1"), evse("E1", b"foreign", owner="lader")
    await put(store, foreign)
    assert unchanged(await store.evse("E1")) == foreign
    await put(store, own)
    assert unchanged(await store.evse("E1")) == own
    assert unchanged(await store.evse("E1", "lader")) == foreign
    assert await store.evse("E1", "nobody") is None
    assert await store.evse("E9") is None


async def test_who_has_published_an_evse_is_told_by_its_data_and_then_by_its_status(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_statuses([status("E1", owner="late"), status("E2")]))
    assert await store.evse_owners("E1") == [EvseOwner("late", None)]
    assert await store.evse_owners("E2") == [EvseOwner(OWN, None)]
    await put(store, evse("E1", owner="lader", compatible=False), evse("E1"))
    other = EvseOwner("lader", is_hubject_compatible=False)
    assert await store.evse_owners("E1") == [EvseOwner(OWN, is_hubject_compatible=True), other, EvseOwner("late", None)]
    await store.publish(lambda publication: publication.delete_evses(OWN, ["E1"], START))
    assert await store.evse_owners("E1") == [other, EvseOwner("late", None)]
    assert await store.evse_owners("E9") == []


async def test_an_owner_lacks_an_evse_once_it_has_published_others_only(store: SqlStore) -> None:
    assert not await store.lacks_evse(OWN, "E2")
    await put(store, evse("E1", operator="A"), evse("E3", owner="lader"))
    assert await store.lacks_evse(OWN, "E2")
    assert await store.lacks_evse(OWN, "E3")
    assert await store.lacks_evse(OWN, "E2", "A")
    assert not await store.lacks_evse(OWN, "E2", "B")
    assert not await store.lacks_evse(OWN, "E1")
    assert not await store.lacks_evse(OWN, "E1", "A")
    await store.publish(lambda publication: publication.delete_evses(OWN, ["E1"], START))
    assert not await store.lacks_evse(OWN, "E2")
    assert not await store.lacks_evse(OWN, "E2", "A")


async def test_only_what_is_published_now_is_known(store: SqlStore) -> None:
    await put(store, evse("E1"), evse("E2"), evse("E3", owner="lader"))
    assert await store.publish(lambda publication: publication.delete_evses(OWN, ["E2", "E9", "E2"], START)) == 1
    asked = iter(["E1", "E2", "E3"])
    assert await store.publish(lambda publication: publication.known_evses(OWN, asked)) == {"E1"}
    assert await store.publish(lambda publication: publication.delete_evses(OWN, ["E2"], START)) == 0
    assert await store.publish(lambda publication: publication.delete_evses(OWN, [], START)) == 0


async def test_any_number_of_evses_can_be_put_known_and_deleted_at_once(store: SqlStore) -> None:
    many = [evse(f"E{i:05d}") for i in range(12_000)]
    names = [record.evse_key for record in many]
    await put(store, *many)
    assert await store.publish(lambda publication: publication.known_evses(OWN, names)) == set(names)
    assert await store.publish(lambda publication: publication.delete_evses(OWN, names, START)) == len(names)


async def test_of_a_record_that_stands_twice_the_last_one_counts(store: SqlStore) -> None:
    await put(store, evse("E1", b"first"), evse("E1", b"last"))
    assert await bodies(store, everything(store), MOST) == [b"last"]


async def test_a_full_load_replaces_what_the_owner_publishes_for_the_operator(store: SqlStore, clock: Clock) -> None:
    await put(store, evse("E1", operator="A"), evse("E2", operator="A"), evse("E3", operator="B"))
    await put(store, evse("E1", operator="A", owner="lader"))
    at = clock.advance(seconds=1)
    new = [evse("E2", operator="A"), evse("E3", operator="A"), evse("E4", operator="A")]
    await store.publish(lambda publication: publication.replace_evses(OWN, "A", new, at))
    found = await store.evse_page(everything(store), MOST)
    assert [unchanged(record) for record in found] == new
    assert [record.changed_at for record in found] == [START, at, at]
    assert await store.evse("E1", "lader") is not None
    await store.publish(lambda publication: publication.replace_evses(OWN, "A", [], clock.advance(seconds=1)))
    assert await store.evse_count(everything(store)) == 0


async def test_a_record_that_is_the_same_keeps_its_version(store: SqlStore, clock: Clock) -> None:
    await put(store, evse("E1"), evse("E2"))
    at = clock.advance(seconds=1)
    await store.publish(lambda publication: publication.put_evses([evse("E1"), evse("E2", b"new")], at))
    found = await store.evse_page(everything(store), MOST)
    assert [record.changed_at for record in found] == [START, at]


@pytest.mark.parametrize(
    "change",
    [{"name": "New name"}, {"operator": "NEW"}, {"country": "CHE"}, {"renewable": True}, {"modes": ()}],
)
async def test_a_record_with_another_value_beside_its_body_is_a_new_version(
    store: SqlStore, clock: Clock, change: dict[str, Any]
) -> None:
    await put(store, evse())
    at = clock.advance(seconds=1)
    await store.publish(lambda publication: publication.put_evses([evse(**change)], at))
    (found,) = await store.evse_page(everything(store), MOST)
    assert found == structs.replace(evse(**change), changed_at=at)


FILTERED = [
    evse("A1", operator="A", country="DEU", modes=("REMOTE", "PnC"), place=(50.0, 8.0)),
    evse("A2", operator="A", country="CHE", modes=("NFC RFID Classic",), renewable=True, place=(47.4, 8.5)),
    evse(
        "B1", operator="B", country="AUT", modes=(), compatible=False, accessibility="Test Station", place=(48.2, 16.4)
    ),
    evse("B_2", operator="B", country="DEU", modes=("PnC Plus",), always_open=True, calibration="External"),
    evse("X1", operator="B", owner="lader", place=(None, None)),
]


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, "A1 A2 B1 B_2"),
        ({"owners": ("lader",)}, "X1"),
        ({"owners": (OWN, "lader")}, "A1 A2 B1 B_2 X1"),
        ({"owners": ()}, ""),
        ({"operator_keys": ("B",)}, "B1 B_2"),
        ({"operator_keys": ("B", "A")}, "A1 A2 B1 B_2"),
        ({"operator_keys": ()}, ""),
        ({"countries": ("DEU", "CHE")}, "A1 A2 B_2"),
        ({"authentication_modes": ("PnC",)}, "A1"),
        ({"authentication_modes": ("pnc",)}, ""),
        ({"authentication_modes": ("%",)}, ""),
        ({"authentication_modes": ("REMOTE", "NFC RFID Classic")}, "A1 A2"),
        ({"authentication_modes": ()}, ""),
        ({"accessibility": ("Test Station",)}, "B1"),
        ({"calibration_law": ("External",)}, "B_2"),
        ({"renewable_energy": True}, "A2"),
        ({"renewable_energy": False}, "A1 B1 B_2"),
        ({"is_hubject_compatible": False}, "B1"),
        ({"is_open_24_hours": True}, "B_2"),
        ({"evse_key_prefixes": ("B",)}, "B1 B_2"),
        ({"evse_key_prefixes": ("B_", "A2")}, "A2 B_2"),
        ({"evse_key_prefixes": ("b",)}, ""),
        ({"evse_key_prefixes": ()}, ""),
        ({"evse_key_prefixes": (*(f"C{i}" for i in range(3000)), "A1", "B1")}, "A1 B1"),
        ({"evse_key_prefixes": ("",)}, "A1 A2 B1 B_2"),
        ({"center": (50.0, 8.0), "radius": 1.0}, "A1 B_2"),
        ({"center": (50.0, 8.0), "radius": 0.0}, "A1 B_2"),
        ({"center": (47.0, 8.0), "radius": 100.0}, "A2"),
        ({"center": (50.0, 8.0), "radius": 30_000.0, "owners": (OWN, "lader")}, "A1 A2 B1 B_2"),
        ({"center": (50.0, 8.0), "radius": -1.0}, ""),
        ({"center": (math.nan, 8.0), "radius": 1.0}, ""),
        ({"countries": ("DEU",), "center": (50.0, 8.0), "radius": 1000.0, "is_open_24_hours": False}, "A1"),
    ],
)
async def test_each_filter_narrows_pages_bodies_and_count_alike(
    store: SqlStore, narrowed: dict[str, Any], expected: str
) -> None:
    await put(store, *(structs.replace(record, body=record.evse_key.encode()) for record in FILTERED))
    wanted = replace(everything(store), **narrowed)
    assert await keys(store, wanted) == expected.split()
    assert [body.decode() for body in await bodies(store, wanted, MOST)] == expected.split()
    assert await store.evse_count(wanted) == len(expected.split())


def over_ground(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance in km by the haversine formula."""
    (north, east), (north2, east2) = [(math.radians(a), math.radians(b)) for a, b in (one, other)]
    half = math.sin((north2 - north) / 2) ** 2 + math.cos(north) * math.cos(north2) * math.sin((east2 - east) / 2) ** 2
    return 2 * search.EARTH_RADIUS * math.asin(math.sqrt(half))


@pytest.mark.parametrize("center", [(47.4, 8.5), (0.0, 179.9), (89.9, 0.0), (-60.0, -120.0)])
async def test_a_radius_is_exact_everywhere_on_earth(store: SqlStore, center: tuple[float, float]) -> None:
    dice = random.Random(7)  # noqa: S311 - places, not secrets
    places = {f"E{i:03d}": (center[0] + dice.uniform(-5, 5), center[1] + dice.uniform(-5, 5)) for i in range(200)}
    await put(store, *(evse(key, place=place) for key, place in places.items()))
    for radius in (1.0, 50.0, 120.0, 500.0):
        near = sorted(key for key, place in places.items() if over_ground(center, place) <= radius)
        wanted = replace(everything(store), center=center, radius=radius)
        assert await keys(store, wanted) == near


async def test_pages_follow_each_other_without_gap_or_repetition(store: SqlStore) -> None:
    dice = random.Random(3)  # noqa: S311 - an order, not a secret
    records = [evse(f"E{i:02d}", operator=f"O{i % 3}") for i in range(23)] + [evse("E05", owner="lader", operator="O2")]
    dice.shuffle(records)
    await put(store, *records)
    wanted = replace(everything(store), owners=(OWN, "lader"))
    pages = [await store.evse_page(wanted, PageRequest(number, 5)) for number in range(6)]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 4, 0]
    places = [(record.operator_key, record.evse_key, record.owner) for page in pages for record in page]
    assert places == sorted((record.operator_key, record.evse_key, record.owner) for record in records)


async def test_a_page_is_the_same_whether_or_not_the_one_before_it_was_read(store: SqlStore) -> None:
    await put(store, *(evse(f"E{i:02d}", b"%d" % i) for i in range(20)))
    wanted = everything(store)
    out_of_order = [await keys(store, wanted, PageRequest(number, 3)) for number in (6, 4, 2, 0, 7)]
    in_order = [await keys(store, wanted, PageRequest(number, 3)) for number in range(8)]
    assert [in_order[number] for number in (6, 4, 2, 0, 7)] == out_of_order
    served = [await bodies(store, wanted, PageRequest(number, 3)) for number in range(8)]
    assert [[f"E{int(body):02d}" for body in page] for page in served] == in_order


async def test_pages_of_one_moment_do_not_shift_when_data_changes_between_them(store: SqlStore) -> None:
    await put(store, *(evse(f"E{i}", b"old") for i in range(6)))
    wanted = everything(store)
    first = await keys(store, wanted, PageRequest(0, 2))
    await put(store, evse("E00"), evse("E3", b"new"))
    await store.publish(lambda publication: publication.delete_evses(OWN, ["E0", "E4"], START))
    pages = [first] + [await keys(store, wanted, PageRequest(number, 2)) for number in (1, 2)]
    assert pages == [["E0", "E1"], ["E2", "E3"], ["E4", "E5"]]
    assert await bodies(store, wanted, MOST) == [b"old"] * 6
    assert await store.evse_count(wanted) == 6
    assert await keys(store, everything(store)) == ["E00", "E1", "E2", "E3", "E5"]


async def test_what_is_published_survives_a_restart(open_store: OpenStore) -> None:
    async with open_store() as store:
        await put(store, *FILTERED)
    async with open_store() as store:
        found = await store.evse_page(everything(store), MOST)
        assert [unchanged(record) for record in found] == FILTERED[:-1]


async def test_a_page_is_cut_in_the_index_without_sorting(store: SqlStore) -> None:
    await put(store, *FILTERED)
    wanted, end = everything(store), ("A", "A1", OWN)
    with store._reader._engine.connect() as connection:
        for after, page in ((None, 0), (end, 1)):
            query = search._page(search._answer(wanted), PageRequest(page, 1), after, [BODY.c.body])
            assert query is not None
            sql = query.compile(connection, compile_kwargs={"literal_binds": True})
            plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]
            assert "ix_evse_page" in plan[0]
            assert not any("TEMP B-TREE" in step for step in plan)

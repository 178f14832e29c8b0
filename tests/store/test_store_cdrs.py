"""CDRs and the pages GetChargeDetailRecords cuts from them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from p2pnode.roaming.records import CdrFilter, CdrRecord, PageRequest
from p2pnode.store.errors import Conflict
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from tests.store.store_kit import START, cdr

DAY = timedelta(days=1)
ALL = CdrFilter(emp="stromer", provider_keys=("DEXYZ",), from_=START - DAY, to=START + DAY)


async def put(store: SqlStore, *records: CdrRecord) -> None:
    def work(transaction: SqlTransaction) -> None:
        for record in records:
            transaction.add_cdr(record)

    await store.write(work)


async def keys(store: SqlStore, wanted: CdrFilter, page: PageRequest | None = None) -> tuple[list[str], int]:
    found = await store.cdr_page(wanted, page or PageRequest())
    return [body.decode().split('"')[3] for body in found.records], found.total


async def test_a_cdr_is_read_as_it_was_written(store: SqlStore) -> None:
    await put(store, cdr())
    found = await store.cdr("a1")
    assert found == cdr()
    assert found is not None
    assert str(found.energy) == "7.10"
    assert await store.cdr("b2") is None
    assert await store.write(lambda transaction: transaction.cdr("a1")) == cdr()


async def test_a_second_cdr_of_a_session_is_a_conflict_and_the_first_stays(store: SqlStore) -> None:
    await put(store, cdr())
    with pytest.raises(Conflict):
        await put(store, replace(cdr(), body=b"{}"))
    assert await store.cdr("a1") == cdr()


async def test_a_forwarded_cdr_tells_when(store: SqlStore) -> None:
    await put(store, cdr("a1"), cdr("b2"))
    await store.write(lambda transaction: transaction.mark_cdr_forwarded("a1", START))
    assert await store.cdr("a1") == replace(cdr("a1"), forwarded_at=START)
    assert await keys(store, replace(ALL, forwarded=True)) == (["a1"], 1)
    assert await keys(store, replace(ALL, forwarded=False)) == (["b2"], 1)
    assert await keys(store, ALL) == (["a1", "b2"], 2)


async def test_cdrs_are_paged_in_the_order_of_their_start(store: SqlStore) -> None:
    starts = [3, 1, 4, 0, 2]
    await put(store, *(cdr(f"k{i}", start=START + timedelta(minutes=i)) for i in starts))
    assert await keys(store, ALL, PageRequest(0, 2)) == (["k0", "k1"], 5)
    assert await keys(store, ALL, PageRequest(1, 2)) == (["k2", "k3"], 5)
    assert await keys(store, ALL, PageRequest(2, 2)) == (["k4"], 5)
    assert await keys(store, ALL, PageRequest(3, 2)) == ([], 5)


async def test_the_interval_is_half_open(store: SqlStore) -> None:
    await put(store, cdr("first"), cdr("last", start=START + DAY))
    assert await keys(store, replace(ALL, from_=START, to=START + DAY)) == (["first"], 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"emp": "other"}, ["b2"]),
        ({"provider_keys": ("DEOTH",)}, ["c3"]),
        ({"provider_keys": ("DEXYZ", "DEOTH")}, ["a1", "c3", "d4"]),
        ({"provider_keys": None}, ["a1", "c3", "d4"]),
        ({"operator_keys": ("DEQQQ",)}, ["d4"]),
        ({"operator_keys": ()}, []),
        ({"session_keys": ("d4", "b2")}, ["d4"]),
    ],
)
async def test_each_filter_narrows(store: SqlStore, change: dict[str, object], expected: list[str]) -> None:
    await put(store, cdr("a1"), cdr("b2", emp="other"), cdr("c3", provider="DEOTH"), cdr("d4", operator="DEQQQ"))
    assert await keys(store, replace(ALL, **change)) == (expected, len(expected))  # type: ignore[arg-type]  # several types

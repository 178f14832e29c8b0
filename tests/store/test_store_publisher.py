"""Pushes and receipts beside the writing of sessions."""

# pyright: reportPrivateUsage=false

import asyncio
import threading
from collections.abc import Sequence

import pytest

from p2pnode.roaming.gatherer import Job
from p2pnode.roaming.records import OWN, PageRequest
from p2pnode.store.publication import SqlPublication
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from tests.store.store_kit import (
    START,
    OpenStore,
    bodies,
    everything,
    evse,
    receipt,
    status,
)
from tests.store.test_store_writer import Refused, start


async def test_a_receipt_is_in_the_commit_of_what_is_written_next_and_comes_soon_by_itself(store: SqlStore) -> None:
    batches: list[int] = []
    perform = store._writer._gatherer._perform

    def counting(jobs: Sequence[Job[SqlTransaction]]) -> None:
        batches.append(len(jobs))
        perform(jobs)

    store._writer._gatherer._perform = counting
    kept = [store.keep_receipt(receipt(number)) for number in range(3)]
    await asyncio.sleep(0)
    assert batches == []
    await store.write(start("a1"))
    assert batches == [4]
    assert all(future.done() for future in kept)
    async with asyncio.timeout(5):
        await store.keep_receipt(receipt(3))
    assert batches == [4, 1]
    assert list(await store.receipts("a1")) == [receipt(number) for number in range(4)]


async def test_receipts_that_wait_are_written_when_the_store_is_closed(open_store: OpenStore) -> None:
    async with open_store() as store:
        store.keep_receipt(receipt(1))
    async with open_store() as store:
        assert list(await store.receipts("a1")) == [receipt(1)]


async def test_old_receipts_are_forgotten_and_newer_ones_stay(store: SqlStore) -> None:
    for number in range(5):
        store.keep_receipt(receipt(number))
    await store.write(start("a1"))
    assert await store.purge_receipts(receipt(3).at) == 3
    assert list(await store.receipts("a1")) == [receipt(3), receipt(4)]


async def test_sessions_are_written_while_a_push_is_and_the_push_is_seen_only_once_it_is_whole(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"old"), evse("E2", b"old")], START))
    before = everything(store)
    reached = asyncio.Event()
    go_on = threading.Event()
    loop = asyncio.get_running_loop()

    def push(publication: SqlPublication) -> None:
        publication.put_evses([evse("E1", b"new")], START)
        publication.put_statuses([status("E1")])
        loop.call_soon_threadsafe(reached.set)
        go_on.wait(10)
        publication.put_evses([evse("E3", b"new")], START)

    async def seen() -> list[bytes]:
        return await bodies(store, everything(store), PageRequest())

    pushing = asyncio.create_task(store.publish(push))
    await reached.wait()
    for key in ("a1", "b2", "c3"):
        assert await store.write(start(key)) == key
    assert {one.key for one in await store.sessions()} == {"a1", "b2", "c3"}
    assert await seen() == [b"old", b"old"]
    assert await store.statuses((OWN,)) == []
    former = await store.evse("E1")
    assert former is not None
    assert former.body == b"old"
    assert not pushing.done()
    go_on.set()
    await pushing
    assert await seen() == [b"new", b"old", b"new"]
    assert await store.statuses((OWN,)) == [status("E1")]
    assert await bodies(store, before, PageRequest()) == [b"old", b"old"]


async def test_a_push_that_fails_in_the_middle_leaves_what_was_there(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"old")], START))

    def push(publication: SqlPublication) -> None:
        publication.put_evses([evse("E1", b"new"), evse("E2", b"new")], START)
        raise Refused

    with pytest.raises(Refused):
        await store.publish(push)
    assert await bodies(store, everything(store), PageRequest()) == [b"old"]


async def test_pushes_are_written_in_the_order_they_were_asked_for(store: SqlStore) -> None:
    texts = [str(i).encode() for i in range(50)]
    await asyncio.gather(
        *(store.publish(lambda publication, b=b: publication.put_evses([evse("E1", b)], START)) for b in texts)  # type: ignore[misc]  # a default binds the loop's variable
    )
    last = await store.evse("E1")
    assert last is not None
    assert last.body == texts[-1]

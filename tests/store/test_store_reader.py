"""Reading, but for one look-up of a few pages, never holds up the event loop, and none sees half a change."""

# pyright: reportPrivateUsage=false
# These tests look inside.

import asyncio
import threading
import time

import pytest
from blockbuster import blockbuster_ctx
from sqlalchemy import Connection

from p2pnode.roaming.records import OWN, PageRequest
from p2pnode.store import reads
from p2pnode.store.errors import Closed, Locked, StoreError
from p2pnode.store.lookups import Lookups
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from tests.store.store_kit import START, OpenStore, bare_session, bodies, event, everything, evse, session, status


async def test_no_call_of_the_store_but_the_look_up_of_an_evses_owner_blocks_the_event_loop(
    open_store: OpenStore,
) -> None:
    def work(transaction: SqlTransaction) -> None:
        transaction.put_session(session())
        transaction.add_event(event())

    with blockbuster_ctx():
        async with open_store() as store:
            await store.write(work)
            await store.publish(lambda publication: publication.put_evses([evse()], START))
            assert await store.session("a1") == session()
            assert await store.history("a1") == [event()]
            assert await bodies(store, everything(store), PageRequest()) == [b"{}"]
            assert await store.check() == []
            assert await store.purge(store.clock()) == 0


async def test_a_long_search_lets_the_event_loop_run(store: SqlStore) -> None:
    reading = asyncio.create_task(store._reader.search(lambda _: time.sleep(0.2)))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 10


async def test_a_search_sees_one_state_although_others_write(store: SqlStore) -> None:
    loop = asyncio.get_running_loop()

    def twice(connection: Connection) -> list[int]:
        before = len(reads.sessions(connection, 10))
        asyncio.run_coroutine_threadsafe(store.write(lambda t: t.put_session(session())), loop).result(10)
        return [before, len(reads.sessions(connection, 10))]

    assert await store._reader.search(twice) == [0, 0]
    assert len(await store.sessions()) == 1


async def test_searches_run_beside_each_other_and_beside_writing(store: SqlStore) -> None:
    many = [status(f"E{i:04d}") for i in range(1000)]
    await store.publish(lambda publication: publication.put_statuses(many))

    async def write(key: str) -> None:
        await store.write(lambda transaction: transaction.put_session(bare_session(key)))

    async with asyncio.TaskGroup() as group:
        searches = [group.create_task(store.statuses((OWN,))) for _ in range(20)]
        for i in range(20):
            group.create_task(write(f"k{i}"))
    assert all(search.result() == many for search in searches)
    assert len(await store.sessions()) == 20


async def test_a_look_up_that_fails_costs_only_its_caller(store: SqlStore) -> None:
    await store.write(lambda transaction: transaction.put_session(session()))
    outcomes = await asyncio.gather(
        store.session("a1"), store.session("\ud800"), store.session("a1"), return_exceptions=True
    )
    assert outcomes[0] == outcomes[2] == session()
    assert isinstance(outcomes[1], StoreError)


async def test_the_look_up_on_the_event_loop_is_handed_over_where_another_process_holds_the_database(
    store: SqlStore,
) -> None:
    await store.write(lambda transaction: transaction.put_session(session()))
    tried: list[bool] = []

    def work(lookups: Lookups) -> object:
        on_the_loop = threading.current_thread() is threading.main_thread()
        tried.append(on_the_loop)
        if on_the_loop:
            raise Locked("held")
        return lookups.session("a1")

    assert await store._reader.glance(work) == session()
    assert tried == [True, False]
    await store.close()
    with pytest.raises(Closed):
        await store.evse_owners("E1")


async def test_a_cancelled_search_leaves_the_store_usable(store: SqlStore) -> None:
    searches = [asyncio.create_task(store._reader.search(lambda _: time.sleep(0.05))) for _ in range(12)]
    await asyncio.sleep(0.01)
    for search in searches:
        search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searches[0]
    assert await asyncio.wait_for(store.sessions(), 10) == []

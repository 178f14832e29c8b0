"""The one writer: works that share a commit do not share their failures, and nobody is told what is not on disk."""

# pyright: reportPrivateUsage=false
# These tests look inside.

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from p2pnode.roaming.gatherer import Job
from p2pnode.store.errors import Closed, Conflict, DiskFull, Locked, ReadOnly, StoreError
from p2pnode.store.rows import SESSIONS
from p2pnode.store.statements import PUT_SESSION
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from tests.store.store_kit import (
    START,
    OpenStore,
    bare_session,
    cdr,
    event,
    everything,
    evse,
    session,
)

Work = Callable[[SqlTransaction], object]


class Gate:
    """Holds the writer up, so that what is written meanwhile ends up in one batch."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._open = threading.Event()
        self._reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def _wait(self, _: SqlTransaction) -> None:
        self._loop.call_soon_threadsafe(self._reached.set)
        self._open.wait(10)

    async def batch(self, *works: Work) -> list[object]:
        """The outcomes of the works, which are written in one batch."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store.write(self._wait))
            await self._reached.wait()
            outcomes = [group.create_task(outcome(self._store, work)) for work in works]
            await asyncio.sleep(0)
            self._open.set()
        return [task.result() for task in outcomes]


async def outcome(store: SqlStore, work: Work) -> object:
    """What the work returns or raises."""
    try:
        return await store.write(work)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return error


@pytest.fixture
async def gate(store: SqlStore) -> Gate:
    return Gate(store)


def start(key: str) -> Work:
    """Writes a session and the first line of its history."""

    def work(transaction: SqlTransaction) -> str:
        transaction.put_session(session(key))
        transaction.add_event(event(key))
        return key

    return work


def failing_after(work: Work, error: Exception) -> Work:
    def failing(transaction: SqlTransaction) -> None:
        work(transaction)
        raise error

    return failing


class Refused(Exception):
    """What a service raises to refuse."""


async def test_a_work_that_fails_is_undone_alone(store: SqlStore, gate: Gate) -> None:
    refused = Refused()
    outcomes = await gate.batch(start("a1"), failing_after(start("b2"), refused), start("c3"))
    assert outcomes == ["a1", refused, "c3"]
    assert [await store.session(key) for key in ("a1", "b2", "c3")] == [session("a1"), None, session("c3")]
    assert [await store.history(key) for key in ("a1", "b2", "c3")] == [[event("a1")], [], [event("c3")]]


async def test_failures_anywhere_in_a_batch_leave_exactly_the_successes(store: SqlStore, gate: Gate) -> None:
    def put_data(key: str) -> Work:
        """Changes much, as a push does."""
        values = SESSIONS.encode(bare_session(key))
        return lambda transaction: transaction._connection.run_many(PUT_SESSION, [values])

    def both(key: str) -> Work:
        def work(transaction: SqlTransaction) -> None:
            put_data(key)(transaction)
            start(key)(transaction)

        return work

    def fail(work: Work) -> Work:
        return failing_after(work, Refused())

    works = [
        fail(put_data("k0")),
        start("k1"),
        fail(start("k2")),
        both("k3"),
        fail(both("k4")),
        start("k5"),
        put_data("k6"),
        fail(put_data("k7")),
        start("k8"),
        fail(start("k9")),
    ]
    outcomes = await gate.batch(*works)
    assert [i for i, one in enumerate(outcomes) if isinstance(one, Refused)] == [0, 2, 4, 7, 9]
    assert {one.key for one in await store.sessions()} == {"k1", "k3", "k5", "k6", "k8"}
    assert [len(await store.history(f"k{i}")) for i in range(10)] == [0, 1, 0, 1, 0, 1, 0, 0, 1, 0]
    assert await store.check() == []


async def test_every_work_of_a_batch_runs_once(gate: Gate) -> None:
    ran: list[str] = []

    def noting(work: Work, name: str) -> Work:
        def noted(transaction: SqlTransaction) -> None:
            ran.append(name)
            work(transaction)

        return noted

    works = [noting(start(f"k{i}"), f"k{i}") for i in range(5)]
    works[2] = failing_after(works[2], Refused())
    await gate.batch(*works)
    assert ran == ["k0", "k1", "k2", "k3", "k4"]


async def test_a_work_sees_what_those_before_it_in_the_batch_have_written(gate: Gate) -> None:
    def read(transaction: SqlTransaction) -> bool:
        return transaction.session("a1") is not None and transaction.session("b2") is None

    outcomes = await gate.batch(start("a1"), failing_after(start("b2"), Refused()), read)
    assert outcomes[2] is True


async def test_a_rule_of_the_tables_that_one_work_breaks_costs_the_others_nothing(store: SqlStore, gate: Gate) -> None:
    await store.write(lambda transaction: transaction.add_cdr(cdr("a1")))

    def second_cdr(transaction: SqlTransaction) -> None:
        start("b2")(transaction)
        transaction.add_cdr(cdr("a1"))

    outcomes = await gate.batch(start("c3"), second_cdr, start("d4"))
    assert [type(one) for one in outcomes] == [str, Conflict, str]
    assert {one.key for one in await store.sessions()} == {"c3", "d4"}


async def test_a_work_may_handle_a_broken_rule_and_go_on(store: SqlStore) -> None:
    def work(transaction: SqlTransaction) -> None:
        transaction.add_cdr(cdr("a1"))
        with pytest.raises(Conflict):
            transaction.add_cdr(cdr("a1"))
        start("a1")(transaction)

    await store.write(work)
    assert await store.cdr("a1") == cdr("a1")
    assert await store.session("a1") == session("a1")


async def test_a_read_after_a_write_sees_it(store: SqlStore) -> None:
    async def write_and_read(key: str) -> bool:
        await store.write(start(key))
        return await store.session(key) == session(key) and bool(await store.history(key))

    assert all(await asyncio.gather(*(write_and_read(f"k{i}") for i in range(50))))


async def test_a_value_that_cannot_be_stored_is_refused_with_a_sentence(store: SqlStore, gate: Gate) -> None:
    unstorable = replace(cdr(), evse_id="\ud800")
    outcomes = await gate.batch(start("a1"), lambda transaction: transaction.add_cdr(unstorable))
    assert outcomes[0] == "a1"
    assert isinstance(outcomes[1], StoreError)
    assert "cannot be stored" in str(outcomes[1])
    assert await store.cdr("a1") is None
    with pytest.raises(StoreError, match="cannot be stored"):
        await store.publish(lambda publication: publication.put_evses([evse(name="\ud800")], START))
    assert await store.evse_count(everything(store)) == 0


async def test_a_work_that_ends_its_iterator_too_early_does_not_keep_its_caller_waiting(store: SqlStore) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.write(lambda _: next(iter(())))


async def test_a_cancelled_write_that_has_not_begun_does_not_happen(store: SqlStore) -> None:
    gate = threading.Event()
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: SqlTransaction) -> None:
        loop.call_soon_threadsafe(reached.set)
        gate.wait(10)

    holding = asyncio.create_task(store.write(hold))
    await reached.wait()
    waiting = asyncio.create_task(store.write(start("a1")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    await holding
    await store.write(start("b2"))
    assert [one.key for one in await store.sessions()] == ["b2"]


async def test_closing_finishes_what_has_been_asked_for(open_store: OpenStore) -> None:
    async with open_store() as store:
        writes = [asyncio.create_task(store.write(start(f"k{i:03d}"))) for i in range(600)]
        await asyncio.sleep(0)
    assert [await write for write in writes] == [f"k{i:03d}" for i in range(600)]
    with pytest.raises(Closed):
        await store.write(start("late"))
    with pytest.raises(Closed):
        await store.session("k000")
    with pytest.raises(Closed):
        await store.sessions()
    async with open_store() as store:
        assert len(await store.sessions(1000)) == 600


async def test_a_commit_that_fails_acknowledges_nobody(store: SqlStore, gate: Gate) -> None:
    def leave_an_orphan(transaction: SqlTransaction) -> None:
        transaction._connection.run("PRAGMA defer_foreign_keys = ON", ())
        transaction.add_event(event("nobody"))

    refused = Refused()
    outcomes = await gate.batch(start("a1"), leave_an_orphan, failing_after(start("b2"), refused), start("c3"))
    assert [type(one) for one in outcomes] == [Conflict, Conflict, Refused, Conflict]
    assert await store.sessions() == []
    assert await store.history("nobody") == []
    assert await store.write(start("d4")) == "d4"
    assert [one.key for one in await store.sessions()] == ["d4"]


async def test_a_full_disk_is_told_and_what_fits_again_is_written(store: SqlStore, gate: Gate) -> None:
    await store.write(start("before"))

    def limit(pages: int) -> Work:
        return lambda transaction: transaction._connection.rows(f"PRAGMA max_page_count = {pages}", ())

    await store.write(limit(1))  # never less than there are
    big = replace(cdr(), body=bytes(1_000_000))
    outcomes = await gate.batch(start("a1"), lambda transaction: transaction.add_cdr(big))
    assert isinstance(outcomes[1], DiskFull)
    assert "disk is full" in str(outcomes[1])
    stored = {one.key for one in await store.sessions()}
    acknowledged = {one for one in outcomes if isinstance(one, str)}
    assert stored == {"before"} | acknowledged
    assert await store.cdr("a1") is None
    await store.write(limit(1_000_000))
    await store.write(lambda transaction: transaction.add_cdr(big))
    assert await store.cdr("a1") == big
    assert await store.check() == []


async def test_a_transaction_that_sqlite_gives_up_takes_the_batch_along_and_nothing_after_it(
    store: SqlStore, gate: Gate
) -> None:
    def give_up(transaction: SqlTransaction) -> None:
        start("b2")(transaction)
        with pytest.raises(StoreError):
            transaction._connection.run("INSERT OR ROLLBACK INTO session (key) VALUES (NULL)", ())
        with pytest.raises(StoreError):
            start("c3")(transaction)
        with pytest.raises(StoreError):
            transaction.session("a1")

    outcomes = await gate.batch(start("a1"), give_up, start("d4"))
    assert [type(one) for one in outcomes] == [Conflict] * 3
    assert await store.sessions() == []
    assert await store.write(start("e5")) == "e5"


@pytest.fixture
def other_process(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


async def test_a_database_that_is_held_by_another_process_is_locked_until_it_is_released(
    store: SqlStore, other_process: sqlite3.Connection
) -> None:
    other_process.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(outcome(store, start("a1")), outcome(store, start("b2")))
    assert [type(one) for one in outcomes] == [Locked, Locked]
    assert isinstance(outcomes[0], Locked)
    assert outcomes[0].repeatable
    assert await store.sessions() == []
    other_process.execute("ROLLBACK")
    assert await store.write(start("a1")) == "a1"


async def test_a_database_that_has_become_read_only_says_so(store: SqlStore) -> None:
    await store.write(lambda transaction: transaction._connection.rows("PRAGMA query_only = ON", ()))
    with pytest.raises(ReadOnly, match="read-only"):
        await store.write(start("a1"))
    assert await store.session("a1") is None
    store._writer._connection._cursor.execute("PRAGMA query_only = OFF")
    assert await store.write(start("a1")) == "a1"


async def test_a_broken_connection_is_replaced(store: SqlStore) -> None:
    await store.write(start("a1"))
    store._writer._connection._driver.close()
    with pytest.raises(StoreError):
        await store.write(start("b2"))
    assert await store.write(start("c3")) == "c3"
    assert {one.key for one in await store.sessions()} == {"a1", "c3"}


async def test_a_work_that_ends_the_thread_ends_only_its_batch(store: SqlStore, gate: Gate) -> None:
    def leave(_: SqlTransaction) -> None:
        raise SystemExit

    outcomes = await gate.batch(start("a1"), leave)
    assert [type(one) for one in outcomes] == [StoreError, StoreError]
    assert await store.sessions() == []
    assert await store.write(start("b2")) == "b2"


async def test_many_who_write_at_once_share_commits(store: SqlStore) -> None:
    batches: list[int] = []
    perform = store._writer._gatherer._perform

    def counting(jobs: Sequence[Job[SqlTransaction]]) -> None:
        batches.append(len(jobs))
        perform(jobs)

    store._writer._gatherer._perform = counting
    await asyncio.gather(*(store.write(start(f"k{i}")) for i in range(500)))
    assert sum(batches) == 500
    assert len(batches) < 100
    assert max(batches) <= 256

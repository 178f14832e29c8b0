"""Sessions and their history."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from p2pnode.roaming.records import SessionState
from p2pnode.store.errors import Conflict
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from tests.store.store_kit import START, OpenStore, bare_session, cdr, event, put_sessions, session


async def test_a_session_is_read_as_it_was_written(store: SqlStore) -> None:
    full, bare = session("a1"), bare_session("b2")
    await store.write(lambda transaction: put_sessions(transaction, full, bare))
    assert await store.session("a1") == full
    assert await store.session("b2") == bare
    assert await store.session("c3") is None


async def test_decimals_and_microseconds_survive_to_the_last_digit(store: SqlStore) -> None:
    await store.write(lambda transaction: transaction.put_session(session()))
    found = await store.session("a1")
    assert found is not None
    assert str(found.energy) == "12.3400"
    assert found.created_at == START
    assert found.created_at.utcoffset() == timedelta(0)


async def test_a_session_is_replaced_by_the_one_with_its_key(store: SqlStore) -> None:
    await store.write(lambda transaction: transaction.put_session(session()))
    later = session(state=SessionState.SETTLED, updated_at=START + timedelta(minutes=1))
    await store.write(lambda transaction: transaction.put_session(later))
    assert await store.session("a1") == later
    assert await store.sessions() == [later]


async def test_a_work_reads_what_it_has_written(store: SqlStore) -> None:
    def work(transaction: SqlTransaction) -> bool:
        before = transaction.session("a1")
        transaction.put_session(session())
        return before is None and transaction.session("a1") == session()

    assert await store.write(work)


async def test_the_most_recently_changed_sessions_come_first(store: SqlStore) -> None:
    sessions = [session(f"s{i}", updated_at=START + timedelta(seconds=i)) for i in range(5)]
    await store.write(lambda transaction: put_sessions(transaction, *sessions))
    touched = session("s1", updated_at=START + timedelta(seconds=9))
    await store.write(lambda transaction: transaction.put_session(touched))
    assert [one.key for one in await store.sessions(3)] == ["s1", "s4", "s3"]


async def test_a_history_is_told_in_the_order_of_writing_also_after_the_clock_has_stepped_back(store: SqlStore) -> None:
    early, late = event(at=START), event(at=START + timedelta(seconds=1), operation="AuthorizeStop")
    same_moment = event(at=START + timedelta(seconds=1), operation="ChargeDetailRecord")

    def work(transaction: SqlTransaction) -> None:
        transaction.put_session(session())
        for one in (late, early, same_moment):
            transaction.add_event(one)

    await store.write(work)
    assert await store.history("a1") == [late, early, same_moment]
    assert await store.history("b2") == []


async def test_an_event_of_an_unknown_session_is_a_conflict(store: SqlStore) -> None:
    with pytest.raises(Conflict):
        await store.write(lambda transaction: transaction.add_event(event("nobody")))
    assert await store.history("nobody") == []


async def test_a_forgotten_session_takes_its_history_along_but_not_its_cdr(store: SqlStore) -> None:
    def fill(transaction: SqlTransaction) -> None:
        for key in ("a1", "b2"):
            transaction.put_session(session(key))
            transaction.add_event(event(key))
        transaction.add_cdr(cdr("a1"))

    await store.write(fill)
    await store.write(lambda transaction: transaction.delete_session("a1"))
    assert await store.session("a1") is None
    assert await store.history("a1") == []
    assert await store.cdr("a1") == cdr("a1")
    assert await store.history("b2") == [event("b2")]


async def test_forgetting_an_unknown_session_changes_nothing(store: SqlStore) -> None:
    await store.write(lambda transaction: transaction.delete_session("nobody"))
    assert await store.sessions() == []


async def test_a_restart_keeps_everything(open_store: OpenStore) -> None:
    def fill(transaction: SqlTransaction) -> None:
        transaction.put_session(session())
        transaction.add_event(event())
        transaction.add_cdr(cdr())

    async with open_store() as store:
        await store.write(fill)
    async with open_store() as store:
        assert await store.session("a1") == session()
        assert await store.history("a1") == [event()]
        assert await store.cdr("a1") == cdr()


async def test_sessions_started_at_once_are_all_there_with_their_events(store: SqlStore) -> None:
    starts = [(session(f"s{i}"), event(f"s{i}")) for i in range(100)]
    assert await asyncio.gather(*(store.start(*start) for start in starts)) == [None] * 100
    for one, its_event in starts:
        assert await store.session(one.key) == one
        assert await store.history(one.key) == [its_event]


async def test_a_start_under_a_taken_key_gets_the_session_that_has_it_and_changes_nothing(store: SqlStore) -> None:
    first = replace(session("s0"), operator_id="DE*OLD")
    assert await store.start(first, event("s0")) is None
    again = [store.start(replace(session(f"s{i}"), operator_id="DE*NEW"), event(f"s{i}")) for i in range(5)]
    assert await asyncio.gather(*again) == [first, None, None, None, None]
    assert await store.session("s0") == first
    assert await store.history("s0") == [event("s0")]
    assert await store.history("s4") == [event("s4")]


async def test_of_two_starts_under_one_key_at_once_one_wins(store: SqlStore) -> None:
    one, other = replace(session("s1"), operator_id="DE*ONE"), replace(session("s1"), operator_id="DE*TWO")
    first, second = await asyncio.gather(store.start(one, event("s1")), store.start(other, event("s1")))
    assert (first, second) == (None, one)
    assert len(await store.history("s1")) == 1


async def test_a_start_that_cannot_be_stored_fails_alone(store: SqlStore) -> None:
    no_zone = replace(session("s1"), created_at=START.replace(tzinfo=None))
    good = [session("s0"), session("s2")]
    outcomes = await asyncio.gather(
        store.start(good[0], event("s0")),
        store.start(no_zone, event("s1")),
        store.start(good[1], event("s2")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), TypeError, type(None)]
    assert await store.session("s0") == good[0]
    assert await store.session("s1") is None
    assert await store.session("s2") == good[1]

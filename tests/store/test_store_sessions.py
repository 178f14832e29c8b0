"""Sessions and their history."""

from datetime import timedelta

import pytest

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

"""Forgetting sessions and CDRs that are old, and nothing that somebody still has to do with."""

import asyncio
import dataclasses
from datetime import datetime, timedelta

import pytest
import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from p2pnode.config.node import StoreSection
from p2pnode.roaming.outbox_records import QueuedRecord, QueueState
from p2pnode.roaming.records import CdrRecord, CdrReview, SessionState
from p2pnode.store import retention
from p2pnode.store.retention import keep_purging
from p2pnode.store.store import SqlStore
from p2pnode.store.transaction import SqlTransaction
from tests.store.store_kit import START, cdr, event, put_sessions, session

LATER = START + timedelta(days=100)
"""Everything made at the start is older than this."""


def settled(key: str, at: datetime = START) -> CdrRecord:
    """A CDR that its EMP has."""
    return dataclasses.replace(cdr(key, start=at), forwarded_at=at + timedelta(hours=2))


def queued(key: str, state: QueueState) -> QueuedRecord:
    return QueuedRecord(
        id=0,
        peer="stromer",
        lane="ChargingNotification",
        session_key=key,
        operation="ChargingNotificationEnd",
        caller_id="DE*ABC",
        process_id="process",
        counterpart_id="DE-XYZ",
        source="",
        body=b"{}",
        created_at=START,
        state=state,
    )


def over(transaction: SqlTransaction, *keys: str, at: datetime = START) -> None:
    """Sessions that were settled at that time, with a line of history and a forwarded CDR each."""
    for key in keys:
        transaction.put_session(session(key, state=SessionState.SETTLED, updated_at=at))
        transaction.add_event(event(key, at=at))
        transaction.add_cdr(settled(key, at))


async def left(store: SqlStore) -> set[str]:
    return {one.key for one in await store.sessions()}


async def test_what_is_over_goes_with_its_history_and_cdr_and_what_is_newer_stays(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "LOOKED_AT", 7)
    old = [f"old{number:02}" for number in range(20)]
    await store.write(lambda transaction: over(transaction, *old))
    await store.write(lambda transaction: over(transaction, "new", at=LATER))
    assert await store.purge_sessions(LATER) == (20, 20)
    assert await left(store) == {"new"}
    for key in old:
        assert (await store.session(key), await store.cdr(key), list(await store.history(key))) == (None, None, [])
    assert await store.cdr("new") is not None
    assert len(await store.history("new")) == 1
    assert await store.check() == []
    assert await store.purge_sessions(LATER) == (0, 0)


async def test_only_sessions_that_are_over_are_forgotten(store: SqlStore) -> None:
    def work(transaction: SqlTransaction) -> None:
        put_sessions(
            transaction, *(replace(session(state.value, state=state), expires_at=None) for state in SessionState)
        )
        put_sessions(transaction, session("time was up"), replace(session("time is not up"), expires_at=LATER))

    await store.write(work)
    assert await store.purge_sessions(LATER) == (3, 0)
    gone = {"settled", "expired", "time was up"}
    assert await left(store) == {state.value for state in SessionState} - gone | {"time is not up"}


async def test_nothing_goes_that_is_undelivered_queued_or_under_review(store: SqlStore) -> None:
    review = CdrReview(
        session_key="reviewed",
        session_id="REVIEWED",
        peer="stromer",
        received_at=START,
        energy=cdr().energy,
        digest=b"digest",
        body=b"{}",
    )

    def work(transaction: SqlTransaction) -> None:
        over(transaction, "waiting", "dead", "reviewed", "forwarded late", "done")
        transaction.put_session(session("unforwarded", state=SessionState.SETTLED))
        transaction.add_cdr(cdr("unforwarded"))
        transaction.mark_cdr_forwarded("forwarded late", LATER)
        transaction.queue(queued("waiting", QueueState.WAITING))
        transaction.queue(queued("dead", QueueState.DEAD))
        transaction.add_cdr_review(review)

    await store.write(work)
    assert await store.purge_sessions(LATER) == (1, 1)
    kept = {"waiting", "dead", "reviewed", "forwarded late", "unforwarded"}
    assert await left(store) == kept
    assert [key for key in kept if await store.cdr(key) is None] == []


async def test_a_cdr_without_a_session_goes_once_it_is_forwarded_and_old(store: SqlStore) -> None:
    def work(transaction: SqlTransaction) -> None:
        for record in (settled("old"), settled("new", LATER), cdr("unforwarded"), settled("dead")):
            transaction.add_cdr(record)
        transaction.queue(queued("dead", QueueState.DEAD))

    await store.write(work)
    assert await store.purge_sessions(LATER) == (0, 1)
    assert [key for key in ("old", "new", "unforwarded", "dead") if await store.cdr(key) is None] == ["old"]


@pytest.mark.parametrize(("days", "stays"), [(0, True), (99, False), (101, True)])
async def test_a_node_forgets_what_its_settings_say(store: SqlStore, days: int, *, stays: bool) -> None:
    await store.write(lambda transaction: over(transaction, "a1"))
    with capture_logs() as lines:
        purging = asyncio.create_task(
            keep_purging(store, StoreSection(session_days=days), lambda: LATER, structlog.get_logger())
        )
        async with asyncio.timeout(5):
            while await store.session("a1") is not None and not stays:  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        purging.cancel()
    assert (await store.session("a1") is not None) is stays
    assert [(line["event"], line["sessions"], line["cdrs"]) for line in lines] == ([] if stays else [("purged", 1, 1)])


async def test_what_has_moved_on_since_it_was_looked_up_is_not_forgotten(store: SqlStore) -> None:
    await store.write(lambda transaction: over(transaction, "a1"))

    def work(transaction: SqlTransaction) -> tuple[int, int]:
        transaction.queue(queued("a1", QueueState.WAITING))
        return transaction.forget_sessions(["a1"], LATER)

    assert await store.write(work) == (0, 0)
    assert await left(store) == {"a1"}

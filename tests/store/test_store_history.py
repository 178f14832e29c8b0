"""EVSE data as a history: what holds when, what has changed since, and what is forgotten."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from p2pnode.roaming.published_records import EvseFilter, EvseRecord, HistoryGone
from p2pnode.roaming.records import OWN, PageRequest
from p2pnode.store import search
from p2pnode.store.clock import LogicalClock
from p2pnode.store.connection import WriteConnection
from p2pnode.store.database import Database
from p2pnode.store.publication import SqlPublication
from p2pnode.store.store import SqlStore
from p2pnode.store.values import from_us
from tests.clock import Clock
from tests.store.store_kit import START, OpenStore, bodies, everything, evse, product

MOST = PageRequest(0, 2000)


async def changes(
    store: SqlStore, since: datetime, as_of: datetime | None = None
) -> list[tuple[str, str | None, bytes]]:
    wanted = replace(everything(store), changed_since=since, as_of=as_of or store.clock())
    found = await store.evse_page(wanted, MOST)
    assert await store.evse_count(wanted) == len(found)
    assert await store.evse_versions(wanted, MOST, lambda columns: list(zip(*columns, strict=True))) == [
        (record.body, record.notation, record.changed_at, record.delta_type) for record in found
    ]
    return [(record.evse_key, record.delta_type, bytes(record.body)) for record in found]


async def test_a_difference_tells_inserts_updates_and_deletes(store: SqlStore, clock: Clock) -> None:
    old = [evse("E1", b"1"), evse("E2", b"2"), evse("E3", b"3")]
    await store.publish(lambda publication: publication.put_evses(old, clock()))
    then = store.clock()
    at = clock.advance(seconds=1)
    new = [evse("E1", b"1"), evse("E2", b"two"), evse("E4", b"4")]
    await store.publish(lambda publication: publication.replace_evses(OWN, "DE*ABC", new, at))
    wanted = replace(everything(store), changed_since=then)
    assert await changes(store, then) == [("E2", "update", b"two"), ("E3", "delete", b"3"), ("E4", "insert", b"4")]
    assert {record.changed_at for record in await store.evse_page(wanted, MOST)} == {at}
    assert await changes(store, store.clock()) == []
    assert await changes(store, START - timedelta(days=1), then) == [
        ("E1", "insert", b"1"),
        ("E2", "insert", b"2"),
        ("E3", "insert", b"3"),
    ]


async def test_what_came_and_went_in_between_is_no_difference(store: SqlStore, clock: Clock) -> None:
    then = store.clock()
    clock.advance(seconds=1)
    await store.publish(lambda publication: publication.put_evses([evse("E1")], clock()))
    await store.publish(lambda publication: publication.delete_evses(OWN, ["E1"], clock()))
    assert await changes(store, then) == []


async def test_what_is_again_as_it_was_is_no_difference(store: SqlStore, clock: Clock) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"a"), evse("E2")], clock()))
    then = store.clock()
    for body in (b"b", b"a"):
        await store.publish(lambda publication, body=body: publication.put_evses([evse("E1", body)], clock()))  # type: ignore[misc]  # a default binds the loop's variable
    await store.publish(lambda publication: publication.delete_evses(OWN, ["E2"], clock()))
    await store.publish(lambda publication: publication.put_evses([evse("E2")], clock()))
    assert await changes(store, then) == []


async def test_a_delete_carries_the_last_body(store: SqlStore, clock: Clock) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"old")], clock()))
    then = store.clock()
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"last")], clock.advance(seconds=1)))
    at = clock.advance(seconds=1)
    await store.publish(lambda publication: publication.delete_evses(OWN, ["E1"], at))
    (gone,) = await store.evse_page(replace(everything(store), changed_since=then), MOST)
    assert (gone.delta_type, gone.body, gone.changed_at) == ("delete", b"last", at)


async def test_what_no_longer_meets_the_filter_is_a_delete(store: SqlStore, clock: Clock) -> None:
    await store.publish(
        lambda publication: publication.put_evses([evse("E1", b"green", renewable=True), evse("E2")], clock())
    )
    then = store.clock()
    await store.publish(
        lambda publication: publication.put_evses([evse("E1", b"grey"), evse("E2", b"green", renewable=True)], clock())
    )
    wanted = replace(everything(store), changed_since=then, renewable_energy=True)
    found = await store.evse_page(wanted, MOST)
    assert [(r.evse_key, r.delta_type, r.body) for r in found] == [
        ("E1", "delete", b"green"),
        ("E2", "insert", b"green"),
    ]


async def test_an_evse_that_moves_to_another_operator_is_an_update(store: SqlStore, clock: Clock) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", operator="A")], clock()))
    then = store.clock()
    await store.publish(lambda publication: publication.replace_evses(OWN, "B", [evse("E1", operator="B")], clock()))
    assert await changes(store, then) == [("E1", "update", b"{}")]
    assert await store.evse_count(everything(store)) == 1


async def test_the_store_sees_its_own_writes_while_the_clock_stands_still(store: SqlStore) -> None:
    for body in (b"1", b"2", b"3"):
        await store.publish(lambda publication, body=body: publication.put_evses([evse("E1", body)], START))  # type: ignore[misc]  # as above
        assert await bodies(store, everything(store), MOST) == [body]


async def test_a_change_that_nobody_could_see_yet_is_told_to_who_called_meanwhile(
    open_store: OpenStore, clock: Clock
) -> None:
    async with open_store() as store:
        await store.publish(lambda publication: publication.put_evses([evse("E1", b"old"), evse("E2")], clock()))
        clock.advance(seconds=600)
        written, seen = threading.Event(), threading.Event()

        def slowly(publication: SqlPublication) -> None:
            publication.put_evses([evse("E1", b"new")], clock())
            publication.put_products([product(changed_at=clock())])
            written.set()
            assert seen.wait(5)

        writing = asyncio.create_task(store.publish(slowly))
        assert await asyncio.to_thread(written.wait, 5)
        called = clock.advance(seconds=1)
        assert set(await bodies(store, everything(store), MOST)) == {b"old", b"{}"}
        assert await store.products((OWN,), None) == []
        clock.advance(seconds=1)
        seen.set()
        await writing
        later = clock.advance(seconds=1)
        expected = [("E1", "update", b"new")]
        assert await changes(store, called) == expected
        assert len(await store.products((OWN,), None, called)) == 1
        assert await changes(store, later) == []
        assert await store.products((OWN,), None, later) == []
    async with open_store() as store:
        assert await changes(store, called) == expected


async def test_a_call_at_the_beginning_of_time_is_too_long_ago(store: SqlStore) -> None:
    with pytest.raises(HistoryGone):
        await changes(store, datetime.min.replace(tzinfo=UTC))


async def test_prices_that_change_after_the_clock_was_set_back_are_told_to_who_called_before(
    store: SqlStore, clock: Clock
) -> None:
    await store.publish(lambda publication: publication.put_products([product(changed_at=clock())]))
    called = clock.advance(seconds=1)
    assert len(await store.products((OWN,), None)) == 1
    clock.advance(seconds=-3600)
    dearer = product(body=b'{"ProductID": "AC 1", "PricePerReferenceUnit": 2}', changed_at=clock())
    await store.publish(lambda publication: publication.put_products([dearer]))
    assert [found.body for found in await store.products((OWN,), None, called)] == [dearer.body]


async def test_a_clock_that_is_set_back_reorders_nothing(open_store: OpenStore, clock: Clock) -> None:
    async with open_store() as store:
        await store.publish(lambda publication: publication.put_evses([evse("E1", b"before")], clock()))
        then = store.clock()
        clock.advance(seconds=-3600)
        await store.publish(lambda publication: publication.put_evses([evse("E1", b"after")], clock()))
        assert await bodies(store, everything(store), MOST) == [b"after"]
        assert await changes(store, then) == [("E1", "update", b"after")]
    async with open_store() as store:
        await store.publish(lambda publication: publication.put_evses([evse("E1", b"restarted")], clock()))
        assert await bodies(store, everything(store), MOST) == [b"restarted"]
        assert await changes(store, then) == [("E1", "update", b"restarted")]


async def test_a_moment_after_the_clock_is_taken_as_now(store: SqlStore) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1")], START))
    future = replace(everything(store), as_of=START + timedelta(days=9))
    assert await store.evse_count(future) == 1
    assert await store.evse_count(replace(future, changed_since=START + timedelta(days=8))) == 0


def test_readers_stay_before_a_change_that_is_not_committed() -> None:
    clock = LogicalClock(lambda: START)
    before = clock.read()
    first = clock.tick(before, 0)
    second = clock.tick(before, 0)
    assert before < first < second
    assert clock.read() == first - 1
    clock.settle()
    assert clock.read() == second


async def test_a_change_is_later_than_whatever_has_been_read(store: SqlStore, clock: Clock) -> None:
    clock.advance(seconds=1)
    seen = store.clock()
    await store.publish(lambda publication: publication.put_evses([evse("E1")], START))
    assert await store.evse_count(EvseFilter((OWN,), seen)) == 0
    assert await store.evse_count(everything(store)) == 1


async def test_purging_forgets_what_ended_and_keeps_what_holds(store: SqlStore, clock: Clock) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"1"), evse("E2", b"1")], clock()))
    first = store.clock()
    clock.advance(seconds=1)
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"2")], clock()))
    second = store.clock()
    clock.advance(seconds=1)
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"3")], clock()))
    assert await store.purge(second) == 1
    assert await changes(store, second) == [("E1", "update", b"3")]
    assert await bodies(store, replace(everything(store), as_of=second), MOST) == [b"2", b"1"]
    with pytest.raises(HistoryGone) as gone:
        await changes(store, first)
    assert gone.value.since == second
    with pytest.raises(HistoryGone):
        await store.evse_count(EvseFilter((OWN,), first))
    assert await store.purge(first) == 0
    with pytest.raises(HistoryGone):
        await changes(store, first)
    assert await store.check() == []


async def test_purging_the_future_purges_until_now(store: SqlStore, clock: Clock) -> None:
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"1")], clock()))
    await store.publish(lambda publication: publication.put_evses([evse("E1", b"2")], clock.advance(seconds=1)))
    assert await store.purge(START + timedelta(days=9)) == 1
    assert await bodies(store, everything(store), MOST) == [b"2"]


KEYS = [f"E{i}" for i in range(5)]
OPERATORS = ["A", "B"]


@dataclass(frozen=True)
class Put:
    records: tuple[EvseRecord, ...]


@dataclass(frozen=True)
class Delete:
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Replace:
    operator: str
    records: tuple[EvseRecord, ...]

    @classmethod
    def of(cls, operator: str, records: tuple[EvseRecord, ...]) -> "Replace":
        return cls(operator, tuple(structs.replace(record, operator_key=operator) for record in records))


Step = Put | Delete | Replace
State = Mapping[str, EvseRecord]

contents = st.builds(
    evse,
    st.sampled_from(KEYS),
    st.sampled_from([b"1", b"2"]),
    operator=st.sampled_from(OPERATORS),
    renewable=st.booleans(),
)
some = st.lists(contents, max_size=4, unique_by=lambda record: record.evse_key).map(tuple)
steps = st.one_of(
    st.builds(Put, some),
    st.builds(Delete, st.lists(st.sampled_from(KEYS), max_size=3).map(tuple)),
    st.builds(Replace.of, st.sampled_from(OPERATORS), some),
)


def after(state: State, step: Step) -> State:
    """What a step makes of a state."""
    match step:
        case Put(records):
            return {**state, **{record.evse_key: record for record in records}}
        case Delete(gone):
            return {key: record for key, record in state.items() if key not in gone}
        case Replace(operator, records):
            kept = {key: record for key, record in state.items() if record.operator_key != operator}
            return {**kept, **{record.evse_key: record for record in records}}


class History:
    """A database to try sequences of steps on, each with an owner of its own."""

    def __init__(self, path: Path) -> None:
        database = Database.at(path, 1)
        for each in (database, database.published):
            each.create()
            each.migrate()
        self.time = START
        self.clock = LogicalClock(lambda: self.time)
        self.connection = WriteConnection(database.published.writing())
        self.publication = SqlPublication(self.connection, self.clock)
        self.engine = database.reading(1, print)
        self.owners = (f"owner{i}" for i in range(10_000))

    def do(self, step: Step, owner: str) -> None:
        self.connection.begin()
        match step:
            case Put(records):
                self.publication.put_evses([structs.replace(record, owner=owner) for record in records], self.time)
            case Delete(gone):
                self.publication.delete_evses(owner, gone, self.time)
            case Replace(operator, records):
                mine = [structs.replace(record, owner=owner) for record in records]
                self.publication.replace_evses(owner, operator, mine, self.time)
        self.connection.keep()
        self.connection.commit()
        self.clock.settle()

    def pages(self, wanted: EvseFilter, size: int = 2) -> Iterator[EvseRecord]:
        with self.engine.connect() as connection:
            total = search.count(connection, wanted)
            for number in range(total // size + 1):
                request = PageRequest(number, size)
                records, _ = search.page(connection, wanted, request, search.end_before(connection, wanted, request))
                yield from records

    def state(self, wanted: EvseFilter) -> State:
        return {record.evse_key: plain(record) for record in self.pages(wanted)}

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()


def plain(record: EvseRecord) -> EvseRecord:
    return structs.replace(record, owner=OWN, changed_at=None, delta_type=None)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    history = History(tmp_path_factory.mktemp("history") / "p2pnode.db")
    yield history
    history.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sequence=st.lists(st.tuples(steps, st.integers(-3, 3)), min_size=1, max_size=6),
    renewable=st.sampled_from([None, True]),
)
def test_a_difference_applied_to_the_state_then_gives_the_state_now(
    history: History, *, sequence: list[tuple[Step, int]], renewable: bool | None
) -> None:
    owner = next(history.owners)
    state: State = {}
    states: list[tuple[int, State]] = [(history.clock.read(), state)]
    for step, seconds in sequence:
        history.time += timedelta(seconds=seconds)
        history.do(step, owner)
        state = after(state, step)
        states.append((history.clock.read(), state))
    seen = [
        (from_us(moment), {k: r for k, r in state.items() if renewable is None or r.renewable_energy is renewable})
        for moment, state in states
    ]
    wanted = EvseFilter((owner,), seen[0][0], renewable_energy=renewable)
    for moment, expected in seen:
        assert history.state(replace(wanted, as_of=moment)) == expected
    for (then, old), (now, new) in combinations(seen, 2):
        applied = dict(old)
        for record in history.pages(replace(wanted, as_of=now, changed_since=then)):
            key, there = record.evse_key, record.evse_key in applied
            match record.delta_type:
                case "insert":
                    assert not there
                    applied[key] = plain(record)
                case "update":
                    assert there
                    assert applied[key] != plain(record)
                    applied[key] = plain(record)
                case kind:
                    assert kind == "delete"
                    del applied[key]
        assert applied == new

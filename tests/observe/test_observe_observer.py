"""Numbers, events and health from the outcomes of messages."""

import asyncio
import io
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from p2pnode.config import PeerEntry
from p2pnode.config.node import LogSection
from p2pnode.observe.audit import AuditLog
from p2pnode.observe.events import Event, EventBus
from p2pnode.observe.logs import NodeLog
from p2pnode.observe.metrics import NodeMetrics
from p2pnode.observe.observer import Observer
from p2pnode.observe.status import NodeStatus, PeerStatus
from p2pnode.oicp.operations import OPERATIONS
from p2pnode.roaming.outbox_records import BreakerRecord, QueueCount
from p2pnode.roaming.records import CallOutcome, Verb

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OUTCOME = CallOutcome("AuthorizeStart", Verb.RECEIVE, "north", 200, "000", 2.0, "id-1", AT)
MICROSECONDS = 15


def _observer() -> Observer:
    log = NodeLog(LogSection(format="json"), "n1", io.StringIO())
    return Observer(log, NodeMetrics("1.2.3"), EventBus(), lambda: AT)


def _told(observer: Observer, outcomes: Iterable[CallOutcome]) -> str:
    for outcome in outcomes:
        observer.call(outcome)
    return observer.metrics.exposition().decode()


def test_every_operation_has_its_two_cells() -> None:
    observer = _observer()
    for operation in OPERATIONS:
        observer.call(replace(OUTCOME, operation=operation.name))
        observer.call(replace(OUTCOME, operation=operation.name, verb=Verb.SEND))
        observer.call(replace(OUTCOME, operation=operation.name, verb=Verb.SEND))
    assert observer.metrics.cells() == {operation.name: {"sent": 2, "received": 1} for operation in OPERATIONS}


def test_calls_are_counted_by_operation_verb_peer_and_code() -> None:
    text = _told(_observer(), [OUTCOME, OUTCOME, replace(OUTCOME, code="102")])
    labels = 'operation="AuthorizeStart",peer="north",verb="receive"'
    assert f'p2pnode_calls_total{{code="000",{labels}}} 2.0' in text
    assert f'p2pnode_calls_total{{code="102",{labels}}} 1.0' in text
    assert 'p2pnode_call_seconds_count{operation="AuthorizeStart",verb="receive"} 3.0' in text
    assert 'p2pnode_build_info{version="1.2.3"} 1.0' in text


def test_codes_a_peer_makes_up_do_not_become_labels() -> None:
    text = _told(_observer(), [replace(OUTCOME, code=f"x{number}") for number in range(50)])
    assert 'code="other"' in text
    assert 'code="x1"' not in text


def test_a_request_that_is_no_operation_is_counted_apart() -> None:
    observer = _observer()
    assert 'operation="other"' in _told(observer, [replace(OUTCOME, operation="", peer="", code="022")])
    assert sum(cell["received"] for cell in observer.metrics.cells().values()) == 0


def test_two_nodes_in_one_process_count_apart() -> None:
    one, two = _observer(), _observer()
    one.call(OUTCOME)
    assert two.metrics.cells()["AuthorizeStart"] == {"sent": 0, "received": 0}


async def test_a_subscriber_hears_what_happens_while_it_listens() -> None:
    observer = _observer()
    observer.call(OUTCOME)
    with observer.events.subscribe() as subscription:
        observer.call(OUTCOME)
        observer.event("peer", name="north")
        first, second = await anext(subscription), await anext(subscription)
    observer.call(OUTCOME)
    assert first == Event("call", AT, OUTCOME)
    assert (second.kind, second.data) == ("peer", {"name": "north"})
    assert len(observer.events.recent()) == 4
    assert observer.events.recent(1)[0].call == OUTCOME
    assert observer.events.recent(0) == ()


async def test_a_waiting_subscriber_is_woken() -> None:
    bus = EventBus()
    with bus.subscribe() as subscription:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(anext(subscription))
            await asyncio.sleep(0)
            bus.publish(Event("call", AT, OUTCOME))
        assert waiting.result().call == OUTCOME


async def test_a_subscriber_that_does_not_read_loses_the_oldest_and_slows_nobody() -> None:
    bus = EventBus(recent=3)
    with bus.subscribe(limit=2) as subscription:
        for number in range(5):
            bus.publish(Event(str(number), AT))
        assert subscription.lost == 3
        assert (await anext(subscription)).kind == "3"
    assert [event.kind for event in bus.recent()] == ["2", "3", "4"]


def test_a_peer_is_heard_from_when_it_calls_and_when_it_answers() -> None:
    observer = _observer()
    later = AT + timedelta(seconds=5)
    observer.call(OUTCOME)
    observer.call(replace(OUTCOME, verb=Verb.SEND, http=0, code="310", at=later))
    health = observer.health("north")
    assert (health.heard_at, health.failed_at, health.failure) == (
        AT,
        later,
        "AuthorizeStart: 310 Partner did not respond.",
    )
    assert (health.sent, health.received) == (1, 1)
    assert (health.refused_at, health.refusal) == (None, "")
    observer.call(replace(OUTCOME, code="102", at=later))
    health = observer.health("north")
    told = "AuthorizeStart received: 102 RFID Authentication failed - invalid UID."
    assert (health.heard_at, health.refused_at, health.refusal) == (later, later, told)
    observer.call(replace(OUTCOME, peer=""))
    assert observer.health("").received == 0


def test_the_status_is_one_json_object() -> None:
    observer = _observer()
    observer.call(OUTCOME)
    entry = PeerEntry(name="north", operators=("DE*ABC",))
    status = NodeStatus(
        "n1",
        "1.2.3",
        ("DE*OWN",),
        (),
        started_at=AT,
        at=AT + timedelta(minutes=1),
        peers=(PeerStatus.of(entry, observer.health("north"), QueueCount(waiting=2), BreakerRecord("north")),),
        cells=observer.metrics.cells(),
    )
    shown = json.loads(status.to_json())
    assert shown["peers"][0]["health"]["heard_at"] == "2026-01-02T03:04:05Z"
    assert shown["peers"][0]["outbox"]["waiting"] == 2
    assert shown["cells"]["AuthorizeStart"]["received"] == 1


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_message_is_noted_within_microseconds(form: str) -> None:
    observer = _observer()
    observer.log = NodeLog(LogSection.model_validate({"format": form}), "n1", io.StringIO())
    best = min(_microseconds(observer) for _ in range(5))
    assert best < MICROSECONDS


def _microseconds(observer: Observer) -> float:
    begun = time.perf_counter()
    for _ in range(1000):
        observer.call(OUTCOME)
    return (time.perf_counter() - begun) * 1000


def test_the_probes_of_a_check_are_one_line_and_no_messages(tmp_path: Path) -> None:
    at = [AT]
    observer = _observer()
    observer = Observer(observer.log, observer.metrics, EventBus(), lambda: at[0])
    observer.audit_log = AuditLog(tmp_path / "audit.jsonl", lambda: at[0])
    for seconds in (0, 1, 59, 61, 62):
        at[0] = AT + timedelta(seconds=seconds)
        observer.probed("north", "192.0.2.1")
    observer.audit_log.close()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(line["event"], line["peer"]) for line in lines] == [("peer_check", "north")] * 2
    assert 'p2pnode_probes_total{peer="north"} 5.0' in observer.metrics.exposition().decode()
    assert (observer.health("north").received, observer.health("north").refused_at) == (0, None)

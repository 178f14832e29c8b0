"""What a party's backend does wrong is told to the partner in the hub's codes, and costs no session and no record."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.roaming.outbox_records import QueueCount
from p2pnode.roaming.records import SessionState
from tests.drop_in_stage import PROVIDER, SESSION, Stage, own_path, sample, stage
from tests.plain_backend import ACKNOWLEDGEMENT, Answer, PlainBackend, authorized
from tests.roaming.roaming_world import deliver_pending

KEY = session_key(SESSION)
ASKED = (
    ops.AUTHORIZE_START,
    ops.AUTHORIZE_REMOTE_START,
    ops.AUTHORIZE_REMOTE_RESERVATION_START,
)


@pytest.fixture
async def played(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, deadline=0.3) as running:
        running.emp.answers["start"] = running.emp.answers["stop"] = authorized(PROVIDER)
        yield running


def _asked_of(running: Stage, operation: AnyOperation) -> PlainBackend:
    return running.emp if operation.callee is Role.EMP else running.cpo


def _told(answer: Answer) -> tuple[int, str, Any]:
    return answer.status, answer.code, answer.members["StatusCode"].get("AdditionalInfo")


@pytest.mark.parametrize("operation", ASKED)
async def test_a_backend_that_is_down_is_told_as_320_and_leaves_no_session(
    played: Stage, operation: AnyOperation
) -> None:
    await _asked_of(played, operation).hang_up()
    status, code, told = _told(await played.send(operation, sample(operation)))
    assert (status, code) == (200, "320")
    assert "our own system cannot be reached" in told
    assert await played.cpo_node.store.session(KEY) is None
    assert await played.emp_node.store.session(KEY) is None
    await _asked_of(played, operation).listen()
    assert (await played.send(operation, sample(operation))).code == "000"


@pytest.mark.parametrize("operation", ASKED)
async def test_a_backend_that_is_slow_is_told_as_310(played: Stage, operation: AnyOperation) -> None:
    _asked_of(played, operation).released.clear()
    status, code, _ = _told(await played.send(operation, sample(operation)))
    assert (status, code) == (200, "310")


@pytest.mark.parametrize("operation", ASKED)
@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (Answer(500, b"Traceback", content_type="text/plain"), "021", "our own system answered HTTP 500"),
        (Answer(200, b"<html>"), "021", "our own system gave an answer that cannot be read"),
        (Answer(404, b""), "320", "our own system does not offer"),
    ],
)
async def test_a_failure_is_told_by_its_code_and_what_the_backend_wrote_stays_home(
    played: Stage, operation: AnyOperation, answer: Answer, code: str, told: str
) -> None:
    backend = _asked_of(played, operation)
    backend.answers["start"] = backend.answers["reservation-start-request"] = answer
    reply = await played.send(operation, sample(operation))
    assert (reply.status, reply.code) == (200, code)
    assert told in reply.members["StatusCode"]["AdditionalInfo"]
    assert b"Traceback" not in reply.body


@pytest.mark.parametrize("answer", [None, Answer(500, b""), Answer(200, b"<html>")], ids=["slow", "500", "nonsense"])
async def test_a_remote_start_that_a_failing_backend_did_after_all_is_confirmed_by_its_notification(
    played: Stage, answer: Answer | None
) -> None:
    if answer is None:
        played.cpo.released.clear()
    else:
        played.cpo.answers["start"] = answer
    told = await played.send(ops.AUTHORIZE_REMOTE_START, sample(ops.AUTHORIZE_REMOTE_START))
    assert told.code == ("310" if answer is None else "021")
    for node in (played.cpo_node, played.emp_node):
        session = await node.store.session(KEY)
        assert session is not None
        assert session.state is SessionState.UNCONFIRMED
    told = await played.send(ops.CHARGING_NOTIFICATION_START, sample(ops.CHARGING_NOTIFICATION_START))
    assert told.code == "000"
    assert played.emp.got[-1].body == sample(ops.CHARGING_NOTIFICATION_START)


BEGUN_BY: Mapping[AnyOperation, AnyOperation] = {
    ops.AUTHORIZE_STOP: ops.AUTHORIZE_START,
    ops.AUTHORIZE_REMOTE_STOP: ops.AUTHORIZE_REMOTE_START,
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP: ops.AUTHORIZE_REMOTE_RESERVATION_START,
    ops.CHARGING_NOTIFICATION_START: ops.AUTHORIZE_START,
    ops.CHARGING_NOTIFICATION_PROGRESS: ops.AUTHORIZE_START,
    ops.CHARGING_NOTIFICATION_END: ops.AUTHORIZE_START,
    ops.CHARGING_NOTIFICATION_ERROR: ops.AUTHORIZE_START,
    ops.CHARGE_DETAIL_RECORD: ops.AUTHORIZE_START,
}
"""The messages of a session, and what the session begins with."""
STOPS = (ops.AUTHORIZE_STOP, ops.AUTHORIZE_REMOTE_STOP, ops.AUTHORIZE_REMOTE_RESERVATION_STOP)
NOTIFICATIONS = tuple(operation for operation in BEGUN_BY if operation.path == ops.NOTIFICATION_PATH)
FAULTS: Mapping[str, tuple[Answer | None, str]] = {
    "down": (None, "320"),
    "slow": (None, "310"),
    "500": (Answer(500, b"Traceback", content_type="text/plain"), "021"),
    "nonsense": (Answer(200, b"<html>"), "021"),
    "404": (Answer(404, b""), "320"),
}
"""What a backend does wrong, and the code it is told by."""


async def _begun(running: Stage, operation: AnyOperation) -> PlainBackend:
    """The backend that is asked, in a session that has begun."""
    begun = BEGUN_BY[operation]
    assert (await running.send(begun, sample(begun))).code == "000"
    return _asked_of(running, operation)


async def _fail(backend: PlainBackend, operation: AnyOperation, fault: str) -> None:
    answer = FAULTS[fault][0]
    if fault == "down":
        await backend.hang_up()
    elif answer is None:
        backend.released.clear()
    else:
        backend.answers[own_path(operation).rsplit("/", 1)[-1]] = answer


async def _mend(backend: PlainBackend, operation: AnyOperation, fault: str) -> None:
    if fault == "down":
        await backend.listen()
    backend.released.set()
    right = authorized(PROVIDER) if operation is ops.AUTHORIZE_STOP else Answer(200, ACKNOWLEDGEMENT)
    backend.answers[own_path(operation).rsplit("/", 1)[-1]] = right


@pytest.mark.parametrize("operation", STOPS)
async def test_a_stop_that_a_failing_backend_did_not_take_can_be_sent_again(
    played: Stage, operation: AnyOperation
) -> None:
    backend = await _begun(played, operation)
    before = [await node.store.session(KEY) for node in (played.cpo_node, played.emp_node)]
    for fault, (_, expected) in FAULTS.items():
        await _fail(backend, operation, fault)
        status, code, told = _told(await played.send(operation, sample(operation)))
        assert (fault, status, code) == (fault, 200, expected)
        assert "our own system" in told
        await _mend(backend, operation, fault)
    for node, session in zip((played.cpo_node, played.emp_node), before, strict=True):
        after = await node.store.session(KEY)
        assert after is not None
        assert session is not None
        assert after.state is session.state
    assert (await played.send(operation, sample(operation))).code == "000"


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        *((NOTIFICATIONS[0], fault) for fault in FAULTS if fault != "404"),
        *((operation, "500") for operation in NOTIFICATIONS[1:]),
    ],
)
async def test_a_notification_that_a_failing_backend_did_not_take_is_acknowledged_and_handed_over_later(
    played: Stage, operation: AnyOperation, fault: str
) -> None:
    backend = await _begun(played, operation)
    await _fail(backend, operation, fault)
    answer = await played.send(operation, sample(operation))
    assert (answer.status, answer.code) == (200, "000")
    await played.emp_node.roaming.settle()
    history = await played.emp_node.store.history(KEY)
    assert operation.name in {event.operation for event in history}
    await _mend(backend, operation, fault)
    backend.got.clear()
    await deliver_pending(played.emp_node.roaming)
    assert [got.body for got in backend.got] == [sample(operation)]


async def test_a_backend_that_has_no_path_for_notifications_gets_its_records_at_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as patient:
        patient.emp.answers["start"] = authorized(PROVIDER)
        backend = await _begun(patient, ops.CHARGING_NOTIFICATION_START)
        backend.answers["charging-notifications"] = Answer(404, b"")
        answer = await patient.send(ops.CHARGING_NOTIFICATION_START, sample(ops.CHARGING_NOTIFICATION_START))
        assert (answer.status, answer.code) == (200, "000")
        assert (await patient.send(ops.CHARGE_DETAIL_RECORD, sample(ops.CHARGE_DETAIL_RECORD))).code == "000"
        await patient.emp_node.roaming.settle()  # a record is acknowledged once it is stored
        assert backend.got[-1].body == sample(ops.CHARGE_DETAIL_RECORD)
        status = await patient.emp_node.status()
        assert status.outbox == QueueCount()
        assert any("takes no notifications" in warning for warning in status.warnings)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_record_that_a_failing_backend_did_not_take_is_kept_and_handed_over_later(
    played: Stage, fault: str
) -> None:
    operation, record = ops.CHARGE_DETAIL_RECORD, sample(ops.CHARGE_DETAIL_RECORD)
    backend = await _begun(played, operation)
    await _fail(backend, operation, fault)
    assert (await played.send(operation, record)).code == "000"
    await played.emp_node.roaming.settle()
    kept = await played.emp_node.store.cdr(KEY)
    assert kept is not None
    assert (kept.body, kept.forwarded_at) == (record, None)
    await _mend(backend, operation, fault)
    backend.got.clear()
    await deliver_pending(played.emp_node.roaming)
    assert [got.body for got in backend.got] == [record]
    assert backend.got[-1].path.endswith("/operators/DE*ABC/charge-detail-record")
    kept = await played.emp_node.store.cdr(KEY)
    assert kept is not None
    assert kept.forwarded_at is not None


async def test_a_start_sent_again_while_the_emps_backend_is_down_is_answered_as_before(played: Stage) -> None:
    first = await played.send(ops.AUTHORIZE_START, sample(ops.AUTHORIZE_START))
    await played.emp.hang_up()
    again = await played.send(ops.AUTHORIZE_START, sample(ops.AUTHORIZE_START))
    for name in ("SessionID", "ProviderID", "AuthorizationStatus", "CPOPartnerSessionID", "EMPPartnerSessionID"):
        assert again.members[name] == first.members[name]

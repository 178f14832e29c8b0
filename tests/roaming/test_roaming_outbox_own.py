"""What our own backend is to get from the outbox, and what a crash or a flood leaves of it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from msgspec import structs

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart
from p2pnode.oicp.codec import encode
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_REMOTE_STOP,
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_START,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import SessionEvent, SessionState, Verb
from tests.roaming.roaming_messages import EVSE, SESSION, remote
from tests.roaming.roaming_world import LIMITS, Call, Party, World
from tests.roaming.test_roaming_cdrs import authorized, cdr, ids, stored
from tests.roaming.test_roaming_notifications import begun, ended


async def test_our_own_backend_is_told_later_in_order_where_it_could_not_be_told(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, emp = pair
    await authorized(cpo)
    told: list[object] = []
    down = True

    async def notified(notification: object, body: bytes) -> Acknowledgement:  # noqa: ARG001 - as the protocol has it
        if down:
            raise ProtocolError(Code.SERVICE_NOT_AVAILABLE, "closed")
        told.append(notification)
        return acknowledge(None)

    monkeypatch.setattr(emp.emp, "charging_notification", notified)
    for operation, message in ((CHARGING_NOTIFICATION_START, begun()), (CHARGING_NOTIFICATION_END, ended("9"))):
        answer: Acknowledgement = await cpo.send(operation, message)
        assert (answer.result, answer.status_code.additional_info) == (True, None)
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr())).result
    emp.restart()
    down = False
    await emp.deliver_pending()
    assert told == [begun(), ended("9")]
    assert len(emp.emp.cdrs) == 1
    assert [event.verb for event in await emp.store.history(session_key(SESSION))].count(Verb.RECEIVE) == 4


@pytest.mark.parametrize("setting", ["keep", "stop"])
async def test_the_stop_after_a_lost_start_survives_a_crash_in_the_middle_of_the_start(
    world: World, setting: Literal["keep", "stop"]
) -> None:
    cpo, emp = await world.pair()
    emp.limits = replace(LIMITS, remote_start_on_timeout=setting)
    emp.restart()
    world.wire.silent = {"cpo"}
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=EVSE, identification=remote(), session_id=SESSION)
    asking = asyncio.create_task(emp.send(AUTHORIZE_REMOTE_START, start))
    async with asyncio.timeout(5):
        while not world.wire.to("cpo"):  # noqa: ASYNC110 - the wire is no event
            await asyncio.sleep(0.001)
    asking.cancel()
    emp.restart()
    world.wire.silent = set()
    world.wire.calls.clear()
    await emp.roaming.resume()
    await emp.roaming.settle()
    assert [call.operation for call in world.wire.to("cpo")] == ([AUTHORIZE_REMOTE_STOP] if setting == "stop" else [])
    session = await emp.store.session(session_key(SESSION))
    assert session is not None
    assert session.state is SessionState.UNCONFIRMED
    emp.restart()
    await emp.roaming.resume()
    await emp.roaming.settle()
    assert len(world.wire.calls) == (1 if setting == "stop" else 0)
    assert cpo.own.operators


async def test_a_start_in_the_middle_is_found_behind_a_thousand_sessions_that_came_later(world: World) -> None:
    _, emp = await world.pair()
    emp.limits = replace(LIMITS, remote_start_on_timeout="stop")
    world.wire.silent = {"cpo"}
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=EVSE, identification=remote(), session_id=SESSION)
    asking = asyncio.create_task(emp.send(AUTHORIZE_REMOTE_START, start))
    async with asyncio.timeout(5):
        while not world.wire.to("cpo"):  # noqa: ASYNC110 - the wire is no event
            await asyncio.sleep(0.001)
    asking.cancel()
    session = await emp.store.session(session_key(SESSION))
    assert session is not None

    async def another(session_id: str) -> None:
        later = emp.clock() + timedelta(seconds=1)
        other = structs.replace(
            session,
            key=session_key(session_id),
            session_id=session_id,
            state=SessionState.AUTHORIZED,
            updated_at=later,
        )
        line = SessionEvent(other.key, later, AUTHORIZE_START.name, Verb.RECEIVE, "cpo", Code.SUCCESS, b"{}")
        await emp.store.start(other, line)

    await asyncio.gather(*(another(session_id) for session_id in ids(1000)))
    emp.restart()
    world.wire.silent = set()
    world.wire.calls.clear()
    await emp.roaming.resume()
    await emp.roaming.settle()
    assert [call.operation for call in world.wire.to("cpo")] == [AUTHORIZE_REMOTE_STOP]


async def test_a_notification_whose_answer_was_lost_is_told_to_our_own_emp_once(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.lost_answers = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    cpo.wire.lost_answers = set()
    await cpo.deliver_pending()
    await emp.roaming.settle()
    assert await cpo.store.outbox() == []
    assert emp.emp.notifications == [begun()]


async def test_a_peer_has_its_answer_before_its_deadline_though_our_own_emp_hangs(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, emp = pair
    await authorized(cpo)
    monkeypatch.setattr(emp.emp, "charging_notification", hanging)
    began = asyncio.get_running_loop().time()
    object.__setattr__(CHARGING_NOTIFICATION_START, "deadline", 1.0)
    try:
        assert (await cpo.send(CHARGING_NOTIFICATION_START, begun())).result
    finally:
        object.__setattr__(CHARGING_NOTIFICATION_START, "deadline", 10.0)
    assert asyncio.get_running_loop().time() - began < 0.95


async def hanging(notification: object, body: bytes) -> Acknowledgement:
    await asyncio.Event().wait()
    raise AssertionError((notification, body))


async def test_fifty_different_cdrs_for_a_session_at_once_leave_one_and_the_others_to_be_looked_at(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await authorized(cpo)
    bodies = [encode(cdr(consumed_energy=f"11.{number:03}")) for number in range(50)]
    calls = [Call("cpo", "emp", CHARGE_DETAIL_RECORD, body, "DE*CPO", None) for body in bodies]
    answers = [body for _, body in await asyncio.gather(*(emp.answer(call, "process") for call in calls))]
    assert sum(b'"Result":true' in answer for answer in answers) == 1
    assert sum(b'"400"' in answer for answer in answers) == 49
    await emp.roaming.settle()
    kept = (await stored(emp)).body
    assert emp.emp.cdrs == [kept]
    refused = [review.body for review in await emp.store.cdr_reviews()]
    assert sorted([kept, *refused]) == sorted(bodies)


async def test_the_same_cdr_fifty_times_at_once_is_stored_once_and_gets_fifty_equal_answers(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await authorized(cpo)
    call = Call("cpo", "emp", CHARGE_DETAIL_RECORD, encode(cdr()), "DE*CPO", None)
    answers = await asyncio.gather(*(emp.answer(call, "process") for _ in range(50)))
    await emp.roaming.settle()
    assert len(set(answers)) == 1
    assert b'"Result":true' in answers[0][1]
    assert emp.emp.cdrs == [call.body]

"""ChargingNotifications."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from p2pnode.oicp.authentication import AuthenticationDataRecord, ProviderAuthenticationData, PushAuthenticationData
from p2pnode.oicp.authorization import AuthorizeStart
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.codec import encode
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.notifications import (
    ChargingNotificationEnd,
    ChargingNotificationError,
    ChargingNotificationProgress,
    ChargingNotificationStart,
)
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_ERROR,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    PUSH_AUTHENTICATION_DATA,
    AnyOperation,
)
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import OWN, SessionState
from tests.roaming.roaming_messages import EVSE, NOON, OTHER_UID, SESSION, START, make, rfid
from tests.roaming.roaming_world import Call, Party, World, refused

IDS: dict[str, object] = {"session_id": SESSION, "evse_id": EVSE, "operator_id": "DE*CPO"}


def begun(**members: object) -> ChargingNotificationStart:
    return make(ChargingNotificationStart, type="Start", charging_start=NOON, **{**IDS, **members})


def progress(energy: str) -> ChargingNotificationProgress:
    return make(
        ChargingNotificationProgress,
        type="Progress",
        charging_start=NOON,
        event_occurred=NOON + timedelta(minutes=5),
        consumed_energy_progress=Decimal(energy),
        **IDS,
    )


def ended(energy: str) -> ChargingNotificationEnd:
    charging_end = NOON + timedelta(hours=1)
    return make(ChargingNotificationEnd, type="End", charging_end=charging_end, consumed_energy=Decimal(energy), **IDS)


def failed() -> ChargingNotificationError:
    return make(ChargingNotificationError, type="Error", error_type="CriticalError", **IDS)


async def authorized(pair: tuple[Party, Party]) -> tuple[Party, Party]:
    cpo, _ = pair
    assert (await cpo.send(AUTHORIZE_START, START)).authorized
    cpo.wire.calls.clear()
    return pair


async def test_notifications_move_the_session_on_both_sides_and_reach_the_emp(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    steps: list[tuple[AnyOperation, Any, SessionState]] = [
        (CHARGING_NOTIFICATION_START, begun(), SessionState.CHARGING),
        (CHARGING_NOTIFICATION_PROGRESS, progress("3.5"), SessionState.CHARGING),
        (CHARGING_NOTIFICATION_ERROR, failed(), SessionState.CHARGING),
        (CHARGING_NOTIFICATION_END, ended("7.25"), SessionState.ENDED),
    ]
    for operation, message, state in steps:
        assert (await cpo.send(operation, message)).result
        assert [(await party.session()).state for party in pair] == [state, state]
    assert emp.emp.notifications == [message for _, message, _ in steps]
    for party in pair:
        session = await party.session()
        assert (session.charging_start, session.energy) == (NOON, Decimal("7.25"))
        history = await party.store.history(session.key)
        assert [event.operation for event in history[1:]] == [operation.name for operation, _, _ in steps]


async def test_a_notification_is_passed_on_as_it_came(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    body = (
        b'{"Type":"End","SessionID":"%b","EvseID":"%b","OperatorID":"DE*CPO", "ConsumedEnergy": "7.250",'
        b'"ChargingEnd":"2026-03-01T14:00:00.000+01:00","Extra":{"x":1.50}}' % (SESSION.encode(), EVSE.encode())
    )
    assert (await cpo.send(CHARGING_NOTIFICATION_END, body)).result
    (call,) = cpo.wire.calls
    assert call.body == body
    assert (await emp.store.history(session_key(SESSION)))[-1].body == body


async def test_a_notification_for_an_unknown_session_is_refused(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    assert (await refused(cpo.send(CHARGING_NOTIFICATION_START, begun()))).code is Code.SESSION_INVALID
    call = Call("cpo", "emp", CHARGING_NOTIFICATION_START, encode(begun()), "DE*CPO", None)
    assert b'"400"' in (await emp.answer(call, "process"))[1]
    assert not emp.emp.notifications


async def test_only_the_cpo_of_a_session_tells_of_it(world: World) -> None:
    _, emp = await authorized(await world.pair())
    two = await world.party("two", operators=("DE*TWO",))
    emp.knows(two)
    call = Call("two", "emp", CHARGING_NOTIFICATION_START, encode(begun(operator_id="DE*TWO")), "DE*TWO", None)
    assert b'"400"' in (await emp.answer(call, "process"))[1]
    assert (await emp.session()).state is SessionState.AUTHORIZED


async def test_a_notification_that_does_not_fit_is_refused_on_both_sides(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    cpo.clock.advance(days=8)
    assert (await refused(cpo.send(CHARGING_NOTIFICATION_START, begun()))).code is Code.SESSION_INVALID
    call = Call("cpo", "emp", CHARGING_NOTIFICATION_START, encode(begun()), "DE*CPO", None)
    assert b'"400"' in (await emp.answer(call, "process"))[1]


async def test_a_notification_that_cannot_be_delivered_is_stored_and_goes_before_the_next(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = await authorized(pair)
    cpo.wire.down = {"emp"}
    answer = await cpo.send(CHARGING_NOTIFICATION_START, begun())
    assert answer.result
    assert "not forwarded yet" in (answer.status_code.additional_info or "")
    assert (await cpo.session()).state is SessionState.CHARGING
    assert (await cpo.store.history(session_key(SESSION)))[-1].code == "320"
    assert (await cpo.send(CHARGING_NOTIFICATION_PROGRESS, progress("1"))).result
    cpo.wire.down = set()
    waiting = await cpo.send(CHARGING_NOTIFICATION_END, ended("2"))
    assert "not forwarded yet" in (waiting.status_code.additional_info or "")
    await cpo.deliver_pending()
    assert emp.emp.notifications == [begun(), progress("1"), ended("2")]
    assert (await emp.session()).state is SessionState.ENDED


async def test_notifications_that_wait_survive_a_restart_and_are_delivered_once(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    await cpo.send(CHARGING_NOTIFICATION_END, ended("2"))
    await cpo.deliver_pending()
    cpo.restart()
    await cpo.deliver_pending()
    assert not emp.emp.notifications
    cpo.wire.down = set()
    await asyncio.gather(*(cpo.deliver_pending() for _ in range(3)))
    cpo.restart()
    await cpo.deliver_pending()
    assert emp.emp.notifications == [begun(), ended("2")]
    told = [(event.operation[20:], event.code) for event in await cpo.store.history(session_key(SESSION))]
    assert told[1:] == [("Start", "320"), ("Start", "000"), ("End", "000")]


async def test_after_a_restart_what_waits_goes_before_the_next(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    cpo.restart()
    cpo.wire.down = set()
    cpo.clock.advance(seconds=2)
    assert (await cpo.send(CHARGING_NOTIFICATION_END, ended("2"))).status_code.additional_info is None
    assert emp.emp.notifications == [begun(), ended("2")]
    assert (await emp.session()).state is SessionState.ENDED


async def test_a_notification_the_emp_refuses_is_not_sent_again(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    await emp.store.write(lambda transaction: transaction.delete_session(session_key(SESSION)))
    answer = await cpo.send(CHARGING_NOTIFICATION_START, begun())
    assert (answer.result, answer.status_code.code) == (False, "400")
    cpo.wire.calls.clear()
    await cpo.deliver_pending()
    assert not cpo.wire.calls


async def test_waiting_notifications_go_before_the_cdr(pair: tuple[Party, Party]) -> None:
    cpo, emp = await authorized(pair)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_END, ended("2"))
    cpo.wire.down = set()
    record = make(
        ChargeDetailRecord,
        session_id=SESSION,
        evse_id=EVSE,
        identification=rfid(),
        charging_start=NOON,
        charging_end=NOON + timedelta(hours=1),
        session_start=NOON,
        session_end=NOON + timedelta(hours=1),
        consumed_energy=Decimal(2),
    )
    assert "not forwarded yet" in ((await cpo.send(CHARGE_DETAIL_RECORD, record)).status_code.additional_info or "")
    await cpo.deliver_pending()
    assert cpo.wire.calls[-2].operation is CHARGING_NOTIFICATION_END
    assert cpo.wire.calls[-1].operation is CHARGE_DETAIL_RECORD
    assert emp.emp.notifications == [ended("2")]
    assert (await emp.session()).state is SessionState.SETTLED


async def test_a_session_without_evse_learns_where_it_is(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    start = AuthorizeStart(operator_id="DE*CPO", identification=rfid(), session_id=SESSION)
    await cpo.send(AUTHORIZE_START, start)
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    assert (await emp.session()).evse_id == EVSE


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_session_the_cpo_authorized_from_our_published_data_is_adopted(
    pair: tuple[Party, Party], *, allowed: bool
) -> None:
    cpo, emp = pair
    data = ProviderAuthenticationData(
        provider_id="DE-ONE", authentication_data_record=[AuthenticationDataRecord(identification=rfid())]
    )
    message = PushAuthenticationData(action_type=ActionType.FULL_LOAD, provider_authentication_data=data)
    await emp.send(PUSH_AUTHENTICATION_DATA, message)
    await authorized(pair)
    assert not emp.emp.starts
    if not allowed:
        emp.knows(cpo, send=("PullEvseData",))
    told = await cpo.send(CHARGING_NOTIFICATION_START, begun(identification=rfid()))
    assert told.result is allowed
    if allowed:
        session = await emp.session()
        assert (session.cpo, session.emp, session.state) == ("cpo", OWN, SessionState.CHARGING)
        assert session.provider_id == "DE-ONE"
    stranger = begun(identification=rfid(OTHER_UID), session_id="11111111-2222-3333-4444-555555555555")
    call = Call("cpo", "emp", CHARGING_NOTIFICATION_START, encode(stranger), "DE*CPO", None)
    assert b'"400"' in (await emp.answer(call, "process"))[1]

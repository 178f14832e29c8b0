"""The outbox: pauses, order, dead letters, and the circuit breaker."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from p2pnode.config.outbox import OutboxSection
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeStart
from p2pnode.oicp.codec import encode
from p2pnode.oicp.errors import NoAnswer
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    GET_CHARGE_DETAIL_RECORDS,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming import lanes
from p2pnode.roaming.breaker import pause
from p2pnode.roaming.outbox_records import BreakerState, QueueState
from p2pnode.roaming.records import PageRequest
from tests.roaming.roaming_messages import EVSE, remote, rfid
from tests.roaming.roaming_world import LIMITS, Call, Party, World
from tests.roaming.test_roaming_cdrs import authorized, cdr, ids, stored, wanted
from tests.roaming.test_roaming_notifications import begun, ended, progress

if TYPE_CHECKING:
    from p2pnode.oicp.acknowledgement import Acknowledgement

NO_JITTER = OutboxSection(jitter=0.0)


def test_pauses_grow_by_the_factor_to_the_cap_and_jitter_only_lengthens_them() -> None:
    settings = OutboxSection(base_seconds=1, factor=3, cap_seconds=20, jitter=0.5)
    assert [pause(settings, n, lambda: 0.0).total_seconds() for n in (1, 2, 3, 4, 5000)] == [1, 3, 9, 20, 20]
    assert pause(settings, 2, lambda: 1.0).total_seconds() == 4.5


async def test_an_outage_is_waited_out_with_growing_pauses_that_outlive_a_restart(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    cpo.limits = replace(LIMITS, outbox=NO_JITTER)
    cpo.restart()
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    cpo.clock.advance(seconds=1)
    cpo.restart()
    await cpo.roaming.resume()
    await cpo.roaming.settle()
    (waiting,) = await cpo.store.outbox()
    assert (waiting.attempts, waiting.next_at) == (2, cpo.clock() + timedelta(seconds=2))
    sent = len(cpo.wire.calls)
    cpo.restart()
    await cpo.roaming.resume()
    await cpo.roaming.settle()
    assert len(cpo.wire.calls) == sent


async def test_hearing_from_a_peer_ends_the_pause(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    cpo.clock.advance(seconds=1)
    await cpo.deliver_pending()
    cpo.wire.down = set()
    cpo.clock.advance(seconds=1.5)
    assert (await stored(cpo)).forwarded_at is None
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=EVSE, identification=remote())
    await emp.send(AUTHORIZE_REMOTE_START, start)
    await cpo.roaming.settle()
    assert (await stored(cpo)).forwarded_at is not None
    assert await cpo.store.outbox() == []


async def test_messages_of_many_sessions_arrive_in_the_order_in_which_they_were_told(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    for session_id in ids(20):
        await authorized(cpo, session_id)
    await asyncio.gather(
        *(cpo.send(CHARGING_NOTIFICATION_START, begun(session_id=session_id)) for session_id in ids(20))
    )
    assert [told.session_id for told in emp.emp.notifications] == ids(20)


async def test_only_the_newest_progress_is_delivered_after_an_outage_but_every_start_and_end(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    for energy in ("1", "2", "3"):
        await cpo.send(CHARGING_NOTIFICATION_PROGRESS, progress(energy))
    await cpo.send(CHARGING_NOTIFICATION_END, ended("9"))
    assert [record.operation[20:] for record in await cpo.store.outbox()] == ["Start", "Progress", "End"]
    cpo.wire.down = set()
    await cpo.deliver_pending()
    assert emp.emp.notifications == [begun(), progress("3"), ended("9")]


async def test_a_message_whose_sender_gave_up_while_it_was_written_is_sent_in_its_order(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    for session_id in ids(2):
        await authorized(cpo, session_id)
    one, two = (
        asyncio.create_task(cpo.send(CHARGING_NOTIFICATION_START, begun(session_id=session_id)))
        for session_id in ids(2)
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    one.cancel()
    await two
    with pytest.raises(asyncio.CancelledError):
        await one
    await cpo.roaming.settle()
    assert [told.session_id for told in emp.emp.notifications] == ids(2)
    assert await cpo.store.outbox() == []


async def test_a_cdr_goes_once_a_restarted_node_has_delivered_as_many_notifications_as_it_reads_at_once(
    pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, emp = pair
    monkeypatch.setattr(lanes, "AT_ONCE", 2)
    for session_id in ids(2):
        await authorized(cpo, session_id)
    cpo.wire.down = {"emp"}
    for session_id in ids(2):
        await cpo.send(CHARGING_NOTIFICATION_START, begun(session_id=session_id))
    await cpo.send(CHARGE_DETAIL_RECORD, cdr(ids(2)[1]))
    await cpo.roaming.aclose()
    cpo.wire.down = set()
    cpo.clock.advance(seconds=1000)
    cpo.restart()
    await cpo.roaming.resume()
    await cpo.roaming.settle()
    assert len(emp.emp.cdrs) == 1
    assert await cpo.store.outbox() == []


async def test_what_nobody_takes_for_a_week_becomes_a_dead_letter_that_can_be_requeued_or_dropped(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    for session_id in ids(2):
        await authorized(cpo, session_id)
    cpo.wire.down = {"emp"}
    for session_id in ids(2):
        await cpo.send(CHARGE_DETAIL_RECORD, cdr(session_id))
    cpo.clock.advance(days=8)
    await cpo.deliver_pending()
    one, two = await cpo.store.outbox()
    assert (one.state, two.state, one.reason) == (QueueState.DEAD, QueueState.DEAD, "emp: connection refused")
    cpo.wire.down = set()
    assert await cpo.roaming.outbox.requeue(999) is None
    again = await cpo.roaming.outbox.requeue(one.id)
    assert again is not None
    assert again != one.id
    assert await cpo.roaming.outbox.requeue(again) == again
    assert await cpo.roaming.outbox.drop(two.id)
    assert not await cpo.roaming.outbox.drop(two.id)
    await cpo.roaming.settle()
    assert (await stored(emp, ids(1)[0])).body == (await stored(cpo, ids(1)[0])).body
    assert await cpo.store.outbox() == []


async def test_a_message_the_peer_fails_on_again_and_again_makes_room_for_the_next(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.limits = replace(LIMITS, outbox=OutboxSection(failed_answers=2))
    cpo.restart()
    for session_id in ids(2):
        await authorized(cpo, session_id)
    answer = emp.answer

    async def failing(call: Call, process_id: str) -> tuple[int, bytes]:
        if ids(1)[0].encode() in call.body:
            return 200, encode(acknowledge(None, Code.SYSTEM_ERROR, "a fault"))
        return await answer(call, process_id)

    emp.answering = failing
    for session_id in ids(2):
        assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr(session_id))).result
    await cpo.deliver_pending()
    assert (await stored(cpo, ids(2)[1])).forwarded_at is not None
    (failing_on,) = await cpo.store.outbox()
    assert (failing_on.state, failing_on.reason) == (QueueState.WAITING, "021 a fault")
    emp.answering = answer
    await cpo.deliver_pending()
    assert await cpo.store.outbox() == []
    assert (await stored(cpo, ids(2)[0])).forwarded_at is not None


async def test_a_notification_the_peer_fails_on_holds_back_what_follows_it_in_its_session_but_not_its_cdr(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    cpo.limits = replace(LIMITS, outbox=OutboxSection(failed_answers=2))
    cpo.restart()
    await authorized(cpo)
    answer = emp.answer

    async def failing(call: Call, process_id: str) -> tuple[int, bytes]:
        if call.operation is CHARGING_NOTIFICATION_START:
            return 200, encode(acknowledge(None, Code.SYSTEM_ERROR, "a fault"))
        return await answer(call, process_id)

    emp.answering = failing
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    await cpo.send(CHARGING_NOTIFICATION_END, ended("9"))
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr())).status_code.additional_info is not None
    assert not emp.emp.cdrs
    await cpo.deliver_pending()
    assert (len(emp.emp.cdrs), emp.emp.notifications) == (1, [])
    assert [record.operation[20:] for record in await cpo.store.outbox()] == ["Start", "End"]


@pytest.mark.parametrize("by", ["the peer", "the peer table"])
async def test_a_peer_that_takes_no_notifications_gets_its_cdrs(pair: tuple[Party, Party], by: str) -> None:
    cpo, emp = pair
    await authorized(cpo)
    answer = emp.answer

    async def answering(call: Call, process_id: str) -> tuple[int, bytes]:
        if call.operation is CHARGING_NOTIFICATION_START:
            return 200, encode(acknowledge(None, Code.SERVICE_NOT_AVAILABLE, "not offered"))
        return await answer(call, process_id)

    if by == "the peer":
        emp.answering = answering
    else:
        cpo.knows(emp, send=[CHARGE_DETAIL_RECORD.name])
    refused: Acknowledgement = await cpo.send(CHARGING_NOTIFICATION_START, begun())
    assert not refused.result
    assert await cpo.store.outbox() == []
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    await emp.roaming.settle()
    assert len(emp.emp.cdrs) == 1


async def test_a_message_that_waits_can_be_dropped_and_holds_nothing_any_more(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    first, _ = await cpo.store.outbox()
    cpo.wire.down = set()
    assert await cpo.roaming.outbox.drop(first.id)
    await cpo.deliver_pending()
    await emp.roaming.settle()
    assert (len(emp.emp.cdrs), emp.emp.notifications) == (1, [])


async def test_a_cdr_is_not_handed_out_before_the_notifications_of_its_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGING_NOTIFICATION_START, begun())
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    call = Call("emp", "cpo", GET_CHARGE_DETAIL_RECORDS, encode(wanted()), "DE-ONE", PageRequest(0, 20))

    async def handed_out() -> int:
        _, body = await cpo.answer(call, "process")
        return GET_CHARGE_DETAIL_RECORDS.answer.model_validate_json(body).total_elements or 0

    assert await handed_out() == 0
    cpo.wire.down = set()
    await cpo.deliver_pending()
    await emp.roaming.settle()
    assert await handed_out() == 1


async def test_a_lane_in_silence_is_not_tried_with_each_answer_another_has(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    for session_id in ids(30):
        await authorized(cpo, session_id)
    answer = emp.answer

    async def answering(call: Call, process_id: str) -> tuple[int, bytes]:
        if call.operation is CHARGE_DETAIL_RECORD:
            raise NoAnswer("emp", "connection reset")
        return await answer(call, process_id)

    emp.answering = answering
    await cpo.send(CHARGE_DETAIL_RECORD, cdr(ids(30)[0]))
    for session_id in ids(30)[1:]:
        await cpo.send(CHARGING_NOTIFICATION_START, begun(session_id=session_id))
    assert len(cpo.wire.to("emp", CHARGE_DETAIL_RECORD)) <= 3


async def test_two_lanes_whose_peer_answers_one_with_a_fault_do_not_drive_each_other(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.limits = replace(LIMITS, outbox=NO_JITTER)
    cpo.restart()
    for session_id in ids(2):
        await authorized(cpo, session_id)

    async def answering(call: Call, _: str) -> tuple[int, bytes]:
        if call.operation is CHARGE_DETAIL_RECORD:
            raise NoAnswer("emp", "connection reset")
        return 200, encode(acknowledge(None, Code.SYSTEM_ERROR, "restarting"))

    emp.answering = answering
    await cpo.send(CHARGING_NOTIFICATION_START, begun(session_id=ids(2)[0]))
    await cpo.send(CHARGE_DETAIL_RECORD, cdr(ids(2)[1]))
    cpo.clock.advance(seconds=2)
    cpo.roaming.outbox.wake()
    await cpo.roaming.settle()
    assert all(record.attempts <= 3 for record in await cpo.store.outbox())


async def test_a_pause_does_not_last_longer_because_the_clock_is_set_back(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    cpo.clock.advance(hours=5)
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    for _ in range(3):
        cpo.roaming.breakers.failed("emp", "away")
    await cpo.roaming.settle()
    cpo.wire.down = set()
    cpo.clock.advance(hours=-1)
    cpo.restart()
    await cpo.roaming.resume()
    await cpo.roaming.settle()
    assert len(emp.emp.cdrs) == 1


async def test_a_refusal_is_final(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    emp.foreign = encode(acknowledge(None, Code.DATA_ERROR, "no"))
    assert not (await cpo.send(CHARGE_DETAIL_RECORD, cdr())).result
    assert await cpo.store.outbox() == []


async def test_a_breaker_opens_is_stored_and_closes_with_the_first_answer(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    for _ in range(2):
        assert cpo.roaming.breakers.of("emp").state is BreakerState.CLOSED
        await cpo.deliver_pending()
    assert cpo.roaming.breakers.open_until("emp") is not None
    cpo.restart()
    await cpo.roaming.resume()
    assert cpo.roaming.breakers.of("emp").state is BreakerState.OPEN
    cpo.wire.down = set()
    await cpo.deliver_pending()
    await cpo.roaming.settle()
    assert [record.state for record in await cpo.store.breakers()] == [BreakerState.CLOSED]
    assert len(emp.emp.cdrs) == 1


async def test_a_card_is_not_asked_about_at_a_peer_that_is_away_if_another_can_be_asked(world: World) -> None:
    cpo = await world.party("cpo", operators=("DE*CPO",))
    for name in ("one", "two"):
        emp = await world.party(name, providers=(f"DE-{name.upper()}",))
        cpo.knows(emp)
        emp.knows(cpo)
    world.wire.down = {"one"}
    start = AuthorizeStart(operator_id="DE*CPO", identification=rfid(), evse_id=EVSE)
    for _ in range(3):
        cpo.roaming.breakers.failed("one", "away")
    await cpo.send(AUTHORIZE_START, start)
    assert not world.wire.to("one")
    cpo.clock.advance(seconds=90)
    await cpo.send(AUTHORIZE_START, replace_uid(start))
    assert world.wire.to("one", AUTHORIZE_START)


def replace_uid(start: AuthorizeStart) -> AuthorizeStart:
    return start.model_copy(update={"identification": rfid("04A2B3C4D5E6F8")})

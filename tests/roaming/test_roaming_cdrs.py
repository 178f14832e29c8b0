"""ChargeDetailRecord and GetChargeDetailRecords."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from p2pnode.oicp.authorization import AuthorizeStart
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import encode, replace_members
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AUTHORIZE_START, CHARGE_DETAIL_RECORD, GET_CHARGE_DETAIL_RECORDS
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import OWN, CdrRecord, PageRequest, SessionState
from tests.roaming.roaming_messages import EVSE, NOON, SESSION, make, qr_code, rfid
from tests.roaming.roaming_world import Call, Party, World, refused

HOUR = timedelta(hours=1)


def cdr(session_id: str = SESSION, start: datetime = NOON, **members: object) -> ChargeDetailRecord:
    values: dict[str, object] = {
        "session_id": session_id,
        "evse_id": EVSE,
        "identification": rfid(),
        "charging_start": start,
        "charging_end": start + HOUR,
        "session_start": start,
        "session_end": start + HOUR,
        "consumed_energy": Decimal("11.5"),
        **members,
    }
    return make(ChargeDetailRecord, **values)


async def authorized(cpo: Party, session_id: str = SESSION) -> None:
    start = AuthorizeStart(operator_id="DE*CPO", evse_id=EVSE, identification=rfid(), session_id=session_id)
    assert (await cpo.send(AUTHORIZE_START, start)).authorized


async def stored(party: Party, session_id: str = SESSION) -> CdrRecord:
    record = await party.store.cdr(session_key(session_id))
    assert record is not None
    return record


async def state(party: Party) -> SessionState:
    session = await party.store.session(session_key(SESSION))
    assert session is not None
    return session.state


async def told_of_cdrs(party: Party) -> list[tuple[str, str, str]]:
    """The lines about CDRs in the history of the session: direction, peer and code."""
    history = await party.store.history(session_key(SESSION))
    return [(line.verb, line.peer, line.code) for line in history if line.operation == CHARGE_DETAIL_RECORD.name]


async def test_a_cdr_is_stored_on_both_sides_as_it_came_and_settles_the_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    body = replace_members(encode(cdr()), {"SessionEnd": "2026-03-01T14:00:00.000+01:00", "Extra": [1, Decimal("1.5")]})
    assert (await cpo.send(CHARGE_DETAIL_RECORD, body)).result
    await emp.roaming.settle()
    assert emp.emp.cdrs == [body]
    for party, kept in zip(pair, [await stored(party) for party in pair], strict=True):
        assert kept.body == body
        assert kept.energy == Decimal("11.5")
        assert kept.forwarded_at == NOON
        assert await state(party) is SessionState.SETTLED


async def test_the_history_tells_when_a_cdr_came_and_when_it_was_sent_on(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down.add("emp")
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr())).result
    waiting = [("receive", OWN, "000"), ("send", "emp", "320")]
    assert await told_of_cdrs(cpo) == waiting
    cpo.wire.down.clear()
    await cpo.deliver_pending()
    assert await told_of_cdrs(cpo) == [*waiting, ("send", "emp", "000")]
    await emp.roaming.settle()
    assert await told_of_cdrs(emp) == [("receive", "cpo", "000")]


async def test_the_same_cdr_again_gets_the_same_answer(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    first = await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    assert await cpo.send(CHARGE_DETAIL_RECORD, cdr()) == first
    (call,) = cpo.wire.to("emp", CHARGE_DETAIL_RECORD)
    again = replace_members(
        call.body, {"ConsumedEnergy": "11.500", "SessionEnd": "2026-03-01T14:00:00+01:00", "HubProviderId": None}
    )
    answer = await emp.answer(Call("cpo", "emp", CHARGE_DETAIL_RECORD, again, "DE*CPO", None), "process")
    assert b'"Result":true' in answer[1]
    await emp.roaming.settle()
    assert len(emp.emp.cdrs) == 1
    assert (await stored(emp)).body == call.body


async def test_the_same_cdr_many_times_at_once_reaches_our_emp_once(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    call = Call("cpo", "emp", CHARGE_DETAIL_RECORD, encode(cdr()), "DE*CPO", None)
    answers = await asyncio.gather(*(emp.answer(call, "process") for _ in range(20)))
    await emp.roaming.settle()
    assert set(answers) == {answers[0]}
    assert b'"Result":true' in answers[0][1]
    assert emp.emp.cdrs == [call.body]


async def test_a_cdr_sent_many_times_at_once_goes_to_the_peer_once(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    answer = emp.answer
    on_its_way = asyncio.Event()
    looked_again = asyncio.Event()

    async def slowly(call: Call, process_id: str) -> tuple[int, bytes]:
        on_its_way.set()
        await looked_again.wait()
        return await answer(call, process_id)

    emp.answering = slowly
    again = asyncio.gather(*(cpo.send(CHARGE_DETAIL_RECORD, cdr()) for _ in range(5)))
    await on_its_way.wait()
    cpo.roaming.outbox.wake()
    looked_again.set()
    assert all(answered.result for answered in await again)
    assert len(cpo.wire.to("emp", CHARGE_DETAIL_RECORD)) == 1
    assert (await stored(cpo)).forwarded_at == NOON


async def test_a_different_cdr_for_the_same_session_is_refused(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    other = cdr(consumed_energy=Decimal("11.501"))
    call = Call("cpo", "emp", CHARGE_DETAIL_RECORD, encode(other), "DE*CPO", None)
    for _ in range(2):
        assert (await refused(cpo.send(CHARGE_DETAIL_RECORD, other))).code is Code.SESSION_INVALID
        assert b'"400"' in (await emp.answer(call, "process"))[1]
    for party, sender in ((cpo, OWN), (emp, "cpo")):
        (kept,) = await party.store.cdr_reviews()
        assert (kept.peer, kept.body, kept.energy) == (sender, encode(other), Decimal("11.501"))
        assert (await stored(party)).energy == Decimal("11.5")


async def test_not_more_than_a_hundred_different_cdrs_of_a_session_are_kept(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await authorized(cpo)
    for number in range(110):
        sending = cpo.send_raw(CHARGE_DETAIL_RECORD, cdr(consumed_energy=Decimal(number)))
        if number:
            await refused(sending)
        else:
            await sending
    reviews = await cpo.store.cdr_reviews()
    assert len(reviews) == 100
    assert await cpo.store.write(lambda transaction: transaction.drop_cdr_review(reviews[0].id))
    assert not await cpo.store.write(lambda transaction: transaction.drop_cdr_review(reviews[0].id))
    assert await cpo.store.cdr_reviews() == reviews[1:]


async def test_a_cdr_for_an_unknown_session_or_another_peers_is_refused(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", operators=("DE*TWO",))
    emp.knows(two)
    assert (await refused(cpo.send(CHARGE_DETAIL_RECORD, cdr()))).code is Code.SESSION_INVALID
    await authorized(cpo)
    for source, session_id in (("cpo", "11111111-2222-3333-4444-555555555555"), ("two", SESSION)):
        call = Call(source, "emp", CHARGE_DETAIL_RECORD, encode(cdr(session_id)), "DE*TWO", None)
        assert b'"400"' in (await emp.answer(call, "process"))[1]
    assert await emp.store.cdr(session_key(SESSION)) is None


async def test_a_cdr_of_a_session_that_has_expired_is_still_accepted(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.clock.advance(days=30)
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr())).result
    assert await state(emp) is SessionState.SETTLED


async def test_a_cdr_that_cannot_be_forwarded_is_safe_and_goes_later(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.down = {"emp"}
    answer = await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    assert answer.result
    assert "not forwarded yet" in (answer.status_code.additional_info or "")
    assert (await stored(cpo)).forwarded_at is None
    cpo.restart()
    await cpo.deliver_pending()
    assert (await stored(cpo)).forwarded_at is None
    cpo.wire.down = set()
    await cpo.deliver_pending()
    assert (await stored(cpo)).forwarded_at == NOON
    assert (await stored(emp)).body == (await stored(cpo)).body


async def test_a_cdr_whose_acknowledgement_was_lost_is_not_taken_twice(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    cpo.wire.lost_answers = {"emp"}
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    cpo.wire.lost_answers = set()
    await cpo.deliver_pending()
    await emp.roaming.settle()
    assert (await stored(cpo)).forwarded_at == NOON
    assert len(emp.emp.cdrs) == 1


async def test_a_cdr_the_emp_refuses_is_not_sent_again_and_again(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    await emp.store.write(lambda transaction: transaction.delete_session(session_key(SESSION)))
    answer = await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    assert (answer.result, answer.status_code.code) == (False, "400")
    assert (await stored(cpo)).forwarded_at is None
    await cpo.deliver_pending()
    assert len(cpo.wire.to("emp", CHARGE_DETAIL_RECORD)) == 1


@pytest.mark.parametrize("at_fault", ["cpo", "emp"])
async def test_a_cdr_that_a_peer_table_did_not_allow_goes_once_the_table_allows_it(
    pair: tuple[Party, Party], at_fault: str
) -> None:
    cpo, emp = pair
    await authorized(cpo)
    if at_fault == "cpo":
        cpo.knows(emp, send=("PushEvseData",))
    else:
        emp.knows(cpo, receive=("PushEvseData",))
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    await cpo.deliver_pending()
    assert (await stored(cpo)).forwarded_at is None
    cpo.knows(emp)
    emp.knows(cpo)
    await cpo.deliver_pending()
    assert (await stored(cpo)).forwarded_at == NOON


async def test_a_cdr_the_emp_refuses_holds_up_no_other(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await settled(pair, 3, forwarded=False)
    first, *others = ids(3)
    await emp.store.write(lambda transaction: transaction.delete_session(session_key(first)))
    await cpo.deliver_pending()
    assert (await stored(cpo, first)).forwarded_at is None
    for session_id in others:
        assert (await stored(cpo, session_id)).forwarded_at == NOON


async def test_a_cdr_our_own_emp_could_not_take_is_given_to_it_later(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    emp.emp.takes_cdrs = False
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr())).result
    await emp.roaming.settle()
    assert (await stored(emp)).forwarded_at is None
    emp.emp.takes_cdrs = True
    await emp.deliver_pending()
    assert (await stored(emp)).forwarded_at == NOON


async def test_a_cdr_between_our_own_two_roles_is_taken_at_once(world: World) -> None:
    both = await world.party("both", operators=("DE*CPO",), providers=("DE-ONE",))
    await authorized(both)
    assert (await both.send(CHARGE_DETAIL_RECORD, cdr())).result
    assert len(both.emp.cdrs) == 1
    assert (await stored(both)).forwarded_at == NOON


def ids(count: int) -> list[str]:
    return [f"00000000-0000-4000-8000-{number:012d}" for number in range(count)]


async def settled(pair: tuple[Party, Party], count: int, *, forwarded: bool = True, days: int = 0) -> None:
    """So many settled sessions, their CDRs received so many days apart."""
    cpo, _ = pair
    for session_id in ids(count):
        await authorized(cpo, session_id)
    cpo.wire.down = set() if forwarded else {"emp"}
    for number, session_id in enumerate(ids(count)):
        await cpo.send(CHARGE_DETAIL_RECORD, cdr(session_id, NOON + timedelta(days=number)))
        cpo.clock.advance(days=days)
    cpo.wire.down = set()


def wanted(**members: object) -> GetChargeDetailRecords:
    values = {"provider_id": "DE-ONE", "from_": NOON, "to": NOON + timedelta(days=100), **members}
    return make(GetChargeDetailRecords, **values)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ids(4)),
        ({"from_": NOON + timedelta(days=1)}, ids(4)[1:]),
        ({"to": NOON + timedelta(days=2)}, ids(4)[:2]),
        ({"session_id": [ids(4)[2], ids(4)[0].upper()]}, [ids(4)[0], ids(4)[2]]),
        ({"operator_id": ["DECPO"]}, ids(4)),
        ({"operator_id": ["DE*XYZ", "DE*CPO"]}, ids(4)),
        ({"cdr_forwarded": True}, ids(4)),
        ({"cdr_forwarded": False}, []),
    ],
    ids=["all", "from", "to", "sessions", "operator", "operators", "forwarded", "not forwarded"],
)
async def test_an_emp_fetches_its_cdrs_by_every_filter(
    pair: tuple[Party, Party], filters: dict[str, object], found: list[str]
) -> None:
    cpo, _ = pair
    await settled(pair, 4, days=1)
    call = Call("emp", "cpo", GET_CHARGE_DETAIL_RECORDS, encode(wanted(**filters)), "DE-ONE", PageRequest(0, 20))
    _, body = await cpo.answer(call, "process")
    page = GET_CHARGE_DETAIL_RECORDS.answer.model_validate_json(body)
    assert [record.session_id for record in page.content] == found
    assert (page.total_elements, page.first, page.last) == (len(found), True, True)


async def test_cdrs_of_another_provider_are_not_shown(world: World) -> None:
    pair = await world.pair()
    cpo, emp = pair
    two = await world.party("two", providers=("DE-TWO",))
    cpo.knows(two)
    await settled(pair, 1)
    for name, provider_id in (("two", "DE-TWO"), ("two", "DE-ONE"), ("emp", "DE-TWO")):
        request = encode(wanted(provider_id=provider_id))
        call = Call(name, "cpo", GET_CHARGE_DETAIL_RECORDS, request, provider_id, None)
        assert b'"totalElements":0' in (await cpo.answer(call, "process"))[1]
    assert emp.own.providers == ("DE-ONE",)


async def test_what_we_lacked_is_stored_when_it_is_fetched(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await settled(pair, 3, forwarded=False)
    page = await emp.send(GET_CHARGE_DETAIL_RECORDS, wanted(cdr_forwarded=False), page=PageRequest(0, 2))
    assert (page.number_of_elements, page.total_elements, page.last) == (2, 3, False)
    await emp.send(GET_CHARGE_DETAIL_RECORDS, wanted(cdr_forwarded=False), page=PageRequest(1, 2))
    await emp.roaming.settle()
    assert len(emp.emp.cdrs) == 3
    for session_id in ids(3):
        assert (await stored(emp, session_id)).body == (await stored(cpo, session_id)).body


async def test_a_fetched_cdr_of_a_session_that_is_not_ours_is_left_out(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await settled(pair, 1, forwarded=False)
    (session_id,) = ids(1)
    await emp.store.write(lambda transaction: transaction.delete_session(session_key(session_id)))
    page = await emp.send(GET_CHARGE_DETAIL_RECORDS, wanted())
    assert page.number_of_elements == 1
    assert await emp.store.cdr(session_key(session_id)) is None
    assert cpo.own.operators == ("DE*CPO",)


async def test_a_pin_that_comes_with_a_cdr_is_in_no_history(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    await cpo.send(CHARGE_DETAIL_RECORD, cdr(identification=qr_code("1234-SECRET")))
    await emp.roaming.settle()
    for party in pair:
        lines = await party.store.history(session_key(SESSION))
        assert lines
        assert not any(b"1234-SECRET" in line.body for line in lines)

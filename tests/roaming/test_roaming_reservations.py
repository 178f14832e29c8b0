"""AuthorizeRemoteReservationStart and -Stop."""

from datetime import timedelta

import pytest

from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeStart
from p2pnode.oicp.codec import encode
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_REMOTE_RESERVATION_STOP,
    AUTHORIZE_REMOTE_START,
    AUTHORIZE_START,
)
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import SessionRecord, SessionState
from tests.roaming.roaming_messages import EVSE, NOON, SESSION, make, remote, rfid
from tests.roaming.roaming_world import Call, Party, refused


def reserve(**members: object) -> AuthorizeRemoteReservationStart:
    values = {"provider_id": "DE-ONE", "evse_id": EVSE, "identification": remote(), **members}
    return make(AuthorizeRemoteReservationStart, **values)


def release() -> AuthorizeRemoteReservationStop:
    return AuthorizeRemoteReservationStop(provider_id="DE-ONE", evse_id=EVSE, session_id=SESSION)


async def sessions(*parties: Party) -> list[SessionRecord]:
    found = [await party.store.session(session_key(SESSION)) for party in parties]
    assert all(session is not None for session in found)
    return [session for session in found if session is not None]


@pytest.mark.parametrize(("duration", "minutes"), [(None, 15), (30, 30)])
async def test_a_granted_reservation_is_a_session_on_both_sides_for_its_time(
    pair: tuple[Party, Party], duration: int | None, minutes: int
) -> None:
    _, emp = pair
    answer = await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION, duration=duration))
    assert (answer.result, answer.session_id) == (True, SESSION)
    for session in await sessions(*pair):
        assert session.state is SessionState.RESERVED
        assert session.expires_at == NOON + timedelta(minutes=minutes)


async def test_without_session_id_one_is_minted(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    answer = await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve())
    assert answer.session_id == cpo.cpo.asked[0].session_id is not None


async def test_a_refused_reservation_leaves_no_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    cpo.cpo.refusal = Code.EVSE_ALREADY_RESERVED
    answer = await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve())
    assert answer.status_code.code == "601"
    assert not await emp.store.sessions()
    assert not await cpo.store.sessions()


async def test_a_reservation_is_extended_by_the_same_session(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    emp.clock.advance(minutes=10)
    assert (await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))).result
    assert len(cpo.cpo.asked) == 2
    for session in await sessions(*pair):
        assert session.expires_at == NOON + timedelta(minutes=25)


async def test_the_session_of_a_reservation_cannot_reserve_another_evse(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    other = reserve(session_id=SESSION, evse_id="DE*CPO*E2")
    assert (await refused(emp.send(AUTHORIZE_REMOTE_RESERVATION_START, other))).code is Code.SESSION_INVALID


async def test_a_reservation_is_given_back_once(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    assert (await emp.send(AUTHORIZE_REMOTE_RESERVATION_STOP, release())).result
    assert [session.state for session in await sessions(*pair)] == [SessionState.ENDED] * 2
    assert (await refused(emp.send(AUTHORIZE_REMOTE_RESERVATION_STOP, release()))).code is Code.SESSION_INVALID


async def test_a_reservation_whose_time_is_up_cannot_be_given_back(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    emp.clock.advance(minutes=16)
    call = Call("emp", "cpo", AUTHORIZE_REMOTE_RESERVATION_STOP, encode(release()), "DE-ONE", None)
    assert b'"400"' in (await cpo.answer(call, "process"))[1]


async def test_the_driver_who_reserved_starts_with_the_same_session(pair: tuple[Party, Party]) -> None:
    _, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=EVSE, identification=remote(), session_id=SESSION)
    assert (await emp.send(AUTHORIZE_REMOTE_START, start)).result
    for session in await sessions(*pair):
        assert session.state is SessionState.AUTHORIZED
        assert session.created_at == NOON


async def test_a_refused_start_leaves_the_reservation_as_it_was(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    cpo.cpo.refusal = Code.NO_EV_CONNECTED
    start = AuthorizeRemoteStart(provider_id="DE-ONE", evse_id=EVSE, identification=remote(), session_id=SESSION)
    assert not (await emp.send(AUTHORIZE_REMOTE_START, start)).result
    assert [session.state for session in await sessions(*pair)] == [SessionState.RESERVED] * 2


async def test_a_card_at_the_reserved_charge_point_takes_the_reservation_up(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    start = AuthorizeStart(operator_id="DE*CPO", evse_id=EVSE, identification=rfid(), session_id=SESSION)
    assert (await cpo.send(AUTHORIZE_START, start)).session_id == SESSION
    assert [session.state for session in await sessions(*pair)] == [SessionState.AUTHORIZED] * 2


async def test_a_reservation_is_not_taken_up_at_another_charge_point(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await emp.send(AUTHORIZE_REMOTE_RESERVATION_START, reserve(session_id=SESSION))
    start = AuthorizeStart(operator_id="DE*CPO", evse_id="DE*CPO*E2", identification=rfid(), session_id=SESSION)
    assert (await refused(cpo.send(AUTHORIZE_START, start))).code is Code.SESSION_INVALID
    assert [session.state for session in await sessions(*pair)] == [SessionState.RESERVED] * 2

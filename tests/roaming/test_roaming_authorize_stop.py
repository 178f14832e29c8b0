"""AuthorizeStop: who lets a driver stop."""

import pytest
from msgspec.structs import replace

from p2pnode.oicp.authentication import AuthenticationDataRecord, ProviderAuthenticationData, PushAuthenticationData
from p2pnode.oicp.authorization import AuthorizationStatus, AuthorizationStop, AuthorizeStart, AuthorizeStop
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AUTHORIZE_START, AUTHORIZE_STOP, PUSH_AUTHENTICATION_DATA
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code, StatusCode
from p2pnode.roaming.records import SessionState
from tests.roaming.roaming_messages import EVSE, OTHER_UID, SESSION, plug_and_charge, qr_code, rfid
from tests.roaming.roaming_world import Party, World, refused


def start(identification: Identification | None = None) -> AuthorizeStart:
    return AuthorizeStart(
        operator_id="DE*CPO", evse_id=EVSE, identification=identification or rfid(), session_id=SESSION
    )


def stop(identification: Identification | None = None) -> AuthorizeStop:
    return AuthorizeStop(
        operator_id="DE*CPO", evse_id=EVSE, identification=identification or rfid(), session_id=SESSION
    )


async def test_who_authorized_the_start_is_asked_for_the_stop(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(AUTHORIZE_START, start())
    answer = await cpo.send(AUTHORIZE_STOP, stop())
    assert (answer.authorized, answer.provider_id, answer.session_id) == (True, "DE-ONE", SESSION)
    for party in (cpo, emp):
        history = await party.store.history(session_key(SESSION))
        assert [event.operation for event in history] == ["AuthorizeStart", "AuthorizeStop"]


async def test_a_refused_stop_is_passed_on_and_noted(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await cpo.send(AUTHORIZE_START, start())
    emp.emp.stop = lambda _: AuthorizationStop(
        authorization_status=AuthorizationStatus.NOT_AUTHORIZED, status_code=StatusCode.of(Code.RFID_INVALID_UID)
    )
    answer = await cpo.send(AUTHORIZE_STOP, stop(rfid(OTHER_UID)))
    assert (answer.authorized, answer.status_code.code) == (False, "102")
    assert (await cpo.store.history(session_key(SESSION)))[-1].code == "102"


async def test_a_stop_for_an_unknown_session_is_refused(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    assert (await refused(cpo.send(AUTHORIZE_STOP, stop()))).code is Code.SESSION_INVALID
    await cpo.send(AUTHORIZE_START, start())
    await emp.store.write(lambda transaction: transaction.delete_session(session_key(SESSION)))
    assert (await cpo.send(AUTHORIZE_STOP, stop())).status_code.code == "400"


async def test_a_stop_for_somebody_elses_session_is_refused(world: World) -> None:
    cpo, emp = await world.pair()
    two = await world.party("two", operators=("DE*TWO",))
    two.knows(emp)
    emp.knows(two)
    await cpo.send(AUTHORIZE_START, start())
    session = await cpo.store.session(session_key(SESSION))
    assert session is not None
    stolen = replace(session)
    await two.store.write(lambda transaction: transaction.put_session(stolen))
    message = AuthorizeStop(session_id=SESSION, operator_id="DE*TWO", identification=rfid())
    assert (await two.send(AUTHORIZE_STOP, message)).status_code.code == "400"
    assert not emp.emp.stops


@pytest.mark.parametrize("state", [SessionState.SETTLED, SessionState.EXPIRED, SessionState.RESERVED])
async def test_a_stop_for_a_session_that_is_over_or_has_not_begun_is_refused(
    pair: tuple[Party, Party], state: SessionState
) -> None:
    cpo, _ = pair
    await cpo.send(AUTHORIZE_START, start())
    session = await cpo.store.session(session_key(SESSION))
    assert session is not None
    over = replace(session, state=state)
    await cpo.store.write(lambda transaction: transaction.put_session(over))
    assert (await refused(cpo.send(AUTHORIZE_STOP, stop()))).code is Code.SESSION_INVALID


async def test_a_session_whose_time_is_up_cannot_be_stopped(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(AUTHORIZE_START, start())
    cpo.clock.advance(days=8)
    assert (await refused(cpo.send(AUTHORIZE_STOP, stop()))).code is Code.SESSION_INVALID


async def test_when_the_provider_does_not_answer_the_reason_is_told(pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await cpo.send(AUTHORIZE_START, start())
    cpo.wire.down = {"emp"}
    assert (await refused(cpo.send(AUTHORIZE_STOP, stop()))).code is Code.SERVICE_NOT_AVAILABLE


async def published(cpo: Party, emp: Party, *media: Identification) -> None:
    """The EMP publishes its drivers, and cannot be asked any more."""
    data = ProviderAuthenticationData(
        provider_id="DE-ONE",
        authentication_data_record=[AuthenticationDataRecord(identification=medium) for medium in media],
    )
    message = PushAuthenticationData(action_type=ActionType.FULL_LOAD, provider_authentication_data=data)
    answer = await emp.send(PUSH_AUTHENTICATION_DATA, message)
    assert answer.result
    cpo.wire.down = {"emp"}


async def test_a_session_from_pushed_data_stops_with_the_same_medium_and_nobody_is_asked(
    pair: tuple[Party, Party],
) -> None:
    cpo, emp = pair
    await published(cpo, emp, rfid())
    await cpo.send(AUTHORIZE_START, start())
    assert (await cpo.send(AUTHORIZE_STOP, stop())).provider_id == "DE-ONE"
    assert not emp.emp.starts
    assert not emp.emp.stops


async def test_a_session_from_pushed_data_does_not_stop_with_another_medium(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await published(cpo, emp, rfid(), rfid(OTHER_UID), plug_and_charge())
    await cpo.send(AUTHORIZE_START, start())
    assert (await refused(cpo.send(AUTHORIZE_STOP, stop(rfid(OTHER_UID))))).code is Code.RFID_INVALID_UID
    assert (await refused(cpo.send(AUTHORIZE_STOP, stop(plug_and_charge())))).code is Code.PLC_INVALID_EVCO_ID


async def test_a_session_from_pushed_data_stops_with_the_right_pin_only(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await published(cpo, emp, qr_code("1234"))
    await cpo.send(AUTHORIZE_START, start(qr_code("1234")))
    wrong = await refused(cpo.send(AUTHORIZE_STOP, stop(qr_code("4321"))))
    assert wrong.code is Code.QR_CODE_INVALID_CREDENTIALS
    assert (await cpo.send(AUTHORIZE_STOP, stop(qr_code("1234")))).authorized

"""AuthorizeStart decided by authentication data that providers have pushed."""

from datetime import datetime, timedelta

import pytest

from p2pnode.oicp.authentication import AuthenticationDataRecord, ProviderAuthenticationData, PushAuthenticationData
from p2pnode.oicp.authorization import AuthorizeStart
from p2pnode.oicp.identification import Identification, RFIDIdentification, RfidType
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AUTHORIZE_START, PUSH_AUTHENTICATION_DATA
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from tests.roaming.roaming_messages import EVCO, EVSE, NOON, OTHER_UID, UID, denied, plug_and_charge, qr_code, rfid
from tests.roaming.roaming_world import Party, World, refused


def start(identification: Identification) -> AuthorizeStart:
    return AuthorizeStart(operator_id="DE*CPO", evse_id=EVSE, identification=identification)


def card(expiry_date: datetime | None = None) -> Identification:
    option = RFIDIdentification(uid=UID.lower(), rfid=RfidType.MIFARE_FAMILY, expiry_date=expiry_date)
    return Identification(rfid_identification=option)


async def push(emp: Party, *media: Identification, provider_id: str = "DE-ONE") -> None:
    data = ProviderAuthenticationData(
        provider_id=provider_id,
        authentication_data_record=[AuthenticationDataRecord(identification=medium) for medium in media],
    )
    message = PushAuthenticationData(action_type=ActionType.FULL_LOAD, provider_authentication_data=data)
    assert (await emp.send(PUSH_AUTHENTICATION_DATA, message)).result


@pytest.mark.parametrize(
    ("published", "shown"),
    [
        (card(), rfid()),
        (rfid(UID.lower()), rfid()),
        (qr_code("1234"), qr_code("1234", EVCO.lower())),
        (plug_and_charge(), plug_and_charge("DE*ONE*C12345678*X")),
    ],
    ids=["a card by its other option", "a card in another case", "a QR code with its PIN", "a car in another spelling"],
)
async def test_a_published_medium_starts_without_asking(
    pair: tuple[Party, Party], published: Identification, shown: Identification
) -> None:
    cpo, emp = pair
    await push(emp, published)
    answer = await cpo.send(AUTHORIZE_START, start(shown))
    assert (answer.authorized, answer.provider_id) == (True, "DE-ONE")
    assert not emp.emp.starts
    session = await cpo.store.session(session_key(answer.session_id or ""))
    assert session is not None
    assert (session.emp, session.authorized_by_push) == ("emp", True)


async def test_a_wrong_pin_is_101_and_the_provider_is_not_asked(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await push(emp, qr_code("1234"))
    error = await refused(cpo.send(AUTHORIZE_START, start(qr_code("0000"))))
    assert error.code is Code.QR_CODE_INVALID_CREDENTIALS
    assert not emp.emp.starts


async def test_a_card_that_has_expired_is_asked_for(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    emp.emp.start = lambda _: denied()
    await push(emp, card(expiry_date=NOON + timedelta(days=1)))
    assert (await cpo.send(AUTHORIZE_START, start(rfid()))).authorized
    cpo.clock.advance(days=2)
    assert (await refused(cpo.send(AUTHORIZE_START, start(rfid())))).code is Code.RFID_INVALID_UID
    assert len(emp.emp.starts) == 1


async def test_an_expired_record_of_one_provider_does_not_refuse_the_card_of_another(world: World) -> None:
    cpo, emp = await world.pair()
    other = await world.party("other", providers=("DE-TWO",))
    cpo.knows(other)
    other.knows(cpo)
    emp.emp.start = lambda _: denied()
    await push(emp, card(expiry_date=NOON - timedelta(days=1)))
    assert (await cpo.send(AUTHORIZE_START, start(rfid()))).provider_id == "DE-TWO"


async def test_what_is_not_published_is_asked_for(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await push(emp, rfid())
    assert (await cpo.send(AUTHORIZE_START, start(rfid(OTHER_UID)))).authorized
    assert len(emp.emp.starts) == 1


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (rfid(OTHER_UID), Code.RFID_INVALID_UID),
        (qr_code("1234", "DE-ONE-C99999999-X"), Code.QR_CODE_INVALID_CREDENTIALS),
        (plug_and_charge("DE-ONE-C99999999-X"), Code.PLC_INVALID_EVCO_ID),
    ],
    ids=["card", "QR code", "car"],
)
async def test_an_emp_that_only_publishes_does_not_know_the_rest(
    pair: tuple[Party, Party], shown: Identification, code: Code
) -> None:
    cpo, emp = pair
    await push(emp, rfid())
    cpo.knows(emp, url=None)
    assert (await refused(cpo.send(AUTHORIZE_START, start(shown)))).code is code


async def test_data_of_a_peer_that_may_no_longer_publish_does_not_count(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await push(emp, rfid())
    cpo.knows(emp, receive=("PullEvseData",))
    assert (await cpo.send(AUTHORIZE_START, start(rfid()))).authorized
    assert len(emp.emp.starts) == 1


async def test_our_own_published_drivers_start_at_our_own_charge_points(world: World) -> None:
    both = await world.party("both", operators=("DE*CPO",), providers=("DE-ONE",))
    await push(both, rfid())
    assert (await both.send(AUTHORIZE_START, start(rfid()))).provider_id == "DE-ONE"
    assert not both.emp.starts

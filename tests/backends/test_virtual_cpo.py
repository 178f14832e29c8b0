"""The virtual CPO charges cars, tells its partners all of it, and refuses what its charge points cannot do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from structlog.testing import CapturingLogger
from structlog.typing import FilteringBoundLogger

from p2pnode.backends.clock import VirtualClock
from p2pnode.backends.commands import CommandError
from p2pnode.backends.virtual_cpo import VirtualCpoBackend
from p2pnode.config.virtual import VirtualChargePoint, VirtualCpo
from p2pnode.oicp import rules
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizationStart, AuthorizationStop, AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_data import PushEvseData
from p2pnode.oicp.evse_status import PushEvseStatus
from p2pnode.oicp.identification import Identification, RemoteIdentification
from p2pnode.oicp.notifications import ChargingNotificationEnd, ChargingNotificationProgress
from p2pnode.oicp.operations import AUTHORIZE_START, AUTHORIZE_STOP, AnyOperation
from p2pnode.oicp.pricing import PushEvsePricing, PushPricingProductData
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import Code, StatusCode
from p2pnode.roaming.records import OWN, SessionRecord, SessionState

if TYPE_CHECKING:
    from p2pnode.oicp.model import OicpModel

SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
OTHER = "b2688855-7f00-0002-6d8e-48d883f6abb7"
EVSE = "DE*ABC*E1*1"
FREE = "DE*ABC*E1*2"
BODY = b"{}"
BEGINNING = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
APP = Identification(remote_identification=RemoteIdentification(evco_id="DE-XYZ-C00000001-1"))

LOG: FilteringBoundLogger = structlog.wrap_logger(
    CapturingLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
)


class Time:
    """A clock that stands still until it is advanced; whoever sleeps wakes in order."""

    def __init__(self) -> None:
        self.at = BEGINNING
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self.at + timedelta(seconds=seconds), woken))
        await woken.wait()

    async def advance(self, duration: timedelta) -> None:
        end = self.at + duration
        await settle()
        while due := sorted((item for item in self._sleepers if item[0] <= end), key=lambda item: item[0]):
            self.at = due[0][0]
            self._sleepers.remove(due[0])
            due[0][1].set()
            await settle()
        self.at = end


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


class World:
    """The partners: they say yes to everything but to a card that ends in FF, and keep what they were told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, OicpModel]] = []

    async def send(self, operation: AnyOperation, message: Any, *, to: str | None = None) -> Any:  # noqa: ANN401 - any message
        assert to is None
        await asyncio.sleep(0)
        assert not rules.errors_in(rules.check(message)), operation
        self.told.append((operation.name, message))
        if operation in {AUTHORIZE_START, AUTHORIZE_STOP}:
            yes = not message.identification.option.uid.endswith("FF")
            status = "Authorized" if yes else "NotAuthorized"
            code = StatusCode.of(Code.SUCCESS if yes else Code.RFID_INVALID_UID)
            if operation is AUTHORIZE_STOP:
                return AuthorizationStop(authorization_status=status, status_code=code)
            return AuthorizationStart(
                authorization_status=status, status_code=code, session_id=SESSION, provider_id="DE-XYZ"
            )
        return acknowledge(message)

    def names(self) -> list[str]:
        return [name for name, _ in self.told if "Evse" not in name]

    def statuses(self, evse_id: str) -> list[str]:
        pushes = [message for _, message in self.told if isinstance(message, PushEvseStatus)]
        records = [record for push in pushes for record in push.operator_evse_status.evse_status_record]
        return [record.evse_status for record in records if record.evse_id == evse_id]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def world() -> World:
    return World()


def make(time: Time, world: World) -> VirtualCpoBackend:
    points = (
        VirtualChargePoint(evse_id=EVSE, power=Decimal(22), calibration_law="External"),
        VirtualChargePoint(evse_id=FREE, connected=False),
        VirtualChargePoint(evse_id="DE*ABC*E2*1", out_of_service=True),
    )
    clock = VirtualClock(time.now, sleep=time.sleep)
    return VirtualCpoBackend(VirtualCpo(charge_points=points), ["DE*ABC"], world.send, clock, LOG)


@pytest.fixture
async def cpo(time: Time, world: World) -> AsyncIterator[VirtualCpoBackend]:
    async with make(time, world) as backend:
        yield backend


def start(evse_id: str = EVSE, session_id: str | None = SESSION) -> AuthorizeRemoteStart:
    return AuthorizeRemoteStart(session_id=session_id, provider_id="DE-XYZ", evse_id=evse_id, identification=APP)


def stop(evse_id: str = EVSE, session_id: str = SESSION) -> AuthorizeRemoteStop:
    return AuthorizeRemoteStop(session_id=session_id, provider_id="DE-XYZ", evse_id=evse_id)


def reserve(session_id: str = SESSION, duration: int | None = 30) -> AuthorizeRemoteReservationStart:
    return AuthorizeRemoteReservationStart(
        session_id=session_id, provider_id="DE-XYZ", evse_id=FREE, identification=APP, duration=duration
    )


async def refusal(request: Any) -> str:  # noqa: ANN401 - an awaitable of any answer
    with pytest.raises(ProtocolError) as refused:
        await request
    return refused.value.code.value


async def test_a_remote_session_is_told_from_start_to_cdr_with_exact_energy(
    cpo: VirtualCpoBackend, time: Time, world: World
) -> None:
    answer = await cpo.authorize_remote_start(start(), BODY)
    assert isinstance(answer, Acknowledgement)
    assert (answer.result, answer.session_id) == (True, SESSION)
    await time.advance(timedelta(minutes=12))
    assert (await cpo.authorize_remote_stop(stop(), BODY)).result
    await settle()
    assert world.names() == [
        "ChargingNotificationStart",
        "ChargingNotificationProgress",
        "ChargingNotificationProgress",
        "ChargingNotificationEnd",
        "ChargeDetailRecord",
    ]
    progress = [message for _, message in world.told if isinstance(message, ChargingNotificationProgress)]
    assert [told.charging_duration for told in progress] == [300_000, 600_000]
    (record,) = [message for _, message in world.told if isinstance(message, ChargeDetailRecord)]
    (end,) = [message for _, message in world.told if isinstance(message, ChargingNotificationEnd)]
    assert record.meter_value_start is not None
    assert record.meter_value_end == record.meter_value_start + record.consumed_energy
    assert record.consumed_energy == end.consumed_energy
    assert Decimal("4.3") < record.consumed_energy <= Decimal("4.4")
    assert record.charging_end - record.charging_start == timedelta(minutes=12)
    assert [value.metering_status for value in record.signed_metering_values or ()] == ["Start", "End"]


async def test_a_full_car_ends_the_charging_but_not_the_session(
    cpo: VirtualCpoBackend, time: Time, world: World
) -> None:
    await cpo.commands.run("unplug", {"evse_id": EVSE})
    await cpo.commands.run("plug_in", {"evse_id": EVSE, "capacity": "10", "energy": "9"})
    await cpo.authorize_remote_start(start(), BODY)
    await time.advance(timedelta(hours=2))
    assert world.names()[-1] == "ChargingNotificationEnd"
    await cpo.authorize_remote_stop(stop(), BODY)
    await settle()
    assert world.names().count("ChargingNotificationEnd") == 1
    (record,) = [message for _, message in world.told if isinstance(message, ChargeDetailRecord)]
    assert record.consumed_energy == Decimal(1)
    assert record.charging_end < record.session_end


@pytest.mark.parametrize(
    ("evse_id", "code"), [("DE*ABC*E9*9", "603"), ("DE*ABC*E2*1", "700"), (FREE, "510"), ("de*abc*e1*1", "000")]
)
async def test_a_charge_point_says_why_it_cannot_start(cpo: VirtualCpoBackend, evse_id: str, code: str) -> None:
    if code == "000":
        assert (await cpo.authorize_remote_start(start(evse_id), BODY)).result
    else:
        assert await refusal(cpo.authorize_remote_start(start(evse_id), BODY)) == code


async def test_an_occupied_or_unreachable_charge_point_refuses_another_start(cpo: VirtualCpoBackend) -> None:
    await cpo.authorize_remote_start(start(), BODY)
    assert await refusal(cpo.authorize_remote_start(start(session_id=OTHER), BODY)) == "602"
    await cpo.commands.run("set_reachable", {"evse_id": EVSE, "reachable": False})
    assert await refusal(cpo.authorize_remote_start(start(session_id=OTHER), BODY)) == "501"


async def test_only_the_session_that_charges_can_be_stopped(cpo: VirtualCpoBackend) -> None:
    assert await refusal(cpo.authorize_remote_stop(stop(), BODY)) == "400"
    await cpo.authorize_remote_start(start(), BODY)
    assert await refusal(cpo.authorize_remote_stop(stop(session_id=OTHER), BODY)) == "400"


async def test_a_reservation_keeps_others_away_and_lets_its_own_session_start(
    cpo: VirtualCpoBackend, world: World
) -> None:
    assert (await cpo.authorize_remote_reservation_start(reserve(), BODY)).result
    await settle()
    assert world.statuses(FREE)[-1] == "Reserved"
    assert await refusal(cpo.authorize_remote_reservation_start(reserve(OTHER), BODY)) == "601"
    await cpo.commands.run("plug_in", {"evse_id": FREE})
    assert await refusal(cpo.authorize_remote_start(start(FREE, OTHER), BODY)) == "601"
    assert (await cpo.authorize_remote_start(start(FREE, SESSION.upper()), BODY)).result


async def test_a_reservation_ends_by_itself(cpo: VirtualCpoBackend, time: Time, world: World) -> None:
    await cpo.authorize_remote_reservation_start(reserve(duration=30), BODY)
    await time.advance(timedelta(minutes=31))
    assert world.statuses(FREE)[-1] == "Available"
    assert (await cpo.authorize_remote_reservation_start(reserve(OTHER), BODY)).result


async def test_a_reservation_is_given_back_by_its_own_session_only(cpo: VirtualCpoBackend, world: World) -> None:
    await cpo.authorize_remote_reservation_start(reserve(), BODY)

    def give_back(session_id: str) -> AuthorizeRemoteReservationStop:
        return AuthorizeRemoteReservationStop(session_id=session_id, provider_id="DE-XYZ", evse_id=FREE)

    assert await refusal(cpo.authorize_remote_reservation_stop(give_back(OTHER), BODY)) == "400"
    assert (await cpo.authorize_remote_reservation_stop(give_back(SESSION), BODY)).result
    await settle()
    assert world.statuses(FREE)[-1] == "Available"


async def test_a_card_starts_and_stops_and_a_refused_card_does_neither(
    cpo: VirtualCpoBackend, time: Time, world: World
) -> None:
    refused = await cpo.commands.run("swipe", {"evse_id": EVSE, "uid": "04A1B2C3D4E5FF"})
    assert (refused["authorized"], refused["code"]) == (False, "102")
    begun = await cpo.commands.run("swipe", {"evse_id": EVSE, "uid": "04A1B2C3D4E580"})
    assert (begun["authorized"], begun["session_id"]) == (True, SESSION)
    await time.advance(timedelta(minutes=6))
    assert not (await cpo.commands.run("swipe", {"evse_id": EVSE, "uid": "04A1B2C3D4E5FF"}))["authorized"]
    assert (await cpo.commands.run("swipe", {"evse_id": EVSE, "uid": "04A1B2C3D4E580"}))["authorized"]
    assert world.names()[-1] == "ChargeDetailRecord"
    told = await cpo.commands.run("swipe", {"evse_id": FREE, "uid": "04A1B2C3D4E580"})
    assert told["code"] == "510"


async def test_a_critical_error_is_told_and_ends_the_session(cpo: VirtualCpoBackend, world: World) -> None:
    with pytest.raises(CommandError, match="nothing charges"):
        await cpo.commands.run("fail", {"evse_id": EVSE})
    await cpo.authorize_remote_start(start(), BODY)
    await settle()
    await cpo.commands.run("fail", {"evse_id": EVSE, "error": "CriticalError", "info": "ground fault"})
    assert world.names()[-3:] == ["ChargingNotificationError", "ChargingNotificationEnd", "ChargeDetailRecord"]


async def test_unplugging_ends_the_session_and_frees_the_charge_point(cpo: VirtualCpoBackend, world: World) -> None:
    await cpo.authorize_remote_start(start(), BODY)
    state = await cpo.commands.run("unplug", {"evse_id": EVSE})
    await settle()
    assert (state["status"], state["session_id"]) == ("Available", None)
    assert world.names()[-1] == "ChargeDetailRecord"
    assert world.statuses(EVSE)[-1] == "Available"


async def test_what_is_published_is_valid_and_complete(cpo: VirtualCpoBackend, world: World) -> None:
    assert await cpo.commands.run("publish", {}) == {"published": 3}
    (_, data), (_, status) = world.told
    assert isinstance(data, PushEvseData)
    assert isinstance(status, PushEvseStatus)
    assert len(data.operator_evse_data.evse_data_record) == 3
    assert len(status.operator_evse_status.evse_status_record) == 3
    assert world.statuses("DE*ABC*E2*1") == ["OutOfService"]


async def test_after_a_restart_a_session_goes_on_from_what_was_told_last(time: Time, world: World) -> None:
    stored = SessionRecord(
        key=SESSION,
        session_id=SESSION,
        state=SessionState.CHARGING,
        cpo=OWN,
        emp="xyz",
        operator_id="DE*ABC",
        provider_id="DE-XYZ",
        created_at=BEGINNING,
        updated_at=BEGINNING,
        evse_key="DE*ABC*E11",
        evse_id=EVSE,
        identification=b'{"RemoteIdentification":{"EvcoID":"DE-XYZ-C00000001-1"}}',
        charging_start=BEGINNING - timedelta(minutes=10),
        energy=Decimal("3.600"),
    )
    async with make(time, world) as cpo:
        assert cpo.resume([stored]) == 1
        await time.advance(timedelta(minutes=5))
        await cpo.authorize_remote_stop(stop(), BODY)
        await settle()
    assert "ChargingNotificationStart" not in world.names()
    (record,) = [message for _, message in world.told if isinstance(message, ChargeDetailRecord)]
    assert record.charging_start == BEGINNING - timedelta(minutes=10)
    assert record.consumed_energy > Decimal("5.3")


async def test_prices_are_published_by_power_type_and_charge_point(cpo: VirtualCpoBackend, world: World) -> None:
    assert (await cpo.commands.run("publish_prices", {}))["published"] == 3
    (products,) = [message for _, message in world.told if isinstance(message, PushPricingProductData)]
    (prices,) = [message for _, message in world.told if isinstance(message, PushEvsePricing)]
    (product,) = products.pricing_product_data.pricing_product_data_records
    assert (product.product_id, product.price_per_reference_unit) == ("AC3", Decimal("0.49"))
    assert {tuple(priced.evse_id_product_list) for priced in prices.evse_pricing} == {("AC3",)}
    assert len(prices.evse_pricing) == 3


async def test_of_two_cards_at_once_only_one_starts(cpo: VirtualCpoBackend, world: World) -> None:
    cards = [cpo.commands.run("swipe", {"evse_id": EVSE, "uid": uid}) for uid in ("04A2B3C4D5E6F7", "04A2B3C4D5E600")]
    verdicts = await asyncio.gather(*cards)
    assert sorted((verdict["authorized"], verdict["code"]) for verdict in verdicts) == [(False, "602"), (True, "000")]
    assert world.names().count("ChargingNotificationStart") <= 1

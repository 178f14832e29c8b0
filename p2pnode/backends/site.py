"""The charge points of the virtual CPO: sessions begin there, draw energy, end, and are told to partners."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from structlog.typing import FilteringBoundLogger

from p2pnode.backends.charge_point import ChargePoint, Reservation
from p2pnode.backends.charging import Charging
from p2pnode.backends.clock import VirtualClock
from p2pnode.backends.evse_records import evse_data_record
from p2pnode.backends.meter import SigningMeter
from p2pnode.backends.prices import evse_prices, products
from p2pnode.backends.sending import Send
from p2pnode.backends.vehicle import Vehicle
from p2pnode.config.virtual import VirtualChargePoint, VirtualCpo
from p2pnode.oicp.answers import code_of
from p2pnode.oicp.errors import OicpError, ProtocolError
from p2pnode.oicp.evse_data import OperatorEvseData, PushEvseData
from p2pnode.oicp.evse_status import EvseStatusRecord, OperatorEvseStatus, PushEvseStatus
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.identifiers import evse_key, operator_key, operator_of_evse
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import (
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_END,
    CHARGING_NOTIFICATION_PROGRESS,
    CHARGING_NOTIFICATION_START,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
    PUSH_PRICING_PRODUCT_DATA,
    AnyOperation,
)
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.background import Background

PROGRESS_INTERVAL = timedelta(minutes=5)
"""At most one Progress notification in five minutes, as the specification asks."""


class Site:
    """All charge points, and what happens at them in virtual time."""

    def __init__(
        self,
        settings: VirtualCpo,
        operators: Sequence[str],
        send: Send,
        clock: VirtualClock,
        log: FilteringBoundLogger,
    ) -> None:
        self.clock = clock
        self.send = send
        self._log = log
        self.background = Background()
        self.points = {evse_key(point.evse_id): _point(point) for point in settings.charge_points}
        self._operators = tuple(operators)
        self._settings = settings
        self._status_order = asyncio.Lock()

    def require(self, evse_id: str) -> ChargePoint:
        """The charge point. Raises ProtocolError 603 where there is none."""
        point = self.points.get(evse_key(evse_id))
        if point is None:
            raise ProtocolError(Code.UNKNOWN_EVSE_ID, f"{evse_id} is not an EVSE of this operator")
        return point

    def operator_of(self, point: ChargePoint) -> str:
        """Which of our OperatorIDs the charge point is listed under: the one in its EvseID, else the principal one."""
        inside = operator_of_evse(point.settings.evse_id)
        return next((text for text in self._operators if operator_key(text) == inside), self._operators[0])

    def begin(  # noqa: PLR0913 - what a session is made of
        self,
        point: ChargePoint,
        session_id: str,
        identification: Identification,
        started: datetime,
        *,
        emp_partner_session_id: str | None = None,
        product_id: str | None = None,
    ) -> Charging:
        """Occupy the charge point with this session; energy flows once `charge` runs."""
        charging = Charging(
            session_id=session_id,
            operator_id=self.operator_of(point),
            evse_id=point.settings.evse_id,
            identification=_without_pin(identification),
            started=started,
            meter_start=point.reading,
            emp_partner_session_id=emp_partner_session_id,
            product_id=product_id,
        )
        point.charging = charging
        point.reservation = None
        return charging

    def start_charging(self, point: ChargePoint, charging: Charging) -> None:
        """Let energy flow in the background until the car is full or the session ends."""
        self.background.start(self._charge(point, charging), "charging")

    async def _charge(self, point: ChargePoint, charging: Charging) -> None:
        async with charging.telling:
            if point.charging is charging and not charging.start_told:
                await self.tell(CHARGING_NOTIFICATION_START, charging.start())
        await self._push_status(point)
        while point.charging is charging and charging.ended is None:
            await self.clock.sleep(PROGRESS_INTERVAL)
            async with charging.telling:
                if point.charging is charging and charging.ended is None:
                    await self._tell_progress(point, charging)

    async def _tell_progress(self, point: ChargePoint, charging: Charging) -> None:
        self._draw(point, charging, self.clock.now())
        if point.vehicle is None or point.vehicle.is_full:
            await self.tell(CHARGING_NOTIFICATION_END, charging.end(charging.counted_until))
        else:
            await self.tell(CHARGING_NOTIFICATION_PROGRESS, charging.progress())

    def _draw(self, point: ChargePoint, charging: Charging, until: datetime) -> None:
        if point.vehicle is None or charging.ended is not None:
            return
        drawn = point.vehicle.charge(until - charging.counted_until, point.settings.power)
        charging.count(drawn, until)

    async def finish(self, point: ChargePoint, charging: Charging) -> None:
        """End the session: the End notification if it has not been told, the CDR, and the status."""
        if point.charging is not charging:
            return
        now = self.clock.now()
        self._draw(point, charging, now)
        point.reading = charging.meter
        point.charging = None
        async with charging.telling:
            if not charging.start_told:
                await self.tell(CHARGING_NOTIFICATION_START, charging.start())
            if charging.ended is None:
                await self.tell(CHARGING_NOTIFICATION_END, charging.end(now))
            ended = max(now, charging.counted_until)
            record = charging.record(ended, point.settings.calibration_law, point.signing)
            await self.tell(CHARGE_DETAIL_RECORD, record)
        await self._push_status(point)

    def reserve(self, point: ChargePoint, session_id: str, duration: timedelta) -> None:
        """Hold the charge point for this session; the reservation ends by itself."""
        point.reservation = Reservation(session_id, self.clock.now() + duration)
        self.tell_status(point)
        self.background.start(self._expire(point, point.reservation, duration), "reservation")

    async def _expire(self, point: ChargePoint, held: Reservation, duration: timedelta) -> None:
        await self.clock.sleep(duration)
        if point.reservation is held:
            point.reservation = None
            await self._push_status(point)

    async def tell(self, operation: AnyOperation, message: OicpModel) -> None:
        """Send a message whose failure changes nothing at the charge point; the failure is logged."""
        try:
            answer = await self.send(operation, message)
        except OicpError as error:
            self._log.warning("not_delivered", operation=operation.name, reason=str(error))
        else:
            if code_of(answer) != Code.SUCCESS:
                self._log.warning("not_accepted", operation=operation.name, code=code_of(answer))

    def tell_status(self, point: ChargePoint) -> None:
        """Publish the charge point's status in the background."""
        self.background.start(self._push_status(point), "status")

    async def _push_status(self, point: ChargePoint) -> None:
        async with self._status_order:
            message = self.statuses(self.operator_of(point), [point], ActionType.UPDATE)
            await self.tell(PUSH_EVSE_STATUS, message)

    async def publish(self) -> None:
        """Publish EVSE data and status of all charge points, as full loads, for each operator."""
        for operator_id in self._operators:
            points = [point for point in self.points.values() if self.operator_of(point) == operator_id]
            records = [evse_data_record(point.settings) for point in points]
            data = OperatorEvseData(operator_id=operator_id, operator_name=operator_id, evse_data_record=records)
            await self.send(PUSH_EVSE_DATA, PushEvseData(action_type=ActionType.FULL_LOAD, operator_evse_data=data))
            async with self._status_order:
                await self.send(PUSH_EVSE_STATUS, self.statuses(operator_id, points, ActionType.FULL_LOAD))

    async def publish_news(self, known: Collection[str], told: Mapping[str, str]) -> None:
        """Publish the charge points that are not among the `known`, and each status that is not the one told last.

        Both are by EVSE key. What has been published besides stays.
        """
        for operator_id in self._operators:
            points = {key: point for key, point in self.points.items() if self.operator_of(point) == operator_id}
            records = [evse_data_record(point.settings) for key, point in points.items() if key not in known]
            if records:
                data = OperatorEvseData(operator_id=operator_id, operator_name=operator_id, evse_data_record=records)
                await self.tell(PUSH_EVSE_DATA, PushEvseData(action_type=ActionType.INSERT, operator_evse_data=data))
            async with self._status_order:
                now = self.clock.now()
                new = [point for key, point in points.items() if key not in told]
                changed = [
                    point for key, point in points.items() if told.get(key, point.status(now)) != point.status(now)
                ]
                for action, some in ((ActionType.INSERT, new), (ActionType.UPDATE, changed)):
                    if some:
                        await self.tell(PUSH_EVSE_STATUS, self.statuses(operator_id, some, action))

    async def publish_prices(self) -> None:
        """Publish the products of each operator, and which apply where under the principal one, as full loads."""
        for operator_id in self._operators:
            points = [point.settings for point in self.points.values() if self.operator_of(point) == operator_id]
            await self.send(PUSH_PRICING_PRODUCT_DATA, products(self._settings, operator_id, points))
        await self.send(PUSH_EVSE_PRICING, evse_prices(point.settings for point in self.points.values()))

    def statuses(self, operator_id: str, points: Sequence[ChargePoint], action: ActionType) -> PushEvseStatus:
        """The status of these charge points now, as a push."""
        now = self.clock.now()
        records = [EvseStatusRecord(evse_id=point.settings.evse_id, evse_status=point.status(now)) for point in points]
        status = OperatorEvseStatus(operator_id=operator_id, operator_name=operator_id, evse_status_record=records)
        return PushEvseStatus(action_type=action, operator_evse_status=status)


def _point(settings: VirtualChargePoint) -> ChargePoint:
    vehicle = Vehicle() if settings.connected else None
    signing = SigningMeter(settings.station or settings.evse_id)
    return ChargePoint(
        settings, signing, vehicle, is_out_of_service=settings.out_of_service, reading=Decimal("1000.000")
    )


def _without_pin(identification: Identification) -> Identification:
    """The identification as notifications and CDRs name it: a PIN is for authorization only."""
    code = identification.qr_code_identification
    if code is None:
        return identification
    bare = code.model_copy(update={"pin": None, "hashed_pin": None})
    return identification.model_copy(update={"qr_code_identification": bare})

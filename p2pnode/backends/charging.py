"""One charging session at a virtual charge point: what it has delivered, and the messages that tell of it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from p2pnode.backends.meter import SigningMeter, readings_in_order
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.evse_types import CalibrationLawDataAvailabilityType
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.metering import MeterValuesInBetween
from p2pnode.oicp.notifications import (
    ChargingNotificationEnd,
    ChargingNotificationError,
    ChargingNotificationProgress,
    ChargingNotificationStart,
    ChargingNotificationType,
    ErrorClass,
)

MOST_VALUES_BETWEEN = 10
MILLISECOND = timedelta(milliseconds=1)


@dataclass(slots=True)
class Charging:
    """A session that draws energy. Meter readings and energy in kWh, times in virtual UTC."""

    session_id: str
    operator_id: str
    evse_id: str
    identification: Identification
    started: datetime
    meter_start: Decimal
    cpo_partner_session_id: str | None = None
    emp_partner_session_id: str | None = None
    product_id: str | None = None
    delivered: Decimal = Decimal(0)
    until: datetime | None = None
    """The moment up to which `delivered` has been counted."""
    ended: datetime | None = None
    """When energy stopped flowing, if it has."""
    readings: tuple[Decimal, ...] = ()
    start_told: bool = False
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while partners are told, so that they hear everything of a session in order."""

    @property
    def counted_until(self) -> datetime:
        """The moment up to which energy has been counted."""
        return self.until or self.started

    @property
    def meter(self) -> Decimal:
        """What the meter reads now."""
        return self.meter_start + self.delivered

    def count(self, energy: Decimal, at: datetime) -> None:
        """Add what has been delivered up to `at`."""
        self.delivered += energy
        self.until = at

    def _between(self) -> MeterValuesInBetween | None:
        return MeterValuesInBetween(meter_values=list(self.readings)) if self.readings else None

    def _who_and_where(self) -> dict[str, Any]:
        """The members that every message of the session carries."""
        return {
            "session_id": self.session_id,
            "cpo_partner_session_id": self.cpo_partner_session_id,
            "emp_partner_session_id": self.emp_partner_session_id,
            "identification": self.identification,
            "evse_id": self.evse_id,
        }

    def start(self) -> ChargingNotificationStart:
        """ChargingNotification of type Start."""
        self.start_told = True
        return ChargingNotificationStart(
            type=ChargingNotificationType.START,
            **self._who_and_where(),
            operator_id=self.operator_id,
            charging_start=self.started,
            session_start=self.started,
            meter_value_start=self.meter_start,
            partner_product_id=self.product_id,
        )

    def progress(self) -> ChargingNotificationProgress:
        """ChargingNotification of type Progress, as of the moment counted last."""
        self.readings = (*self.readings, self.meter)[-MOST_VALUES_BETWEEN:]
        return ChargingNotificationProgress(
            type=ChargingNotificationType.PROGRESS,
            **self._who_and_where(),
            operator_id=self.operator_id,
            charging_start=self.started,
            event_occurred=self.counted_until,
            charging_duration=(self.counted_until - self.started) // MILLISECOND,
            session_start=self.started,
            consumed_energy_progress=self.delivered,
            meter_value_start=self.meter_start,
            meter_value_in_between=self._between(),
            partner_product_id=self.product_id,
        )

    def end(self, at: datetime) -> ChargingNotificationEnd:
        """ChargingNotification of type End."""
        self.ended = at
        return ChargingNotificationEnd(
            type=ChargingNotificationType.END,
            **self._who_and_where(),
            operator_id=self.operator_id,
            charging_start=self.started,
            charging_end=at,
            session_start=self.started,
            consumed_energy=self.delivered,
            meter_value_start=self.meter_start,
            meter_value_end=self.meter,
            meter_value_in_between=self._between(),
            partner_product_id=self.product_id,
        )

    def error(self, kind: ErrorClass, info: str | None) -> ChargingNotificationError:
        """ChargingNotification of type Error."""
        return ChargingNotificationError(
            type=ChargingNotificationType.ERROR,
            **self._who_and_where(),
            operator_id=self.operator_id,
            error_type=kind,
            error_additional_info=info,
        )

    def record(self, at: datetime, calibration_law: str, meter: SigningMeter) -> ChargeDetailRecord:
        """The ChargeDetailRecord of the session, which ends at `at`."""
        charging_end = self.ended or at
        is_external = calibration_law == CalibrationLawDataAvailabilityType.EXTERNAL
        signed = readings_in_order(meter, (self.started, self.meter_start), (charging_end, self.meter))
        return ChargeDetailRecord(
            **self._who_and_where(),
            partner_product_id=self.product_id,
            charging_start=self.started,
            charging_end=charging_end,
            session_start=self.started,
            session_end=at,
            meter_value_start=self.meter_start,
            meter_value_end=self.meter,
            meter_value_in_between=self._between(),
            consumed_energy=self.delivered,
            signed_metering_values=list(signed) if is_external else None,
            calibration_law_verification_info=meter.verification() if is_external else None,
        )

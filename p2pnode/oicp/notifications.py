"""eRoamingChargingNotifications: a CPO tells how a session goes while it runs. Energies are in kWh."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator

from p2pnode.oicp.constraints import Length, OneOf
from p2pnode.oicp.identification import Identification
from p2pnode.oicp.metering import Energy, MeterValueInBetween
from p2pnode.oicp.model import OicpModel, Text, Timestamp, Whole
from p2pnode.oicp.scalars import EvseIDText, OperatorIDText, PartnerSessionIDText, ProductIDText, SessionIDText


class ChargingNotificationType(StrEnum):
    """ChargingNotificationType: which moment of a session a notification tells of."""

    START = "Start"
    PROGRESS = "Progress"
    END = "End"
    ERROR = "Error"


class ErrorClass(StrEnum):
    """ErrorClassType: what the driver has to do about an error."""

    CONNECTOR_ERROR = "ConnectorError"
    CRITICAL_ERROR = "CriticalError"


def _without_blank(value: object) -> object:
    """Both spellings of an ErrorClassType are one value (E016)."""
    if isinstance(value, str) and value in {"Connector Error", "Critical Error"}:
        return value.replace(" ", "")
    return value


class ChargingNotification(OicpModel):
    """What every charging notification carries. The OperatorID may be missing on receipt (E024)."""

    type: Annotated[Text, OneOf(ChargingNotificationType)]
    session_id: SessionIDText
    cpo_partner_session_id: PartnerSessionIDText | None = None
    emp_partner_session_id: PartnerSessionIDText | None = None
    identification: Identification | None = None
    evse_id: EvseIDText
    operator_id: OperatorIDText | None = None


class ChargingNotificationStart(ChargingNotification):
    """eRoamingChargingNotifications Start: energy flows."""

    charging_start: Timestamp
    session_start: Timestamp | None = None
    meter_value_start: Energy | None = None
    partner_product_id: ProductIDText | None = None


class ChargingNotificationProgress(ChargingNotification):
    """eRoamingChargingNotifications Progress: how far charging is at `event_occurred`.

    `charging_duration` is in milliseconds since `charging_start` (E006). It or `consumed_energy_progress` is given.
    """

    charging_start: Timestamp
    event_occurred: Timestamp
    charging_duration: Whole | None = None
    session_start: Timestamp | None = None
    consumed_energy_progress: Energy | None = None
    meter_value_start: Energy | None = None
    meter_value_in_between: MeterValueInBetween = None
    partner_product_id: ProductIDText | None = None


class ChargingNotificationEnd(ChargingNotification):
    """eRoamingChargingNotifications End: energy has stopped flowing, the session may still be open."""

    charging_start: Timestamp | None = None
    charging_end: Timestamp
    session_start: Timestamp | None = None
    session_end: Timestamp | None = None
    consumed_energy: Energy | None = None
    meter_value_start: Energy | None = None
    meter_value_end: Energy | None = None
    meter_value_in_between: MeterValueInBetween = None
    partner_product_id: ProductIDText | None = None
    penalty_time_start: Timestamp | None = None


class ChargingNotificationError(ChargingNotification):
    """eRoamingChargingNotifications Error: charging does not start, or has stopped."""

    error_type: Annotated[Text, OneOf(ErrorClass), BeforeValidator(_without_blank)]
    error_additional_info: Annotated[Text | None, Length(0, 250)] = None

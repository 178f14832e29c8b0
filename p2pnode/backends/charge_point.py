"""A virtual charge point: what state it is in, and which requests that state allows."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from p2pnode.backends.charging import Charging
from p2pnode.backends.meter import SigningMeter
from p2pnode.backends.vehicle import Vehicle
from p2pnode.config.virtual import VirtualChargePoint
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.status import Code


@dataclass(frozen=True, slots=True)
class Reservation:
    """Who may start here, and until when (virtual UTC)."""

    session_id: str
    until: datetime


@dataclass(slots=True)
class ChargePoint:
    """One EVSE of the virtual CPO. `reading` is its meter in kWh between sessions."""

    settings: VirtualChargePoint
    signing: SigningMeter
    vehicle: Vehicle | None = None
    charging: Charging | None = None
    reservation: Reservation | None = None
    is_out_of_service: bool = False
    is_reachable: bool = True
    reading: Decimal = field(default=Decimal("1000.000"))

    def status(self, at: datetime) -> EvseStatusType:
        """Its EvseStatusType at that moment."""
        if self.is_out_of_service or not self.is_reachable:
            return EvseStatusType.OUT_OF_SERVICE
        if self.charging is not None or self.vehicle is not None:
            return EvseStatusType.OCCUPIED
        return EvseStatusType.RESERVED if self.reserved_at(at) else EvseStatusType.AVAILABLE

    def reserved_at(self, at: datetime) -> Reservation | None:
        """The reservation that holds at that moment."""
        held = self.reservation
        return held if held is not None and held.until > at else None

    def require_working(self) -> None:
        """Raises ProtocolError 501 where the charge point does not answer, 700 where it is out of service."""
        if not self.is_reachable:
            raise ProtocolError(Code.COMMUNICATION_TO_EVSE_FAILED, f"{self.settings.evse_id} does not answer")
        if self.is_out_of_service:
            raise ProtocolError(Code.EVSE_OUT_OF_SERVICE, f"{self.settings.evse_id} is out of service")

    def require_startable(self, session_id: str | None, at: datetime) -> None:
        """Raises ProtocolError where no session may start now: 501, 700, 602 in use, 601 reserved, 510 no car."""
        self.require_working()
        if self.charging is not None:
            raise ProtocolError(Code.EVSE_ALREADY_IN_USE, f"{self.settings.evse_id} is in use")
        self.require_not_reserved_by_another(session_id, at)
        if self.vehicle is None:
            raise ProtocolError(Code.NO_EV_CONNECTED, f"no car is plugged in at {self.settings.evse_id}")

    def require_reservable(self, session_id: str | None, at: datetime) -> None:
        """Raises ProtocolError where it cannot be reserved now: 501, 700, 602 in use, 601 reserved by another."""
        self.require_working()
        if self.charging is not None or self.vehicle is not None:
            raise ProtocolError(Code.EVSE_ALREADY_IN_USE, f"{self.settings.evse_id} is occupied")
        self.require_not_reserved_by_another(session_id, at)

    def require_not_reserved_by_another(self, session_id: str | None, at: datetime) -> None:
        """Raises ProtocolError 601 where another session holds the reservation."""
        held = self.reserved_at(at)
        if held is not None and (session_id is None or session_key(session_id) != session_key(held.session_id)):
            raise ProtocolError(Code.EVSE_ALREADY_RESERVED, f"{self.settings.evse_id} is reserved")

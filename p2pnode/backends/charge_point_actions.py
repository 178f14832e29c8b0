"""What a person does at a charge point of the virtual CPO."""

from decimal import Decimal

from p2pnode.backends.charge_point import ChargePoint
from p2pnode.backends.charging import Charging
from p2pnode.backends.commands import CommandError, CommandResult, Commands
from p2pnode.backends.site import Site
from p2pnode.backends.vehicle import Vehicle
from p2pnode.oicp.authorization import AuthorizeStart, AuthorizeStop
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identification import (
    Identification,
    PlugAndChargeIdentification,
    QRCodeIdentification,
    RFIDMifareFamilyIdentification,
)
from p2pnode.oicp.notifications import ErrorClass
from p2pnode.oicp.operations import AUTHORIZE_START, AUTHORIZE_STOP, CHARGING_NOTIFICATION_ERROR
from p2pnode.oicp.status import Code, StatusCode

CAPACITY = Decimal(60)
CONTENT = Decimal(12)


class ChargePointActions:
    """Actions by name, each with the EvseID where it happens."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.commands = Commands(
            self.points,
            self.publish,
            self.publish_prices,
            self.plug_in,
            self.unplug,
            self.swipe,
            self.show_qr_code,
            self.plug_and_charge,
            self.fail,
            self.set_out_of_service,
            self.set_reachable,
        )

    async def points(self) -> CommandResult:
        """Every charge point and its state."""
        return {"points": [self._state(point) for point in self._site.points.values()]}

    async def publish(self) -> CommandResult:
        """Publish EVSE data and status of all charge points, as full loads."""
        await self._site.publish()
        return {"published": len(self._site.points)}

    async def publish_prices(self) -> CommandResult:
        """Publish the pricing products, and which apply at which charge point, as full loads."""
        await self._site.publish_prices()
        return {"published": len(self._site.points)}

    async def plug_in(self, evse_id: str, capacity: Decimal = CAPACITY, energy: Decimal = CONTENT) -> CommandResult:
        """Plug a car in; what its battery holds at most and now, in kWh."""
        point = self._site.require(evse_id)
        if point.vehicle is not None:
            raise CommandError(f"a car is plugged in at {evse_id} already")
        point.vehicle = Vehicle(capacity, min(energy, capacity))
        self._site.tell_status(point)
        return self._state(point)

    async def unplug(self, evse_id: str) -> CommandResult:
        """Take the plug out; a session that charges ends."""
        point = self._site.require(evse_id)
        charging = point.charging
        if charging is not None:
            await self._site.finish(point, charging)
        point.vehicle = None
        self._site.tell_status(point)
        return self._state(point)

    async def swipe(self, evse_id: str, uid: str) -> CommandResult:
        """Hold an RFID card to the reader: start, or stop what charges here."""
        card = RFIDMifareFamilyIdentification(uid=uid)
        return await self._present(evse_id, Identification(rfid_mifare_family_identification=card))

    async def show_qr_code(self, evse_id: str, evco_id: str, pin: str) -> CommandResult:
        """Identify with contract and PIN: start, or stop what charges here."""
        code = QRCodeIdentification(evco_id=evco_id, pin=pin)
        return await self._present(evse_id, Identification(qr_code_identification=code))

    async def plug_and_charge(self, evse_id: str, evco_id: str) -> CommandResult:
        """Let the car identify itself (ISO 15118): start, or stop what charges here."""
        car = PlugAndChargeIdentification(evco_id=evco_id)
        return await self._present(evse_id, Identification(plug_and_charge_identification=car))

    async def fail(
        self, evse_id: str, error: ErrorClass = ErrorClass.CONNECTOR_ERROR, info: str | None = None
    ) -> CommandResult:
        """Report an error of the session that charges here; a critical one ends it."""
        point = self._site.require(evse_id)
        charging = point.charging
        if charging is None:
            raise CommandError(f"nothing charges at {evse_id}")
        await self._site.tell(CHARGING_NOTIFICATION_ERROR, charging.error(error, info))
        if error is ErrorClass.CRITICAL_ERROR:
            await self._site.finish(point, charging)
        return self._state(point)

    async def set_out_of_service(self, evse_id: str, *, out_of_service: bool = True) -> CommandResult:
        """Take the charge point out of service, or back into it."""
        point = self._site.require(evse_id)
        point.is_out_of_service = out_of_service
        self._site.tell_status(point)
        return self._state(point)

    async def set_reachable(self, evse_id: str, *, reachable: bool = True) -> CommandResult:
        """Cut the operator's line to the charge point, or mend it."""
        point = self._site.require(evse_id)
        point.is_reachable = reachable
        self._site.tell_status(point)
        return self._state(point)

    async def _present(self, evse_id: str, identification: Identification) -> CommandResult:
        point = self._site.require(evse_id)
        if point.charging is not None:
            return await self._stop(point, point.charging, identification)
        try:
            point.require_startable(None, self._site.clock.now())
        except ProtocolError as error:
            return _verdict(StatusCode.of(error.code, error.reason), authorized=False)
        request = AuthorizeStart(
            operator_id=self._site.operator_of(point), evse_id=point.settings.evse_id, identification=identification
        )
        answer = await self._site.send(AUTHORIZE_START, request)
        if not answer.authorized or answer.session_id is None:
            return _verdict(answer.status_code, authorized=False)
        if point.charging is not None:
            taken = StatusCode.of(Code.EVSE_ALREADY_IN_USE, "somebody else was faster")
            return _verdict(taken, authorized=False)
        charging = self._site.begin(
            point,
            answer.session_id,
            identification,
            self._site.clock.now(),
            emp_partner_session_id=answer.emp_partner_session_id,
        )
        self._site.start_charging(point, charging)
        verdict = _verdict(answer.status_code, authorized=True)
        return {**verdict, "session_id": answer.session_id, "provider_id": answer.provider_id}

    async def _stop(self, point: ChargePoint, charging: Charging, identification: Identification) -> CommandResult:
        request = AuthorizeStop(
            session_id=charging.session_id,
            cpo_partner_session_id=charging.cpo_partner_session_id,
            emp_partner_session_id=charging.emp_partner_session_id,
            operator_id=charging.operator_id,
            evse_id=charging.evse_id,
            identification=identification,
        )
        answer = await self._site.send(AUTHORIZE_STOP, request)
        if answer.authorized:
            await self._site.finish(point, charging)
        return {**_verdict(answer.status_code, authorized=answer.authorized), "session_id": charging.session_id}

    def _state(self, point: ChargePoint) -> CommandResult:
        charging = point.charging
        return {
            "evse_id": point.settings.evse_id,
            "status": point.status(self._site.clock.now()).value,
            "connected": point.vehicle is not None,
            "session_id": charging.session_id if charging else None,
            "energy": str(charging.delivered) if charging else None,
            "meter": str(charging.meter if charging else point.reading),
        }


def _verdict(status: StatusCode, *, authorized: bool) -> CommandResult:
    return {"authorized": authorized, "code": status.code, "reason": status.additional_info or status.description}

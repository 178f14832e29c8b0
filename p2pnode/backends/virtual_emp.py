"""The virtual EMP: drivers with cards, contracts and an app, and an account of the energy of each session."""

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import bcrypt

from p2pnode.backends.app_actions import AppActions
from p2pnode.backends.sending import Send
from p2pnode.config.virtual import VirtualDriver, VirtualEmp
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authentication import AuthenticationDataRecord, ProviderAuthenticationData, PushAuthenticationData
from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStatus,
    AuthorizationStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.cdr import ChargeDetailRecord
from p2pnode.oicp.identification import (
    HashedPIN,
    HashFunction,
    Identification,
    PlugAndChargeIdentification,
    QRCodeIdentification,
    RFIDIdentification,
    RFIDMifareFamilyIdentification,
    RfidType,
)
from p2pnode.oicp.identifiers import evco_key, session_key, uid_key
from p2pnode.oicp.notifications import ChargingNotificationEnd, ChargingNotificationProgress
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code, StatusCode
from p2pnode.roaming.ports import ChargingNotification

PIN_ROUNDS = 10


@dataclass(slots=True)
class Account:
    """What the EMP was told of one session. Energy in kWh; `settled` once the CDR has come."""

    session_id: str
    evse_id: str
    notifications: list[str] = field(default_factory=list[str])
    energy: Decimal | None = None
    settled: bool = False


class VirtualEmpBackend:
    """Answers for our EMP role, and lets a person use the drivers' app through `commands`."""

    def __init__(self, settings: VirtualEmp, providers: Sequence[str], send: Send) -> None:
        self.providers = tuple(providers)
        self._yes = AuthorizationStart(
            provider_id=self.providers[0],
            authorization_status=AuthorizationStatus.AUTHORIZED,
            status_code=StatusCode.of(Code.SUCCESS),
        )
        self.drivers = settings.drivers
        self.accounts: dict[str, Account] = {}
        self._by_uid = {uid_key(driver.uid): driver for driver in settings.drivers if driver.uid}
        self._by_contract = {evco_key(driver.evco_id): driver for driver in settings.drivers if driver.evco_id}
        self.commands = AppActions(self, send).commands

    # What partners ask.

    async def authorize_start(self, request: AuthorizeStart, body: bytes) -> AuthorizationStart:  # noqa: ARG002 - the bytes are for backends that pass them on
        """eRoamingAuthorizeStart: 102 for an unknown card, 101, 105, and 200 for a locked contract."""
        refusal = self._refusal(request.identification)
        if refusal is not None:
            return AuthorizationStart(
                authorization_status=AuthorizationStatus.NOT_AUTHORIZED, status_code=StatusCode.of(refusal)
            )
        return self._yes

    async def authorize_stop(self, request: AuthorizeStop, body: bytes) -> AuthorizationStop:  # noqa: ARG002 - as above
        """eRoamingAuthorizeStop: any medium of a known driver stops."""
        refusal = self._refusal(request.identification)
        if refusal is not None:
            return AuthorizationStop(
                session_id=request.session_id,
                authorization_status=AuthorizationStatus.NOT_AUTHORIZED,
                status_code=StatusCode.of(refusal),
            )
        return AuthorizationStop(
            session_id=request.session_id,
            provider_id=self.providers[0],
            authorization_status=AuthorizationStatus.AUTHORIZED,
            status_code=StatusCode.of(Code.SUCCESS),
        )

    async def charging_notification(self, notification: ChargingNotification, body: bytes) -> Acknowledgement:  # noqa: ARG002 - as above
        """eRoamingChargingNotifications: noted in the session's account."""
        account = self._account(notification.session_id, notification.evse_id)
        account.notifications.append(notification.type)
        if isinstance(notification, ChargingNotificationProgress):
            account.energy = notification.consumed_energy_progress
        elif isinstance(notification, ChargingNotificationEnd):
            account.energy = notification.consumed_energy
        return acknowledge(notification)

    async def charge_detail_record(
        self,
        record: ChargeDetailRecord,
        body: bytes,  # noqa: ARG002 - as above
        operator_id: str,  # noqa: ARG002 - as above
    ) -> Acknowledgement:
        """eRoamingChargeDetailRecord: the account is settled."""
        account = self._account(record.session_id, record.evse_id)
        account.energy = record.consumed_energy
        account.settled = True
        return acknowledge(record)

    def _account(self, session_id: str, evse_id: str) -> Account:
        return self.accounts.setdefault(session_key(session_id), Account(session_id, evse_id))

    def _refusal(self, identification: Identification) -> Code | None:
        """Why this driver may not charge; None where it may."""
        medium = identification.option
        if isinstance(medium, RFIDMifareFamilyIdentification | RFIDIdentification):
            return _standing(self._by_uid.get(uid_key(medium.uid)), Code.RFID_INVALID_UID)
        if medium is None:
            return Code.NO_POSITIVE_AUTHENTICATION
        driver = self._by_contract.get(evco_key(medium.evco_id))
        if isinstance(medium, QRCodeIdentification):
            if driver is None or not _pin_fits(driver.pin, medium.pin):
                return Code.QR_CODE_INVALID_CREDENTIALS
        elif isinstance(medium, PlugAndChargeIdentification) and driver is not None and not driver.plug_and_charge:
            return Code.PLC_INVALID_EVCO_ID
        return _standing(driver, Code.PLC_INVALID_EVCO_ID)

    # What the EMP publishes.

    async def authentication_data(
        self, action: ActionType, names: Sequence[str] | None = None
    ) -> PushAuthenticationData:
        """The media of all drivers whose contract is good, or of those named; PINs as bcrypt hashes only."""
        records: list[AuthenticationDataRecord] = []
        for driver in self.drivers:
            if not driver.locked and (names is None or driver.name in names):
                records += [AuthenticationDataRecord(identification=medium) for medium in await _media(driver)]
        data = ProviderAuthenticationData(provider_id=self.providers[0], authentication_data_record=records)
        return PushAuthenticationData(action_type=action, provider_authentication_data=data)


def _standing(driver: VirtualDriver | None, unknown: Code) -> Code | None:
    if driver is None:
        return unknown
    return Code.EVCO_ID_LOCKED if driver.locked else None


def _pin_fits(known: str | None, shown: str | None) -> bool:
    return known is not None and shown is not None and hmac.compare_digest(known.encode(), shown.encode())


async def _media(driver: VirtualDriver) -> list[Identification]:
    media: list[Identification] = []
    if driver.uid is not None:
        card = RFIDIdentification(uid=driver.uid, evco_id=driver.evco_id, rfid=RfidType.MIFARE_FAMILY)
        media.append(Identification(rfid_identification=card))
    if driver.evco_id is not None and driver.pin is not None:
        digest = await asyncio.to_thread(bcrypt.hashpw, driver.pin.encode(), bcrypt.gensalt(PIN_ROUNDS))
        hashed = HashedPIN(value=digest.decode(), function=HashFunction.BCRYPT)
        code = QRCodeIdentification(evco_id=driver.evco_id, hashed_pin=hashed)
        media.append(Identification(qr_code_identification=code))
    if driver.evco_id is not None and driver.plug_and_charge:
        car = PlugAndChargeIdentification(evco_id=driver.evco_id)
        media.append(Identification(plug_and_charge_identification=car))
    return media

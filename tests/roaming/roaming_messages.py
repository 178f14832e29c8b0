"""What parties say to each other in these tests: identifiers, identifications, answers."""

from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStatus,
    AuthorizationStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.codec import decode
from p2pnode.oicp.identification import (
    Identification,
    PlugAndChargeIdentification,
    QRCodeIdentification,
    RemoteIdentification,
    RFIDMifareFamilyIdentification,
)
from p2pnode.oicp.status import Code, StatusCode

Model = TypeVar("Model", bound=BaseModel)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UID = "04A2B3C4D5E6F7"
OTHER_UID = "04FFFFFFFFFFFF"
EVCO = "DE-ONE-C12345678-X"
EVSE = "DE*CPO*E1*1"
SESSION = "0195f3a0-0000-7000-8000-000000000001"


def make(kind: type[Model], **members: object) -> Model:
    """A message of this kind, its members by the names of their attributes."""
    return kind.model_validate(members)


def decoded(body: bytes) -> dict[str, Any]:
    """The members of a body."""
    return cast("dict[str, Any]", decode(body))


def rfid(uid: str = UID) -> Identification:
    """A card."""
    return Identification(rfid_mifare_family_identification=RFIDMifareFamilyIdentification(uid=uid))


def qr_code(pin: str | None, evco_id: str = EVCO) -> Identification:
    """A QR code with its PIN in clear."""
    return Identification(qr_code_identification=QRCodeIdentification(evco_id=evco_id, pin=pin))


def plug_and_charge(evco_id: str = EVCO) -> Identification:
    """A car that names its contract."""
    return Identification(plug_and_charge_identification=PlugAndChargeIdentification(evco_id=evco_id))


def remote(evco_id: str = EVCO) -> Identification:
    """A driver with an app."""
    return Identification(remote_identification=RemoteIdentification(evco_id=evco_id))


def authorized(provider_id: str | None = None, session_id: str | None = None) -> AuthorizationStart:
    """A yes."""
    return AuthorizationStart(
        authorization_status=AuthorizationStatus.AUTHORIZED,
        status_code=StatusCode.of(Code.SUCCESS),
        provider_id=provider_id,
        session_id=session_id,
    )


def denied(code: Code = Code.RFID_INVALID_UID) -> AuthorizationStart:
    """A no."""
    return AuthorizationStart(authorization_status=AuthorizationStatus.NOT_AUTHORIZED, status_code=StatusCode.of(code))


def stopped() -> AuthorizationStop:
    """A yes to a stop."""
    return AuthorizationStop(
        authorization_status=AuthorizationStatus.AUTHORIZED, status_code=StatusCode.of(Code.SUCCESS)
    )


START = AuthorizeStart(operator_id="DE*CPO", evse_id=EVSE, identification=rfid(), session_id=SESSION)
STOP = AuthorizeStop(session_id=SESSION, operator_id="DE*CPO", evse_id=EVSE, identification=rfid())

"""The status codes of OICP 2.3 and the structure that carries them (chapter 03, CodeType and StatusCodeType)."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, cast

from pydantic import model_validator

from p2pnode.oicp.constraints import Length, OneOf
from p2pnode.oicp.model import OicpModel, Text


class Code(StrEnum):
    """CodeType: every status code of the specification, with its text in `description`."""

    SUCCESS = "000"
    HUBJECT_SYSTEM_ERROR = "001"
    HUBJECT_DATABASE_ERROR = "002"
    DATA_TRANSACTION_ERROR = "009"
    UNAUTHORIZED_ACCESS = "017"
    INCONSISTENT_EVSE_ID = "018"
    INCONSISTENT_EVCO_ID = "019"
    SYSTEM_ERROR = "021"
    DATA_ERROR = "022"
    QR_CODE_INVALID_CREDENTIALS = "101"
    RFID_INVALID_UID = "102"
    RFID_CARD_NOT_READABLE = "103"
    PLC_INVALID_EVCO_ID = "105"
    NO_POSITIVE_AUTHENTICATION = "106"
    QR_CODE_APP_TIMEOUT = "110"
    PLC_INVALID_UNDERLYING_EVCO_ID = "120"
    PLC_INVALID_CERTIFICATE = "121"
    PLC_TIMEOUT = "122"
    EVCO_ID_LOCKED = "200"
    NO_VALID_CONTRACT = "210"
    PARTNER_NOT_FOUND = "300"
    PARTNER_DID_NOT_RESPOND = "310"
    SERVICE_NOT_AVAILABLE = "320"
    SESSION_INVALID = "400"
    COMMUNICATION_TO_EVSE_FAILED = "501"
    NO_EV_CONNECTED = "510"
    EVSE_ALREADY_RESERVED = "601"
    EVSE_ALREADY_IN_USE = "602"
    UNKNOWN_EVSE_ID = "603"
    EVSE_NOT_HUBJECT_COMPATIBLE = "604"
    EVSE_OUT_OF_SERVICE = "700"

    @property
    def description(self) -> str:
        """The text the specification gives this code."""
        return DESCRIPTIONS[self]


DESCRIPTIONS: dict[Code, str] = {
    Code.SUCCESS: "Success.",
    Code.HUBJECT_SYSTEM_ERROR: "Hubject system error.",
    Code.HUBJECT_DATABASE_ERROR: "Hubject database error.",
    Code.DATA_TRANSACTION_ERROR: "Data transaction error.",
    Code.UNAUTHORIZED_ACCESS: "Unauthorized Access.",
    Code.INCONSISTENT_EVSE_ID: "Inconsistent EvseID.",
    Code.INCONSISTENT_EVCO_ID: "Inconsistent EvcoID.",
    Code.SYSTEM_ERROR: "System error.",
    Code.DATA_ERROR: "Data error.",
    Code.QR_CODE_INVALID_CREDENTIALS: "QR Code Authentication failed - Invalid Credentials.",
    Code.RFID_INVALID_UID: "RFID Authentication failed - invalid UID.",
    Code.RFID_CARD_NOT_READABLE: "RFID Authentication failed - card not readable.",
    Code.PLC_INVALID_EVCO_ID: "PLC Authentication failed - invalid EvcoID.",
    Code.NO_POSITIVE_AUTHENTICATION: "No positive authentication response.",
    Code.QR_CODE_APP_TIMEOUT: "QR Code App Authentication failed - time out error.",
    Code.PLC_INVALID_UNDERLYING_EVCO_ID: "PLC (ISO/ IEC 15118) Authentication failed - invalid underlying EvcoID.",
    Code.PLC_INVALID_CERTIFICATE: "PLC (ISO/ IEC 15118) Authentication failed - invalid certificate.",
    Code.PLC_TIMEOUT: "PLC (ISO/ IEC 15118) Authentication failed - time out error.",
    Code.EVCO_ID_LOCKED: "EvcoID locked.",
    Code.NO_VALID_CONTRACT: "No valid contract.",
    Code.PARTNER_NOT_FOUND: "Partner not found.",
    Code.PARTNER_DID_NOT_RESPOND: "Partner did not respond.",
    Code.SERVICE_NOT_AVAILABLE: "Service not available.",
    Code.SESSION_INVALID: "Session is invalid.",
    Code.COMMUNICATION_TO_EVSE_FAILED: "Communication to EVSE failed.",
    Code.NO_EV_CONNECTED: "No EV connected to EVSE.",
    Code.EVSE_ALREADY_RESERVED: "EVSE already reserved.",
    Code.EVSE_ALREADY_IN_USE: "EVSE already in use/ wrong token.",
    Code.UNKNOWN_EVSE_ID: "Unknown EVSE ID.",
    Code.EVSE_NOT_HUBJECT_COMPATIBLE: "EVSE ID is not Hubject compatible.",
    Code.EVSE_OUT_OF_SERVICE: "EVSE out of service.",
}


def described(code: str) -> str:
    """The text the specification gives a code as somebody wrote it; empty for one it does not have."""
    return DESCRIPTIONS.get(cast("Code", code), "")


ADDITIONAL_INFO_LIMIT = 1000


class StatusCode(OicpModel):
    """StatusCodeType: a code, its standard description and free additional information."""

    code: Annotated[Text, OneOf(Code)]
    description: Annotated[Text | None, Length(0, 200)] = None
    additional_info: Annotated[Text | None, Length(0, ADDITIONAL_INFO_LIMIT)] = None

    @model_validator(mode="before")
    @classmethod
    def _from_a_bare_code(cls, value: object) -> object:
        """Some senders write the code in place of the structure, or as a number."""
        if isinstance(value, str | int):
            value = {"Code": value}
        if not isinstance(value, Mapping):
            return value
        members = cast("Mapping[str, object]", value)
        code = members.get("Code")
        return {**members, "Code": f"{code:03d}"} if isinstance(code, int) else members

    @classmethod
    def of(cls, code: Code, additional_info: str | None = None) -> "StatusCode":
        """The structure for `code` with its standard text; `additional_info` is cut at 1000 characters."""
        if not additional_info:
            return _standard(code)
        info = additional_info[:ADDITIONAL_INFO_LIMIT]
        return cls(code=code, description=code.description, additional_info=info)


@cache
def _standard(code: Code) -> StatusCode:
    """Made once for each code, because nearly every answer holds one."""
    return StatusCode(code=code, description=code.description)


DONE = StatusCode.of(Code.SUCCESS)
"""What an answer says that went well."""

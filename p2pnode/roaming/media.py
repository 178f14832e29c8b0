"""What identifies a driver, made comparable: a medium is its kind and the key of its UID or EvcoID."""

from enum import StrEnum
from typing import NamedTuple

from p2pnode.oicp.codec import encode, replace_members
from p2pnode.oicp.identification import Identification, QRCodeIdentification
from p2pnode.oicp.identification import Kind as Option
from p2pnode.oicp.identifiers import evco_key, provider_of_evco, uid_key
from p2pnode.oicp.status import Code
from p2pnode.roaming.stored import read_stored


class MediumKind(StrEnum):
    """How a driver identifies. Both RFID options of an Identification are one kind: they name the same card."""

    RFID = "RFID"
    QR_CODE = "QRCode"
    PLUG_AND_CHARGE = "PlugAndCharge"
    REMOTE = "Remote"


KINDS = {
    Option.RFID_MIFARE_FAMILY: MediumKind.RFID,
    Option.RFID: MediumKind.RFID,
    Option.QR_CODE: MediumKind.QR_CODE,
    Option.PLUG_AND_CHARGE: MediumKind.PLUG_AND_CHARGE,
    Option.REMOTE: MediumKind.REMOTE,
}

REFUSALS = {
    MediumKind.RFID: Code.RFID_INVALID_UID,
    MediumKind.QR_CODE: Code.QR_CODE_INVALID_CREDENTIALS,
    MediumKind.PLUG_AND_CHARGE: Code.PLC_INVALID_EVCO_ID,
    MediumKind.REMOTE: Code.PLC_INVALID_EVCO_ID,
}
"""The status code that refuses a medium of each kind."""


class Medium(NamedTuple):
    """A comparable medium. `repr` tells the kind only: the key identifies a person."""

    kind: MediumKind
    key: str

    def __repr__(self) -> str:
        """The kind alone."""
        return f"<Medium {self.kind}>"


def medium_of(identification: Identification | None) -> Medium | None:
    """The medium of an Identification; None where it has no option."""
    option = identification.kind if identification is not None else None
    if identification is None or option is None:
        return None
    uid = identification.uid
    return Medium(KINDS[option], uid_key(uid) if uid is not None else evco_key(identification.evco_id or ""))


def provider_in(identification: Identification) -> str | None:
    """The key of the provider named by the EvcoID; None for a UID alone or an EvcoID that names none."""
    evco_id = identification.evco_id
    return provider_of_evco(evco_id) if evco_id is not None else None


def pin_of(identification: Identification) -> str | None:
    """The PIN in clear that came with a QR code."""
    option = identification.option
    return option.pin if isinstance(option, QRCodeIdentification) else None


def without_pin(identification: Identification) -> Identification:
    """The same identification with no PIN in it, neither in clear nor hashed."""
    qr_code = identification.qr_code_identification
    if qr_code is None or (qr_code.pin is None and qr_code.hashed_pin is None):
        return identification
    bare = qr_code.model_copy(update={"pin": None, "hashed_pin": None})
    return identification.model_copy(update={"qr_code_identification": bare})


def stored_identification(identification: Identification) -> bytes:
    """The JSON of an Identification as a session keeps it: without a PIN."""
    return encode(without_pin(identification))


def medium_of_stored(identification: bytes | None) -> Medium | None:
    """The medium in the JSON that `stored_identification` made."""
    return medium_of(read_stored(Identification, identification)) if identification is not None else None


def body_without_pin(identification: Identification, body: bytes) -> bytes:
    """The body of a message as its session's history may keep it: verbatim, except that a PIN is left out."""
    bare = without_pin(identification)
    return body if bare is identification else replace_members(body, {"Identification": bare})

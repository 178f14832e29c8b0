"""IdentificationType: who wants to charge, in one of five ways (chapter 03).

What identifies a person or is a secret (UID, EvcoID, PIN, hash, printed number) is left out of every `repr`, and
`Identification.masked` is the form for logs.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, get_args

from pydantic import BeforeValidator, Field

from p2pnode.oicp.constraints import Length, OneOf
from p2pnode.oicp.model import OicpModel, Text, Timestamp
from p2pnode.oicp.scalars import EvcoIDText, HashValueText, UIDText

PIN_LENGTH = 20
VISIBLE_END = 2


class Kind(StrEnum):
    """The five options of an Identification, named by their members, in the order of the text."""

    RFID_MIFARE_FAMILY = "RFIDMifareFamilyIdentification"
    RFID = "RFIDIdentification"
    QR_CODE = "QRCodeIdentification"
    PLUG_AND_CHARGE = "PlugAndChargeIdentification"
    REMOTE = "RemoteIdentification"


class RfidType(StrEnum):
    """RFIDType: the kind of an RFID card."""

    MIFARE_CLASSIC = "mifareCls"
    MIFARE_DESFIRE = "mifareDes"
    CALYPSO = "calypso"
    NFC = "nfc"
    MIFARE_FAMILY = "mifareFamily"


class HashFunction(StrEnum):
    """HashFunctionType: Bcrypt is the only one of OICP 2.3."""

    BCRYPT = "Bcrypt"


class LegacyHashFunction(StrEnum):
    """The hash functions of OICP 2.1."""

    MD5 = "MD5"
    SHA_1 = "SHA-1"


class LegacyHashData(OicpModel):
    """LegacyHashDataType: how OICP 2.1 hashed a PIN."""

    function: Annotated[Text, OneOf(LegacyHashFunction)]
    salt: Annotated[Text | None, Length(0, 100), Field(repr=False)] = None
    value: Annotated[Text | None, Length(0, 20), Field(repr=False)] = None


class HashedPIN(OicpModel):
    """HashedPINType: the hash of a PIN and the function it was made with."""

    value: Annotated[HashValueText, Field(repr=False)]
    function: Annotated[Text, OneOf(HashFunction)]
    legacy_hash_data: LegacyHashData | None = None


def _hashed_pin(value: object) -> object:
    """A bare string is a Bcrypt hash (E020)."""
    return {"Value": value, "Function": HashFunction.BCRYPT.value} if isinstance(value, str) else value


class RFIDMifareFamilyIdentification(OicpModel):
    """RFIDmifarefamilyIdentificationType: the UID of a card, as an authorization names it."""

    uid: Annotated[UIDText, Field(repr=False)]


class RFIDIdentification(OicpModel):
    """RFIDIdentificationType: a card in authentication data. Not to be used in an authorization."""

    uid: Annotated[UIDText, Field(repr=False)]
    evco_id: Annotated[EvcoIDText | None, Field(repr=False)] = None
    rfid: Annotated[Text, OneOf(RfidType)]
    printed_number: Annotated[Text | None, Length(0, 150), Field(repr=False)] = None
    expiry_date: Timestamp | None = None


class QRCodeIdentification(OicpModel):
    """QRCodeIdentificationType: a contract with a PIN; in clear in an authorization, hashed or in clear in a push."""

    evco_id: Annotated[EvcoIDText, Field(repr=False)]
    hashed_pin: Annotated[HashedPIN, BeforeValidator(_hashed_pin)] | None = None
    pin: Annotated[Text | None, Length(0, PIN_LENGTH), Field(repr=False)] = None


class PlugAndChargeIdentification(OicpModel):
    """PlugAndChargeIdentificationType: the contract a car names by itself (ISO 15118)."""

    evco_id: Annotated[EvcoIDText, Field(repr=False)]


class RemoteIdentification(OicpModel):
    """RemoteIdentificationType: the contract of a driver who starts from an app."""

    evco_id: Annotated[EvcoIDText, Field(repr=False)]


Option = (
    RFIDMifareFamilyIdentification
    | RFIDIdentification
    | QRCodeIdentification
    | PlugAndChargeIdentification
    | RemoteIdentification
)


_KINDS: Mapping[type[OicpModel], Kind] = {option: Kind(option.__name__) for option in get_args(Option)}


class Identification(OicpModel):
    """IdentificationType: one of five options; where several came, the first in the order of the text counts (E019)."""

    rfid_mifare_family_identification: RFIDMifareFamilyIdentification | None = None
    rfid_identification: RFIDIdentification | None = None
    qr_code_identification: QRCodeIdentification | None = None
    plug_and_charge_identification: PlugAndChargeIdentification | None = None
    remote_identification: RemoteIdentification | None = None

    @property
    def option(self) -> Option | None:
        """The option that counts; None where no option came."""
        return (
            self.rfid_mifare_family_identification
            or self.rfid_identification
            or self.qr_code_identification
            or self.plug_and_charge_identification
            or self.remote_identification
        )

    @property
    def kind(self) -> Kind | None:
        """Which option counts."""
        option = self.option
        return None if option is None else _KINDS[type(option)]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every option that came, in the order of the text."""
        options = (
            self.rfid_mifare_family_identification,
            self.rfid_identification,
            self.qr_code_identification,
            self.plug_and_charge_identification,
            self.remote_identification,
        )
        return tuple([_KINDS[type(option)] for option in options if option is not None])

    @property
    def evco_id(self) -> str | None:
        """The EvcoID of the option that counts, if it has one."""
        option = self.option
        return None if option is None or isinstance(option, RFIDMifareFamilyIdentification) else option.evco_id

    @property
    def uid(self) -> str | None:
        """The UID of the option that counts, if it has one."""
        option = self.option
        return option.uid if isinstance(option, RFIDMifareFamilyIdentification | RFIDIdentification) else None

    def masked(self) -> str:
        """The form for logs: the kind, and the last two characters of the UID or EvcoID."""
        secret = self.uid or self.evco_id
        if self.kind is None or secret is None:
            return "no identification"
        return f"{self.kind} …{secret[-VISIBLE_END:]}" if len(secret) > 2 * VISIBLE_END else f"{self.kind} …"

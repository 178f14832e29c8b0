"""The identifiers and other restricted strings that several messages share (chapter 03, restricted string types).

Each is a JSON string with the specification's grammar beside it. Reading keeps the text as it came; `rules` reports
one outside its grammar, and `identifiers` derives the keys by which ids are compared.

Where the texts and the schemas differ, the wider form is the grammar: letters of either case, because the hub turns
them into upper case itself. The stray `|` inside character classes of the printed expressions is not meant and not
taken.
"""

import re
from enum import StrEnum
from typing import Annotated

from p2pnode.oicp.constraints import Grammar, Length
from p2pnode.oicp.model import Text


def _grammar(name: str, pattern: str) -> Grammar:
    return Grammar(name, re.compile(pattern, re.ASCII))


class ActionType(StrEnum):
    """ActionType: what a push does with its records."""

    FULL_LOAD = "fullLoad"
    UPDATE = "update"
    INSERT = "insert"
    DELETE = "delete"


ANY_PROVIDER = "*"
"""The ProviderID of pricing data that holds for every provider."""

EVSE_ID = _grammar(
    "EvseIDType", r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?[Ee][A-Za-z0-9*]{1,30}|\+?[0-9]{1,3}\*[0-9]{3}\*[0-9*]{1,32}"
)
OPERATOR_ID = _grammar("OperatorIDType", r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}|\+?[0-9]{1,3}\*[0-9]{3}")
PROVIDER_ID = _grammar("ProviderIDType", r"[A-Za-z]{2}[*-]?[A-Za-z0-9]{3}")
PROVIDER_OR_ANY = _grammar("ProviderIDType or *", r"[A-Za-z]{2}[*-]?[A-Za-z0-9]{3}|\*")
EVCO_ID = _grammar(
    "EvcoIDType",
    r"[A-Za-z]{2}-?[A-Za-z0-9]{3}-?[Cc][A-Za-z0-9]{8}-?[A-Za-z0-9]"
    r"|[A-Za-z]{2}[*-]?[A-Za-z0-9]{3}[*-]?[A-Za-z0-9]{6}[*-]?[0-9Xx]",
)
SESSION_ID = _grammar("SessionIDType", r"[A-Za-z0-9]{8}(?:-[A-Za-z0-9]{4}){3}-[A-Za-z0-9]{12}")
UID = _grammar("UIDType", r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20}")
HASH_VALUE = _grammar("HashValueType", r"[0-9A-Za-z\\.+/=$]{10,100}")
CHARGING_POOL_ID = _grammar("ChargingPoolIDType", r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?[Pp][A-Za-z0-9*]{1,30}")
COUNTRY_CODE = _grammar("CountryCodeType", r"[A-Z]{3}")
CURRENCY_ID = _grammar("CurrencyIDType", r"[A-Z]{3}")
LANGUAGE_CODE = _grammar("LanguageCodeType", r"[a-z]{2,3}(?:-[A-Z]{2,3}(?:-[a-zA-Z]{4})?)?(?:-x-[a-zA-Z0-9]{1,8})?")
PHONE_NUMBER = _grammar("PhoneNumberType", r"\+[0-9]{5,15}")
TIME_ZONE = _grammar("TimeZoneType", r"UTC[+-][0-9]{2}:[0-9]{2}")
TIME_OF_DAY = _grammar("PeriodType time", r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")

EvseIDText = Annotated[Text, EVSE_ID]
"""EvseIDType, ISO or DIN."""

OperatorIDText = Annotated[Text, OPERATOR_ID]
"""OperatorIDType, ISO or DIN."""

ProviderIDText = Annotated[Text, PROVIDER_ID]
"""ProviderIDType, ISO or DIN."""

ProviderOrAnyText = Annotated[Text, PROVIDER_OR_ANY]
"""ProviderIDType, or `*` for every provider."""

EvcoIDText = Annotated[Text, EVCO_ID]
"""EvcoIDType: the id of a contract, ISO or DIN."""

SessionIDText = Annotated[Text, SESSION_ID]
"""SessionIDType."""

PARTNER_SESSION_ID = Length(0, 250)
PartnerSessionIDText = Annotated[Text, PARTNER_SESSION_ID]
"""A partner's own session id."""

UIDText = Annotated[Text, UID]
"""UIDType: the UID of an RFID card."""

HashValueText = Annotated[Text, HASH_VALUE]
"""HashValueType."""

ChargingPoolIDText = Annotated[Text, CHARGING_POOL_ID]
"""ChargingPoolIDType."""

ProductIDText = Annotated[Text, Length(0, 50)]
"""ProductIDType: the name of a pricing product."""

CountryCodeText = Annotated[Text, COUNTRY_CODE]
"""CountryCodeType, ISO 3166-1 alpha-3."""

CurrencyIDText = Annotated[Text, CURRENCY_ID]
"""CurrencyIDType, ISO 4217."""

LanguageCodeText = Annotated[Text, LANGUAGE_CODE]
"""LanguageCodeType, ISO 639."""

PhoneNumberText = Annotated[Text, PHONE_NUMBER]
"""PhoneNumberType: a plus sign and 5 to 15 digits."""

TimeZoneText = Annotated[Text, TIME_ZONE]
"""TimeZoneType: an offset, `UTC+01:00`."""

TimeOfDayText = Annotated[Text, TIME_OF_DAY]
"""A time of a PeriodType, `09:00`."""

OperatorNameText = Annotated[Text, Length(0, 100)]
"""The free text that names an operator."""

"""The base of every OICP message and data type, and the scalar types they share.

Attributes are snake_case; `names` derives the member names of the wire from them. Unknown members survive in
`model_extra`. A member that is null counts as absent.
"""

import re
from collections.abc import Iterable
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import AliasChoices, AliasGenerator, BaseModel, BeforeValidator, ConfigDict, StrictStr

ACRONYMS = {
    "id": "ID",
    "cpo": "CPO",
    "emp": "EMP",
    "uid": "UID",
    "rfid": "RFID",
    "pin": "PIN",
    "qr": "QR",
    "cdr": "CDR",
    "co2": "CO2",
}


def oicp_name(attribute: str) -> str:
    """The regular member name of an attribute: `evse_id` is `EvseID`."""
    return "".join(ACRONYMS.get(word) or word.capitalize() for word in attribute.split("_"))


def names(**irregular: str | Iterable[str]) -> ConfigDict:
    """A model configuration whose attributes listed here have irregular member names.

    Give one name, or several: the first is written, all are read.
    """
    forms = {name: (form,) if isinstance(form, str) else tuple(form) for name, form in irregular.items()}

    def read(attribute: str) -> str | AliasChoices:
        known = forms.get(attribute)
        if known is None:
            return oicp_name(attribute)
        return known[0] if len(known) == 1 else AliasChoices(*known)

    def write(attribute: str) -> str:
        known = forms.get(attribute)
        return known[0] if known else oicp_name(attribute)

    return ConfigDict(alias_generator=AliasGenerator(validation_alias=read, serialization_alias=write))


class OicpModel(BaseModel):
    """A message or data type of OICP 2.3. Immutable; unknown members are kept."""

    model_config = names() | ConfigDict(
        extra="allow", frozen=True, validate_by_name=True, validate_by_alias=True, hide_input_in_errors=True
    )

    def wire(self) -> dict[str, Any]:
        """The members as they go on the wire, absent and null ones left out, Decimals kept."""
        # As `model_dump`, whose twenty parameters take half the time of a small message.
        wire: dict[str, Any] = self.__pydantic_serializer__.to_python(self, by_alias=True, exclude_none=True)
        return wire

    @classmethod
    def read(cls, members: Any) -> Self:  # noqa: ANN401 - as `model_validate`
        """The message with these members. Raises ValidationError. Takes less time than `model_validate`."""
        message: Self = cls.__pydantic_validator__.validate_python(members)
        return message


LARGEST_EXPONENT = 1000
NUMERIC = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{0,400})?([eE][+-]?[0-9]{1,3})?")


def _number(value: object) -> object:
    """A number from a JSON number or from a numeric string, as real senders write it; never a boolean.

    A number whose plain digits would fill memory is refused.
    """
    if isinstance(value, bool):
        message = "a number is expected, not a boolean"
        raise ValueError(message)  # noqa: TRY004 - pydantic turns ValueError, not TypeError, into a violation
    if isinstance(value, str):
        value = value.strip()
        if not NUMERIC.fullmatch(value):
            message = "a number is expected"
            raise ValueError(message)
    elif isinstance(value, Decimal) and abs(value.adjusted()) > LARGEST_EXPONENT:
        message = "the number is out of range"
        raise ValueError(message)
    return value


def _one_or_many(value: object) -> object:
    """A list, also where a sender wrote one element in its place."""
    if value is None or isinstance(value, list | tuple):
        return cast("object", value)
    return [value]


def _timestamp(value: object) -> object:
    """A point in time from an ISO 8601 text; one without a zone is taken as UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str):
        message = "a date and time in ISO 8601 is expected"
        raise ValueError(message)  # noqa: TRY004 - as above
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        message = "not a date and time in ISO 8601"
        raise ValueError(message) from None
    if parsed.tzinfo is None:
        return parsed.replace(tzinfo=UTC)
    if parsed.year in {MINYEAR, MAXYEAR}:
        _require_utc(parsed)
    return parsed


def _require_utc(moment: datetime) -> None:
    """Refuse a moment whose year is none any more in UTC: no other could be compared with it."""
    try:
        moment.astimezone(UTC)
    except OverflowError:
        message = "out of the range of years"
        raise ValueError(message) from None


Text = StrictStr
"""A JSON string."""

Number = Annotated[Decimal, BeforeValidator(_number)]
"""An exact decimal (kWh, money, km): a JSON number on the wire."""

Whole = Annotated[int, BeforeValidator(_number)]
"""A whole number."""

Timestamp = Annotated[datetime, BeforeValidator(_timestamp)]
"""A point in time with its zone, "Date/Time" in the specification."""

Element = TypeVar("Element")

Many = Annotated[list[Element], BeforeValidator(_one_or_many)]
"""A list; one object where a list belongs is read as a list of one."""

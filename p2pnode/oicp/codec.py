"""JSON to messages and back, exactly: numbers as Decimals, unknown members kept.

Whatever bytes come in, the outcome is a value or `InvalidMessage`, in bounded time and memory.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from types import MappingProxyType
from typing import Any, TypeVar, cast

import msgspec
from pydantic import ValidationError

from p2pnode.oicp.errors import InvalidMessage, MessageError, Violation
from p2pnode.oicp.model import LARGEST_EXPONENT, OicpModel

DEEPEST = 200
LONGEST_NUMBER = 4000
MOST_VIOLATIONS = 1000
REASON_LIMIT = 1000
MOST_RECORDS = 1_000_000  # of a push or page
PART_LIMIT = 1024 * 1024
"""In bytes, what a push or page may be besides its records, and what one record may be: both are decoded whole."""
BYTES_PER_VALUE, BYTES_PER_RECORD = 8, 20
"""How long values and records are on average in any real text of more than a million: shorter ones fill the memory."""
BOM = b"\xef\xbb\xbf"

Message = TypeVar("Message", bound=OicpModel)
Request = TypeVar("Request", bound=OicpModel)
Answer = TypeVar("Answer", bound=OicpModel)
Value = TypeVar("Value")
View = bytes | memoryview
"""Bytes, perhaps in the middle of others: what is read without being copied."""


def _decimal(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER:
        raise ValueError("a number is too long")
    number = Decimal(text)
    if abs(number.adjusted()) > LARGEST_EXPONENT:
        raise ValueError("a number is out of range")
    return number


_VALUES = msgspec.json.Decoder(float_hook=_decimal)
MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL = msgspec.Raw(b"null")
_NO_MEMBERS: Mapping[str, Any] = MappingProxyType({})
_ENCODER = msgspec.json.Encoder()


def decode(body: bytes) -> object:
    """The value of a JSON text, its fractional numbers as Decimals. A byte order mark is skipped.

    Raises `InvalidMessage` for what is not JSON in UTF-8, is nested deeper than 200 levels, holds a number of thousands
    of digits, or millions of values that are hardly longer than the commas between them.
    """
    require_sparse(body, b"{[,", BYTES_PER_VALUE)
    value = decoded(_VALUES, body.removeprefix(BOM))
    if body.count(b"{") + body.count(b"[") > DEEPEST and _is_deep(value):
        raise not_json("The JSON text is nested too deeply.")
    return value


def members_of(value: object) -> Mapping[str, Any]:
    """The members of a decoded JSON object; none of any other value."""
    return cast("Mapping[str, Any]", value) if isinstance(value, _OBJECTS) else _NO_MEMBERS


def members_in(body: bytes) -> Mapping[str, Any]:
    """The members of the JSON object that a body of others may hold; none where it holds none."""
    try:
        return members_of(decode(body))
    except InvalidMessage:
        return _NO_MEMBERS


def require_sparse(text: bytes, marks: bytes, apart: int) -> None:
    """Refuse, before it is decoded, a text that would take many times its size in memory."""
    if len(text) > PART_LIMIT and sum(text.count(mark) for mark in marks) > MOST_RECORDS + len(text) // apart:
        raise not_json(f"The JSON text holds too many values, more than {MOST_RECORDS}.")


def decoded(decoder: msgspec.json.Decoder[Value], text: bytes) -> Value:
    """What a decoder makes of a JSON text. Raises `InvalidMessage`, whatever is wrong with it."""
    try:
        return decoder.decode(text)
    except RecursionError:
        reason = "The JSON text is nested too deeply."
    except UnicodeDecodeError:
        reason = "The JSON text is not UTF-8."
    except msgspec.DecodeError as error:
        reason = f"{error}."
    except (ValueError, ArithmeticError):
        reason = "The JSON text holds a number that is too long or out of range."
    raise not_json(reason)


def not_json(reason: str) -> InvalidMessage:
    """The refusal of a text that cannot be decoded."""
    return InvalidMessage(reason, (Violation("", "json", reason),))


def _is_deep(value: object) -> bool:
    """Whether lists and objects are nested deeper than pydantic and the encoder go."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return cast("dict[str, object]", node).values()
    return cast("list[object]", node) if isinstance(node, list) else ()


def read(model: type[Message], body: bytes | Mapping[str, Any]) -> Message:
    """The message of `model` in a body or in its decoded members.

    Raises `InvalidMessage` with every violation of the structure: what is missing or of the wrong type.
    """
    wire = decode(body) if isinstance(body, bytes) else body
    if not isinstance(wire, _OBJECTS):
        raise InvalidMessage("An object is expected.", (Violation("", "type", "An object is expected."),))
    try:
        return model.read(wire)
    except ValidationError as error:
        violations = _violations(error)
    except (ValueError, ArithmeticError, RecursionError):
        violations = (Violation("", "value", "A value cannot be read."),)
    raise InvalidMessage(reason(violations), violations)


def reason(violations: Iterable[Violation]) -> str:
    """One text of all violations with their pointers, cut at 1000 characters."""
    text = " ".join(f"{found.pointer or '/'}: {found.message}" for found in islice(violations, REASON_LIMIT))
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 1] + "…"


_SENTENCES = {
    "missing": ("missing", "{} is missing."),
    "string_type": ("type", "{} has to be a string."),
    "bool_type": ("type", "{} has to be true or false."),
    "bool_parsing": ("type", "{} has to be true or false."),
    "list_type": ("type", "{} has to be a list."),
    "model_type": ("type", "{} has to be an object."),
    "model_attributes_type": ("type", "{} has to be an object."),
    "int_from_float": ("number", "{} has to be a whole number."),
    "int_parsing": ("number", "{} has to be a whole number."),
    "int_parsing_size": ("number", "{} is too large a number."),
    "int_type": ("number", "{} has to be a whole number."),
    "decimal_parsing": ("number", "{} has to be a number."),
    "decimal_type": ("number", "{} has to be a number."),
    "finite_number": ("number", "{} has to be a finite number."),
}


def _violations(error: ValidationError) -> tuple[Violation, ...]:
    """The violations pydantic found, in words that repeat no value: it may be a PIN."""
    if error.error_count() > MOST_VIOLATIONS:
        return (Violation("", "too-many", f"{error.error_count()} members are missing or of the wrong type."),)
    found: list[Violation] = []
    for detail in error.errors(include_url=False):
        place = detail["loc"]
        name = next((str(part) for part in reversed(place) if isinstance(part, str)), "The message")
        code, sentence = _SENTENCES.get(detail["type"], ("value", "{} is not valid."))
        if detail["input"] is None and detail["type"] != "value_error":
            code, sentence = _SENTENCES["missing"]
        if detail["type"] == "value_error":
            sentence = "{}: " + str(detail.get("ctx", {}).get("error", "the value is not valid")) + "."
        found.append(Violation(pointer(place), code, sentence.replace("{}", name, 1)))
    return tuple(found)


def pointer(place: Iterable[str | int]) -> str:
    """The RFC 6901 JSON pointer of a place in a document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def encode(message: OicpModel | Mapping[str, Any]) -> bytes:
    """The JSON text of a message or of its members.

    Decimals become numbers without exponent, integral where they are, and times keep their offset. Raises
    `MessageError` for what JSON cannot say, and for a number of thousands of digits.
    """
    wire = message.wire() if isinstance(message, OicpModel) else message
    try:
        return _ENCODER.encode(_plain(wire))
    except RecursionError:
        raise MessageError("the message is nested too deeply") from None
    except (ValueError, TypeError) as error:
        raise MessageError(f"the message cannot be written as JSON: {type(error).__name__}") from None


_AS_IT_IS = frozenset({str, bool, int, type(None), msgspec.Raw})
_SEQUENCES = (list, tuple)
_NUMBERS = (Decimal, float)
_OBJECTS = (dict, Mapping)  # dict first: asking for a Mapping is slow


def _plain(value: object) -> object:
    """What the encoder writes as it should be; Decimals and times are put into their form here."""
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind is dict:
        return _plain_members(value)  # type: ignore[arg-type]  # a call of `cast` is noticed here
    if isinstance(value, _SEQUENCES):
        return [_plain(element) for element in cast("Sequence[object]", value)]
    if isinstance(value, _NUMBERS):
        return _plain_number(value if isinstance(value, Decimal) else Decimal(repr(value)))
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, OicpModel):
        value = value.wire()
    return _plain_members(dict(cast("Mapping[str, object]", value))) if isinstance(value, Mapping) else value


def _plain_members(members: dict[str, object]) -> dict[str, object]:
    plain = members
    for name, member in members.items():
        kind = type(member)
        if kind in _AS_IT_IS:
            continue
        written = _plain_members(member) if kind is dict else _plain(member)  # type: ignore[arg-type]  # as above
        if written is not member:
            if plain is members:
                plain = members.copy()
            plain[name] = written
    return plain


def _plain_number(number: Decimal) -> int | msgspec.Raw:
    if not number.is_finite() or abs(number.adjusted()) > LARGEST_EXPONENT:
        raise MessageError("the message holds a number that JSON cannot say in plain digits")
    whole = int(number)
    return whole if whole == number else msgspec.Raw(format(number, "f"))


def time_text(moment: datetime) -> str:
    """A point in time in ISO 8601 with its zone, to the second, millisecond or microsecond. A naive one is refused."""
    if moment.tzinfo is None:
        raise MessageError("a point in time needs its zone")
    milliseconds = moment.microsecond and moment.microsecond % 1000 == 0
    text = moment.isoformat(timespec="milliseconds" if milliseconds else "auto")
    return f"{text[:-6]}Z" if moment.utcoffset() == timedelta(0) else text


def replace_members(
    raw: bytes,
    changes: Mapping[str, object],
    renamed: Mapping[str, str] = MappingProxyType({}),
    missing: Mapping[str, object] = MappingProxyType({}),
) -> bytes:
    """An object with the members named in `changes` replaced, added, or with None removed.

    Those in `renamed` get another name, unless they are null: then they go. Those in `missing` are added where there
    are none. The values of all other members keep their bytes and their order. Raises `InvalidMessage` where `raw` is
    not a JSON object, `MessageError` where a new value cannot be written.
    """
    as_they_came = decoded(MEMBERS, raw.removeprefix(BOM))
    members: dict[str, object] = {**as_they_came}
    changes = {**changes, **{name: value for name, value in missing.items() if name not in as_they_came}}
    for name, other in renamed.items():
        as_it_came = members.pop(name, None)
        if as_it_came is not None and as_it_came != _NULL:
            members[other] = as_it_came
    for name, value in changes.items():
        if value is None:
            members.pop(name, None)
        else:
            members[name] = msgspec.Raw(encode({"": value})[4:-1])
    return _ENCODER.encode(members)

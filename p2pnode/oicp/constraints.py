"""What the specification demands of a value, as data beside its type.

Reading a message enforces only its structure. These constraints are compiled into checks by `rules`, and described in
the generated OpenAPI document, so that a value outside them is reported with its place instead of costing the message.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, cast

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Severity(Enum):
    """Whether a violation makes a message unacceptable or is only worth telling."""

    ERROR = "error"
    WARNING = "warning"


class Described:
    """What pydantic asks when it makes a JSON schema. Reading a message never does."""

    __slots__ = ()

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of the value with what is demanded of it; where a warning is all, its description tells."""
        constraint, schema = cast("Constraint", self), handler(core_schema)
        if constraint.severity is Severity.ERROR:
            return schema | keywords(constraint, str(schema.get("type")))
        told = f"Expected: {sentence(constraint)}."
        return schema | {"description": f"{schema['description']} {told}" if "description" in schema else told}


@dataclass(frozen=True, slots=True)
class Length(Described):
    """The number of characters of a string, or of elements of a list."""

    minimum: int
    maximum: int
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Grammar(Described):
    """A regular expression that the whole string has to match; `name` is the specification's type name."""

    name: str
    pattern: re.Pattern[str]
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class OneOf(Described):
    """An enumeration of the specification. Values outside it survive reading and are reported."""

    values: type[StrEnum]
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Range(Described):
    """The closed interval of a number."""

    minimum: Decimal | int
    maximum: Decimal | int
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Places(Described):
    """The number of digits after the decimal point."""

    maximum: int
    severity: Severity = Severity.WARNING


Constraint = Length | Grammar | OneOf | Range | Places


def keywords(constraint: Constraint, kind: str) -> dict[str, Any]:
    """The keywords of JSON Schema that demand a constraint of values of the type `kind`."""
    match constraint:
        case Length(minimum=shortest, maximum=longest):
            unit = "Items" if kind == "array" else "Length"
            return ({f"min{unit}": shortest} if shortest else {}) | {f"max{unit}": longest}
        case Grammar(name=name, pattern=pattern):
            return {"pattern": f"^(?:{pattern.pattern})$", "description": f"{name}."}
        case OneOf(values=values):
            return {"enum": [member.value for member in values]}
        case Range(minimum=least, maximum=most):
            return {"minimum": _json_number(least), "maximum": _json_number(most)}
        case Places(maximum=places):
            return {"multipleOf": _json_number(Decimal(1).scaleb(-places))}


def sentence(constraint: Constraint) -> str:
    """What is demanded, for a person."""
    match constraint:
        case Length(minimum=shortest, maximum=longest):
            return f"a length of {shortest} to {longest}"
        case Grammar(name=name, pattern=pattern):
            return f"{name}, `{pattern.pattern}`"
        case OneOf(values=values):
            return f"one of {', '.join(f'`{member.value}`' for member in values)}"
        case Range(minimum=least, maximum=most):
            return f"{least} to {most}"
        case Places(maximum=0):
            return "a whole number"
        case Places(maximum=places):
            return f"at most {places} digits after the decimal point"


def _json_number(number: Decimal | int) -> int | float:
    """A limit in a schema; it is no amount, so that nothing depends on its exactness."""
    return int(number) if number == int(number) else float(number)

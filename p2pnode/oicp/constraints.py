"""What the specification demands of a value, as data beside its type.

Reading a message enforces only its structure. These constraints are compiled into checks by `rules`, and described in
the generated OpenAPI document, so that a value outside them is reported with its place instead of costing the message.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum


class Severity(Enum):
    """Whether a violation makes a message unacceptable or is only worth telling."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Length:
    """The number of characters of a string, or of elements of a list."""

    minimum: int
    maximum: int
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Grammar:
    """A regular expression that the whole string has to match; `name` is the specification's type name."""

    name: str
    pattern: re.Pattern[str]
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class OneOf:
    """An enumeration of the specification. Values outside it survive reading and are reported."""

    values: type[StrEnum]
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Range:
    """The closed interval of a number."""

    minimum: Decimal | int
    maximum: Decimal | int
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Places:
    """The number of digits after the decimal point."""

    maximum: int
    severity: Severity = Severity.WARNING


Constraint = Length | Grammar | OneOf | Range | Places

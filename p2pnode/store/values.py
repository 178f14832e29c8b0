"""How values are stored: moments as microseconds since 1970 in UTC, decimals as their text, enumerations as theirs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 (UTC), exactly. Raises TypeError for a moment without a zone."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_us(us: int) -> datetime:
    """The moment (UTC) that many microseconds after 1970. Raises OverflowError outside the years 1 to 9999."""
    return EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Codec:
    """How one type of value is stored: as which type, and the way there and back; None is the identity."""

    stored: type[object]
    encode: Callable[[Any], Any] | None = None
    decode: Callable[[Any], Any] | None = None


MOMENT = Codec(int, to_us, from_us)
FLAG = Codec(int, int, bool)
DECIMAL = Codec(str, str, Decimal)


def mode_text(modes: Iterable[str]) -> str:
    """Several texts as one, in which each stands between two line feeds."""
    listed = sorted(modes)
    return "\n" + "\n".join(listed) + "\n" if listed else ""


def _modes(text: str) -> frozenset[str]:
    return frozenset(mode for mode in text.split("\n") if mode)


MODES = Codec(str, mode_text, _modes)


def codec(kind: type[object]) -> Codec:
    """How values of this type are stored."""
    if kind is datetime:
        return MOMENT
    if kind is Decimal:
        return DECIMAL
    if kind is bool:
        return FLAG
    if kind == frozenset[str]:
        return MODES
    return Codec(str, str, kind) if issubclass(kind, StrEnum) else Codec(kind)

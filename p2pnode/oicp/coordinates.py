"""Geographic coordinates: the three notations of GeoCoordinatesType, converted exactly.

All positions are WGS84 in decimal degrees. Everything with up to six decimals (11 cm) survives any conversion, also on
the equator and the prime meridian, where the sign stands before a zero.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final, NamedTuple, cast

from pydantic import ValidationError

from p2pnode.oicp.evse_types import GeoCoordinates, GeoCoordinatesResponseFormatType

PLACES = 6
LATITUDE_LIMIT = 90
LONGITUDE_LIMIT = 180
SECONDS_PER_DEGREE = 3600
MINUTES_PER_DEGREE = 60
GEO_MEMBERS = ("GeoCoordinates", "GeoChargingPointEntrance")

_MICRODEGREE: Final = Decimal(1).scaleb(-PLACES)
_EXACT: Final = Context(prec=40, rounding=ROUND_HALF_EVEN)
_DEGREES: Final = r"[+-]?[0-9]{1,3}(?:\.[0-9]{0,30})?"
_PAIR: Final = re.compile(rf"\s*({_DEGREES})(?:\s*[,;]\s*|\s+|(?=[+-]))({_DEGREES})\s*", re.ASCII)
_SINGLE: Final = re.compile(rf"\s*({_DEGREES})\s*", re.ASCII)
_SEXAGESIMAL: Final = re.compile(
    r"""\s*([+-]?)([0-9]{1,3})\s*°\s*([0-9]{1,2})\s*['′’]\s*([0-9]{1,2}(?:\.[0-9]{0,30})?)\s*(?:''|"|″|′′|’’)\s*""",  # noqa: RUF001 - the signs for minutes and seconds that senders use
    re.ASCII,
)


class UnreadableCoordinates(ValueError):
    """A text is not a coordinate in the notation it claims, or lies outside the globe."""


class Position(NamedTuple):
    """A place on the globe in decimal degrees, WGS84."""

    latitude: Decimal
    longitude: Decimal


def parse_google(text: str) -> Position:
    """The position in the notation `47.662249 9.360922`, separated by blank, comma or both.

    Raises UnreadableCoordinates.
    """
    match = _PAIR.fullmatch(text)
    if match is None:
        raise UnreadableCoordinates("not a latitude and a longitude in decimal degrees")
    return _on_the_globe(Decimal(match[1]), Decimal(match[2]))


def parse_decimal_degree(latitude: str, longitude: str) -> Position:
    """The position in the notation `9.360922`, `-21.568201`. Raises UnreadableCoordinates."""
    return _on_the_globe(_decimal(latitude), _decimal(longitude))


def parse_degree_minute_seconds(latitude: str, longitude: str) -> Position:
    """The position in the notation `9°21'39.32''`, `-21°34'23.16''`. Raises UnreadableCoordinates."""
    return _on_the_globe(_from_sexagesimal(latitude), _from_sexagesimal(longitude))


def position_of(geo: GeoCoordinates) -> Position:
    """The position in the first notation that is given: Google, DecimalDegree, DegreeMinuteSeconds.

    Raises UnreadableCoordinates.
    """
    if geo.google is not None:
        return parse_google(geo.google.coordinates)
    if geo.decimal_degree is not None:
        return parse_decimal_degree(geo.decimal_degree.latitude, geo.decimal_degree.longitude)
    if geo.degree_minute_seconds is not None:
        sexagesimal = geo.degree_minute_seconds
        return parse_degree_minute_seconds(sexagesimal.latitude, sexagesimal.longitude)
    raise UnreadableCoordinates("no coordinates in any of the three notations")


def position_in(members: object) -> Position:
    """The position in a GeoCoordinatesType as it stands in a decoded body. Raises UnreadableCoordinates."""
    try:
        return position_of(GeoCoordinates.model_validate(members))
    except ValidationError:
        raise UnreadableCoordinates("not coordinates in any of the three notations") from None


def written(position: Position, notation: GeoCoordinatesResponseFormatType) -> dict[str, Any]:
    """The GeoCoordinatesType of a position in one notation, to six decimals."""
    if notation is GeoCoordinatesResponseFormatType.GOOGLE:
        return {notation.value: {"Coordinates": f"{_text(position.latitude)} {_text(position.longitude)}"}}
    text = _text if notation is GeoCoordinatesResponseFormatType.DECIMAL_DEGREE else _sexagesimal
    return {notation.value: {"Longitude": text(position.longitude), "Latitude": text(position.latitude)}}


def in_notation(record: dict[str, Any], notation: GeoCoordinatesResponseFormatType) -> dict[str, Any]:
    """The EVSE data record as a decoded body, its coordinates in the GeoCoordinatesResponseFormat that was asked for.

    What is in that notation already keeps its text; what cannot be read stays as it is. The record given is left alone.
    """
    changed: dict[str, Any] = {}
    for member in GEO_MEMBERS:
        geo: object = record.get(member)
        if geo is None:
            continue
        given = cast("dict[str, Any]", geo if isinstance(geo, dict) else {})
        if isinstance(given.get(notation), dict):
            if len(given) > 1:
                changed[member] = {notation.value: given[notation]}
            continue
        try:
            changed[member] = written(position_in(record[member]), notation)
        except UnreadableCoordinates:
            continue
    return {**record, **changed} if changed else record


def _on_the_globe(latitude: Decimal, longitude: Decimal) -> Position:
    if abs(latitude) > LATITUDE_LIMIT or abs(longitude) > LONGITUDE_LIMIT:
        raise UnreadableCoordinates("latitude beyond 90 or longitude beyond 180 degrees")
    return Position(latitude, longitude)


def _decimal(text: str) -> Decimal:
    match = _SINGLE.fullmatch(text)
    if match is None:
        raise UnreadableCoordinates("not a coordinate in decimal degrees")
    return Decimal(match[1])


def _from_sexagesimal(text: str) -> Decimal:
    match = _SEXAGESIMAL.fullmatch(text)
    if match is None:
        raise UnreadableCoordinates("not a coordinate in degrees, minutes and seconds")
    sign, degrees, minutes, seconds = match[1], int(match[2]), int(match[3]), Decimal(match[4])
    if minutes >= MINUTES_PER_DEGREE or seconds >= MINUTES_PER_DEGREE:
        raise UnreadableCoordinates("minutes or seconds beyond 60")
    total = _EXACT.add(Decimal(degrees * SECONDS_PER_DEGREE + minutes * MINUTES_PER_DEGREE), seconds)
    value = _EXACT.divide(total, Decimal(SECONDS_PER_DEGREE))
    return value.copy_negate() if sign == "-" else value


def _rounded(value: Decimal) -> Decimal:
    rounded = value.quantize(_MICRODEGREE, context=_EXACT)
    return rounded or abs(rounded)


def _text(value: Decimal) -> str:
    return f"{_rounded(value):f}"


def _sexagesimal(value: Decimal) -> str:
    rounded = _rounded(value)
    sign = "-" if rounded < 0 else ""
    total = abs(rounded) * SECONDS_PER_DEGREE
    minutes, seconds = divmod(total, MINUTES_PER_DEGREE)
    degrees, minutes = divmod(minutes, MINUTES_PER_DEGREE)
    return f"{sign}{int(degrees)}°{int(minutes)}'{seconds.quantize(Decimal('0.0001'), context=_EXACT):f}''"

"""EVSE data records that are sound: nothing is to be mended in them, and they break no rule that could refuse them.

Nearly all records of a good sender are, and to find that out costs a quarter of reading them with their class. What is
not sound here may still be fine; that is for `mending` and `rules` to say.
"""

from sys import intern
from typing import Any, Final, NamedTuple

import msgspec

from p2pnode.oicp.codec import View, decode
from p2pnode.oicp.coordinates import LATITUDE_LIMIT, LONGITUDE_LIMIT, UnreadableCoordinates, position_of
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_mends import RECORD_NAMES
from p2pnode.oicp.evse_types import GEO_GOOGLE, AuthenticationModeType, GeoCoordinatesResponseFormatType
from p2pnode.oicp.scalars import TIME_OF_DAY
from p2pnode.oicp.typed import LONGEST_NUMBER, decoder_of, one_of, texts_like

LARGEST_RECORD = 65536
"""In bytes; larger records are read in the other way."""
LONG_RECORD = 4000
"""In bytes; in a longer one there could be a number that is too long."""

_TIMES_OF_DAY: Final = [*(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)), "24:00"]
_DEGREES: Final = r"-?1?[0-9]{1,2}\.[0-9]{1,6}"
_NARROWER: Final = {
    TIME_OF_DAY: one_of(_TIMES_OF_DAY),
    GEO_GOOGLE: texts_like(rf"{_DEGREES}(?: |, ?){_DEGREES}"),
}
_ALSO: Final = {"charging_station_id": "ChargingStationID", "operator_id": "OperatorId"}
_CLOSED: Final = decoder_of(EvseDataRecord, _NARROWER, _ALSO, is_closed=True)
_OPEN: Final = decoder_of(EvseDataRecord, _NARROWER, _ALSO, is_closed=False)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")
_GOOGLE: Final = GeoCoordinatesResponseFormatType.GOOGLE.value
_DECIMAL: Final = GeoCoordinatesResponseFormatType.DECIMAL_DEGREE.value


class EvseSummary(msgspec.Struct, frozen=True, gc=False):
    """What an EVSE data record is found by, whatever else it tells. Coordinates in degrees (WGS 84)."""

    evse_id: str
    country: str
    latitude: float | None
    longitude: float | None
    is_hubject_compatible: bool
    is_open_24_hours: bool
    renewable_energy: bool
    accessibility: str
    calibration_law: str
    authentication_modes: frozenset[str]
    operator_id: str | None = None
    operator_name: str | None = None
    delta_type: str | None = None
    notation: str = ""
    """The GeoCoordinatesResponseFormat of all its places; empty where they differ, or nobody has looked."""


class _Place(NamedTuple):
    latitude: float
    longitude: float
    notation: str


def sound_evse_record(raw: View) -> EvseSummary | None:
    """The EvseDataRecordType or PullEvseDataRecordType in JSON, if it is sound."""
    if not _is_readable(raw):
        return None
    record: Any = _decoded(_CLOSED, raw) or (_decoded(_OPEN, raw) if _has_harmless_extras(raw) else None)
    if record is None:
        return None
    place = _place(record.geo_coordinates)
    if place is None:
        return None
    notation = place.notation
    if record.geo_charging_point_entrance is not None:
        entrance = _place(record.geo_charging_point_entrance)
        if entrance is None:
            return None
        notation = notation if entrance.notation == notation else ""
    return _summary(record, place.latitude, place.longitude, notation)


def summary_of(record: EvseDataRecord) -> EvseSummary:
    """The same of a record that was read with its class."""
    try:
        position = position_of(record.geo_coordinates)
    except UnreadableCoordinates:
        return _summary(record, None, None)
    return _summary(record, float(position.latitude), float(position.longitude))


def _decoded(decoder: msgspec.json.Decoder[msgspec.Struct], raw: View) -> msgspec.Struct | None:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _has_harmless_extras(raw: View) -> bool:
    """Whether the members that the class does not know are readable, and none is another form of one it does."""
    try:
        members = _MEMBERS.decode(raw)
        for name in members.keys() - RECORD_NAMES.known:
            if members[name] != _NULL:
                if name.casefold() in RECORD_NAMES.by_folded:
                    return False
                decode(bytes(members[name]))
    except (msgspec.DecodeError, ValueError, RecursionError, InvalidMessage):
        return False
    return True


def _summary(record: Any, latitude: float | None, longitude: float | None, notation: str = "") -> EvseSummary:  # noqa: ANN401 - of either form
    return EvseSummary(
        record.evse_id,
        intern(record.address.country),
        latitude,
        longitude,
        record.is_hubject_compatible,
        record.is_open_24_hours,
        record.renewable_energy,
        intern(record.accessibility),
        intern(record.calibration_law_data_availability),
        _set_of(record.authentication_modes),
        record.operator_id,
        record.operator_name,
        record.delta_type,
        notation,
    )


def _place(geo: Any) -> _Place | None:  # noqa: ANN401 - a type made at run time
    """The place in the only notation given, Google or DecimalDegree; None where it is none."""
    google, degrees = geo.google, geo.decimal_degree
    if geo.degree_minute_seconds is not None or (google is None) == (degrees is None):
        return None
    if google is not None:
        latitude, longitude = map(float, google.coordinates.replace(",", " ").split())
    else:
        latitude, longitude = float(degrees.latitude), float(degrees.longitude)
    if abs(latitude) > LATITUDE_LIMIT or abs(longitude) > LONGITUDE_LIMIT:
        return None
    return _Place(latitude, longitude, _GOOGLE if google is not None else _DECIMAL)


def _is_readable(raw: View) -> bool:
    """Whether `codec` would decode the record: it refuses what could fill the memory."""
    size = len(raw)
    return size <= LONG_RECORD or (size <= LARGEST_RECORD and LONGEST_NUMBER.search(raw) is None)


def _set_of(modes: list[str]) -> frozenset[str]:
    """One set for all records with the same modes: 100,000 of them take a tenth of the memory of a push."""
    distinct = frozenset(modes)
    return _SETS.setdefault(distinct, distinct) if distinct <= _MODES else distinct


_MODES: Final = frozenset(mode.value for mode in AuthenticationModeType)
_SETS: Final[dict[frozenset[str], frozenset[str]]] = {}  # at most one for each set of the few modes there are

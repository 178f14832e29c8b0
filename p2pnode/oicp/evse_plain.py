"""Whether a record holds nothing that `mending` would mend: a few microseconds that spare most records the rest.

Only what the models read without complaint has to be looked at here; what they refuse is mended anyway.
"""

import re
from typing import Any, Final

from p2pnode.oicp.coordinates import UnreadableCoordinates, parse_google, position_in
from p2pnode.oicp.evse_mends import (
    ADDRESS_NAMES,
    BOOLEANS,
    CHARGING_MODES,
    DAYS,
    ENERGIES,
    FACILITY_NAMES,
    LISTS,
    OPENING_NAMES,
    PERIOD_NAMES,
    POWER_TYPES,
    RECORD_NAMES,
    STATUS_NAMES,
    STATUSES,
    VALUES,
    in_grammar,
)
from p2pnode.oicp.evse_types import GeoCoordinatesResponseFormatType
from p2pnode.oicp.mends import Members, Names, is_list, is_number, is_object
from p2pnode.oicp.scalars import PHONE_NUMBER, TIME_ZONE

_VALUES: Final = {name: frozenset((*table.values(), None)) for name, table in VALUES.items()}
_LISTS: Final = {name: frozenset(table.values()) for name, table in LISTS.items()}
_POWER_TYPES: Final = frozenset(POWER_TYPES.values())
_CHARGING_MODES: Final = frozenset(CHARGING_MODES.values())
_ENERGIES: Final = frozenset((*ENERGIES.values(), None))
_DAYS: Final = frozenset(DAYS.values())
_STATUSES: Final = frozenset(STATUSES.values())
_ZONED: Final = re.compile(r".*(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})", re.ASCII)
_NOTATIONS: Final = frozenset(notation.value for notation in GeoCoordinatesResponseFormatType)


def is_plain_evse_record(body: Members) -> bool:
    """Whether an EVSE data record needs no mending as far as its values tell."""
    try:
        return (
            _is_named(body, RECORD_NAMES)
            and _is_id(body["EvseID"])
            and all(body.get(name) in values for name, values in _VALUES.items())
            and all(values.issuperset(body[name]) for name, values in _LISTS.items())
            and all(_is_boolean(body.get(name)) for name in BOOLEANS)
            and _is_place(body["GeoCoordinates"])
            and (body.get("GeoChargingPointEntrance") is None or _is_place(body["GeoChargingPointEntrance"]))
            and _is_address(body["Address"])
            and all(map(_is_facility, body["ChargingFacilities"]))
            and PHONE_NUMBER.pattern.fullmatch(body["HotlinePhoneNumber"]) is not None
            and (body.get("OperatorID") is None or _is_id(body["OperatorID"]))
            and (body.get("lastUpdate") is None or _ZONED.fullmatch(body["lastUpdate"]) is not None)
            and _has_plain_extras(body)
        )
    except (LookupError, TypeError, AttributeError):
        return False


def is_plain_status_record(body: Members) -> bool:
    """Whether an EVSE status record needs no mending as far as its values tell."""
    try:
        return body["EvseStatus"] in _STATUSES and _is_id(body["EvseID"]) and _is_named(body, STATUS_NAMES)
    except (LookupError, TypeError, AttributeError):
        return False


def _is_named(members: Members, names: Names) -> bool:
    unknown = members.keys() - names.known
    return not unknown or all(name.casefold() not in names.by_folded or members[name] is None for name in unknown)


def _is_id(value: str) -> bool:
    return value == value.strip() != ""


def _is_boolean(value: object) -> bool:
    return value is None or isinstance(value, bool)


def _is_place(geo: Members) -> bool:
    given = [notation for notation in geo if geo[notation] is not None]
    return bool(given) and _NOTATIONS.issuperset(given) and all(_is_readable(name, geo[name]) for name in given)


def _is_readable(notation: str, members: Members) -> bool:
    if not in_grammar(notation, members):
        return False
    try:
        if notation == GeoCoordinatesResponseFormatType.GOOGLE:
            parse_google(members["Coordinates"])
        else:
            position_in({notation: members})
    except UnreadableCoordinates:
        return False
    return True


def _is_address(address: Members) -> bool:
    country, street, zone = address["Country"], address["Street"], address.get("TimeZone")
    return (
        len(country) == len("DEU")
        and country.isupper()
        and len(street) >= len("__")
        and (zone is None or TIME_ZONE.pattern.fullmatch(zone) is not None)
        and _is_boolean(address.get("ParkingFacility"))
        and _is_named(address, ADDRESS_NAMES)
    )


def _is_facility(facility: Members) -> bool:
    modes: list[Any] | None = facility.get("ChargingModes")
    return (
        is_number(facility["Power"])
        and facility["PowerType"] in _POWER_TYPES
        and not isinstance(facility.get("Voltage"), str)
        and not isinstance(facility.get("Amperage"), str)
        and (modes is None or _CHARGING_MODES.issuperset(modes))
        and _is_named(facility, FACILITY_NAMES)
    )


def _has_plain_extras(body: Members) -> bool:
    """The members that few records have."""
    times, sources, impact = body.get("OpeningTimes"), body.get("EnergySource"), body.get("EnvironmentalImpact")
    return (
        not isinstance(body.get("MaxCapacity"), str)
        and (times is None or (is_list(times) and all(map(_is_opening, times))))
        and (sources is None or all(map(_is_source, sources)))
        and (impact is None or not any(isinstance(value, str) for value in impact.values()))
    )


def _is_opening(times: Members) -> bool:
    periods = times["Period"]
    return (
        times["on"] in _DAYS
        and is_list(periods)
        and all(is_object(period) and _is_named(period, PERIOD_NAMES) for period in periods)
        and _is_named(times, OPENING_NAMES)
    )


def _is_source(source: Members) -> bool:
    return source.get("Energy") in _ENERGIES and not isinstance(source.get("Percentage"), str)

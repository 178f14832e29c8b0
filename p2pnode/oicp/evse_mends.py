"""The repairs of an EVSE data record and of an EVSE status record, member by member."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from p2pnode.oicp.coordinates import UnreadableCoordinates, position_in, written
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_status import EvseStatusRecord, EvseStatusType
from p2pnode.oicp.evse_types import (
    GEO_DECIMAL_DEGREE,
    GEO_DEGREE_MINUTE_SECONDS,
    GEO_GOOGLE,
    AccessibilityLocationType,
    AccessibilityType,
    AddressIso19773,
    AuthenticationModeType,
    CalibrationLawDataAvailabilityType,
    ChargingFacility,
    ChargingModeType,
    DayType,
    DeltaType,
    DynamicInfoAvailableType,
    EnergySource,
    EnergyType,
    EnvironmentalImpact,
    GeoCoordinates,
    GeoCoordinatesDecimalDegree,
    GeoCoordinatesGoogle,
    GeoCoordinatesResponseFormatType,
    InfoText,
    OpeningTimes,
    PaymentOptionType,
    Period,
    PlugType,
    PowerType,
    ValueAddedServiceType,
)
from p2pnode.oicp.iso_tables import ALPHA_3, STANDARD_OFFSETS
from p2pnode.oicp.mends import (
    Members,
    Mending,
    MendKind,
    Names,
    is_list,
    is_number,
    is_object,
    pointer_to,
    shown,
    spellings,
)
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.scalars import PHONE_NUMBER, TIME_ZONE

UNSPECIFIED = "Unspecified"
"""What OICP 2.2 said where a partner told nothing; the hub hands such records on with null."""

BOOLEANS = ("DynamicPowerLevel", "RenewableEnergy", "IsOpen24Hours", "IsHubjectCompatible")
TEXTS = (
    "ChargingPoolID",
    "ChargingStationId",
    "ChargingStationID",
    "HardwareManufacturer",
    "ChargingStationImage",
    "SubOperatorName",
    "HotlinePhoneNumber",
    "HubOperatorID",
    "ClearinghouseID",
    "OperatorName",
    "DynamicInfoAvailable",
)
INFO_TEXTS = ("ChargingStationNames", "AdditionalInfo", "ChargingStationLocationReference")
ADDRESS_TEXTS = ("City", "Street", "PostalCode", "HouseNum", "Floor", "Region", "ParkingSpot")
VALUES: dict[str, dict[str, str]] = {
    "deltaType": spellings(DeltaType),
    "CalibrationLawDataAvailability": spellings(CalibrationLawDataAvailabilityType),
    "Accessibility": spellings(AccessibilityType),
    "AccessibilityLocation": spellings(AccessibilityLocationType),
    "DynamicInfoAvailable": spellings(DynamicInfoAvailableType),
}
LISTS: dict[str, dict[str, str]] = {
    "Plugs": spellings(PlugType),
    "AuthenticationModes": spellings(AuthenticationModeType),
    "PaymentOptions": spellings(PaymentOptionType),
    "ValueAddedServices": spellings(ValueAddedServiceType),
}
POWER_TYPES = spellings(PowerType)
CHARGING_MODES = spellings(ChargingModeType)
ENERGIES = spellings(EnergyType)
DAYS = spellings(DayType)
STATUSES = spellings(EvseStatusType)
OLDER_STATUSES: dict[str, str] = {
    "blocked": "Occupied",
    "charging": "Occupied",
    "inoperative": "OutOfService",
    "outoforder": "OutOfService",
}
NEUTRAL: dict[str, Callable[[], object]] = {
    "ChargingStationNames": list,
    "Plugs": list,
    "ChargingFacilities": list,
    "RenewableEnergy": lambda: False,
    "CalibrationLawDataAvailability": lambda: CalibrationLawDataAvailabilityType.NOT_AVAILABLE.value,
    "AuthenticationModes": list,
    "PaymentOptions": list,
    "ValueAddedServices": lambda: [ValueAddedServiceType.NONE.value],
    "Accessibility": lambda: UNSPECIFIED,
    "IsOpen24Hours": lambda: False,
    "IsHubjectCompatible": lambda: False,
    "DynamicInfoAvailable": lambda: DynamicInfoAvailableType.AUTO.value,
}
"""What stands in for a required member of a record: a value that promises a driver nothing."""

NEUTRAL_ADDRESS: dict[str, Callable[[], object]] = {
    "City": lambda: "_",
    "Street": lambda: "__",
    "PostalCode": str,
    "HouseNum": str,
}

_TYPES: tuple[type[OicpModel], ...] = (
    EvseDataRecord,
    AddressIso19773,
    GeoCoordinates,
    GeoCoordinatesGoogle,
    GeoCoordinatesDecimalDegree,
    InfoText,
    ChargingFacility,
    EnergySource,
    EnvironmentalImpact,
    OpeningTimes,
    Period,
    EvseStatusRecord,
)
REQUIRED: frozenset[str] = frozenset(
    field.serialization_alias or name
    for model in _TYPES
    for name, field in model.model_fields.items()
    if field.is_required()
)
"""The members that must not be removed from the object they belong to."""

_OFFSET: Final = re.compile(r"(?:UTC|GMT)?\s*([+-])([0-9]{1,2}):?([0-9]{2})?", re.ASCII | re.IGNORECASE)
_GRAMMARS = {"DecimalDegree": GEO_DECIMAL_DEGREE, "DegreeMinuteSeconds": GEO_DEGREE_MINUTE_SECONDS}


RECORD_NAMES = Names.of(
    EvseDataRecord, locationimage="ChargingStationImage", chargingstationname="ChargingStationNames"
).and_also("ChargingStationID", "OperatorId")
STATUS_NAMES = Names.of(EvseStatusRecord)
ADDRESS_NAMES = Names.of(AddressIso19773)
FACILITY_NAMES = Names.of(ChargingFacility, **{"charging modes": "ChargingModes"})
GEO_NAMES = Names.of(GeoCoordinates)
OPENING_NAMES = Names.of(OpeningTimes, periods="Period")
PERIOD_NAMES = Names.of(Period)


class EvseDataMending(Mending):
    """An EVSE data record being mended."""

    def mend(self) -> None:
        """Put right everything that can be, and say so."""
        body = self.body
        self.rename(body, "", RECORD_NAMES)
        self.stripped(body, "", "EvseID")
        self.stripped(body, "", "OperatorID")
        self.texts(body, "", TEXTS)
        self.booleans(body, "", BOOLEANS)
        self.numbers(body, "", ("MaxCapacity",))
        self.zoned(body, "", "lastUpdate")
        for name, table in VALUES.items():
            self.enumerated(body, "", name, table)
        for name, table in LISTS.items():
            self.enumerated_list(body, "", name, table)
        for name in INFO_TEXTS:
            self.info_texts(body, "", name)
        self._address()
        self._facilities()
        self._energy()
        self._opening_times()
        self._phone_number()
        self._coordinates("GeoCoordinates")
        self._coordinates("GeoChargingPointEntrance")
        self.required(body, "", NEUTRAL)

    def reasons(self) -> tuple[Violation, ...]:
        """Why the record is of no use: it has no EvseID or no position."""
        found: list[Violation] = []
        if self.body.get("EvseID") == "":
            found.append(Violation("/EvseID", "missing", "EvseID is empty."))
        geo: object = self.body.get("GeoCoordinates")
        if is_object(geo) and all(geo.get(notation) is None for notation in GeoCoordinatesResponseFormatType):
            found.append(Violation("/GeoCoordinates", "coordinates", "GeoCoordinates hold no position."))
        return tuple(found)

    def _address(self) -> None:
        address = self.object_in(self.body, "Address")
        if address is None:
            return
        at = "/Address"
        self.rename(address, at, ADDRESS_NAMES)
        self.texts(address, at, ADDRESS_TEXTS)
        self.booleans(address, at, ("ParkingFacility",))
        self.required(address, at, NEUTRAL_ADDRESS)
        street: object = address["Street"]
        if isinstance(street, str) and len(street) < len("__"):
            address["Street"] = street.ljust(len("__"), "_")
            self.note(f"{at}/Street", MendKind.STREET_TOO_SHORT, "The street is filled with underscores.")
        country: object = address.get("Country")
        if isinstance(country, str):
            code = country.strip().upper()
            address["Country"] = code = ALPHA_3.get(code, code)
            if code != country:
                self.note(f"{at}/Country", MendKind.COUNTRY_CODE, f"{shown(country)} is {code} in three letters.")
        self._time_zone(address, f"{at}/TimeZone")

    def _time_zone(self, address: Members, at: str) -> None:
        zone: object = address.get("TimeZone")
        if not isinstance(zone, str) or TIME_ZONE.pattern.fullmatch(zone):
            return
        offset = STANDARD_OFFSETS.get(zone.strip())
        if offset is None and (match := _OFFSET.fullmatch(zone.strip())):
            offset = f"UTC{match[1]}{match[2].zfill(2)}:{match[3] or '00'}"
        if offset is not None:
            address["TimeZone"] = offset
            self.note(at, MendKind.TIME_ZONE_NAME, f"{shown(zone)} is {offset} in standard time.")
        else:
            del address["TimeZone"]
            self.note(at, MendKind.UNREADABLE_REMOVED, f"{shown(zone)} is no time zone.")

    def _facilities(self) -> None:
        kept: list[Members] = []
        for at, facility in self.objects_in(self.body, "", "ChargingFacilities"):
            self.rename(facility, at, FACILITY_NAMES)
            self.numbers(facility, at, ("Power", "Voltage", "Amperage"))
            self.enumerated(facility, at, "PowerType", POWER_TYPES)
            self.enumerated_list(facility, at, "ChargingModes", CHARGING_MODES)
            if is_number(facility.get("Power")):
                self.required(facility, at, {"PowerType": lambda: UNSPECIFIED})
                kept.append(facility)
            else:
                self.note(at, MendKind.FACILITY_WITHOUT_POWER, "A charging facility without a power is left out.")
        elements: object = self.body.get("ChargingFacilities")
        if is_list(elements):
            self.body["ChargingFacilities"] = kept + [element for element in elements if not is_object(element)]

    def _energy(self) -> None:
        for at, source in self.objects_in(self.body, "", "EnergySource"):
            self.numbers(source, at, ("Percentage",))
            self.enumerated(source, at, "Energy", ENERGIES)
        impact = self.object_in(self.body, "EnvironmentalImpact")
        if impact is not None:
            self.numbers(impact, "/EnvironmentalImpact", ("CO2Emission", "NuclearWaste"))

    def _opening_times(self) -> None:
        for at, times in self.objects_in(self.body, "", "OpeningTimes"):
            self.rename(times, at, OPENING_NAMES)
            self.enumerated(times, at, "on", DAYS)
            for place, period in self.objects_in(times, at, "Period"):
                self.rename(period, place, PERIOD_NAMES)

    def _phone_number(self) -> None:
        number: object = self.body.get("HotlinePhoneNumber")
        if not isinstance(number, str) or PHONE_NUMBER.pattern.fullmatch(number):
            return
        digits = re.sub(r"[\s()/.\-]", "", number.replace("(0)", ""))
        plain = f"+{digits[2:]}" if digits.startswith("00") else digits
        if PHONE_NUMBER.pattern.fullmatch(plain):
            self.body["HotlinePhoneNumber"] = plain
            self.note("/HotlinePhoneNumber", MendKind.PHONE_NUMBER, f"{shown(number)} is dialled {plain}.")

    def _coordinates(self, name: str) -> None:
        at = f"/{name}"
        value: object = self.body.get(name)
        if isinstance(value, str):
            self.body[name] = {"Google": value}
        geo = self.object_in(self.body, name)
        if geo is None:
            return
        self.rename(geo, at, GEO_NAMES)
        for notation in GeoCoordinatesResponseFormatType:
            if geo.get(notation) is not None:
                self._notation(geo, at, notation)
        if name != "GeoCoordinates" and all(geo.get(notation) is None for notation in GeoCoordinatesResponseFormatType):
            del self.body[name]

    def _notation(self, geo: Members, at: str, notation: GeoCoordinatesResponseFormatType) -> None:
        place = pointer_to(at, notation)
        google: object = geo[notation]
        if isinstance(google, str):
            geo[notation] = {"Coordinates": google}
        members = self.object_in(geo, notation)
        if members is not None:
            self.texts(members, place, ("Latitude", "Longitude"))
        try:
            position = position_in({notation.value: geo[notation]})
        except UnreadableCoordinates:
            said = geo.pop(notation)
            sentence = f"{shown(google if isinstance(google, str) else said)} is no position."
            self.note(place, MendKind.COORDINATES_UNREADABLE, sentence)
            return
        if isinstance(google, str):
            self.note(place, MendKind.COORDINATES_AS_TEXT, "Coordinates were a bare string.")
        if not in_grammar(notation, geo[notation]):
            geo.update(written(position, notation))
            self.note(place, MendKind.COORDINATES_REWRITTEN, "The coordinates are written to six decimals.")


class EvseStatusMending(Mending):
    """An EVSE status record being mended."""

    def mend(self) -> None:
        """Put right everything that can be, and say so."""
        self.rename(self.body, "", STATUS_NAMES)
        self.stripped(self.body, "", "EvseID")
        self.enumerated(self.body, "", "EvseStatus", STATUSES, OLDER_STATUSES)
        self.required(self.body, "", {"EvseStatus": lambda: EvseStatusType.UNKNOWN.value})

    def reasons(self) -> tuple[Violation, ...]:
        """Why the record is of no use: it has no EvseID."""
        return (Violation("/EvseID", "missing", "EvseID is empty."),) if self.body.get("EvseID") == "" else ()


def in_grammar(notation: str, members: Mapping[str, Any]) -> bool:
    """Whether the coordinates of one notation are written as the specification says."""
    if notation == GeoCoordinatesResponseFormatType.GOOGLE:
        text: object = members.get("Coordinates")
        return isinstance(text, str) and GEO_GOOGLE.pattern.fullmatch(text) is not None
    grammar = _GRAMMARS[notation]
    texts: tuple[object, ...] = (members.get("Latitude"), members.get("Longitude"))
    return all(isinstance(text, str) and grammar.pattern.fullmatch(text) is not None for text in texts)


def remove_unreadable(mending: Mending, violations: tuple[Violation, ...]) -> bool:
    """Leave out what violates the structure, where it is optional or one of several; whether something was left out."""
    removed: list[tuple[str, ...]] = []
    for violation in sorted(violations, key=_order, reverse=True):
        steps = tuple(violation.pointer.split("/")[1:])
        if any(steps[: len(done)] == done for done in removed):
            continue
        for length in range(len(steps), 0, -1):
            name = steps[length - 1]
            if name in REQUIRED or (name.isdigit() and "OpeningTimes" in steps[:length]):
                continue
            if _remove(mending.body, steps[:length]):
                removed.append(steps[:length])
                pointer = "".join(f"/{step}" for step in steps[:length])
                mending.note(pointer, MendKind.UNREADABLE_REMOVED, f"It was left out: {violation.message}")
            break
    return bool(removed)


def _order(violation: Violation) -> list[tuple[int, str]]:
    """Pointers so that, read backwards, later elements of a list come first."""
    return [(int(step) if step.isdigit() else 0, step) for step in violation.pointer.split("/")]


def _remove(body: Members, steps: tuple[str, ...]) -> bool:
    """Take out what a pointer names, copying the objects and lists on the way; whether it was there."""
    holder: Any = body
    for step in steps[:-1]:
        key = _key_in(holder, step)
        if key is None:
            return False
        holder[key] = _copied(holder[key])
        holder = holder[key]
    key = _key_in(holder, steps[-1])
    if key is not None:
        del holder[key]
    return key is not None


def _key_in(holder: object, step: str) -> str | int | None:
    if is_object(holder):
        return next((name for name in holder if name.casefold() == step.casefold()), None)
    return int(step) if is_list(holder) and step.isdigit() and int(step) < len(holder) else None


def _copied(value: object) -> object:
    return dict(value) if is_object(value) else list(value) if is_list(value) else value

"""The data types of charging points: enumerations, address, coordinates, opening times, facilities (chapter 03)."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from p2pnode.oicp.constraints import Grammar, Length, OneOf, Places, Range, Severity
from p2pnode.oicp.errata import E003, E012
from p2pnode.oicp.model import Many, Number, OicpModel, Text, Whole, names
from p2pnode.oicp.scalars import CountryCodeText, LanguageCodeText, TimeOfDayText, TimeZoneText


class AccessibilityType(StrEnum):
    """AccessibilityType: who may reach the charging point."""

    FREE_PUBLICLY_ACCESSIBLE = "Free publicly accessible"
    RESTRICTED_ACCESS = "Restricted access"
    PAYING_PUBLICLY_ACCESSIBLE = "Paying publicly accessible"
    TEST_STATION = "Test Station"


class AccessibilityLocationType(StrEnum):
    """AccessibilityLocationType: where the charging point is reached."""

    ON_STREET = "OnStreet"
    PARKING_LOT = "ParkingLot"
    PARKING_GARAGE = "ParkingGarage"
    UNDERGROUND_PARKING_GARAGE = "UndergroundParkingGarage"


class AuthenticationModeType(StrEnum):
    """AuthenticationModeType: how a driver identifies."""

    NFC_RFID_CLASSIC = "NFC RFID Classic"
    NFC_RFID_DESFIRE = "NFC RFID DESFire"
    PNC = "PnC"
    REMOTE = "REMOTE"
    DIRECT_PAYMENT = "Direct Payment"
    NO_AUTHENTICATION_REQUIRED = "No Authentication Required"


class CalibrationLawDataAvailabilityType(StrEnum):
    """CalibrationLawDataAvailabilityType: where data under calibration law is provided."""

    LOCAL = "Local"
    EXTERNAL = "External"
    NOT_AVAILABLE = "Not Available"


class ChargingModeType(StrEnum):
    """ChargingModeType: the modes of IEC 61851-1, and CHAdeMO."""

    MODE_1 = "Mode_1"
    MODE_2 = "Mode_2"
    MODE_3 = "Mode_3"
    MODE_4 = "Mode_4"
    CHADEMO = "CHAdeMO"


class DayType(StrEnum):
    """The days of OpeningTimesType and ProductAvailabilityTimesType."""

    EVERYDAY = "Everyday"
    WORKDAYS = "Workdays"
    WEEKEND = "Weekend"
    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class DeltaType(StrEnum):
    """The deltaType of a record in the answer to a delta pull."""

    UPDATE = "update"
    INSERT = "insert"
    DELETE = "delete"


class DynamicInfoAvailableType(StrEnum):
    """DynamicInfoAvailable: whether the operator publishes the charging point's status."""

    TRUE = "true"
    FALSE = "false"
    AUTO = "auto"


class EnergyType(StrEnum):
    """EnergyType: what the energy is made from."""

    SOLAR = "Solar"
    WIND = "Wind"
    HYDRO_POWER = "HydroPower"
    GEOTHERMAL_ENERGY = "GeothermalEnergy"
    BIOMASS = "Biomass"
    COAL = "Coal"
    NUCLEAR_ENERGY = "NuclearEnergy"
    PETROLEUM = "Petroleum"
    NATURAL_GAS = "NaturalGas"


class GeoCoordinatesResponseFormatType(StrEnum):
    """GeoCoordinatesResponseFormatType: the notation of coordinates an EMP wants to read."""

    GOOGLE = "Google"
    DEGREE_MINUTE_SECONDS = "DegreeMinuteSeconds"
    DECIMAL_DEGREE = "DecimalDegree"


class PaymentOptionType(StrEnum):
    """PaymentOptionType: how charging is paid for."""

    NO_PAYMENT = "No Payment"
    DIRECT = "Direct"
    CONTRACT = "Contract"


class PlugType(StrEnum):
    """PlugType: plugs and outlets."""

    SMALL_PADDLE_INDUCTIVE = "Small Paddle Inductive"
    LARGE_PADDLE_INDUCTIVE = "Large Paddle Inductive"
    AVCON_CONNECTOR = "AVCON Connector"
    TESLA_CONNECTOR = "Tesla Connector"
    NEMA_5_20 = "NEMA 5-20"
    TYPE_E_FRENCH_STANDARD = "Type E French Standard"
    TYPE_F_SCHUKO = "Type F Schuko"
    TYPE_G_BRITISH_STANDARD = "Type G British Standard"
    TYPE_J_SWISS_STANDARD = "Type J Swiss Standard"
    TYPE_1_CONNECTOR_CABLE_ATTACHED = "Type 1 Connector (Cable Attached)"
    TYPE_2_OUTLET = "Type 2 Outlet"
    TYPE_2_CONNECTOR_CABLE_ATTACHED = "Type 2 Connector (Cable Attached)"
    TYPE_3_OUTLET = "Type 3 Outlet"
    IEC_60309_SINGLE_PHASE = "IEC 60309 Single Phase"
    IEC_60309_THREE_PHASE = "IEC 60309 Three Phase"
    CCS_COMBO_2_PLUG_CABLE_ATTACHED = "CCS Combo 2 Plug (Cable Attached)"
    CCS_COMBO_1_PLUG_CABLE_ATTACHED = "CCS Combo 1 Plug (Cable Attached)"
    CHADEMO = "CHAdeMO"


class PowerType(StrEnum):
    """PowerType: the current of a charging facility."""

    AC_1_PHASE = "AC_1_PHASE"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class ValueAddedServiceType(StrEnum):
    """ValueAddedServiceType: what a charging point offers beside charging."""

    RESERVATION = "Reservation"
    DYNAMIC_PRICING = "DynamicPricing"
    PARKING_SENSORS = "ParkingSensors"
    MAXIMUM_POWER_CHARGING = "MaximumPowerCharging"
    PREDICTIVE_CHARGE_POINT_USAGE = "PredictiveChargePointUsage"
    CHARGING_PLANS = "ChargingPlans"
    ROOF_PROVIDED = "RoofProvided"
    NONE = "None"


AccessibilityText = Annotated[Text, OneOf(AccessibilityType)]
AccessibilityLocationText = Annotated[Text, OneOf(AccessibilityLocationType)]
AuthenticationModeText = Annotated[Text, OneOf(AuthenticationModeType)]
CalibrationLawDataAvailabilityText = Annotated[Text, OneOf(CalibrationLawDataAvailabilityType)]
ChargingModeText = Annotated[Text, OneOf(ChargingModeType)]
DayText = Annotated[Text, OneOf(DayType)]
DeltaTypeText = Annotated[Text, OneOf(DeltaType)]
EnergyText = Annotated[Text, OneOf(EnergyType)]
GeoCoordinatesResponseFormatText = Annotated[Text, OneOf(GeoCoordinatesResponseFormatType)]
PaymentOptionText = Annotated[Text, OneOf(PaymentOptionType)]
PlugText = Annotated[Text, OneOf(PlugType, Severity.WARNING)]
PowerTypeText = Annotated[Text, OneOf(PowerType)]
ValueAddedServiceText = Annotated[Text, OneOf(ValueAddedServiceType)]


def _true_or_false_text(value: object) -> object:
    """E021: `true` for `"true"`."""
    return str(value).lower() if isinstance(value, bool) else value


DynamicInfoAvailableText = Annotated[Text, OneOf(DynamicInfoAvailableType), BeforeValidator(_true_or_false_text)]
"""DynamicInfoAvailable, always a string; a JSON boolean is read too (E021)."""

LONGEST_FRACTION = 28


def _integral_when_integral(value: Decimal) -> Decimal:
    """E003: 22 for 22.0, 7.4 as it is."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -LONGEST_FRACTION <= exponent < 0 and value == value.to_integral_value():
        return value.to_integral_value()
    return value


Kilowatts = Annotated[Number, AfterValidator(_integral_when_integral), Places(0), Range(0, 999, Severity.WARNING)]
"""The power of a charging facility in kW (E003)."""


class AddressIso19773(OicpModel):
    """AddressIso19773Type: a postal address."""

    model_config = names(time_zone=("TimeZone", "Timezone"))

    country: CountryCodeText
    city: Annotated[Text, Length(1, 50)]
    street: Annotated[Text, Length(2, 100)]
    postal_code: Annotated[Text, Length(0, 10)]
    house_num: Annotated[Text, Length(0, 10)]
    floor: Annotated[Text | None, Length(0, 5)] = None
    region: Annotated[Text | None, Length(0, 50)] = None
    parking_facility: bool | None = None
    parking_spot: Annotated[Text | None, Length(0, 5)] = None
    time_zone: TimeZoneText | None = None


_DEGREES = r"-?1?[0-9]{1,2}\.[0-9]{1,6}"
GEO_GOOGLE = Grammar("GeoCoordinatesGoogleFormatType", re.compile(rf"{_DEGREES}\s*,?\s*{_DEGREES}"))
GEO_DECIMAL_DEGREE = Grammar("GeoCoordinatesDecimalDegreeFormatType", re.compile(_DEGREES))
GEO_DEGREE_MINUTE_SECONDS = Grammar(
    "GeoCoordinatesDegreeMinuteSecondsFormatType",
    re.compile(r"-?1?[0-9]{1,2}° ?[0-9]{1,2}' ?[0-9]{1,2}\.[0-9]+''"),
)


class GeoCoordinatesGoogle(OicpModel):
    """GeoCoordinatesGoogleType: latitude and longitude in one string, WGS84."""

    model_config = names(coordinates=("Coordinates", "Coordinatea"))

    coordinates: Annotated[Text, GEO_GOOGLE]


class GeoCoordinatesDecimalDegree(OicpModel):
    """GeoCoordinatesDecimalDegreeType: decimal degrees as strings, WGS84."""

    longitude: Annotated[Text, GEO_DECIMAL_DEGREE]
    latitude: Annotated[Text, GEO_DECIMAL_DEGREE]


class GeoCoordinatesDegreeMinuteSeconds(OicpModel):
    """GeoCoordinatesDegreeMinuteSecondsType: degrees, minutes and seconds as strings, WGS84."""

    longitude: Annotated[Text, GEO_DEGREE_MINUTE_SECONDS]
    latitude: Annotated[Text, GEO_DEGREE_MINUTE_SECONDS]


def _google_object(value: object) -> object:
    """The object where a sender wrote the bare string."""
    return {"Coordinates": value} if isinstance(value, str) else value


class GeoCoordinates(OicpModel):
    """GeoCoordinatesType: a place in one of three notations; `coordinates` reads and converts them."""

    google: Annotated[GeoCoordinatesGoogle | None, BeforeValidator(_google_object)] = None
    decimal_degree: GeoCoordinatesDecimalDegree | None = None
    degree_minute_seconds: GeoCoordinatesDegreeMinuteSeconds | None = None


class SearchCenter(OicpModel):
    """SearchCenterType: a place and a radius in km around it."""

    geo_coordinates: GeoCoordinates
    radius: Annotated[Number, Range(0, Decimal("999.9")), Places(1)]


class InfoText(OicpModel):
    """InfoTextType: a text in one language."""

    model_config = names(lang="lang", value="value")

    lang: LanguageCodeText
    value: Annotated[Text, Length(0, 150)]


class ChargingFacility(OicpModel):
    """ChargingFacilityType: one way in which a charging point delivers energy (V, A, kW)."""

    model_config = names(
        power_type=("PowerType", "powertype"),
        power=E003.forms,
        charging_modes=("ChargingModes", "Charging Modes"),
    )

    power_type: PowerTypeText
    voltage: Annotated[Whole | None, Range(0, 999, Severity.WARNING)] = None
    amperage: Annotated[Whole | None, Range(0, 99, Severity.WARNING)] = None
    power: Kilowatts
    charging_modes: list[ChargingModeText] | None = None


class EnergySource(OicpModel):
    """EnergySourceType: the share of one source in percent."""

    energy: EnergyText | None = None
    percentage: Annotated[Whole | None, Range(0, 99, Severity.WARNING)] = None


class EnvironmentalImpact(OicpModel):
    """EnvironmentalImpactType: emission and nuclear waste in g/kWh."""

    co2_emission: Annotated[Number | None, Range(0, 99999)] = None
    nuclear_waste: Annotated[Number | None, Range(0, 99999)] = None


class Period(OicpModel):
    """PeriodType: from one time of day to another."""

    model_config = names(begin=("begin", "Begin"), end=("end", "End"))

    begin: TimeOfDayText
    end: TimeOfDayText


class OpeningTimes(OicpModel):
    """OpeningTimesType: when a charging point is open on some days (E012)."""

    model_config = names(period=E012.forms[:2], on=E012.forms[2:])

    period: Many[Period]
    on: DayText

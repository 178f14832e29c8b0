"""eRoamingEvseData: the description of charging points, pushed by the CPO and pulled by the EMP.

Pushes and pages may hold 100,000 records; they are split into records by `codec` and read one by one by `mending`.
The messages here describe the whole, for building and for documentation.
"""

from typing import Annotated

from p2pnode.oicp.constraints import Length, OneOf
from p2pnode.oicp.errata import E002, E018
from p2pnode.oicp.evse_types import (
    AccessibilityLocationText,
    AccessibilityText,
    AddressIso19773,
    AuthenticationModeText,
    CalibrationLawDataAvailabilityText,
    ChargingFacility,
    DeltaTypeText,
    DynamicInfoAvailableText,
    EnergySource,
    EnvironmentalImpact,
    GeoCoordinates,
    GeoCoordinatesResponseFormatText,
    InfoText,
    OpeningTimes,
    PaymentOptionText,
    PlugText,
    SearchCenter,
    ValueAddedServiceText,
)
from p2pnode.oicp.model import Many, OicpModel, Text, Timestamp, Whole, names
from p2pnode.oicp.scalars import (
    ActionType,
    ChargingPoolIDText,
    CountryCodeText,
    EvseIDText,
    OperatorIDText,
    OperatorNameText,
    PhoneNumberText,
    ProviderIDText,
)
from p2pnode.oicp.status import StatusCode

DEFAULT_PAGE_SIZE = 20
LARGEST_PAGE_SIZE = 2000


class EvseRecord(OicpModel):
    """One charging point: the members that EvseDataRecordType and PullEvseDataRecordType share."""

    model_config = names(
        delta_type="deltaType",
        last_update="lastUpdate",
        charging_station_id=E002.forms[::-1],
    )

    delta_type: DeltaTypeText | None = None
    last_update: Timestamp | None = None
    evse_id: EvseIDText
    charging_pool_id: ChargingPoolIDText | None = None
    charging_station_id: Annotated[Text | None, Length(0, 50)] = None
    charging_station_names: list[InfoText]
    hardware_manufacturer: Annotated[Text | None, Length(0, 50)] = None
    charging_station_image: Annotated[Text | None, Length(0, 200)] = None
    sub_operator_name: OperatorNameText | None = None
    address: AddressIso19773
    geo_coordinates: GeoCoordinates
    plugs: list[PlugText]
    dynamic_power_level: bool | None = None
    charging_facilities: list[ChargingFacility]
    renewable_energy: bool
    energy_source: list[EnergySource] | None = None
    environmental_impact: EnvironmentalImpact | None = None
    calibration_law_data_availability: CalibrationLawDataAvailabilityText
    authentication_modes: list[AuthenticationModeText]
    max_capacity: Whole | None = None
    payment_options: list[PaymentOptionText]
    value_added_services: list[ValueAddedServiceText]
    accessibility: AccessibilityText
    accessibility_location: AccessibilityLocationText | None = None
    hotline_phone_number: PhoneNumberText
    additional_info: list[InfoText] | None = None
    charging_station_location_reference: list[InfoText] | None = None
    geo_charging_point_entrance: GeoCoordinates | None = None
    is_open_24_hours: bool
    opening_times: Many[OpeningTimes] | None = None
    hub_operator_id: OperatorIDText | None = None
    clearinghouse_id: Annotated[Text | None, Length(0, 20)] = None
    is_hubject_compatible: bool
    dynamic_info_available: DynamicInfoAvailableText


class EvseDataRecord(EvseRecord):
    """EvseDataRecordType: one charging point, as its operator publishes it.

    OperatorID and OperatorName are members of PullEvseDataRecordType; some partners want them in pushes too.
    """

    model_config = names(
        delta_type="deltaType",
        last_update="lastUpdate",
        charging_station_id=E002.forms[::-1],
        operator_id=("OperatorID", "OperatorId"),
    )

    operator_id: OperatorIDText | None = None
    operator_name: OperatorNameText | None = None


class PullEvseDataRecord(EvseRecord):
    """PullEvseDataRecordType: one charging point in the answer to a pull; it names its operator (E002)."""

    model_config = names(
        delta_type="deltaType",
        last_update="lastUpdate",
        charging_station_id=E002.forms,
        operator_id=("OperatorID", "OperatorId"),
    )

    operator_id: OperatorIDText
    operator_name: OperatorNameText


class OperatorEvseData(OicpModel):
    """OperatorEvseDataType: the charging points listed under one operator."""

    model_config = names(evse_data_record=("EvseDataRecord", "EVSEDataRecord"))

    operator_id: OperatorIDText
    operator_name: OperatorNameText
    evse_data_record: list[EvseDataRecord]


class PushEvseData(OicpModel):
    """eRoamingPushEvseData: a CPO publishes its charging points."""

    action_type: Annotated[Text, OneOf(ActionType)]
    operator_evse_data: OperatorEvseData


class PullEvseData(OicpModel):
    """eRoamingPullEvseData: an EMP asks for charging points.

    LastCall asks for the changes since; SearchCenter, CountryCodes and OperatorIds cannot be combined with it. A filter
    that is absent or an empty list does not filter.
    """

    model_config = names(operator_ids=E018.forms)

    provider_id: ProviderIDText
    search_center: SearchCenter | None = None
    last_call: Timestamp | None = None
    geo_coordinates_response_format: GeoCoordinatesResponseFormatText
    country_codes: Many[CountryCodeText] | None = None
    operator_ids: Many[OperatorIDText] | None = None
    authentication_modes: Many[AuthenticationModeText] | None = None
    accessibility: Many[AccessibilityText] | None = None
    calibration_law_data_availability: Many[CalibrationLawDataAvailabilityText] | None = None
    renewable_energy: bool | None = None
    is_hubject_compatible: bool | None = None
    is_open_24_hours: bool | None = None


class EvseData(OicpModel):
    """eRoamingEvseData: the answer to PullEvseData, one page.

    `number` counts from 0. The members that describe the page are optional on reading, because some partners send the
    records alone.
    """

    model_config = names(
        content="content",
        number="number",
        size="size",
        total_elements="totalElements",
        last="last",
        total_pages="totalPages",
        first="first",
        number_of_elements="numberOfElements",
    )

    content: list[PullEvseDataRecord]
    number: Whole | None = None
    size: Whole | None = None
    total_elements: Whole | None = None
    last: bool | None = None
    total_pages: Whole | None = None
    first: bool | None = None
    number_of_elements: Whole | None = None
    status_code: StatusCode | None = None

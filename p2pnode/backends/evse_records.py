"""The EVSE data record of a virtual charge point, as its operator publishes it."""

from p2pnode.config.virtual import VirtualChargePoint
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_types import (
    AccessibilityLocationType,
    AccessibilityType,
    AddressIso19773,
    AuthenticationModeType,
    ChargingFacility,
    ChargingModeType,
    DynamicInfoAvailableType,
    GeoCoordinates,
    GeoCoordinatesGoogle,
    InfoText,
    PaymentOptionType,
    PowerType,
    ValueAddedServiceType,
)

HOTLINE = "+4969555012345"


def evse_data_record(point: VirtualChargePoint) -> EvseDataRecord:
    """The EvseDataRecordType of the charge point."""
    is_direct = point.power_type == PowerType.DC
    return EvseDataRecord(
        evse_id=point.evse_id,
        charging_station_id=point.station or point.evse_id,
        charging_station_names=[InfoText(lang="en", value=point.name)],
        address=AddressIso19773(
            country=point.country,
            city=point.city,
            street=point.street,
            postal_code=point.postal_code,
            house_num=point.house_number,
        ),
        geo_coordinates=GeoCoordinates(
            google=GeoCoordinatesGoogle(coordinates=f"{point.latitude:.6f} {point.longitude:.6f}")
        ),
        plugs=list(point.plugs),
        dynamic_power_level=is_direct,
        charging_facilities=[
            ChargingFacility(
                power_type=point.power_type,
                voltage=point.voltage,
                amperage=point.amperage,
                power=point.power,
                charging_modes=[ChargingModeType.MODE_4 if is_direct else ChargingModeType.MODE_3],
            )
        ],
        renewable_energy=True,
        calibration_law_data_availability=point.calibration_law,
        authentication_modes=[
            AuthenticationModeType.NFC_RFID_CLASSIC,
            AuthenticationModeType.REMOTE,
            AuthenticationModeType.PNC,
        ],
        payment_options=[PaymentOptionType.CONTRACT],
        value_added_services=[ValueAddedServiceType.RESERVATION],
        accessibility=AccessibilityType.FREE_PUBLICLY_ACCESSIBLE,
        accessibility_location=AccessibilityLocationType.ON_STREET,
        hotline_phone_number=HOTLINE,
        is_open_24_hours=True,
        is_hubject_compatible=True,
        dynamic_info_available=DynamicInfoAvailableType.TRUE,
    )

"""What the tests of mending share: a record in which nothing is to be mended."""

import copy
from typing import Any

PLAIN: dict[str, Any] = {
    "deltaType": "insert",
    "lastUpdate": "2025-03-04T08:15:30.000Z",
    "EvseID": "DE*ABC*E1",
    "ChargingStationId": "S1",
    "ChargingStationNames": [{"lang": "en", "value": "Station"}],
    "Address": {
        "Country": "DEU",
        "City": "Berlin",
        "Street": "Weg",
        "PostalCode": "10829",
        "HouseNum": "22",
        "ParkingFacility": True,
        "TimeZone": "UTC+01:00",
    },
    "GeoCoordinates": {"Google": {"Coordinates": "52.480495 13.356465"}},
    "Plugs": ["Type 2 Outlet"],
    "DynamicPowerLevel": False,
    "ChargingFacilities": [{"PowerType": "AC_3_PHASE", "Voltage": 230, "Power": 22, "ChargingModes": ["Mode_3"]}],
    "RenewableEnergy": True,
    "EnergySource": [{"Energy": "Solar", "Percentage": 100}],
    "EnvironmentalImpact": {"CO2Emission": 30.3},
    "CalibrationLawDataAvailability": "Local",
    "AuthenticationModes": ["REMOTE"],
    "MaxCapacity": 50,
    "PaymentOptions": ["Contract"],
    "ValueAddedServices": ["None"],
    "Accessibility": "Test Station",
    "AccessibilityLocation": "OnStreet",
    "HotlinePhoneNumber": "+493012345",
    "AdditionalInfo": [{"lang": "en", "value": "Text"}],
    "GeoChargingPointEntrance": {"DecimalDegree": {"Longitude": "13.356465", "Latitude": "52.480495"}},
    "IsOpen24Hours": False,
    "OpeningTimes": [{"Period": [{"begin": "09:00", "end": "18:00"}], "on": "Everyday"}],
    "HubOperatorID": None,
    "IsHubjectCompatible": True,
    "DynamicInfoAvailable": "true",
}


def plain(**members: object) -> dict[str, Any]:
    """A copy of it with other members."""
    return {**copy.deepcopy(PLAIN), **members}

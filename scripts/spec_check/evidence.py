"""Where in the descriptions each erratum can be seen; the texts, which are no data, hold the rest of the evidence."""

from dataclasses import dataclass

from p2pnode.oicp.errata import (
    E001,
    E002,
    E003,
    E004,
    E005,
    E007,
    E008,
    E009,
    E010,
    E011,
    E012,
    E013,
    E014,
    E015,
    E016,
    E018,
    E020,
    E021,
    E022,
    E023,
    E024,
    E025,
    E026,
    Erratum,
)
from p2pnode.oicp.operations import Role
from spec_check.report import BOTH


@dataclass(frozen=True, slots=True)
class Evidence:
    """That the node of `components` at `pointer` has the member or element `value`, or is it.

    Where the node lists members (`properties`, `example`), the value is one of the erratum's forms.
    """

    erratum: Erratum
    documents: tuple[Role, ...]
    pointer: str
    value: str


CPO = (Role.CPO,)
EMP = (Role.EMP,)

EVIDENCE = (
    Evidence(E001, CPO, "/schemas/eRoamingChargeDetailRecord/properties", "HubProviderID"),
    Evidence(E001, EMP, "/schemas/eRoamingChargeDetailRecord/properties", "HubProviderId"),
    Evidence(E001, EMP, "/schemas/eRoamingChargeDetailRecord/example", "HubProviderID"),
    Evidence(E002, BOTH, "/schemas/EvseDataRecord/properties", "ChargingStationId"),
    Evidence(E002, CPO, "/schemas/eRoamingPushEvseData/example/OperatorEvseData/EvseDataRecord/0", "ChargingStationID"),
    Evidence(E003, CPO, "/schemas/EvseDataRecord/properties/ChargingFacilities/items/properties/Power/type", "integer"),
    Evidence(E003, EMP, "/schemas/ChargingFacility/properties/Power/type", "number"),
    Evidence(E004, EMP, "/schemas/eRoamingGetChargeDetailRecords/properties", "CDRForwarder"),
    Evidence(E004, EMP, "/schemas/eRoamingGetChargeDetailRecords/example", "CDRForwarded"),
    Evidence(E005, BOTH, "/schemas/eRoamingAuthorizeRemoteReservationStart/properties", "EMPPartnerSessionId"),
    Evidence(E005, BOTH, "/schemas/eRoamingAuthorizeRemoteReservationStart/example", "EMPPartnerSessionID"),
    Evidence(E005, BOTH, "/schemas/eRoamingAuthorizeRemoteReservationStop/properties", "EMPPartnerSessionId"),
    Evidence(E007, BOTH, "/schemas/eRoamingAuthorizeRemoteStart/required", "SessionID"),
    Evidence(E008, EMP, "/schemas/OperatorID/type", "string"),
    Evidence(E009, EMP, "/schemas/eRoamingPullEVSEStatus/properties", "EVSEStatus"),
    Evidence(E009, EMP, "/schemas/eRoamingPullEVSEStatus/example", "EvseStatus"),
    Evidence(E010, EMP, "/schemas/eRoamingEVSEStatusByID/properties", "EVSEStatusRecords"),
    Evidence(E010, EMP, "/schemas/eRoamingEVSEStatusByID/properties/EVSEStatusRecords/required", "EvseStatusRecord"),
    Evidence(
        E011,
        EMP,
        "/schemas/eRoamingEVSEStatusByID/properties/EVSEStatusRecords/properties/EvseStatusRecord/items/properties",
        "EvseStatus",
    ),
    Evidence(E012, BOTH, "/schemas/OpeningTimes/properties", "Period"),
    Evidence(E012, BOTH, "/schemas/OpeningTimes/properties", "on"),
    Evidence(E012, BOTH, "/schemas/OpeningTimes/properties/Period/type", "array"),
    Evidence(
        E013,
        BOTH,
        "/schemas/PricingProductDataRecord/properties/ProductAvailabilityTimes/items/properties",
        "Periods",
    ),
    Evidence(E014, EMP, "/schemas/eRoamingPricingProductData/properties", "PricingProductData"),
    Evidence(E015, EMP, "/schemas/eRoamingEVSEPricing/properties", "EVSEPricing"),
    Evidence(E016, BOTH, "/schemas/eRoamingChargingNotificationError/properties/ErrorType/enum", "ConnectorError"),
    Evidence(E018, EMP, "/schemas/eRoamingPullEVSEData/properties", "OperatorIds"),
    Evidence(E018, EMP, "/schemas/eRoamingPullPricingProductData/properties", "OperatorIDs"),
    Evidence(E020, BOTH, "/schemas/QRCodeIdentification/properties/HashedPIN/type", "object"),
    Evidence(E021, BOTH, "/schemas/EvseDataRecord/properties/DynamicInfoAvailable/type", "string"),
    Evidence(E022, CPO, "/parameters", "providerID"),
    Evidence(E022, EMP, "/parameters", "externalID"),
    Evidence(E023, BOTH, "/schemas/eRoamingChargeDetailRecord/properties/MeterValueInBetween/type", "object"),
    Evidence(E024, BOTH, "/schemas/eRoamingChargingNotificationStart/required", "OperatorID"),
    Evidence(E024, BOTH, "/schemas/eRoamingChargingNotificationError/required", "OperatorID"),
    Evidence(
        E025,
        BOTH,
        "/schemas/QRCodeIdentification/properties/HashedPIN/properties/Value/pattern",
        r"^[0-9A-Za-z\\.+/=\\$]{10,100}$",
    ),
    Evidence(
        E026,
        BOTH,
        "/schemas/EvseID/pattern",
        r"^(([A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?E[A-Za-z0-9\*]{1,30})|(\+?[0-9]{1,3}\*[0-9]{3}\*[0-9\*]{1,32}))$",
    ),
)

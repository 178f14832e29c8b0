"""Where this node means to differ from the descriptions. A line that no longer holds makes the check fail."""

from p2pnode.oicp.operations import Role
from spec_check.documents import UNKNOWN_MEMBER
from spec_check.report import BOTH, Deviation, Place

PATHS = (
    Deviation(Place((Role.EMP,), "AuthorizeRemoteStop", "", "parameter"), "E022"),
    Deviation(
        Place(BOTH, "PullAuthenticationData", "", "described"),
        "obsolete: the texts still have it, the descriptions have dropped it",
    ),
)

SAMPLES = (
    Deviation(Place((Role.EMP,), "PullEvseData.answer", "/content/*/ChargingStationID", UNKNOWN_MEMBER), "E002"),
    Deviation(Place((Role.EMP,), "PullEvseStatus.request", "/EvseStatus", UNKNOWN_MEMBER), "E009"),
    Deviation(Place((Role.EMP,), "PullEvsePricing.answer", "/OperatorEVSEPricing", UNKNOWN_MEMBER), "E015"),
    *(
        Deviation(
            Place(BOTH, f"AuthorizeRemoteReservation{verb}.request", "/EMPPartnerSessionID", UNKNOWN_MEMBER), "E005"
        )
        for verb in ("Start", "Stop")
    ),
    Deviation(Place((Role.EMP,), "ChargeDetailRecord.request", "/HubProviderID", UNKNOWN_MEMBER), "E001"),
    Deviation(Place((Role.EMP,), "GetChargeDetailRecords.answer", "/content/*/HubProviderID", UNKNOWN_MEMBER), "E001"),
    Deviation(Place((Role.EMP,), "GetChargeDetailRecords.request", "/CDRForwarded", UNKNOWN_MEMBER), "E004"),
)

EXAMPLES = (
    Deviation(
        Place(BOTH, "eRoamingChargingNotificationEnd", "/ChargingEnd", "times-in-order"),
        "the example's session ends before it starts",
    ),
    *(
        Deviation(
            Place((Role.EMP,), "eRoamingPullEVSEData", pointer, "exclusive"),
            "the example combines LastCall with what the text forbids beside it",
        )
        for pointer in ("/SearchCenter", "/CountryCodes", "/OperatorIds")
    ),
    Deviation(
        Place(BOTH, "eRoamingAuthorizeStop", "/PartnerProductID", UNKNOWN_MEMBER),
        "neither the texts nor the schema have it; a stop needs no product",
    ),
    *(
        Deviation(
            Place((Role.EMP,), "eRoamingChargeDetailRecords", f"/{member}", UNKNOWN_MEMBER),
            "how Hubject's server describes a page to itself; the texts do not have it",
        )
        for member in ("empty", "pageable")
    ),
    *(
        Deviation(
            Place(
                (Role.EMP,),
                "eRoamingPushAuthenticationData",
                f"/ProviderAuthenticationData/AuthenticationDataRecord/*/{kind}",
                UNKNOWN_MEMBER,
            ),
            "the example puts it beside Identification, the text and the schema inside",
        )
        for kind in (
            "QRCodeIdentification",
            "PlugAndChargeIdentification",
            "RemoteIdentification",
            "RFIDIdentification",
        )
    ),
)

LAB = (Deviation(Place((Role.EMP,), "PullEvseData.answer", "/content/*/ChargingStationID", UNKNOWN_MEMBER), "E002"),)

CPO = (Role.CPO,)
EMP = (Role.EMP,)
PLACEHOLDER = "the snippet has the word `string` in place of a value"
NINE_DIGITS = "the snippet's UID has 9 digits; both texts allow 8, 14 or 20"
UID = "/RFIDMifareFamilyIdentification/UID"

SNIPPETS: tuple[Deviation, ...] = (
    *(
        Deviation(Place(CPO, f"{name}.{kind}", "/SessionID", "grammar"), PLACEHOLDER)
        for name, kind in (
            ("PushEvseData", "answer"),
            ("PushEVSEStatus", "answer"),
            ("PushEVSEPricing", "answer"),
            ("PushPricingProductData", "answer"),
            ("ChargeDetailRecord", "request"),
        )
    ),
    *(
        Deviation(Place(BOTH, f"{name}.request", "/SessionID", "grammar"), PLACEHOLDER)
        for name in ("AuthorizeRemoteStart", "RemoteReservationStart")
    ),
    Deviation(Place(EMP, "PushAuthenticationData.answer", "/SessionID", "grammar"), PLACEHOLDER),
    Deviation(Place(EMP, "GetChargeDetailRecord.request", "/SessionID/*", "grammar"), PLACEHOLDER),
    Deviation(Place(EMP, "GetChargeDetailRecord.answer", "/content/*/SessionID", "grammar"), PLACEHOLDER),
    *(
        Deviation(Place(EMP, f"{name}.request", f"/SearchCenter/GeoCoordinates/{member}", "grammar"), PLACEHOLDER)
        for name in ("PullEVSEData", "PullEVSEStatus")
        for member in (
            "Google/Coordinates",
            "DecimalDegree/Longitude",
            "DecimalDegree/Latitude",
            "DegreeMinuteSeconds/Longitude",
            "DegreeMinuteSeconds/Latitude",
        )
    ),
    *(
        Deviation(Place(BOTH, f"{name}.request", f"/Identification{UID}", "grammar"), NINE_DIGITS)
        for name in ("AuthorizeStart", "AuthorizeStop")
    ),
    Deviation(Place(EMP, "AuthorizeStart.answer", f"/AuthorizationStopIdentifications/*{UID}", "grammar"), NINE_DIGITS),
    Deviation(
        Place(
            EMP,
            "PushAuthenticationData.request",
            f"/ProviderAuthenticationData/AuthenticationDataRecord/*/Identification{UID}",
            "grammar",
        ),
        NINE_DIGITS,
    ),
    *(
        Deviation(
            Place(EMP, "PullEVSEData.request", pointer, "exclusive"),
            "the snippet combines LastCall with what the text forbids beside it",
        )
        for pointer in ("/SearchCenter", "/CountryCodes", "/OperatorIds")
    ),
    Deviation(
        Place(CPO, "AuthorizeStop.request", "/PartnerProductID", UNKNOWN_MEMBER),
        "neither the texts nor the schema have it; a stop needs no product",
    ),
    Deviation(
        Place(EMP, "AuthorizeStop.answer", "/Result", UNKNOWN_MEMBER),
        "it belongs to an acknowledgement; AuthorizationStatus says the same",
    ),
    Deviation(
        Place(CPO, "ChargingNotificationEnd.request", "/ChargingEnd", "times-in-order"),
        "the snippet's session ends before it starts",
    ),
    Deviation(
        Place(EMP, "PullPricingProductData.answer", "/PricingProductData", "missing"),
        "the snippet is the acknowledgement of a push, copied",
    ),
)

"""Where the documents of OICP 2.3 contradict each other: every form that is read, and the one that is written.

The specification is four documents: the CPO and the EMP text and an OpenAPI description of each. A message whose
member has several names cites its erratum, `names(hub_provider_id=E001.forms)`, so that a name of the wire and the
reason for it stand together. The manual and the check against the OpenAPI files are made from `ERRATA`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Erratum:
    """One contradiction.

    `where` names the message and member, `forms` every form that is read with the regularly written one first,
    `written` what this node writes, `source` which document has which form, `note` what follows from it.
    """

    id: str
    where: str
    forms: tuple[str, ...]
    written: str
    source: str
    note: str = ""


E001 = Erratum(
    "E001",
    "ChargeDetailRecord.HubProviderID",
    ("HubProviderID", "HubProviderId"),
    "HubProviderID",
    "both texts and the CPO schema: HubProviderID; EMP schema: HubProviderId",
)
E002 = Erratum(
    "E002",
    "EvseDataRecord.ChargingStationID",
    ("ChargingStationID", "ChargingStationId"),
    "ChargingStationID on pull answers, ChargingStationId on pushes",
    "CPO text and both schemas: ChargingStationId; EMP text, every example, Hubject itself, WWCP: ChargingStationID",
)
E003 = Erratum(
    "E003",
    "ChargingFacility.Power",
    ("Power", "power"),
    "Power, a number, integral when it is integral",
    "texts and CPO schema: an integer up to 999; EMP schema: a number; senders: a string",
    "A fractional power is what hardware has; it is at most worth a warning.",
)
E004 = Erratum(
    "E004",
    "GetChargeDetailRecords.CDRForwarded",
    ("CDRForwarded", "CDRForwarder"),
    "CDRForwarded",
    "EMP text: CDRForwarded; EMP schema: CDRForwarder",
)
E005 = Erratum(
    "E005",
    "AuthorizeRemoteReservationStart/Stop.EMPPartnerSessionID",
    ("EMPPartnerSessionID", "EMPPartnerSessionId"),
    "EMPPartnerSessionID",
    "texts: EMPPartnerSessionID; schemas: EMPPartnerSessionId",
)
E006 = Erratum(
    "E006",
    "ChargingNotificationProgress.ChargingDuration",
    ("EventOccurred - ChargingStart", "EventOccurred - ChargingDuration"),
    "EventOccurred - ChargingStart, in ms",
    "CPO text: EventOccurred - ChargingStart; EMP text defines the duration by itself",
)
E007 = Erratum(
    "E007",
    "AuthorizeRemoteStart.SessionID",
    ("SessionID", "absent"),
    "always, on the way to the operator",
    "CPO text and both schemas: mandatory; EMP text: not to be sent, and Hubject ignores it",
    "Optional when it is received; the node on the first hop mints it.",
)
E008 = Erratum(
    "E008",
    "GetChargeDetailRecords.OperatorID",
    ("one value", "list"),
    "one value; a list to a peer of dialect wwcp",
    "EMP text and schema: one value; the EMP snippet and WWCP: a list",
)
E009 = Erratum(
    "E009",
    "PullEvseStatus.EvseStatus",
    ("EvseStatus", "EVSEStatus"),
    "EvseStatus",
    "EMP text and schema: EVSEStatus; the schema's own example and the snippet: EvseStatus",
)
E010 = Erratum(
    "E010",
    "EvseStatusById.EVSEStatusRecords",
    ("EVSEStatusRecords",),
    "EVSEStatusRecords: {EvseStatusRecord: [...]}",
    "EMP schema and snippet; the text does not describe this answer",
)
E011 = Erratum(
    "E011",
    "EvseStatusRecord.EvseStatus",
    ("EvseStatus", "EVSEStatus"),
    "EvseStatus",
    "texts and schemas: EvseStatus; senders that spell it as the filter of the pull does: EVSEStatus",
)
E012 = Erratum(
    "E012",
    "OpeningTimes.Period and .on",
    ("Period", "Periods", "on", "On"),
    "Period, a list, and on",
    "CPO text and schemas: Period, on; EMP text: On; as in pricing: Periods; senders: one object in place of the list",
)
E013 = Erratum(
    "E013",
    "PricingProductDataRecord.ProductAvailabilityTimes",
    ("Periods", "Period", "on", "On"),
    "Periods, a list; the object Period to a peer of dialect wwcp",
    "texts and WWCP: the object Period; schemas and snippets: the list Periods",
)
E014 = Erratum(
    "E014",
    "PricingProductData.PricingProductData",
    ("PricingProductData", "OperatorPricingProducts"),
    "PricingProductData; OperatorPricingProducts to a peer of dialect wwcp",
    "EMP text and schema: PricingProductData; WWCP: OperatorPricingProducts",
)
E015 = Erratum(
    "E015",
    "EvsePricing.OperatorEVSEPricing",
    ("OperatorEVSEPricing", "EVSEPricing"),
    "both, with the same list",
    "EMP text and WWCP: OperatorEVSEPricing; EMP schema and snippet: EVSEPricing",
)
E016 = Erratum(
    "E016",
    "ChargingNotificationError.ErrorType",
    ("ConnectorError", "Connector Error", "CriticalError", "Critical Error"),
    "without the blank",
    "CPO text and the snippets: with a blank; EMP text and both schemas: without",
)
E017 = Erratum(
    "E017",
    "PartnerProductID",
    ("AC1", "AC 1"),
    "as it was sent",
    "texts: AC1; snippets: AC 1",
    "A product id is the partners' own string.",
)
E018 = Erratum(
    "E018",
    "PullEvseData.OperatorIds",
    ("OperatorIds", "OperatorIDs"),
    "OperatorIds here, OperatorIDs in the pricing pulls",
    "EMP text and schema: OperatorIds; the pricing pulls: OperatorIDs",
)
E019 = Erratum(
    "E019",
    "Identification",
    ("one member", "several members", "null for the others"),
    "one member",
    "texts: one of five must be provided; every example: all of them; senders: null for the others",
    "The first that is not null, in the order of the text, counts.",
)
E020 = Erratum(
    "E020",
    "QRCodeIdentification.HashedPIN",
    ("object", "string"),
    "object",
    "texts and schemas: an object; a schema for what Hubject sends: a string",
    "A string is read as the value of a Bcrypt hash, the one function of OICP 2.3.",
)
E021 = Erratum(
    "E021",
    "EvseDataRecord.DynamicInfoAvailable",
    ("true as a string", "true as a boolean"),
    "a string",
    "texts: an enumeration of true, false, auto; senders: a boolean",
)
E022 = Erratum(
    "E022",
    "the path of AuthorizeRemoteStop",
    ("providerID", "externalID"),
    "the provider's id",
    "CPO schema: providerID; EMP schema and snippet: externalID",
)
E023 = Erratum(
    "E023",
    "MeterValueInBetween",
    ("object", "list"),
    "the object {meterValues: [...]}",
    "texts: a list of decimals; schemas and snippets: an object with the list in meterValues",
)
E024 = Erratum(
    "E024",
    "ChargingNotification.OperatorID",
    ("OperatorID", "absent"),
    "always",
    "CPO text and both schemas: mandatory; EMP text: optional, and absent from Error",
    "Optional when it is received: a warning.",
)
E025 = Erratum(
    "E025",
    "HashedPIN.Value",
    ("letters, digits and . + / = $ \\", "letters and digits"),
    "as it was sent",
    "CPO text and both schemas: with . + / = $ \\; EMP text: letters and digits only, which no Bcrypt hash is",
)
E026 = Erratum(
    "E026",
    "EvseID",
    ("upper case", "lower case"),
    "as it was sent",
    "texts: upper case only; schemas: either case",
    "Compared without case.",
)

ERRATA: tuple[Erratum, ...] = (
    E001,
    E002,
    E003,
    E004,
    E005,
    E006,
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
    E017,
    E018,
    E019,
    E020,
    E021,
    E022,
    E023,
    E024,
    E025,
    E026,
)

"""The rules: each breach is reported with its place, its code and its severity, and nothing else is."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from p2pnode.oicp.codec import decode, read
from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.identifiers import provider_key
from p2pnode.oicp.operations import BY_NAME, OPERATIONS
from p2pnode.oicp.rules import (
    check,
    contracts_of_others,
    errors_in,
    repeated,
    repeated_evses,
)
from tests.samples import SAMPLES

QR = {"EvcoID": "DE-DCB-C12345678-X"}
HASHED = {"Value": "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "Function": "Bcrypt"}
UID = {"RFIDMifareFamilyIdentification": {"UID": "7568290F"}}
REMOTE = {"RemoteIdentification": QR}
CARD = {"UID": "7568290F", "RFID": "mifareCls"}
PLACE = {"Google": {"Coordinates": "52.480495 13.356465"}}
ERROR, WARNING = Severity.ERROR, Severity.WARNING
GONE = object()


def sample(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", decode(SAMPLES[name]))


def found(
    name: str, changes: Mapping[str, object], *, at: tuple[str | int, ...] = ()
) -> list[tuple[str, str, Severity]]:
    """What the rules say of a sample with some members of the object `at` replaced, or removed."""
    operation, half = name.split(".")
    body = sample(name)
    holder: Any = body
    for step in at:
        holder = holder[step]
    holder.update(changes)
    for member in [member for member, value in changes.items() if value is GONE]:
        del holder[member]
    row = BY_NAME[operation]
    message = read(row.request if half == "request" else row.answer, body)
    return [(violation.pointer, violation.code, violation.severity) for violation in check(message)]


@pytest.mark.parametrize("name", [f"{row.name}.{half}" for row in OPERATIONS for half in ("request", "answer")])
def test_a_sample_breaks_no_rule(name: str) -> None:
    assert found(name, {}) == []


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("AuthorizeStart.request", {"SessionID": "b2688855"}, ("/SessionID", "grammar", ERROR)),
        ("AuthorizeStart.request", {"OperatorID": "CH*SWISSCHARGE"}, ("/OperatorID", "grammar", ERROR)),
        ("AuthorizeStart.request", {"CPOPartnerSessionID": "x" * 251}, ("/CPOPartnerSessionID", "length", ERROR)),
        (
            "AuthorizeStart.answer",
            {"AuthorizationStatus": "Perhaps", "StatusCode": "106"},
            ("/AuthorizationStatus", "one-of", ERROR),
        ),
        ("AuthorizeStart.answer", {"ProviderID": GONE}, ("/ProviderID", "missing", WARNING)),
        ("AuthorizeStart.answer", {"StatusCode": "102"}, ("/StatusCode/Code", "status", WARNING)),
        ("AuthorizeStop.answer", {"AuthorizationStatus": "NotAuthorized"}, ("/StatusCode/Code", "status", WARNING)),
        ("ChargeDetailRecord.answer", {"Result": False}, ("/StatusCode/Code", "status", WARNING)),
        ("ChargeDetailRecord.answer", {"StatusCode": "999", "Result": False}, ("/StatusCode/Code", "one-of", ERROR)),
        ("AuthorizeRemoteReservationStart.request", {"Duration": 100}, ("/Duration", "range", ERROR)),
        ("AuthorizeRemoteReservationStart.request", {"Duration": 0}, ("/Duration", "range", ERROR)),
        ("ChargingNotificationStart.request", {"Type": "End"}, ("/Type", "notification-type", ERROR)),
        ("ChargingNotificationError.request", {"ErrorType": "None"}, ("/ErrorType", "one-of", ERROR)),
        ("ChargingNotificationError.request", {"OperatorID": GONE}, ("/OperatorID", "missing", WARNING)),
        (
            "ChargingNotificationProgress.request",
            {"ChargingDuration": 1798999},
            ("/ChargingDuration", "duration", WARNING),
        ),
        (
            "ChargingNotificationProgress.request",
            {"ConsumedEnergyProgress": -1},
            ("/ConsumedEnergyProgress", "energy", WARNING),
        ),
        (
            "ChargingNotificationEnd.request",
            {"PenaltyTimeStart": "2024-03-15T10:17:00+01:00"},
            ("/PenaltyTimeStart", "times-in-order", WARNING),
        ),
        ("ChargeDetailRecord.request", {"ConsumedEnergy": "14.476"}, ("/ConsumedEnergy", "energy", WARNING)),
        (
            "ChargeDetailRecord.request",
            {"SessionStart": "2024-03-15T09:02:13+01:00"},
            ("/ChargingStart", "times-in-order", WARNING),
        ),
        (
            "ChargeDetailRecord.request",
            {"SessionEnd": "2024-03-15T10:17:40+01:00"},
            ("/SessionEnd", "times-in-order", WARNING),
        ),
        (
            "ChargeDetailRecord.request",
            {"MeterValueInBetween": [1033, 1028]},
            ("/MeterValueInBetween", "meter-values", WARNING),
        ),
        ("ChargeDetailRecord.request", {"MeterValueInBetween": [1]}, ("/MeterValueInBetween", "meter-values", WARNING)),
        (
            "ChargeDetailRecord.request",
            {"HubProviderId": "x", "HubProviderID": GONE},
            ("/HubProviderID", "grammar", ERROR),
        ),
        ("GetChargeDetailRecords.request", {"From": "2024-03-17T00:00:00Z"}, ("/To", "times-in-order", ERROR)),
        ("GetChargeDetailRecords.request", {"SessionID": ["b2688855"]}, ("/SessionID/0", "grammar", ERROR)),
        ("PushAuthenticationData.request", {"ActionType": "replace"}, ("/ActionType", "one-of", ERROR)),
        ("PullEvseStatus.request", {"EvseStatus": "Blocked"}, ("/EvseStatus", "one-of", ERROR)),
        ("PullEvseStatusById.request", {"EvseID": ["DE*ABC*E1"] * 101}, ("/EvseID", "length", ERROR)),
    ],
)
def test_a_breach_is_reported_at_its_place(
    name: str, changes: dict[str, object], expected: tuple[str, str, Severity]
) -> None:
    assert found(name, changes) == [expected]


def test_an_end_before_its_start_is_an_error() -> None:
    early = {"ChargingEnd": "2024-03-15T09:02:10+01:00", "SessionEnd": "2024-03-15T09:01:29+01:00"}
    assert found("ChargeDetailRecord.request", early)[:2] == [
        ("/ChargingEnd", "times-in-order", ERROR),
        ("/SessionEnd", "times-in-order", ERROR),
    ]


def test_clocks_a_second_apart_and_rounded_meters_are_no_breach() -> None:
    near = {"SessionStart": "2024-03-15T09:02:12+01:00", "ConsumedEnergy": "14.475"}
    assert found("ChargeDetailRecord.request", near) == []


def test_times_are_compared_as_moments_not_as_texts() -> None:
    assert found("GetChargeDetailRecords.request", {"From": "2024-03-16T00:00:00+02:00"}) == []


def test_a_meter_that_runs_backwards_is_told() -> None:
    assert ("/MeterValueEnd", "meter-values", WARNING) in found("ChargeDetailRecord.request", {"MeterValueEnd": 1000})


def test_a_progress_without_duration_and_energy_says_nothing() -> None:
    nothing = {"ChargingDuration": GONE, "ConsumedEnergyProgress": None}
    assert found("ChargingNotificationProgress.request", nothing) == [("/ChargingDuration", "one-of-two", ERROR)]
    assert found("ChargingNotificationProgress.request", {"ChargingDuration": None}) == []


def test_signed_values_that_real_meters_write_are_warnings() -> None:
    signed = [{"SignedMeteringValue": "x" * 3001, "MeteringStatus": "End"}, *([{"MeteringStatus": "Start"}] * 10)]
    assert found("ChargeDetailRecord.request", {"SignedMeteringValues": signed}) == [
        ("/SignedMeteringValues", "length", WARNING),
        ("/SignedMeteringValues/0/SignedMeteringValue", "length", WARNING),
        ("/SignedMeteringValues", "signed-values-in-order", WARNING),
    ]


def test_energy_with_more_than_three_places_is_a_warning() -> None:
    assert found("ChargeDetailRecord.request", {"MeterValueInBetween": ["1028.50000", "1030.1234"]}) == [
        ("/MeterValueInBetween/meterValues/1", "places", WARNING)
    ]


@pytest.mark.parametrize(
    ("name", "identification", "expected"),
    [
        ("AuthorizeStart.request", {}, [("/Identification", "exactly-one", ERROR)]),
        ("AuthorizeStart.request", {**UID, "RFIDIdentification": None}, []),
        ("AuthorizeStart.request", {**UID, **REMOTE}, [("/Identification", "exactly-one", WARNING)]),
        ("AuthorizeStart.request", {"PlugAndChargeIdentification": QR}, []),
        (
            "AuthorizeStart.request",
            {"RFIDIdentification": CARD},
            [("/Identification/RFIDIdentification", "identification-kind", ERROR)],
        ),
        ("AuthorizeStart.request", REMOTE, [("/Identification/RemoteIdentification", "identification-kind", ERROR)]),
        ("AuthorizeStop.request", REMOTE, [("/Identification/RemoteIdentification", "identification-kind", ERROR)]),
        ("AuthorizeStart.request", {"QRCodeIdentification": {**QR, "PIN": "1234"}}, []),
        (
            "AuthorizeStart.request",
            {"QRCodeIdentification": QR},
            [("/Identification/QRCodeIdentification/PIN", "pin", ERROR)],
        ),
        (
            "AuthorizeStart.request",
            {"QRCodeIdentification": {**QR, "PIN": "1234", "HashedPIN": HASHED}},
            [("/Identification/QRCodeIdentification/HashedPIN", "pin", WARNING)],
        ),
        (
            "AuthorizeStop.request",
            {"QRCodeIdentification": {**QR, "HashedPIN": HASHED}},
            [
                ("/Identification/QRCodeIdentification/PIN", "pin", ERROR),
                ("/Identification/QRCodeIdentification/HashedPIN", "pin", ERROR),
            ],
        ),
        (
            "AuthorizeRemoteStart.request",
            UID,
            [("/Identification/RFIDMifareFamilyIdentification", "identification-kind", ERROR)],
        ),
        (
            "AuthorizeRemoteReservationStart.request",
            UID,
            [("/Identification/RFIDMifareFamilyIdentification", "identification-kind", WARNING)],
        ),
        ("ChargeDetailRecord.request", {"RFIDIdentification": CARD}, []),
        (
            "ChargeDetailRecord.request",
            {"RFIDMifareFamilyIdentification": {"UID": "AFFH1768"}},
            [("/Identification/RFIDMifareFamilyIdentification/UID", "grammar", ERROR)],
        ),
    ],
)
def test_each_process_takes_its_own_identifications(
    name: str, identification: dict[str, object], expected: list[tuple[str, str, Severity]]
) -> None:
    assert found(name, {"Identification": identification}) == expected


def test_a_mistake_in_an_option_that_does_not_count_costs_nothing() -> None:
    example = {
        **UID,
        "QRCodeIdentification": {**QR, "PIN": "1234", "HashedPIN": {"Value": "string", "Function": "string"}},
        "RemoteIdentification": {"EvcoID": "string"},
    }
    reported = found("AuthorizeStart.request", {"Identification": example})
    assert reported == [("/Identification", "exactly-one", WARNING)]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({**QR, "PIN": "1234"}, []),
        ({**QR, "HashedPIN": HASHED}, []),
        (QR, [("", "pin", ERROR)]),
        ({**QR, "PIN": "1", "HashedPIN": HASHED}, [("/PIN", "pin", WARNING)]),
        ({**QR, "PIN": "1" * 21}, [("/PIN", "length", ERROR)]),
        ({**QR, "HashedPIN": {**HASHED, "Function": "MD5"}}, [("/HashedPIN/Function", "one-of", ERROR)]),
        ({**QR, "HashedPIN": "a5ghdhf73h"}, [("/HashedPIN/Value", "bcrypt", WARNING)]),
    ],
)
def test_pushed_data_has_its_pin_in_clear_or_hashed(
    option: dict[str, object], expected: list[tuple[str, str, Severity]]
) -> None:
    at = ("ProviderAuthenticationData",)
    records = [{"Identification": {"QRCodeIdentification": option}}]
    place = "/ProviderAuthenticationData/AuthenticationDataRecord/0/Identification/QRCodeIdentification"
    reported = found("PushAuthenticationData.request", {"AuthenticationDataRecord": records}, at=at)
    assert reported == [(place + rest, code, severity) for rest, code, severity in expected]


RECORD = ("OperatorEvseData", "EvseDataRecord", 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"IsOpen24Hours": False, "OpeningTimes": None}, ("OpeningTimes", "opening-times", WARNING)),
        (
            {"IsOpen24Hours": True, "OpeningTimes": [{"Period": [{"begin": "08:00", "end": "20:00"}], "on": "Monday"}]},
            ("OpeningTimes", "opening-times", WARNING),
        ),
        ({"PaymentOptions": ["No Payment", "Direct"]}, ("PaymentOptions", "exclusive", WARNING)),
        ({"ValueAddedServices": ["None", "Reservation"]}, ("ValueAddedServices", "exclusive", WARNING)),
        ({"EnergySource": [{"Percentage": 60}, {"Percentage": 50}]}, ("EnergySource", "range", WARNING)),
        ({"GeoCoordinates": {}}, ("GeoCoordinates", "exactly-one", ERROR)),
        (
            {"GeoCoordinates": {**PLACE, "DecimalDegree": {"Longitude": "9.360922", "Latitude": "47.662249"}}},
            ("GeoCoordinates", "exactly-one", WARNING),
        ),
        ({"Plugs": ["MCS"]}, ("Plugs/0", "one-of", WARNING)),
        ({"HotlinePhoneNumber": "110"}, ("HotlinePhoneNumber", "grammar", ERROR)),
    ],
)
def test_an_evse_record_does_not_contradict_itself(
    changes: dict[str, object], expected: tuple[str, str, Severity]
) -> None:
    member, code, severity = expected
    place = f"/OperatorEvseData/EvseDataRecord/0/{member}"
    assert found("PushEvseData.request", changes, at=RECORD) == [(place, code, severity)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"SearchCenter": {"GeoCoordinates": PLACE, "Radius": 10}}, ["/SearchCenter"]),
        ({"CountryCodes": ["DEU"], "OperatorIds": ["DE*ABC"]}, ["/CountryCodes", "/OperatorIds"]),
        ({"CountryCodes": [], "OperatorIds": []}, []),
    ],
)
def test_a_delta_pull_has_no_other_filter(filters: dict[str, object], expected: list[str]) -> None:
    none = {"SearchCenter": None, "CountryCodes": None, "OperatorIds": None, "LastCall": "2024-03-15T09:02:11Z"}
    reported = found("PullEvseData.request", {**none, **filters})
    assert reported == [(place, "exclusive", ERROR) for place in expected]
    without = {**none, **filters, "LastCall": None}
    assert found("PullEvseData.request", without) == []


def test_a_product_says_when_it_holds() -> None:
    at = ("PricingProductData", "PricingProductDataRecords", 0)
    place = "/PricingProductData/PricingProductDataRecords/0"
    never: dict[str, object] = {"IsValid24hours": False, "ProductAvailabilityTimes": []}
    assert found("PushPricingProductData.request", never, at=at) == [
        (f"{place}/ProductAvailabilityTimes", "availability-times", WARNING)
    ]


def test_a_fixed_fee_stands_alone() -> None:
    at = ("PricingProductData", "PricingProductDataRecords", 0)
    fee = {
        "AdditionalReference": "FIXED FEE",
        "AdditionalReferenceUnit": "HOUR",
        "PricePerAdditionalReferenceUnit": "2.50",
    }
    reported = found("PushPricingProductData.request", {"AdditionalReferences": fee, "PricePerReferenceUnit": 1}, at=at)
    place = "/PricingProductData/PricingProductDataRecords/0/PricePerReferenceUnit"
    assert reported == [(place, "fixed-fee", WARNING)]


def test_all_breaches_are_reported_at_once_and_no_value_with_them() -> None:
    body = sample("AuthorizeStart.request")
    body |= {
        "OperatorID": "secret",
        "EvseID": "secret",
        "Identification": {"RemoteIdentification": {"EvcoID": "secret"}},
    }
    message = read(BY_NAME["AuthorizeStart"].request, body)
    violations = check(message)
    assert [violation.code for violation in violations] == ["grammar", "grammar", "grammar", "identification-kind"]
    assert not any("secret" in violation.message for violation in violations)
    assert errors_in(violations) == violations


def test_a_warning_is_no_error() -> None:
    body = sample("ChargeDetailRecord.request") | {"ConsumedEnergy": 1}
    message = read(BY_NAME["ChargeDetailRecord"].request, body)
    assert (len(check(message)), errors_in(check(message))) == (1, ())


def test_countless_breaches_end_after_a_thousand() -> None:
    reported = found("GetChargeDetailRecords.request", {"SessionID": ["x"] * 5000})
    assert len(reported) == 1000


def test_a_contract_of_another_provider_is_found() -> None:
    evco_ids = ["DE-DCB-C12345678-X", None, "DE*DCB*A12345*6", "DE-XYZ-C12345678-X"]
    violations = contracts_of_others(evco_ids, {provider_key("DE*DCB")}, "/AuthenticationDataRecord")
    assert [violation.pointer for violation in violations] == ["/AuthenticationDataRecord/3/Identification"]


def test_an_evse_stands_in_a_push_once_whatever_its_spelling() -> None:
    violations = repeated_evses(["DE*ABC*E1", "DE*ABC*E2", "deabce1", "DE*ABC*E*1"], "/EvseDataRecord")
    assert [violation.pointer for violation in violations] == ["/EvseDataRecord/2/EvseID", "/EvseDataRecord/3/EvseID"]
    assert repeated(["AC1", "AC3"], "", "ProductID") == ()

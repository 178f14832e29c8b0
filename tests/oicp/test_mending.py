"""Records as real senders write them: what is mended, what is kept, what is refused."""

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_plain import is_plain_evse_record
from p2pnode.oicp.mending import EvseDataReading, read_evse_record, read_status_record
from p2pnode.oicp.mends import MEANING, MendKind
from tests.oicp.mending_kit import PLAIN, plain


def address(**members: object) -> dict[str, Any]:
    return plain(Address={**PLAIN["Address"], **members})


def mends(reading: EvseDataReading) -> list[tuple[str, str]]:
    return [(mend.pointer, mend.kind.value) for mend in reading.mended]


def test_a_record_that_is_right_is_kept_as_it_is() -> None:
    record = plain()
    reading = read_evse_record(record)
    assert reading.record is not None
    assert reading.body is record
    assert (reading.mended, reading.violations) == ((), ())
    assert is_plain_evse_record(record)


def test_a_record_in_bytes_is_read_with_exact_numbers() -> None:
    reading = read_evse_record(encode(plain()).replace(b"30.3", b"30.30"))
    assert reading.body["EnvironmentalImpact"] == {"CO2Emission": Decimal("30.30")}
    assert reading.record is not None
    assert reading.record.environmental_impact is not None
    assert str(reading.record.environmental_impact.co2_emission) == "30.30"


PLACE = {"Google": {"Coordinates": "46.4 9.7"}}
FRACTIONS = {"DecimalDegree": {"Latitude": "46.4", "Longitude": "-0.12"}}
AC = {"PowerType": "AC_3_PHASE", "Power": 22}
UND = [{"lang": "und", "value": "A"}]
OPEN = PLAIN["OpeningTimes"]

# A member, what is sent in it, the mends by their place below the member, and what is kept.
QUIRKS: list[tuple[str, object, list[str], object]] = [
    ("GeoCoordinates", {"Google": "46.4 9.7"}, ["/Google coordinates-as-text"], PLACE),
    ("GeoCoordinates", "46.4 9.7", ["/Google coordinates-as-text"], PLACE),
    (
        "GeoCoordinates",
        {"Google": {"Coordinates": "46.42424195876364 8.14262694173355"}},
        ["/Google coordinates-rewritten"],
        {"Google": {"Coordinates": "46.424242 8.142627"}},
    ),
    (
        "GeoCoordinates",
        {"Google": {"Coordinates": "47 9"}},
        ["/Google coordinates-rewritten"],
        {"Google": {"Coordinates": "47.000000 9.000000"}},
    ),
    (
        "GeoCoordinates",
        {"DecimalDegree": {"Latitude": Decimal("46.4"), "Longitude": Decimal("-0.12")}},
        ["/DecimalDegree/Latitude text-as-number", "/DecimalDegree/Longitude text-as-number"],
        FRACTIONS,
    ),
    ("GeoCoordinates", {"Google": "None None", **FRACTIONS}, ["/Google coordinates-unreadable"], FRACTIONS),
    ("GeoChargingPointEntrance", {"Google": "None None"}, ["/Google coordinates-unreadable"], None),
    ("ChargingFacilities", [{**AC, "Power": "22"}], ["/0/Power number-as-text"], [AC]),
    ("ChargingFacilities", [{**AC, "Power": "7,4 kW"}], ["/0/Power number-as-text"], [{**AC, "Power": Decimal("7.4")}]),
    ("ChargingFacilities", [{**AC, "Voltage": "230.0"}], ["/0/Voltage number-as-text"], [{**AC, "Voltage": 230}]),
    ("ChargingFacilities", [{**AC, "PowerType": "ac 3 phase"}], ["/0/PowerType value-spelling"], [AC]),
    ("ChargingFacilities", [{"Power": 22}], ["/0/PowerType required-missing"], [{**AC, "PowerType": "Unspecified"}]),
    ("ChargingFacilities", [{"PowerType": "DC"}, AC], ["/0 facility-without-power"], [AC]),
    (
        "ChargingFacilities",
        {"power": 22, "powertype": "AC_3_PHASE"},
        [" list-without-brackets", "/0/power member-renamed", "/0/powertype member-renamed"],
        [AC],
    ),
    (
        "ChargingFacilities",
        [{**AC, "ChargingModes": "mode 3"}],
        ["/0/ChargingModes list-without-brackets", "/0/ChargingModes/0 value-spelling"],
        [{**AC, "ChargingModes": ["Mode_3"]}],
    ),
    ("ChargingFacilities", [{**AC, "Amperage": Decimal("62.5")}], ["/0/Amperage unreadable-removed"], [AC]),
    ("Plugs", "CHAdeMO", [" list-without-brackets"], ["CHAdeMO"]),
    ("Plugs", [None, "chademo"], [" null-in-list", "/0 value-spelling"], ["CHAdeMO"]),
    ("Plugs", ["CHAdeMO", 5, "DC", {}], ["/3 unreadable-removed", "/1 unreadable-removed"], ["CHAdeMO", "DC"]),
    ("Plugs", None, [" required-missing"], []),
    ("ValueAddedServices", None, [" required-missing"], ["None"]),
    ("RenewableEnergy", "true", [" boolean-as-text"], True),
    ("IsOpen24Hours", 0, [" boolean-as-text"], False),
    ("DynamicPowerLevel", "maybe", [" unreadable-removed"], None),
    ("DynamicInfoAvailable", True, [" text-as-boolean"], "true"),
    ("DynamicInfoAvailable", "AUTO", [" value-spelling"], "auto"),
    ("lastUpdate", "2023-02-13T07:47:05", [" date-without-zone"], "2023-02-13T07:47:05Z"),
    ("lastUpdate", "yesterday", [" unreadable-removed"], None),
    ("EvseID", " DE*ABC*E1 ", [" blanks-around"], "DE*ABC*E1"),
    ("ChargingStationNames", [{"lang": None, "value": "A"}], ["/0/lang language-missing"], UND),
    ("ChargingStationNames", "A", [" list-without-brackets", "/0 text-without-language"], UND),
    ("AdditionalInfo", [{"lang": "en"}, *UND], ["/0 unreadable-removed"], UND),
    ("MaxCapacity", "50 kWh", [" number-as-text"], 50),
    ("HotlinePhoneNumber", "0049 (0)30 / 123-45", [" phone-number"], "+493012345"),
    ("Accessibility", "free publicly Accessible", [" value-spelling"], "Free publicly accessible"),
    ("Accessibility", None, [" required-missing"], "Unspecified"),
    (
        "OpeningTimes",
        {"Periods": {"Begin": "09:00", "End": "18:00"}, "On": "everyday"},
        [
            " list-without-brackets",
            "/0/Periods member-renamed",
            "/0/On member-renamed",
            "/0/on value-spelling",
            "/0/Period list-without-brackets",
            "/0/Period/0/Begin member-renamed",
            "/0/Period/0/End member-renamed",
        ],
        OPEN,
    ),
    ("OpeningTimes", [*OPEN, {"on": "Monday"}], [" unreadable-removed"], None),
    (
        "EnergySource",
        [{"Energy": "solar", "Percentage": "85%"}],
        ["/0/Percentage number-as-text", "/0/Energy value-spelling"],
        [{"Energy": "Solar", "Percentage": 85}],
    ),
    (
        "EnvironmentalImpact",
        {"CO2Emission": "30.30"},
        ["/CO2Emission number-as-text"],
        {"CO2Emission": Decimal("30.30")},
    ),
    ("ChargingStationId", 5, [" text-as-number"], "5"),
]


@pytest.mark.parametrize(("member", "sent", "expected", "kept"), QUIRKS)
def test_a_quirk_is_mended_reported_and_changes_its_member_only(
    member: str, sent: object, expected: list[str], kept: object
) -> None:
    record = plain(**{member: sent})
    before = copy.deepcopy(record)
    reading = read_evse_record(record)
    assert reading.record is not None, reading.violations
    assert [f"{mend.pointer} {mend.kind}" for mend in reading.mended] == [f"/{member}{mend}" for mend in expected]
    assert reading.body.get(member) == kept
    assert {**reading.body, member: None} == {**record, member: None}
    assert record == before
    assert all(mend.sentence.endswith(".") for mend in reading.mended)


ADDRESSES: list[tuple[dict[str, Any], str, object]] = [
    ({"PostalCode": None}, "required-missing", {"PostalCode": ""}),
    ({"PostalCode": 10829}, "text-as-number", {"PostalCode": "10829"}),
    ({"HouseNum": 5}, "text-as-number", {"HouseNum": "5"}),
    ({"Street": "A"}, "street-too-short", {"Street": "A_"}),
    ({"Street": None}, "required-missing", {"Street": "__"}),
    ({"City": None}, "required-missing", {"City": "_"}),
    ({"Country": "DE"}, "country-code", {"Country": "DEU"}),
    ({"Country": "che"}, "country-code", {"Country": "CHE"}),
    ({"TimeZone": "Europe/Zurich"}, "time-zone-name", {"TimeZone": "UTC+01:00"}),
    ({"TimeZone": "+2"}, "time-zone-name", {"TimeZone": "UTC+02:00"}),
    ({"ParkingFacility": "yes"}, "boolean-as-text", {"ParkingFacility": True}),
    ({"ParkingFacility": {}}, "unreadable-removed", {"ParkingFacility": None}),
]


@pytest.mark.parametrize(("members", "kind", "kept"), ADDRESSES)
def test_a_quirk_of_an_address_is_mended(members: dict[str, Any], kind: str, kept: dict[str, Any]) -> None:
    reading = read_evse_record(address(**members))
    assert reading.record is not None
    assert [mend.kind.value for mend in reading.mended] == [kind]
    expected = {**PLAIN["Address"], **kept}
    assert {name: reading.body["Address"].get(name) for name in expected} == expected


def test_a_time_zone_by_its_name_under_another_spelling_becomes_its_offset() -> None:
    record = plain(Address={**PLAIN["Address"], "TimeZone": None, "Timezone": "Europe/Helsinki"})
    reading = read_evse_record(record)
    assert [mend.kind for mend in reading.mended] == [MendKind.MEMBER_RENAMED, MendKind.TIME_ZONE_NAME]
    assert reading.body["Address"]["TimeZone"] == "UTC+02:00"
    assert "Timezone" not in reading.body["Address"]


def test_a_time_zone_that_is_unknown_is_left_out() -> None:
    reading = read_evse_record(address(TimeZone="Mars/Olympus"))
    assert mends(reading) == [("/Address/TimeZone", "unreadable-removed")]
    assert "TimeZone" not in reading.body["Address"]


@pytest.mark.parametrize("value", ["", "."])
@pytest.mark.parametrize("member", ["HouseNum", "PostalCode"])
def test_an_empty_house_number_or_postal_code_stays_as_it_came(member: str, value: str) -> None:
    reading = read_evse_record(address(**{member: value}))
    assert reading.mended == ()
    assert reading.body["Address"][member] == value


def test_other_spellings_of_optional_members_are_renamed() -> None:
    reading = read_evse_record(
        plain(LocationImage="https://x.example/1.jpg", SuboperatorName="Sub", chargingPoolID="P")
    )
    assert {mend.pointer for mend in reading.mended} == {"/LocationImage", "/SuboperatorName", "/chargingPoolID"}
    assert reading.record is not None
    assert reading.record.charging_station_image == "https://x.example/1.jpg"
    assert reading.record.sub_operator_name == "Sub"
    assert reading.record.charging_pool_id == "P"


def test_explicit_nulls_and_unknown_members_stay_as_they_came() -> None:
    record = plain(LocationImage=None, MaxCapacity=None, OpeningTimes=None, CustomData={"a": 1})
    reading = read_evse_record(record)
    assert reading.mended == ()
    assert reading.body == record


def test_the_station_id_is_left_under_either_of_its_names() -> None:
    record = plain(ChargingStationID="S1")
    del record["ChargingStationId"]
    reading = read_evse_record(record)
    assert (reading.mended, reading.body) == ((), record)


def test_a_lower_case_evse_id_keeps_its_text() -> None:
    reading = read_evse_record(plain(EvseID="de*abc*e1"))
    assert (reading.mended, reading.evse_id) == ((), "de*abc*e1")


@pytest.mark.parametrize("plug", ["Megawatt Charging System", "MCS"])
def test_a_value_that_no_version_knows_stays(plug: str) -> None:
    reading = read_evse_record(plain(Plugs=[plug]))
    assert (reading.mended, reading.body["Plugs"]) == ((), [plug])


REFUSED: list[tuple[dict[str, Any], set[str]]] = [
    (plain(EvseID=None), {"/EvseID"}),
    (plain(EvseID=" "), {"/EvseID"}),
    (plain(EvseID=5), {"/EvseID"}),
    (plain(GeoCoordinates={"Google": "None None"}), {"/GeoCoordinates"}),
    (plain(GeoCoordinates={"Google": "95.0 9.0"}), {"/GeoCoordinates"}),
    (plain(GeoCoordinates={"Google": {"Coordinates": "95.0 9.0"}}), {"/GeoCoordinates"}),
    (plain(GeoCoordinates=None), {"/GeoCoordinates"}),
    (plain(GeoCoordinates={}), {"/GeoCoordinates"}),
    (plain(Address=None), {"/Address"}),
    (address(Country=None), {"/Address/Country"}),
    (plain(HotlinePhoneNumber=None), {"/HotlinePhoneNumber"}),
    (plain(Plugs={"a": 1}, HotlinePhoneNumber=None), {"/Plugs", "/HotlinePhoneNumber"}),
    (plain(EvseID="", GeoCoordinates={}), {"/EvseID", "/GeoCoordinates"}),
]


@pytest.mark.parametrize(("record", "pointers"), REFUSED)
def test_a_record_without_what_nobody_can_make_up_is_refused_with_all_reasons(
    record: dict[str, Any], pointers: set[str]
) -> None:
    reading = read_evse_record(record)
    assert reading.record is None
    assert reading.body == record
    assert {violation.pointer for violation in reading.violations} == pointers


@pytest.mark.parametrize("raw", [b"", b"nope", b"[]", b"5", b"null", b"\xff", b'{"a":' * 5000, b'{"a":1e99999999}'])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    for reading in (read_evse_record(raw), read_status_record(raw)):
        assert reading.record is None
        assert reading.violations
        assert reading.evse_id == ""


STATUSES: list[tuple[dict[str, Any], list[str], str]] = [
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Available"}, [], "Available"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Available", "ChargingStationID": "S1"}, [], "Available"),
    ({"EvseID": "DE*ABC*E1", "EVSEStatus": "Available"}, ["member-renamed"], "Available"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "EVSENotFound"}, ["value-spelling"], "EvseNotFound"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Out of order"}, ["older-value"], "OutOfService"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Inoperative"}, ["older-value"], "OutOfService"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Charging"}, ["older-value"], "Occupied"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Blocked"}, ["older-value"], "Occupied"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": None}, ["required-missing"], "Unknown"),
    ({"EvseID": " DE*ABC*E1", "EvseStatus": "Available"}, ["blanks-around"], "Available"),
    ({"EvseID": "DE*ABC*E1", "EvseStatus": "Melted"}, [], "Melted"),
]


@pytest.mark.parametrize(("body", "kinds", "status"), STATUSES)
def test_a_status_record_is_mended(body: dict[str, Any], kinds: list[str], status: str) -> None:
    reading = read_status_record(json.dumps(body).encode())
    assert reading.record is not None
    assert [mend.kind.value for mend in reading.mended] == kinds
    assert (reading.record.evse_id, reading.record.evse_status) == ("DE*ABC*E1", status)
    assert reading.body["EvseStatus"] == status


@pytest.mark.parametrize("body", [{}, {"EvseID": "", "EvseStatus": "Available"}, {"EvseID": "A", "EvseStatus": 5}])
def test_a_status_record_without_an_evse_id_or_a_readable_status_is_refused(body: dict[str, Any]) -> None:
    assert read_status_record(body).record is None


def test_every_kind_of_mend_has_a_meaning_and_is_shown_by_a_record_here() -> None:
    assert set(MEANING) == set(MendKind)
    readings = [read_evse_record(plain(**{member: sent})) for member, sent, *_ in QUIRKS]
    readings += [read_evse_record(address(**members)) for members, *_ in ADDRESSES]
    seen = {mend.kind for reading in readings for mend in reading.mended}
    seen |= {mend.kind for body, *_ in STATUSES for mend in read_status_record(body).mended}
    assert seen == set(MendKind)

"""Records that are read in one go: only what the class and its rules let through as it is, with the same outcome."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from p2pnode.oicp.codec import encode
from p2pnode.oicp.coordinates import GEO_MEMBERS
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_sound import sound_evse_record, summary_of
from p2pnode.oicp.evse_types import GeoCoordinatesResponseFormatType
from p2pnode.oicp.mending import read_evse_record
from p2pnode.oicp.mends import is_list, is_object
from p2pnode.oicp.rules import check, errors_in
from tests.oicp.mending_kit import PLAIN, plain
from tests.samples import sample_members

SWISS = Path(__file__).parents[3] / "shared" / "data" / "swiss-evse-data.json"


def agree(raw: bytes) -> bool:
    """Whether the record is sound; then reading it in full mends nothing, refuses nothing and finds the same."""
    sound = sound_evse_record(raw)
    if sound is None:
        return False
    reading = read_evse_record(raw)
    assert reading.record is not None
    assert reading.mended == ()
    assert errors_in(check(reading.record)) == ()
    assert summary_of(reading.record) == replace(sound, notation="")
    places = [place for name in GEO_MEMBERS if (place := decoded(raw).get(name)) is not None]
    assert sound.notation == "" or all([*filter(place.get, place)] == [sound.notation] for place in places)
    return True


def decoded(raw: bytes) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.json.decode(raw)
    return members


def sample_records() -> list[dict[str, Any]]:
    push = sample_members("PushEvseData.request")
    page = sample_members("PullEvseData.answer")
    return [*push["OperatorEvseData"]["EvseDataRecord"], *page["content"]]


@pytest.mark.parametrize("record", sample_records(), ids=lambda record: record["EvseID"])
def test_the_samples_are_sound(record: dict[str, Any]) -> None:
    assert agree(json.dumps(record).encode())
    assert agree(json.dumps(record, ensure_ascii=False, indent=2).encode())


def test_a_record_with_every_member_null_that_may_be_is_sound() -> None:
    fields = EvseDataRecord.model_fields.values()
    nulls = {str(field.serialization_alias): None for field in fields if not field.is_required()}
    assert agree(encode(plain(**nulls)))


def test_all_that_a_sound_record_tells_is_in_its_summary() -> None:
    record = plain(OperatorID="DE*ABC", OperatorName="ABC", deltaType="delete", EvseID="de*abc*e1")
    found = sound_evse_record(encode(record))
    assert found is not None
    assert (found.evse_id, found.operator_id, found.operator_name) == ("de*abc*e1", "DE*ABC", "ABC")
    assert (found.country, found.latitude, found.longitude, found.delta_type) == ("DEU", 52.480495, 13.356465, "delete")
    assert found.authentication_modes == {"REMOTE"}
    assert found.notation == ""


def test_places_in_two_notations_are_not_told_to_be_in_one() -> None:
    place = {"DecimalDegree": {"Longitude": "8.679700", "Latitude": "50.113600"}}
    both, one = plain(GeoChargingPointEntrance=place), plain(GeoCoordinates=place, GeoChargingPointEntrance=place)
    found = [sound_evse_record(encode(record)) for record in (both, one)]
    assert [summary and summary.notation for summary in found] == ["", "DecimalDegree"]


EXTRAS: list[dict[str, Any]] = [
    {"Unknown": 1, "More": {"a": ["x", None, 2.5]}},
    {"LocationImage": None, "evseid": None},
]


@pytest.mark.parametrize("members", EXTRAS, ids=str)
def test_members_that_nobody_knows_and_old_names_without_a_value_change_nothing(members: dict[str, Any]) -> None:
    assert agree(json.dumps(plain(**members)).encode())


UNREADABLE = [b'"\xff"', b"[" * 300 + b"]" * 300, b"1e5000", b"1" * 4400, b'"\\ud800"', b"{", b"1e-2000"]


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_member_that_nobody_knows_has_to_be_readable_all_the_same(value: bytes) -> None:
    assert sound_evse_record(encode(plain(Unknown=5)).replace(b'"Unknown":5', b'"Unknown":' + value)) is None


NOT_SOUND: list[dict[str, Any]] = [
    {"evseid": "DE*ABC*E2"},
    {"Address": {**PLAIN["Address"], "Unknown": 1}},
    {"LocationImage": "https://abc.example/1.jpg"},
    {"EvseID": " DE*ABC*E1"},
    {"EvseID": "DE*ABC*E1\n"},
    {"EvseID": "CH*SWISSCHARGE*1"},
    {"Plugs": ["Type 2 outlet"]},
    {"Plugs": "Type 2 Outlet"},
    {"Plugs": [None]},
    {"IsOpen24Hours": "false"},
    {"DynamicInfoAvailable": True},
    {"HotlinePhoneNumber": "+49 30 12345"},
    {"HotlinePhoneNumber": "+٤٩٣٠١٢٣٤٥"},
    {"MaxCapacity": "50"},
    {"lastUpdate": "2025-03-04T08:15:30"},
    {"lastUpdate": "2025-02-29T08:15:30Z"},
    {"lastUpdate": "9999-12-31T23:59:59-12:00"},
    {"ChargingStationNames": [{"lang": None, "value": "A"}]},
    {"ChargingStationNames": [{"lang": "de", "value": "A" * 151}]},
    {"ChargingStationId": "A" * 51},
    {"EnvironmentalImpact": {"CO2Emission": 100000}},
    {"EnvironmentalImpact": {"CO2Emission": -1}},
    {"OpeningTimes": [{"Period": [{"begin": "24:01", "end": "18:00"}], "on": "Everyday"}]},
    {"OpeningTimes": [{"Period": {"begin": "09:00", "end": "18:00"}, "On": "Everyday"}]},
    {"GeoCoordinates": {}},
    {"GeoCoordinates": "47.1 8.1"},
    {"GeoCoordinates": {"Google": {"Coordinates": "90.5 8.1"}}},
    {"GeoCoordinates": {"Google": {"Coordinates": "47.1 180.5"}}},
    {"GeoCoordinates": {"Google": {"Coordinates": "47.1\u001c8.1"}}},
    {"GeoCoordinates": {"Google": {"Coordinates": "47.1234568.1"}}},
    {"GeoCoordinates": {"Google": {"Coordinates": "47.12345678 8.1"}}},
    {"GeoCoordinates": {"DecimalDegree": {"Latitude": "91.0", "Longitude": "8.1"}}},
    {"GeoChargingPointEntrance": {"DecimalDegree": {"Latitude": "-90.1", "Longitude": "8.1"}}},
    {"ChargingFacilities": [{"PowerType": "AC_3_PHASE", "Power": "22"}]},
    {"ChargingFacilities": [{"PowerType": "AC_3_PHASE", "power": 22}]},
    {"Address": {**PLAIN["Address"], "Country": "de"}},
    {"Address": {**PLAIN["Address"], "Street": "W"}},
    {"Address": {**PLAIN["Address"], "TimeZone": "Europe/Berlin"}},
]


@pytest.mark.parametrize("members", NOT_SOUND, ids=str)
def test_what_may_have_to_be_mended_or_refused_is_not_sound(members: dict[str, Any]) -> None:
    assert agree(encode(plain()))
    assert sound_evse_record(encode(plain(**members))) is None


@pytest.mark.parametrize("number", ["1" * 1001, "0." + "1" * 5000, "0.0e9999", "1e-2000", "1e400"])
def test_a_number_that_could_fill_the_memory_is_not_sound(number: str) -> None:
    assert sound_evse_record(encode(plain()).replace(b"30.3", number.encode())) is None


def test_what_is_not_json_in_utf_8_is_not_sound() -> None:
    raw = encode(plain())
    for broken in (b"", b"[]", raw[:-1], raw + b"x", raw.replace(b"Berlin", b"\xff"), b"[" * 100_000, b"null"):
        assert sound_evse_record(broken) is None


@pytest.mark.skipif(not SWISS.exists(), reason="the Swiss data are not here")
def test_the_swiss_records_once_mended_agree_whether_sound_or_not() -> None:
    operators = msgspec.json.decode(SWISS.read_bytes())["EVSEData"]
    records = [record for operator in operators for record in operator["EVSEDataRecord"]]
    readings = [read_evse_record(record) for record in records]
    assert not any(agree(msgspec.json.encode(record)) for record in records)
    assert sum(agree(encode(reading.body)) for reading in readings) > len(records) * 0.9


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=8)
    | st.text(max_size=8)
    | st.sampled_from(
        ["true", "22", "46.4 9.7", "46.4, 9.7", "-0.0,180.0", "90.0 -180.0", "de", "Type 2 Outlet", "CHAdeMO", " x "]
    )
    | st.sampled_from(["2023-02-13T07:47:05.123Z", "2024-02-29T23:59:59+14:00", "24:00", "00:00", "UTC-03:30", "€😀"])
    | st.sampled_from([Decimal(99999), Decimal("99999.0001"), Decimal("0.0"), Decimal("-0.0"), Decimal("7.4"), -1, 0])
)


def inside(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of all members and elements in a value."""
    inner: list[tuple[str | int, object]] = []
    if is_object(value):
        inner = list(value.items())
    elif is_list(value):
        inner = list(enumerate(value))
    return [place for step, one in inner for place in ((*path, step), *inside(one, (*path, step)))]


def _at(value: Any, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - JSON
    for step in path:
        value = value[step]
    return value


BASES = [json.loads(json.dumps(base)) for base in (PLAIN, *sample_records())]
PLACES = [(number, place) for number, base in enumerate(BASES) for place in inside(base)]
NAMES = st.sampled_from(["Google", "google", "Coordinates", "lang", "Power", "power", "On", "Period", "x/~"])


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(PLACES),
    scalars | st.lists(scalars, max_size=2) | st.dictionaries(NAMES, scalars, max_size=2),
    st.sampled_from(["replace", "remove", "rename", "add"]),
)
def test_whatever_changes_in_a_record_it_is_taken_only_if_it_would_be_taken_as_it_is(
    where: tuple[int, tuple[str | int, ...]], value: object, how: str
) -> None:
    number, path = where
    record = json.loads(json.dumps(BASES[number]))
    holder, step = _at(record, path[:-1]), path[-1]
    if how == "replace":
        holder[step] = value
    elif how == "remove":
        del holder[step]
    elif how == "rename" and isinstance(step, str):
        holder[step.swapcase()] = holder.pop(step)
    elif how == "add" and is_object(holder):
        holder[f"{step}Too"] = value
    agree(encode(record))


@settings(max_examples=500, deadline=None)
@given(
    st.from_regex(r"\A-?1?[0-9]{1,2}\.[0-9]{1,6}[ ,\t;]{0,2}-?1?[0-9]{1,2}\.[0-9]{1,6}\Z"),
    st.sampled_from([*GeoCoordinatesResponseFormatType]),
)
def test_places_are_those_that_reading_in_full_finds(text: str, notation: str) -> None:
    latitude, _, longitude = text.partition(" ")
    google = notation == GeoCoordinatesResponseFormatType.GOOGLE
    members = {"Coordinates": text} if google else {"Latitude": latitude, "Longitude": longitude}
    agree(encode(plain(GeoCoordinates={notation: members})))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=4), st.integers(0, len(encode(PLAIN))))
def test_bytes_put_anywhere_into_a_record_change_nothing_in_this(put: bytes, at: int) -> None:
    raw = encode(PLAIN)
    agree(raw[:at] + put + raw[at:])

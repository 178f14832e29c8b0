import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pnode.oicp.coordinates import (
    Position,
    UnreadableCoordinates,
    in_notation,
    parse_decimal_degree,
    parse_degree_minute_seconds,
    parse_google,
    position_in,
    written,
)
from p2pnode.oicp.evse_types import GEO_DECIMAL_DEGREE, GEO_DEGREE_MINUTE_SECONDS, GEO_GOOGLE
from p2pnode.oicp.evse_types import GeoCoordinatesResponseFormatType as Notation

latitudes = st.decimals(min_value=-90, max_value=90, places=6)
longitudes = st.decimals(min_value=-180, max_value=180, places=6)
notations = st.sampled_from(Notation)
DELICATE = [
    Decimal(text) for text in ("1.35", "-0.12", "0.0", "-0.000001", "0.000001", "-0.0", "59.999999", "-89.999999")
]


def place(latitude: str, longitude: str) -> Position:
    return Position(Decimal(latitude), Decimal(longitude))


@given(latitudes, longitudes, notations)
def test_a_position_of_six_decimals_survives_every_notation(
    latitude: Decimal, longitude: Decimal, notation: Notation
) -> None:
    assert position_in(written(Position(latitude, longitude), notation)) == (latitude, longitude)


@pytest.mark.parametrize("notation", Notation)
@pytest.mark.parametrize("latitude", DELICATE)
@pytest.mark.parametrize("longitude", DELICATE)
def test_a_position_near_the_equator_or_the_meridian_survives_every_notation(
    latitude: Decimal, longitude: Decimal, notation: Notation
) -> None:
    assert position_in(written(Position(latitude, longitude), notation)) == (latitude, longitude)


@given(latitudes, longitudes)
def test_what_is_written_matches_the_grammar_of_the_specification(latitude: Decimal, longitude: Decimal) -> None:
    position = Position(latitude, longitude)
    assert GEO_GOOGLE.pattern.fullmatch(written(position, Notation.GOOGLE)["Google"]["Coordinates"])
    for notation, grammar in (
        (Notation.DECIMAL_DEGREE, GEO_DECIMAL_DEGREE),
        (Notation.DEGREE_MINUTE_SECONDS, GEO_DEGREE_MINUTE_SECONDS),
    ):
        for text in written(position, notation)[notation].values():
            assert grammar.pattern.fullmatch(text)


def test_the_examples_of_the_specification_are_read() -> None:
    assert parse_google("47.662249 9.360922") == place("47.662249", "9.360922")
    assert parse_decimal_degree("-21.568201", "9.360922") == place("-21.568201", "9.360922")
    south = parse_degree_minute_seconds("-21°34'23.16''", "9°21'39.32''")
    assert round(south.latitude, 6) == Decimal("-21.573100")
    assert round(south.longitude, 6) == Decimal("9.360922")


@pytest.mark.parametrize(
    "text", ["52.5,13.4", "52.5, 13.4", " 52.5   13.4 ", "52.5 , 13.4", "+52.5 +13.4", "52.5;13.4", "52.50 13.4"]
)
def test_blank_comma_or_both_may_separate_latitude_and_longitude(text: str) -> None:
    assert parse_google(text) == place("52.5", "13.4")


def test_whole_degrees_without_a_decimal_point_are_read() -> None:
    assert parse_google("47 9") == place("47", "9")


def test_more_than_six_decimals_are_read_exactly_and_written_rounded() -> None:
    position = parse_google("46.42424195876364 8.14262694173355")
    assert position == place("46.42424195876364", "8.14262694173355")
    assert written(position, Notation.GOOGLE) == {"Google": {"Coordinates": "46.424242 8.142627"}}


def test_a_negative_degree_of_zero_keeps_its_sign_in_degrees_minutes_and_seconds() -> None:
    assert written(place("-0.12", "0.0"), Notation.DEGREE_MINUTE_SECONDS) == {
        "DegreeMinuteSeconds": {"Latitude": "-0°7'12.0000''", "Longitude": "0°0'0.0000''"}
    }


@pytest.mark.parametrize(
    "text", ["", "None None", "47.662249", "47.6622499.360922", "91.0 0.0", "0.0 181.0", "a b", "٤٧.٦ ٩.٣", "1e2 3"]
)
def test_a_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCoordinates):
        parse_google(text)


@pytest.mark.parametrize("text", ["9°60'1.0''", "9°1'60.0''", "9.360922", "9°21", ""])
def test_a_text_that_is_not_in_degrees_minutes_and_seconds_is_refused(text: str) -> None:
    with pytest.raises(UnreadableCoordinates):
        parse_degree_minute_seconds(text, "0°0'0.0''")


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_raises_anything_but_unreadable_coordinates(first: str, second: str) -> None:
    for read in (parse_decimal_degree, parse_degree_minute_seconds):
        with contextlib.suppress(UnreadableCoordinates):
            assert abs(read(first, second).latitude) <= 90
    with contextlib.suppress(UnreadableCoordinates):
        assert abs(parse_google(first + second).longitude) <= 180


@pytest.mark.parametrize("members", [None, {}, [], 5, "None None", {"Google": None}, {"Google": {"Coordinates": 5}}])
def test_members_without_a_position_are_refused(members: object) -> None:
    with pytest.raises(UnreadableCoordinates):
        position_in(members)


def test_a_record_is_rewritten_to_the_notation_asked_for_and_stays_as_it_was() -> None:
    record: dict[str, Any] = {
        "EvseID": "DE*ABC*E1",
        "GeoCoordinates": {"Google": {"Coordinates": "1.35 -0.12"}},
        "GeoChargingPointEntrance": {"DegreeMinuteSeconds": {"Latitude": "1°21'0.0''", "Longitude": "-0°7'12.0''"}},
    }
    before = {**record}
    assert in_notation(record, Notation.DECIMAL_DEGREE) == {
        "EvseID": "DE*ABC*E1",
        "GeoCoordinates": {"DecimalDegree": {"Longitude": "-0.120000", "Latitude": "1.350000"}},
        "GeoChargingPointEntrance": {"DecimalDegree": {"Longitude": "-0.120000", "Latitude": "1.350000"}},
    }
    assert record == before


def test_coordinates_that_are_already_in_the_notation_keep_their_text() -> None:
    record = {"GeoCoordinates": {"Google": {"Coordinates": "1.35, -0.12"}}, "GeoChargingPointEntrance": None}
    assert in_notation(record, Notation.GOOGLE) is record


def test_of_several_notations_only_the_one_asked_for_remains() -> None:
    google = {"Coordinates": "1.35 -0.12"}
    record = {"GeoCoordinates": {"Google": google, "DecimalDegree": {"Latitude": "1.35", "Longitude": "-0.12"}}}
    assert in_notation(record, Notation.GOOGLE) == {"GeoCoordinates": {"Google": google}}


def test_coordinates_that_cannot_be_read_stay_as_they_are() -> None:
    record = {"GeoCoordinates": {"Google": "None None"}}
    assert in_notation(record, Notation.DECIMAL_DEGREE) == record

"""The codec: exact numbers, and nothing but a value or a refusal for any bytes."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.authorization import AuthorizeStart
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import decode, encode, read, replace_members, time_text
from p2pnode.oicp.envelopes import split
from p2pnode.oicp.errors import InvalidMessage, MessageError
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    PUSH_EVSE_DATA,
    PUSH_EVSE_STATUS,
)

REFUSED = [
    b"",
    b" ",
    b"{",
    b'{"a":1}x',
    b"NaN",
    b"Infinity",
    b"01",
    b"1.",
    b"'a'",
    b'"\x00"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\\ud800"',
    b'{"\\ud800":1}',
    b"\xff\xfe{\x00}\x00",
    b"1e99999999999999999999",
    b"1e1001",
    b"-1e-1001",
    b"9" * 10_000,
    b"9" * 1_000_000,
    b"0." + b"9" * 10_000,
    b"[" * 100_000,
    b"[" * 300 + b"]" * 300,
    b'{"a":' * 300 + b"1" + b"}" * 300,
]


@pytest.mark.parametrize("body", REFUSED, ids=lambda body: repr(body[:12]))
def test_what_is_not_json_or_out_of_bounds_is_refused(body: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(InvalidMessage) as refused:
        decode(body)
    assert time.perf_counter() - began < 1
    assert [violation.code for violation in refused.value.violations] == ["json"]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"1e400", Decimal("1e400")),
        (b"-0", 0),
        (b"-0.0", Decimal("-0.0")),
        (b"14.473", Decimal("14.473")),
        (b"9" * 40, int("9" * 40)),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b"null", None),
    ],
)
def test_numbers_are_read_exactly(body: bytes, value: object) -> None:
    assert decode(body) == value


@given(st.binary(max_size=60) | st.text('{}[]",:0123456789eE+-.\\utrfalsn \n', max_size=60).map(str.encode))
@settings(max_examples=200)
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    outcomes: list[object] = []
    with suppress(InvalidMessage):
        outcomes.append(decode(body))
    with suppress(InvalidMessage):
        outcomes.append(read(AuthorizeStart, body))
    with suppress(InvalidMessage):
        outcomes.append(split(PUSH_EVSE_DATA, body))
    assert len(outcomes) < 3


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=10)
decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
values = st.recursive(
    scalars | decimals,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5))
@settings(max_examples=200)
def test_what_is_written_is_read_back_equal(members: dict[str, Any]) -> None:
    written = encode(members)
    assert decode(written) == members
    json.loads(written)


@given(decimals)
@settings(max_examples=200)
def test_a_decimal_survives_without_exponent_and_integral_when_it_is(number: Decimal) -> None:
    written = encode({"a": number})[5:-1]
    assert decode(written) == number
    assert b"e" not in written.lower()
    assert (b"." in written) == (number != number.to_integral_value())


@pytest.mark.parametrize(
    "value",
    [Decimal("NaN"), Decimal("1e1001"), float("inf"), "\ud800", 10**5000, datetime(2024, 1, 1), object()],  # noqa: DTZ001 - a naive time is the case
    ids=["NaN", "1e1001", "infinity", "lone surrogate", "5000 digits", "naive time", "object"],
)
def test_what_json_cannot_say_is_our_own_mistake(value: object) -> None:
    with pytest.raises(MessageError):
        encode({"a": value})


def test_an_endless_nesting_is_our_own_mistake() -> None:
    value: dict[str, Any] = {}
    value["a"] = value
    with pytest.raises(MessageError):
        encode(value)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2024, 3, 15, 9, 2, 11, tzinfo=UTC), "2024-03-15T09:02:11Z"),
        (datetime(2024, 3, 15, 9, 2, 11, 38000, tzinfo=UTC), "2024-03-15T09:02:11.038Z"),
        (datetime(2024, 3, 15, 9, 2, 11, 38001, tzinfo=UTC), "2024-03-15T09:02:11.038001Z"),
        (
            datetime(2024, 3, 15, 9, 2, 11, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
            "2024-03-15T09:02:11-03:30",
        ),
    ],
)
def test_a_time_keeps_its_offset(moment: datetime, text: str) -> None:
    assert time_text(moment) == text
    assert datetime.fromisoformat(text) == moment


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
@settings(max_examples=150)
def test_any_time_is_read_back_as_the_same_moment(moment: datetime) -> None:
    read_back = datetime.fromisoformat(time_text(moment))
    assert (read_back - moment, read_back.utcoffset()) == (timedelta(0), moment.utcoffset())


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"])
def test_a_time_that_utc_cannot_say_is_refused(text: str) -> None:
    members = {"ProviderID": "DE-ABC", "From": text, "To": "9999-12-31T23:59:59Z"}
    with pytest.raises(InvalidMessage) as refused:
        read(GetChargeDetailRecords, members)
    assert [violation.pointer for violation in refused.value.violations] == ["/From"]


def test_all_violations_come_at_once_with_the_names_that_came_in() -> None:
    body: dict[str, object] = {
        "SessionID": "x",
        "EvseID": 5,
        "HubProviderId": [],
        "ChargingStart": "soon",
        "ConsumedEnergy": True,
    }
    with pytest.raises(InvalidMessage) as refused:
        read(ChargeDetailRecord, json.dumps(body).encode())
    found = {violation.pointer: violation.code for violation in refused.value.violations}
    assert found == {
        "/EvseID": "type",
        "/Identification": "missing",
        "/ChargingStart": "value",
        "/ChargingEnd": "missing",
        "/SessionStart": "missing",
        "/SessionEnd": "missing",
        "/ConsumedEnergy": "value",
        "/HubProviderId": "type",
    }
    assert "/EvseID" in refused.value.reason


def test_a_refusal_repeats_no_value() -> None:
    body = {"OperatorID": ["secret"], "Identification": {"RFIDMifareFamilyIdentification": {"UID": ["secret"]}}}
    with pytest.raises(InvalidMessage) as refused:
        read(AuthorizeStart, body)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_null_where_a_member_is_mandatory_counts_as_missing() -> None:
    with pytest.raises(InvalidMessage) as refused:
        read(AuthorizeStart, {"OperatorID": None, "Identification": None})
    assert [violation.code for violation in refused.value.violations] == ["missing", "missing"]


def test_countless_violations_are_counted_not_listed() -> None:
    body = {"AuthorizationStatus": "Authorized", "StatusCode": "000", "AuthorizationStopIdentifications": [1] * 50_000}
    with pytest.raises(InvalidMessage) as refused:
        read(AUTHORIZE_START.answer, body)
    assert [violation.code for violation in refused.value.violations] == ["too-many"]


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"text"'])
def test_what_is_no_object_is_no_message(body: bytes) -> None:
    with pytest.raises(InvalidMessage):
        read(Acknowledgement, body)
    with pytest.raises(InvalidMessage):
        split(PUSH_EVSE_STATUS, body)


def test_only_the_named_members_of_an_object_change() -> None:
    raw = b'{"ConsumedEnergy" : 1.50, "SessionID":"a" , "More": {"x" :1e2}, "Gone": 1}'
    changed = replace_members(raw, {"SessionID": "b", "Gone": None, "Energy": Decimal("2.0"), "Absent": None})
    assert changed == b'{"ConsumedEnergy":1.50,"SessionID":"b","More":{"x" :1e2},"Energy":2}'


def test_members_get_another_name_and_come_where_they_are_missing() -> None:
    raw = b'{"A" : 1.50, "B":"b", "C": {"x" :1e2}, "D": null}'
    changed = replace_members(raw, {}, {"A": "Z", "D": "Y"}, {"B": "other", "E": "e"})
    assert changed == b'{"B":"b","C":{"x" :1e2},"Z":1.50,"E":"e"}'
    assert replace_members(raw, {}, {"X": "A"}, {"D": 1}) == raw.replace(b" : ", b":").replace(b", ", b",").replace(
        b": ", b":"
    )


def test_only_an_object_has_members_to_replace() -> None:
    with pytest.raises(InvalidMessage):
        replace_members(b"[1]", {"a": 1})

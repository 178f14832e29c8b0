"""Splitting a large push slice by slice gives what splitting it at once gives, whatever the push."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.oicp import slicing
from p2pnode.oicp.envelopes import Envelope, split
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.operations import PUSH_EVSE_DATA
from p2pnode.oicp.slicing import split_in_slices

TEXT = st.text(alphabet='ab"\\{}[],: é', max_size=12)
VALUE = st.recursive(
    TEXT | st.integers(0, 9) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def push(records: object, before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None) -> bytes:
    data = {**(before or {}), "OperatorID": "DE*ABC", "EvseDataRecord": records, "OperatorName": "ABC", **(after or {})}
    return json.dumps({"OperatorEvseData": data, "ActionType": "fullLoad"}, ensure_ascii=False).encode()


def drained(body: bytes) -> tuple[Envelope[Any], int]:
    """The envelope, and after how many pauses it came."""
    slices = split_in_slices(PUSH_EVSE_DATA, body)
    pauses = 0
    while True:
        try:
            next(slices)
        except StopIteration as done:
            return done.value, pauses
        pauses += 1


def outcome(body: bytes, *, sliced: bool) -> object:
    try:
        envelope = drained(body)[0] if sliced else split(PUSH_EVSE_DATA, body)
    except InvalidMessage as refusal:
        return refusal.violations
    return envelope.message, list(envelope.records), list(envelope.records[1:2]), len(envelope.records)


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicing, "SLICE", 40)
    monkeypatch.setattr(slicing, "LARGE", 100)


def same(body: bytes) -> None:
    assert outcome(body, sliced=True) == outcome(body, sliced=False)


def test_a_large_push_is_split_with_pauses() -> None:
    records = [{"EvseID": f"DE*ABC*E{i}", "Names": [{"a": 1}, {"b": "},{"}]} for i in range(100)]
    envelope, pauses = drained(push(records))
    assert pauses > 10
    assert [json.loads(raw) for raw in envelope.records] == records
    assert envelope.message == split(PUSH_EVSE_DATA, push(records)).message


@given(
    records=st.lists(st.dictionaries(TEXT, VALUE, max_size=4) | VALUE, max_size=30), before=st.dictionaries(TEXT, VALUE)
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_records_are_they_are_those_of_the_whole_split(records: list[Any], before: dict[str, Any]) -> None:
    same(push(records, before=before, after={"more": records[:3]}))


@given(cut=st.integers(0, 3000), put=st.binary(max_size=3))
@settings(max_examples=200, deadline=None)
def test_a_push_that_is_broken_anywhere_is_refused_as_it_is_by_the_whole_split(cut: int, put: bytes) -> None:
    body = push([{"EvseID": f"E{i}", "Names": [{"a": "x"}, {"b": "y"}]} for i in range(40)])
    same(body[:cut] + put + body[cut + len(put) :])
    same(body[:cut])


MANY = [{"EvseID": f"E{i}"} for i in range(40)]


@pytest.mark.parametrize(
    "body",
    [
        push(MANY, before={"Remark": '"EvseDataRecord": [{"EvseID": "X"}, {"EvseID": "Y"}]'}),
        push(MANY, before={"Other": {"EvseDataRecord": MANY}}),
        push(MANY).replace(b'"ActionType"', b'"EvseDataRecord": [{"EvseID": "X"}], "ActionType"'),
        push(MANY).replace(b'"OperatorName"', b'"EvseDataRecord": [{"EvseID": "X"}], "OperatorName"'),
        push(MANY).replace(b'"OperatorName"', b'"EvseDataRecord": ["slice 0", {"EvseID": "X"}], "OperatorName"'),
        push(["slice 0", *MANY, "slice 0"]),
        push(MANY).replace(b"}, {", b"}\r\n\t,\n {"),
        b"\xef\xbb\xbf" + push(MANY),
        push({"EvseID": "E" * 200}),
        push([]) + b" " * 200,
        push(MANY) + b"]",
        push([{"EvseID": "E" * 500}, *MANY]),
    ],
)
def test_what_looks_like_the_list_and_is_not_it_changes_nothing(body: bytes) -> None:
    same(body)

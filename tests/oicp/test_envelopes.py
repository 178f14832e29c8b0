"""Pushes and pages: envelope and records, split and joined as the bytes that came."""

import json
import tracemalloc
from decimal import Decimal
from typing import Any, cast

import pytest

from p2pnode.oicp.codec import MOST_RECORDS, decode, read
from p2pnode.oicp.envelopes import join, join_page, join_page_of_parts, split, split_answer
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_status import EvseStatusRecord
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    OPERATIONS,
    PULL_EVSE_DATA,
    PUSH_AUTHENTICATION_DATA,
    PUSH_EVSE_PRICING,
    PUSH_EVSE_STATUS,
)

PUSH = b"""{ "ActionType": "update", "More": [1.50, null], "OperatorEvseStatus": {
    "EvseStatusRecord": [ {"EvseID" :"DE*ABC*E1","EvseStatus":"Available"}, 17 ], "OperatorID": "DE*ABC" } }"""


def test_a_push_is_split_into_its_envelope_and_verbatim_records() -> None:
    envelope = split(PUSH_EVSE_STATUS, PUSH)
    assert envelope.message.operator_evse_status.operator_id == "DE*ABC"
    assert envelope.message.operator_evse_status.evse_status_record == []
    assert envelope.message.model_extra == {"More": [Decimal("1.50"), None]}
    assert list(envelope.records) == [b'{"EvseID" :"DE*ABC*E1","EvseStatus":"Available"}', b"17"]
    assert envelope.records[1] == b"17"
    assert list(envelope.records[:1]) == [b'{"EvseID" :"DE*ABC*E1","EvseStatus":"Available"}']


def test_one_object_where_the_list_belongs_is_one_record() -> None:
    body = b'{"ActionType":"update","OperatorEvseStatus":{"OperatorID":"DE*ABC","EVSEStatusRecord":{"EvseID": "x"}}}'
    assert list(split(PUSH_EVSE_STATUS, body).records) == [b'{"EvseID": "x"}']
    pricing = split(PUSH_EVSE_PRICING, b'{"ActionType":"update","EvsePricing":{"EvseID":"x"}}')
    assert list(pricing.records) == [b'{"EvseID":"x"}']


@pytest.mark.parametrize("records", [b"null", b"5", b'"text"'])
def test_no_list_of_records_is_a_violation_at_its_place(records: bytes) -> None:
    body = b'{"ActionType":"update","OperatorEvseStatus":{"OperatorID":"DE*ABC","EvseStatusRecord":' + records + b"}}"
    with pytest.raises(InvalidMessage) as refused:
        split(PUSH_EVSE_STATUS, body)
    assert [violation.pointer for violation in refused.value.violations] == ["/OperatorEvseStatus/EvseStatusRecord"]


def test_a_record_that_cannot_be_read_costs_only_itself() -> None:
    body = b'{"content":[{"EvseID":1},{"a":1e99999999999999999999},[[]]],"number":0,"StatusCode":null}'
    envelope = split_answer(PULL_EVSE_DATA, body)
    assert (envelope.message.number, envelope.message.content, len(envelope.records)) == (0, [], 3)
    for record in envelope.records:
        with pytest.raises(InvalidMessage):
            read(EvseDataRecord, record)


def test_an_operation_without_records_is_one_envelope() -> None:
    body = b'{"OperatorID":"DE*ABC","Identification":{"RemoteIdentification":{"EvcoID":"DE-DCB-C12345678-X"}}}'
    envelope = split(AUTHORIZE_START, body)
    assert envelope.message.operator_id == "DE*ABC"
    assert len(envelope.records) == 0


@pytest.mark.parametrize("operation", [row for row in OPERATIONS if row.records], ids=lambda row: row.name)
def test_the_path_to_the_records_is_the_one_that_is_written(operation: Any) -> None:  # noqa: ANN401 - any row of the table
    record = b'{"EvseID": "DE*ABC*E1"}'
    holder: dict[str, Any] = {operation.records[-1]: []}
    known = {
        "OperatorID": "DE*ABC",
        "OperatorName": "ABC",
        "ProviderID": "DE-DCB",
        "PricingDefaultPrice": 0,
        "PricingDefaultPriceCurrency": "EUR",
        "PricingDefaultReferenceUnit": "HOUR",
    }
    inside = holder if len(operation.records) == 1 else {operation.records[0]: {**known, **holder}}
    message = read(operation.request, {"ActionType": "update", **inside})
    envelope = split(operation, join(operation, message, [record, record]))
    assert list(envelope.records) == [record, record]
    assert envelope.message == message


def test_a_large_push_is_split_without_a_copy_of_its_records() -> None:
    record = b'{"Identification":{"RFIDMifareFamilyIdentification":{"UID":"7568290F"}},"Note":"' + b"x" * 2000 + b'"}'
    start = b'{"ActionType":"fullLoad","ProviderAuthenticationData":{"ProviderID":"DE-DCB","AuthenticationDataRecord":['
    body = start + b",".join([record] * 5000) + b"]}}"
    tracemalloc.start()
    envelope = split(PUSH_AUTHENTICATION_DATA, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(envelope.records), envelope.records[4999]) == (5000, record)
    assert peak < len(body) / 5


HOLDING_NOTHING = {
    "other members": b'{"ActionType":"update","More":[' + b"{}," * 700_000 + b"0]}",
    "countless members": b"{" + b",".join(b'"%d":0' % number for number in range(200_000)) + b"}",
    "members beside the records": b'{"OperatorEvseStatus":{"EvseStatusRecord":[],"More":[' + b"{}," * 700_000 + b"0]}}",
    "countless records": b'{"OperatorEvseStatus":{"EvseStatusRecord":[' + b"0," * 1_500_000 + b"0]}}",
}


@pytest.mark.parametrize("body", HOLDING_NOTHING.values(), ids=HOLDING_NOTHING)
def test_a_large_body_that_is_no_push_is_refused_without_being_held(body: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InvalidMessage):
        split(PUSH_EVSE_STATUS, body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(body) > 2_000_000
    assert peak < 1_000_000


@pytest.mark.parametrize("element", [b"{},", b"[],", b"0,", b'{"a":1},'])
def test_a_large_text_of_nothing_but_small_values_is_refused_without_being_held(element: bytes) -> None:
    text = b"[" + element * (8_000_000 // len(element)) + b"0]"
    tracemalloc.start()
    with pytest.raises(InvalidMessage, match="too many values"):
        decode(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_large_text_of_ordinary_records_is_read() -> None:
    text = b"[" + b",".join([b'{"EvseID":"DE*A*E1","EvseStatus":"Reserved"}'] * 100_000) + b"]"
    assert len(cast("list[object]", decode(text))) == 100_000


def test_more_records_than_a_message_carries_are_refused() -> None:
    body = b'{"ActionType":"update","OperatorEvseStatus":{"EvseStatusRecord":[' + b"0," * MOST_RECORDS + b"0]}}"
    with pytest.raises(InvalidMessage, match="1000000"):
        split(PUSH_EVSE_STATUS, body)


def test_a_record_too_large_to_be_decoded_costs_only_itself() -> None:
    bloated = b'{"EvseID":"DE*ABC*E1","EvseStatus":"Available","More":[' + b"{}," * 400_000 + b"0]}"
    good = b'{"EvseID":"DE*ABC*E2","EvseStatus":"Available"}'
    start = b'{"ActionType":"update","OperatorEvseStatus":{"OperatorID":"DE*ABC","EvseStatusRecord":'
    first, second = split(PUSH_EVSE_STATUS, start + b"[" + bloated + b"," + good + b"]}}").records
    (alone,) = split(PUSH_EVSE_STATUS, start + bloated + b"}}").records
    assert second == good
    for record in (first, alone):
        with pytest.raises(InvalidMessage, match="An object is expected"):
            read(EvseStatusRecord, record)


def test_a_page_holds_its_records_verbatim() -> None:
    page = join_page([b'{"EvseID" : "a"}', b'{"EvseID":"b"}'], number=1, size=2, total_elements=5)
    assert page.startswith(b'{"content":[{"EvseID" : "a"},{"EvseID":"b"}],')
    parts: list[bytes | memoryview] = [b'{"EvseID" ', memoryview(b'_: "a"}')[1:], b',{"EvseID":"b"}']
    assert join_page_of_parts(parts, 2, number=1, size=2, total_elements=5) == page
    members: dict[str, Any] = json.loads(page)
    assert members["StatusCode"]["Code"] == "000"
    assert [members[name] for name in ("number", "size", "totalElements", "totalPages", "numberOfElements")] == [
        1,
        2,
        5,
        3,
        2,
    ]
    assert (members["first"], members["last"]) == (False, False)


@pytest.mark.parametrize(
    ("number", "size", "total", "first", "last"),
    [
        (0, 20, 0, True, True),
        (0, 20, 20, True, True),
        (0, 20, 21, True, False),
        (1, 20, 21, False, True),
        (9, 20, 1, False, True),
    ],
)
def test_a_page_knows_whether_it_is_the_first_or_last(
    number: int, size: int, total: int, *, first: bool, last: bool
) -> None:
    envelope = split_answer(PULL_EVSE_DATA, join_page([], number=number, size=size, total_elements=total))
    assert (envelope.message.first, envelope.message.last) == (first, last)

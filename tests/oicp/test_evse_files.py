"""Files of EVSE data and status in every form they are handed out in, and the real ones where they are at hand."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_files import iterate_evse_data_file, read_evse_data_file, read_evse_status_file
from p2pnode.oicp.identifiers import operator_key
from p2pnode.oicp.mends import MendKind
from tests.samples import sample_members

DATA = Path(__file__).parents[3] / "shared" / "data"
AVAILABLE = {"EvseID": "DE*ABC*E1", "EvseStatus": "Available"}


def real(name: str) -> bytes:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real data {name} is not here")
    return path.read_bytes()


def as_file(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


PUSH = sample_members("PushEvseData.request")
PAGE = sample_members("PullEvseData.answer")
RECORDS: list[dict[str, Any]] = PUSH["OperatorEvseData"]["EvseDataRecord"]
OPERATOR = PUSH["OperatorEvseData"]
NATIONAL = {"EVSEData": [{"OperatorID": "DE*ABC", "OperatorName": "ABC technologies", "EVSEDataRecord": RECORDS}]}


@pytest.mark.parametrize(
    ("body", "pointer", "name"),
    [
        (PUSH, "/OperatorEvseData/EvseDataRecord/0", "ABC technologies"),
        (OPERATOR, "/EvseDataRecord/0", "ABC technologies"),
        ([PUSH], "/0/OperatorEvseData/EvseDataRecord/0", "ABC technologies"),
        (NATIONAL, "/EVSEData/0/EVSEDataRecord/0", "ABC technologies"),
        (PAGE, "/content/0", "ABC technologies"),
        ([PAGE], "/0/content/0", "ABC technologies"),
        (PAGE["content"], "/0", "ABC technologies"),
        (RECORDS, "/0", ""),
    ],
)
def test_a_file_of_evse_data_is_read_in_every_form(body: object, pointer: str, name: str) -> None:
    reading = read_evse_data_file(as_file(body))
    assert [(operator.operator_id, operator.operator_name) for operator in reading.operators] == [("DE*ABC", name)]
    assert reading.records[0].pointer == pointer
    assert reading.records[0].reading.evse_id == RECORDS[0]["EvseID"]
    assert reading.refused == ()
    assert reading.mends == {}


@pytest.mark.parametrize(
    "body",
    [
        {"ActionType": "fullLoad", "OperatorEvseStatus": {"OperatorID": "DE*ABC", "EvseStatusRecord": [AVAILABLE]}},
        {"EvseStatuses": {"OperatorEvseStatus": [{"OperatorID": "DE*ABC", "EvseStatusRecord": [AVAILABLE]}]}},
        {"EVSEStatuses": [{"OperatorID": "DE*ABC", "EVSEStatusRecord": [AVAILABLE]}]},
        {"EVSEStatusRecords": {"EvseStatusRecord": [AVAILABLE]}},
        {"EVSEStatuses": [{"OperatorID": "DE*ABC", "EVSEStatusRecord": AVAILABLE}]},
        [AVAILABLE],
    ],
)
def test_a_file_of_evse_status_is_read_in_every_form(body: object) -> None:
    reading = read_evse_status_file(as_file(body))
    assert [operator.operator_id for operator in reading.operators] == ["DE*ABC"]
    assert [record.reading.body for record in reading.records] == [AVAILABLE]
    assert reading.taken == 1


def test_pages_are_gathered_by_the_operator_of_each_record() -> None:
    first, second = ({**PAGE["content"][0], "OperatorID": operator} for operator in ("DE*ABC", "CH*SWISSCHARGE"))
    pages = [{"content": [first, second]}, {"content": [{**first, "OperatorID": "deabc"}]}]
    reading = read_evse_data_file(as_file(pages))
    assert [(operator.operator_id, len(operator.records)) for operator in reading.operators] == [
        ("DE*ABC", 2),
        ("CH*SWISSCHARGE", 1),
    ]


def test_the_operator_of_the_list_counts_even_where_the_evse_id_names_another() -> None:
    record = {**AVAILABLE, "EvseID": "CH*CCI*E22078"}
    reading = read_evse_status_file(as_file({"EVSEStatuses": [{"OperatorID": "CH*CCC", "EVSEStatusRecord": [record]}]}))
    assert [operator.operator_id for operator in reading.operators] == ["CH*CCC"]


@pytest.mark.parametrize("operator", [{}, {"OperatorID": None}, {"OperatorID": 5}, {"OperatorID": " "}])
def test_without_an_operator_id_the_one_inside_the_evse_id_stands_in(operator: dict[str, Any]) -> None:
    reading = read_evse_status_file(as_file({"EVSEStatuses": [{**operator, "EVSEStatusRecord": [AVAILABLE]}]}))
    assert [operator_key(operator.operator_id) for operator in reading.operators] == ["DE*ABC"]


def test_one_bad_record_costs_one_record_and_is_told_with_its_evse_id_and_reason() -> None:
    bad = {**RECORDS[0], "EvseID": "DE*ABC*EBAD", "GeoCoordinates": {"Google": "None None"}}
    operator = {"OperatorID": "DE*ABC", "EVSEDataRecord": [RECORDS[0], bad, 5, {}, RECORDS[1]]}
    reading = read_evse_data_file(as_file({"EVSEData": [operator]}))
    assert reading.taken == 2
    assert [(record.pointer, record.reading.evse_id) for record in reading.refused] == [
        ("/EVSEData/0/EVSEDataRecord/1", "DE*ABC*EBAD"),
        ("/EVSEData/0/EVSEDataRecord/2", ""),
        ("/EVSEData/0/EVSEDataRecord/3", ""),
    ]
    assert [violation.pointer for violation in reading.refused[0].reading.violations] == ["/GeoCoordinates"]
    assert all(record.reading.violations for record in reading.refused)


def test_the_mends_of_a_file_are_counted_by_kind() -> None:
    odd = {**RECORDS[1], "ChargingFacilities": [{"power": "22", "powertype": "DC"}]}
    reading = read_evse_data_file(as_file([odd, odd, RECORDS[0]]))
    assert reading.mends == {MendKind.MEMBER_RENAMED: 4, MendKind.NUMBER_AS_TEXT: 2}


def test_a_file_may_begin_with_a_byte_order_mark_and_blanks() -> None:
    assert read_evse_data_file(b"\xef\xbb\xbf \n" + as_file(PUSH)).taken == 2


def test_a_file_is_read_record_by_record() -> None:
    assert next(iterate_evse_data_file(as_file(RECORDS))).reading.evse_id == RECORDS[0]["EvseID"]


@pytest.mark.parametrize("body", [[], {"content": []}, {"EVSEData": []}, {"OperatorEvseData": {"EvseDataRecord": []}}])
def test_a_file_without_records_is_an_empty_file(body: object) -> None:
    assert read_evse_data_file(as_file(body)).operators == ()


@pytest.mark.parametrize("data", [b"", b"nope", b"5", b"{}", b'{"a": []}', b"[", b"\xff\xfe", b"[" * 100_000])
def test_a_file_in_no_known_form_is_refused(data: bytes) -> None:
    for read in (read_evse_data_file, read_evse_status_file):
        with pytest.raises(InvalidMessage):
            read(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["content", "EVSEData", "EvseDataRecord", "EVSEStatuses", "EvseStatusRecord", "EvseID"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(json_values)
def test_no_file_raises_anything_but_a_refusal(body: object) -> None:
    for read in (read_evse_data_file, read_evse_status_file):
        with contextlib.suppress(InvalidMessage):
            reading = read(as_file(body))
            assert reading.taken + len(reading.refused) == len(reading.records)


def test_the_real_evse_data_are_taken_whole() -> None:
    reading = read_evse_data_file(real("swiss-evse-data.json"))
    assert [(operator.operator_id, len(operator.records)) for operator in reading.operators] == [
        ("CH*REP", 250),
        ("CH*ENMOBILECHARGE", 12),
    ]
    refused = [(record.reading.evse_id, record.reading.violations) for record in reading.refused]
    assert refused == []
    assert set(reading.mends) == {
        MendKind.MEMBER_RENAMED,
        MendKind.NUMBER_AS_TEXT,
        MendKind.COORDINATES_AS_TEXT,
        MendKind.COORDINATES_UNREADABLE,
        MendKind.COORDINATES_REWRITTEN,
        MendKind.DATE_WITHOUT_ZONE,
        MendKind.REQUIRED_MISSING,
    }


def test_the_real_evse_status_are_taken_whole() -> None:
    reading = read_evse_status_file(real("swiss-evse-status.json"))
    assert (len(reading.operators), reading.taken, reading.refused) == (18, 3104, ())
    assert reading.mends == {MendKind.MEMBER_RENAMED: 3104}

"""What holds for every record, whatever stands in its members."""

import contextlib
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.oicp.codec import read
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_mends import EvseDataMending, EvseStatusMending
from p2pnode.oicp.evse_plain import is_plain_evse_record, is_plain_status_record
from p2pnode.oicp.mending import read_evse_record, read_status_record
from tests.oicp.mending_kit import PLAIN, plain

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["true", "22", "None None", "46.4 9.7", "de", "Type 2 outlet", "2023-02-13T07:47:05", " x "])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Google", "Coordinates", "lang", "value", "Power", "power", "on", "Period", "Street", "x/~"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
changes = st.dictionaries(st.sampled_from([*PLAIN, "Plugs", "plugs", "LocationImage", "x/~"]), values, max_size=3)


@settings(max_examples=300, deadline=None)
@given(changes)
def test_no_record_raises_and_what_is_kept_reads_again_without_a_mend(members: dict[str, Any]) -> None:
    record = plain(**members)
    before = copy.deepcopy(record)
    reading = read_evse_record(record)
    assert record == before
    assert (reading.record is None) == bool(reading.violations)
    if reading.record is not None:
        again = read_evse_record(reading.body)
        assert again.record == reading.record
        assert again.mended == ()


@settings(max_examples=300, deadline=None)
@given(changes)
def test_a_record_taken_for_plain_is_one_that_nothing_would_be_mended_in(members: dict[str, Any]) -> None:
    record = plain(**members)
    mending = EvseDataMending(record)
    mending.mend()
    if is_plain_evse_record(record):
        with contextlib.suppress(InvalidMessage):
            read(EvseDataRecord, record)
            assert (mending.mends, mending.body) == ([], record)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["EvseID", "EvseStatus", "EVSEStatus", "evseid", "x"]), values, max_size=4))
def test_no_status_record_raises(body: dict[str, Any]) -> None:
    reading = read_status_record(body)
    assert (reading.record is None) == bool(reading.violations)
    if is_plain_status_record(body):
        mending = EvseStatusMending(body)
        mending.mend()
        assert (mending.mends, reading.mended) == ([], ())

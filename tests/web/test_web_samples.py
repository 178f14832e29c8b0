"""The messages that are sent where a person gives none."""

from datetime import UTC, datetime

import pytest

from p2pnode.oicp.codec import decode
from p2pnode.oicp.operations import GET_CHARGE_DETAIL_RECORDS, OPERATIONS, PULL_EVSE_DATA, AnyOperation
from p2pnode.oicp.validation import KINDS
from p2pnode.web.samples import first_request

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("row", OPERATIONS, ids=[row.name for row in OPERATIONS])
def test_it_is_a_message_of_the_operation_in_the_names_of_the_two(row: AnyOperation) -> None:
    body = first_request(row, "CH*ALP", "DE-RHN", NOW)
    assert KINDS[row.name](body).is_valid
    assert b"DE*ABC" not in body
    assert b"DE-DCB" not in body


def test_a_pull_asks_for_everything_until_now() -> None:
    assert decode(first_request(PULL_EVSE_DATA, "CH*ALP", "DE-RHN", NOW)) == {
        "ProviderID": "DE-RHN",
        "GeoCoordinatesResponseFormat": "Google",
    }
    assert decode(first_request(GET_CHARGE_DETAIL_RECORDS, "CH*ALP", "DE-RHN", NOW)) == {
        "ProviderID": "DE-RHN",
        "From": "2024-03-15T00:00:00+01:00",
        "To": "2026-03-01T12:00:00+00:00",
    }

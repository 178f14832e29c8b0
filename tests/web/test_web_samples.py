"""The messages that are sent where a person gives none."""

from datetime import UTC, datetime
from typing import cast

import pytest

from p2pnode.oicp.codec import decode
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    CHARGE_DETAIL_RECORD,
    GET_CHARGE_DETAIL_RECORDS,
    OPERATIONS,
    PULL_EVSE_DATA,
    AnyOperation,
)
from p2pnode.oicp.validation import KINDS
from p2pnode.web.samples import first_request, of_session

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SESSION_IDS = {"SessionID", "CPOPartnerSessionID", "EMPPartnerSessionID"}


@pytest.mark.parametrize(("operator_id", "provider_id"), [("CH*ALP", "DE-RHN"), ("+49*810", "DE*RHN")])
@pytest.mark.parametrize("row", OPERATIONS, ids=[row.name for row in OPERATIONS])
def test_it_is_a_message_of_the_operation_in_the_names_of_the_two(
    row: AnyOperation, operator_id: str, provider_id: str
) -> None:
    body = first_request(row, operator_id, provider_id, NOW)
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
        "To": "2026-03-01T12:00:00Z",
    }


def test_what_starts_a_session_starts_a_new_one_each_time_and_what_follows_can_be_of_it() -> None:
    first, second = (first_request(AUTHORIZE_START, "CH*ALP", "DE-RHN", NOW) for _ in range(2))
    members, others = (cast("dict[str, object]", decode(body)) for body in (first, second))
    assert {name for name in members if members[name] != others[name]} == SESSION_IDS

    session_id = str(members["SessionID"])
    followed = of_session(first_request(CHARGE_DETAIL_RECORD, "CH*ALP", "DE-RHN", NOW), session_id)
    assert followed is not None
    assert KINDS["ChargeDetailRecord"](followed).is_valid
    cdr = cast("dict[str, object]", decode(followed))
    assert {name: cdr[name] for name in SESSION_IDS} == {name: members[name] for name in SESSION_IDS}
    assert of_session(first_request(PULL_EVSE_DATA, "CH*ALP", "DE-RHN", NOW), session_id) is None

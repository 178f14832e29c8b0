"""Everything there is to say about one message or file."""

import json
from typing import Any

import pytest

from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.mends import MendKind
from p2pnode.oicp.operations import OPERATIONS
from p2pnode.oicp.validation import KINDS, Validation
from tests.samples import SAMPLES

MESSAGES = [kind for kind in KINDS if kind not in {"evse-data", "evse-status"}]


def sample(kind: str) -> bytes:
    return SAMPLES[kind if kind.endswith(".answer") else f"{kind}.request"]


def members(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample(kind))
    return found


def validated(kind: str, value: object) -> Validation:
    return KINDS[kind](json.dumps(value).encode())


def test_requests_and_answers_of_every_operation_can_be_validated() -> None:
    assert set(MESSAGES) == {f"{row.name}{half}" for row in OPERATIONS for half in ("", ".answer")}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_sample_is_valid_and_needs_no_mend(kind: str) -> None:
    found = KINDS[kind](sample(kind))
    assert found.is_valid
    assert found.mends == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("body", [b"", b"{", b"null", b"7", b'"text"', b"\xff", b"[" * 10_000])
def test_what_is_no_message_is_not_valid_and_never_an_exception(kind: str, body: bytes) -> None:
    found = KINDS[kind](body)
    assert not found.is_valid
    assert found.violations


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "Pull" not in kind or kind.endswith(".answer")])
def test_an_empty_object_is_not_valid(kind: str) -> None:
    assert not validated(kind, {}).is_valid


def test_an_error_and_a_warning_are_told_apart() -> None:
    message = members("ChargeDetailRecord")
    warned = validated("ChargeDetailRecord", message | {"ConsumedEnergy": 99})
    assert warned.is_valid
    assert [(each.pointer, each.severity) for each in warned.violations] == [("/ConsumedEnergy", Severity.WARNING)]
    refused = validated("ChargeDetailRecord", message | {"EvseID": "nonsense"})
    assert not refused.is_valid
    assert [(each.pointer, each.code) for each in refused.violations] == [("/EvseID", "grammar")]


def test_the_records_of_a_push_are_told_of_with_their_place() -> None:
    message = members("PushEvseData")
    records = message["OperatorEvseData"]["EvseDataRecord"]
    count = len(records)
    records[0]["RenewableEnergy"] = "yes"
    records[1]["Accessibility"] = "Nobody knows"
    records.append({"EvseID": "DE*ABC*E99"})
    found = validated("PushEvseData", message)
    assert found.records == count + 1
    at = "/OperatorEvseData/EvseDataRecord"
    assert [(mend.pointer, mend.kind) for mend in found.mends if mend.pointer.startswith(f"{at}/0")] == [
        (f"{at}/0/RenewableEnergy", MendKind.BOOLEAN_AS_TEXT)
    ]
    assert (f"{at}/1/Accessibility", "one-of") in [(each.pointer, each.code) for each in found.violations]
    assert any(each.pointer.startswith(f"{at}/{count}/") for each in found.violations)
    assert not found.is_valid


def test_an_evse_that_stands_twice_in_a_push_makes_it_invalid() -> None:
    message = members("PushEvseStatus")
    records = message["OperatorEvseStatus"]["EvseStatusRecord"]
    records.append({**records[0], "EvseID": records[0]["EvseID"].lower()})
    found = validated("PushEvseStatus", message)
    assert [each.code for each in found.violations] == ["repeated"]


def test_a_record_of_a_page_has_to_name_its_operator() -> None:
    page = members("PullEvseData.answer")
    del page["content"][0]["OperatorID"]
    found = validated("PullEvseData.answer", page)
    assert [(each.pointer, each.code) for each in found.violations] == [("/content/0/OperatorID", "missing")]


def test_a_file_of_evse_data_is_told_of_record_by_record() -> None:
    records = members("PushEvseData")["OperatorEvseData"]["EvseDataRecord"]
    records[0]["ChargingFacilities"][0]["Power"] = "22"
    file = {"EVSEData": [{"OperatorID": "DE*ABC", "OperatorName": "ABC", "EVSEDataRecord": records}]}
    found = validated("evse-data", file)
    assert found.is_valid
    assert found.records == len(records)
    assert [(mend.pointer, mend.kind) for mend in found.mends] == [
        ("/EVSEData/0/EVSEDataRecord/0/ChargingFacilities/0/Power", MendKind.NUMBER_AS_TEXT)
    ]


def test_a_file_of_evse_status_is_told_of_record_by_record() -> None:
    file = [{"EvseID": "DE*ABC*E1", "EvseStatus": "Available"}, {"EvseID": "DE*ABC*E2", "EvseStatus": "Inoperative"}]
    found = validated("evse-status", file)
    assert found.is_valid
    assert [(mend.pointer, mend.kind) for mend in found.mends] == [("/1/EvseStatus", MendKind.OLDER_VALUE)]


def test_what_is_told_repeats_no_secret() -> None:
    message = members("AuthorizeStart")
    message["Identification"] = {"QRCodeIdentification": {"EvcoID": "DE-DCB-C12345678-X", "PIN": "secret-" * 9}}
    found = validated("AuthorizeStart", message)
    assert [each.pointer for each in found.violations] == ["/Identification/QRCodeIdentification/PIN"]
    assert "secret" not in str(found)

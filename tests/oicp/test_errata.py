"""The errata: data with an id each, and every form they name is read."""

from typing import Any

import pytest

from p2pnode.oicp.authorization import AuthorizeRemoteStart
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import decode, encode, read
from p2pnode.oicp.errata import E001, E004, E005, ERRATA
from p2pnode.oicp.notifications import ChargingNotificationError
from p2pnode.oicp.reservation import AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop
from p2pnode.oicp.status import StatusCode

SESSION = "b2688855-7f00-0002-6d8e-48d883f6abb6"
MOMENT = "2024-03-15T09:02:11Z"
REMOTE = {"RemoteIdentification": {"EvcoID": "DE-DCB-C12345678-X"}}
RESERVATION = {"SessionID": SESSION, "ProviderID": "DE-DCB", "EvseID": "DE*ABC*E1", "Identification": REMOTE}
RANGE = {"ProviderID": "DE-DCB", "From": MOMENT, "To": MOMENT}
CDR = {
    "SessionID": SESSION,
    "EvseID": "DE*ABC*E1",
    "Identification": REMOTE,
    "ChargingStart": MOMENT,
    "ChargingEnd": MOMENT,
    "SessionStart": MOMENT,
    "SessionEnd": MOMENT,
    "ConsumedEnergy": 0,
}


def written(model: Any, members: dict[str, Any]) -> Any:  # noqa: ANN401 - any message
    return decode(encode(read(model, members)))


def test_the_errata_are_numbered_without_a_gap() -> None:
    assert [erratum.id for erratum in ERRATA] == [f"E{number:03d}" for number in range(1, len(ERRATA) + 1)]
    assert all(erratum.forms and erratum.written and erratum.source for erratum in ERRATA)


@pytest.mark.parametrize("name", E001.forms)
def test_the_hub_provider_of_a_cdr_is_read_under_both_names(name: str) -> None:
    record = written(ChargeDetailRecord, {**CDR, name: "DE-HUB"})
    assert record == {**CDR, "HubProviderID": "DE-HUB"}


@pytest.mark.parametrize("name", E004.forms)
def test_the_forwarding_filter_is_read_under_both_names(name: str) -> None:
    assert written(GetChargeDetailRecords, {**RANGE, name: "false"}) == {**RANGE, "CDRForwarded": False}


@pytest.mark.parametrize("name", E005.forms)
@pytest.mark.parametrize("model", [AuthorizeRemoteReservationStart, AuthorizeRemoteReservationStop])
def test_the_providers_own_session_id_of_a_reservation_is_read_under_both_names(model: Any, name: str) -> None:  # noqa: ANN401 - two messages
    assert written(model, {**RESERVATION, name: "e-1"})["EMPPartnerSessionID"] == "e-1"


def test_a_remote_start_may_come_without_a_session_id() -> None:
    members = {"ProviderID": "DE-DCB", "EvseID": "DE*ABC*E1", "Identification": REMOTE}
    assert read(AuthorizeRemoteStart, members).session_id is None


@pytest.mark.parametrize(
    ("sent", "writes"),
    [("DE*ABC", "DE*ABC"), (["DE*ABC"], "DE*ABC"), (["DE*ABC", "DE*XYZ"], ["DE*ABC", "DE*XYZ"]), ([], [])],
)
def test_operators_are_asked_for_by_one_value_or_a_list(sent: object, writes: object) -> None:
    assert written(GetChargeDetailRecords, {**RANGE, "OperatorID": sent})["OperatorID"] == writes


@pytest.mark.parametrize("error_type", ["Connector Error", "ConnectorError"])
def test_an_error_type_is_one_value_with_and_without_its_blank(error_type: str) -> None:
    members = {"Type": "Error", "SessionID": SESSION, "EvseID": "DE*ABC*E1", "ErrorType": error_type}
    assert written(ChargingNotificationError, members)["ErrorType"] == "ConnectorError"


def test_an_unknown_error_type_survives() -> None:
    members = {"Type": "Error", "SessionID": SESSION, "EvseID": "DE*ABC*E1", "ErrorType": "Meter Error"}
    assert written(ChargingNotificationError, members) == members


@pytest.mark.parametrize("sent", [[1, "2.50"], {"meterValues": [1, "2.50"]}])
def test_meter_values_in_between_are_a_list_or_an_object(sent: object) -> None:
    in_between = written(ChargeDetailRecord, {**CDR, "MeterValueInBetween": sent})["MeterValueInBetween"]
    assert encode(in_between) == b'{"meterValues":[1,2.50]}'


@pytest.mark.parametrize("sent", ["022", 22, {"Code": 22}, {"Code": "022"}])
def test_a_status_code_is_read_in_all_its_forms(sent: object) -> None:
    assert StatusCode.model_validate(sent).wire() == {"Code": "022"}


def test_what_real_senders_write_is_read() -> None:
    sent: dict[str, Any] = {
        **dict.fromkeys(("CPOPartnerSessionID", "PartnerProductID", "SignedMeteringValues", "HubOperatorID")),
        **CDR,
        "MeterValueStart": " 0.0 ",
        "MeterValueEnd": "10",
        "ConsumedEnergy": "10.000",
        "ChargingStart": "2024-03-15T09:02:11",
        "EvseID": "de*abc*e1",
        "SignedMeteringValues": {"SignedMeteringValue": "x"},
    }
    record = read(ChargeDetailRecord, sent)
    assert [record.meter_value_start, record.meter_value_end, record.consumed_energy] == [0, 10, 10]
    assert record.charging_start == record.charging_end
    assert len(record.signed_metering_values or []) == 1

"""Dialects as values: the default changes nothing, and each difference is written as its row says."""

import json
from http import HTTPStatus
from typing import Any, get_args

import pytest

from p2pnode.oicp import operations as ops
from p2pnode.oicp.codec import read
from p2pnode.oicp.dialects import RULES, Dialect, Side, hint_for, http_of, path_of, write_answer, write_request
from p2pnode.oicp.errata import ERRATA
from p2pnode.oicp.errors import InvalidMessage, ProtocolError
from p2pnode.oicp.operations import OPERATIONS, AnyOperation
from p2pnode.oicp.rules import check, errors_in
from p2pnode.oicp.status import Code
from tests.samples import sample

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
SIDES: tuple[Side, ...] = get_args(Side)
ROWS = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]


def written(dialect: Dialect, operation: AnyOperation, side: Side, body: bytes) -> bytes:
    write = write_request if side == "request" else write_answer
    return write(dialect, operation, body, provider_id="DE-DCB")


def request(dialect: Dialect, operation: AnyOperation, members: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(written(dialect, operation, "request", json.dumps(members).encode()))


def answer(dialect: Dialect, operation: AnyOperation, members: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(written(dialect, operation, "answer", json.dumps(members).encode()))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("operation", ROWS)
def test_a_peer_that_keeps_to_the_specification_gets_the_same_object(operation: AnyOperation, side: Side) -> None:
    body = sample(operation, side)
    assert written("oicp", operation, side, body) is body


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("operation", ROWS)
def test_what_is_written_reads_as_before_and_keeps_the_rules(
    operation: AnyOperation, side: Side, dialect: Dialect
) -> None:
    model = operation.request if side == "request" else operation.answer
    body = written(dialect, operation, side, sample(operation, side))
    assert not errors_in(check(read(model, body)))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("operation", ROWS)
def test_what_is_written_is_not_changed_by_writing_it_again(
    operation: AnyOperation, side: Side, dialect: Dialect
) -> None:
    once = written(dialect, operation, side, sample(operation, side))
    assert written(dialect, operation, side, once) is once


def test_every_rule_cites_an_erratum_or_says_why() -> None:
    ids = {erratum.id for erratum in ERRATA}
    assert all(rule.why in ids or " " in rule.why for rule in RULES)
    assert all("oicp" not in rule.dialects for rule in RULES)


def test_a_name_inside_a_value_is_no_member() -> None:
    body = b'{"CPOPartnerSessionID":"\\"CDRForwarded\\"","ProviderID":"CDRForwarded"}'
    assert write_request("hubject", ops.GET_CHARGE_DETAIL_RECORDS, body) is body


@pytest.mark.parametrize("dialect", ["hubject", "wwcp"])
@pytest.mark.parametrize("operation", ROWS)
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b" { } ",
        b'{"Identification":null,"MeterValueInBetween":null,"OperatorID":null,"PricingProductData":null,"EVSEPricing":7}',
        b'{"OperatorEvseData":[[{"EvseDataRecord":1}]],"ProviderAuthenticationData":"x","content":[1,null,[{}]]}',
        b'{"OperatorEvseData":{"OperatorID":"DE*ABC","EvseDataRecord":[1,"x",{},null]}}',
        b'{"PricingProductData":{"PricingProductDataRecords":{"ProductAvailabilityTimes":[1,{"Periods":null}]}}}',
    ],
)
def test_what_is_not_of_the_expected_form_costs_nothing(operation: AnyOperation, dialect: Dialect, body: bytes) -> None:
    for side in SIDES:
        json.loads(written(dialect, operation, side, body))


def test_hubject_gets_the_names_of_its_schemas() -> None:
    assert request("hubject", ops.PULL_EVSE_STATUS, {"EvseStatus": "Available"}) == {"EVSEStatus": "Available"}
    members = {"EMPPartnerSessionID": "e-1"}
    for operation in (ops.AUTHORIZE_REMOTE_RESERVATION_START, ops.AUTHORIZE_REMOTE_RESERVATION_STOP):
        assert request("hubject", operation, members) == {"EMPPartnerSessionId": "e-1"}
    assert request("hubject", ops.GET_CHARGE_DETAIL_RECORDS, {"CDRForwarded": True, "OperatorID": ["DE*ABC"]}) == {
        "CDRForwarder": True,
        "OperatorID": "DE*ABC",
    }
    assert request("hubject", ops.CHARGE_DETAIL_RECORD, {"HubProviderId": "DE-HUB", "MeterValueInBetween": [1.50]}) == {
        "HubProviderID": "DE-HUB",
        "MeterValueInBetween": {"meterValues": [1.5]},
    }
    assert answer("hubject", ops.PULL_EVSE_PRICING, {"OperatorEVSEPricing": [], "EVSEPricing": []}) == {
        "EVSEPricing": []
    }


def test_hubject_gets_records_that_fit_its_schema() -> None:
    record = {
        "EvseID": "DE*ABC*E1",
        "ChargingStationID": "s",
        "OperatorID": "DE*ABC",
        "OperatorName": "ABC",
        "ChargingFacilities": [{"power": "7.5"}, {"Power": 22}],
        "OpeningTimes": {"Periods": {"begin": "06:00", "end": "22:00"}, "On": "Everyday"},
        "DynamicInfoAvailable": True,
    }
    block = {"OperatorID": "DE*ABC", "OperatorName": "ABC", "EvseDataRecord": record}
    written_block = request("hubject", ops.PUSH_EVSE_DATA, {"OperatorEvseData": block})["OperatorEvseData"]
    assert written_block["EvseDataRecord"] == {
        "EvseID": "DE*ABC*E1",
        "ChargingStationId": "s",
        "ChargingFacilities": [{"Power": 8}, {"Power": 22}],
        "OpeningTimes": [{"Period": [{"begin": "06:00", "end": "22:00"}], "on": "Everyday"}],
        "DynamicInfoAvailable": "true",
    }


def test_wwcp_gets_the_operator_inside_each_record() -> None:
    block = {
        "OperatorID": "DE*ABC",
        "OperatorName": "ABC",
        "EvseDataRecord": [
            {"EvseID": "DE*ABC*E1"},
            {"EvseID": "DE*ABC*E2", "OperatorID": "DE*XYZ", "OperatorName": None},
        ],
    }
    written_block = request("wwcp", ops.PUSH_EVSE_DATA, {"OperatorEvseData": block})["OperatorEvseData"]
    assert written_block["EvseDataRecord"] == [
        {"EvseID": "DE*ABC*E1", "OperatorID": "DE*ABC", "OperatorName": "ABC"},
        {"EvseID": "DE*ABC*E2", "OperatorID": "DE*XYZ", "OperatorName": "ABC"},
    ]


@pytest.mark.parametrize("given", [{}, {"OperatorName": None}, {"OperatorName": ""}])
def test_wwcp_gets_a_name_with_every_status_push(given: dict[str, Any]) -> None:
    block: dict[str, Any] = {"OperatorID": "DE*ABC", **given, "EvseStatusRecord": []}
    written_block = request("wwcp", ops.PUSH_EVSE_STATUS, {"OperatorEvseStatus": block})["OperatorEvseStatus"]
    assert written_block["OperatorName"] == "DE*ABC"


def test_wwcp_gets_energies_as_texts_with_every_digit() -> None:
    body = b'{"MeterValueStart":0.10,"ConsumedEnergy":1E+1,"MeterValueInBetween":[12345678901234567890.123,"2"]}'
    wire = written("wwcp", ops.CHARGING_NOTIFICATION_END, "request", body)
    assert wire == (
        b'{"MeterValueStart":"0.10","ConsumedEnergy":"10",'
        b'"MeterValueInBetween":{"meterValues":["12345678901234567890.123","2"]}}'
    )


def test_wwcp_gets_uids_in_upper_case_wherever_one_stands() -> None:
    card = {"RFIDMifareFamilyIdentification": {"UID": "04a1b2c3"}, "RFIDIdentification": {"UID": "ab", "RFID": "nfc"}}
    upper = {"RFIDMifareFamilyIdentification": {"UID": "04A1B2C3"}, "RFIDIdentification": {"UID": "AB", "RFID": "nfc"}}
    for operation in (ops.AUTHORIZE_START, ops.CHARGING_NOTIFICATION_ERROR, ops.CHARGE_DETAIL_RECORD):
        assert request("wwcp", operation, {"Identification": card}) == {"Identification": upper}
    told = answer("wwcp", ops.AUTHORIZE_START, {"AuthorizationStopIdentifications": [card]})
    assert told == {"AuthorizationStopIdentifications": [upper]}
    assert answer("wwcp", ops.GET_CHARGE_DETAIL_RECORDS, {"content": [{"Identification": card}]}) == {
        "content": [{"Identification": upper}]
    }


def test_wwcp_gets_one_period_with_each_availability_and_no_star() -> None:
    early, late = {"begin": "06:00", "end": "08:00"}, {"begin": "18:00", "end": "22:00"}
    times = [{"Periods": [early, late], "On": "Monday"}, {"Period": early, "on": "Sunday"}]
    data = {"ProviderID": "*", "PricingProductDataRecords": [{"ProductAvailabilityTimes": times}]}
    expected = {
        "ProviderID": "DE-DCB",
        "PricingProductDataRecords": [
            {
                "ProductAvailabilityTimes": [
                    {"Period": early, "on": "Monday"},
                    {"Period": late, "on": "Monday"},
                    {"Period": early, "on": "Sunday"},
                ]
            }
        ],
    }
    pushed = request("wwcp", ops.PUSH_PRICING_PRODUCT_DATA, {"PricingProductData": data})
    assert pushed == {"PricingProductData": expected}
    pulled = answer("wwcp", ops.PULL_PRICING_PRODUCT_DATA, {"PricingProductData": [data]})
    assert pulled == {"OperatorPricingProducts": [expected]}


def test_hubject_gets_a_list_of_periods() -> None:
    times = {"Period": {"begin": "06:00", "end": "08:00"}, "On": "Monday"}
    data = {"PricingProductDataRecords": {"ProductAvailabilityTimes": times}}
    pushed = request("hubject", ops.PUSH_PRICING_PRODUCT_DATA, {"PricingProductData": data})
    (entry,) = pushed["PricingProductData"]["PricingProductDataRecords"]["ProductAvailabilityTimes"]
    assert entry == {"Periods": [{"begin": "06:00", "end": "08:00"}], "on": "Monday"}


@pytest.mark.parametrize("dialect", ["hubject", "wwcp"])
def test_an_error_type_is_written_without_the_blank(dialect: Dialect) -> None:
    told = request(dialect, ops.CHARGING_NOTIFICATION_ERROR, {"ErrorType": "Connector Error"})
    assert told == {"ErrorType": "ConnectorError"}


def test_a_hashed_pin_that_is_a_text_becomes_an_object_for_hubject() -> None:
    media = [{"Identification": {"QRCodeIdentification": {"EvcoID": "x", "HashedPIN": "$2b$10$abc"}}}]
    told = request(
        "hubject",
        ops.PUSH_AUTHENTICATION_DATA,
        {"ProviderAuthenticationData": {"AuthenticationDataRecord": media}},
    )
    (record,) = told["ProviderAuthenticationData"]["AuthenticationDataRecord"]
    pin = record["Identification"]["QRCodeIdentification"]["HashedPIN"]
    assert pin == {"Value": "$2b$10$abc", "Function": "Bcrypt"}


def test_wwcp_has_paths_of_its_own() -> None:
    own = {operation.name for operation in OPERATIONS if path_of("wwcp", operation) != operation.path}
    assert own == {
        "PullEvseStatusById",
        "PullEvseStatusByOperatorId",
        "AuthorizeRemoteReservationStart",
        "AuthorizeRemoteReservationStop",
    }
    assert all(path_of(dialect, row) == row.path for dialect in ("oicp", "hubject") for row in OPERATIONS)


def test_only_wwcp_is_told_of_an_invalid_message_with_http_200() -> None:
    invalid = InvalidMessage("no", ())
    assert [http_of(dialect, invalid) for dialect in DIALECTS] == [400, 400, 200]
    large = ProtocolError(Code.DATA_ERROR, "no", http=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    assert [http_of(dialect, large) for dialect in DIALECTS] == [413, 413, 413]


def test_a_refusal_that_is_known_to_be_the_peers_fault_has_a_hint() -> None:
    assert "another build" in (hint_for("021", "The URL parameter could not be parsed!") or "")
    assert hint_for("022", "URL parameter could not be parsed") is None
    assert hint_for("021", None) is None

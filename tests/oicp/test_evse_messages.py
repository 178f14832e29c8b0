"""Every form in which partners write the EVSE messages, and the one that is written."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from p2pnode.oicp.codec import encode, read
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_data import EvseData, EvseDataRecord, PullEvseData, PullEvseDataRecord, PushEvseData
from p2pnode.oicp.evse_status import (
    EvseStatus,
    EvseStatusById,
    EvseStatusByOperatorId,
    EvseStatusRecord,
    PullEvseStatus,
    PullEvseStatusById,
)
from p2pnode.oicp.evse_types import (
    AddressIso19773,
    ChargingFacility,
    GeoCoordinates,
    GeoCoordinatesGoogle,
    InfoText,
    OpeningTimes,
)
from p2pnode.oicp.pricing import (
    EvsePricing,
    PricingProductData,
    PricingProductDataRecord,
    PullEvsePricing,
    PullPricingProductData,
    PushEvsePricing,
)

PRODUCT: dict[str, Any] = {
    "ProductID": "AC 1",
    "ReferenceUnit": "HOUR",
    "ProductPriceCurrency": "EUR",
    "PricePerReferenceUnit": 1,
    "MaximumProductChargingPower": 22,
    "IsValid24hours": False,
    "ProductAvailabilityTimes": [{"Periods": [{"begin": "09:00", "end": "18:00"}], "on": "Everyday"}],
}


def record(**members: object) -> dict[str, Any]:
    return {
        "EvseID": "DE*ABC*E1",
        "ChargingStationNames": [{"lang": "en", "value": "Station"}],
        "Address": {"Country": "DEU", "City": "Berlin", "Street": "Weg", "PostalCode": "10829", "HouseNum": "22"},
        "GeoCoordinates": {"Google": {"Coordinates": "52.480495 13.356465"}},
        "Plugs": ["Type 2 Outlet"],
        "ChargingFacilities": [{"PowerType": "AC_3_PHASE", "Power": 22}],
        "RenewableEnergy": True,
        "CalibrationLawDataAvailability": "Local",
        "AuthenticationModes": ["REMOTE"],
        "PaymentOptions": ["Contract"],
        "ValueAddedServices": ["None"],
        "Accessibility": "Test Station",
        "HotlinePhoneNumber": "+493012345",
        "IsOpen24Hours": True,
        "IsHubjectCompatible": True,
        "DynamicInfoAvailable": "true",
        **members,
    }


@pytest.mark.parametrize("name", ["ChargingStationId", "ChargingStationID"])
def test_the_station_id_is_read_under_both_names_and_written_as_push_and_pull_want_it(name: str) -> None:
    pushed = EvseDataRecord.model_validate(record(**{name: "S1"}))
    pulled = PullEvseDataRecord.model_validate(record(**{name: "S1"}, OperatorID="DE*ABC", OperatorName="ABC"))
    assert pushed.charging_station_id == pulled.charging_station_id == "S1"
    assert pushed.wire()["ChargingStationId"] == "S1"
    assert pulled.wire()["ChargingStationID"] == "S1"
    assert "ChargingStationId" not in pulled.wire()


def test_a_pulled_record_names_its_operator_and_a_pushed_one_may() -> None:
    with pytest.raises(ValidationError):
        PullEvseDataRecord.model_validate(record())
    assert EvseDataRecord.model_validate(record()).operator_id is None
    assert PullEvseDataRecord.model_validate(record(OperatorId="DE*ABC", OperatorName="ABC")).operator_id == "DE*ABC"


@pytest.mark.parametrize(
    ("power", "written"),
    [(22, "22"), (Decimal("22.0"), "22"), ("22", "22"), (Decimal("7.4"), "7.4"), ("7.40", "7.40"), (0, "0")],
)
@pytest.mark.parametrize("name", ["Power", "power"])
def test_power_is_read_as_number_or_string_and_written_integral_where_it_is(
    name: str, power: object, written: str
) -> None:
    facility = read(ChargingFacility, {"PowerType": "DC", name: power})
    assert encode(facility) == f'{{"PowerType":"DC","Power":{written}}}'.encode()


@pytest.mark.parametrize("power", [True, "22 kW", "", None, [], "1e999999", Decimal("1E+99999")])
def test_a_power_that_is_no_number_is_a_violation(power: object) -> None:
    with pytest.raises(InvalidMessage) as refusal:
        read(ChargingFacility, {"PowerType": "DC", "Power": power})
    assert [violation.pointer for violation in refusal.value.violations] == ["/Power"]


@pytest.mark.parametrize("model", [EvseStatusRecord, PullEvseStatus])
@pytest.mark.parametrize("name", ["EvseStatus", "EVSEStatus"])
def test_the_status_is_read_under_both_names_and_written_under_one(
    model: type[EvseStatusRecord | PullEvseStatus], name: str
) -> None:
    message = model.model_validate({"EvseID": "DE*ABC*E1", "ProviderID": "DE-DCB", name: "Available"})
    assert message.evse_status == "Available"
    assert message.wire()["EvseStatus"] == "Available"
    assert "EVSEStatus" not in message.wire()


def test_a_status_by_id_is_read_with_its_container_and_without() -> None:
    records = [{"EvseID": "DE*ABC*E1", "EvseStatus": "Available"}]
    whole = {"EVSEStatusRecords": {"EvseStatusRecord": records}}
    for body in (whole, {"EVSEStatusRecords": records}, {"EvseStatusRecords": {"EVSEStatusRecord": records}}):
        assert EvseStatusById.model_validate(body).wire() == whole


@pytest.mark.parametrize("model", [EvseStatus, EvseStatusByOperatorId])
def test_a_status_answer_is_read_with_its_container_and_without(model: type[EvseStatus]) -> None:
    blocks = [{"OperatorID": "DE*ABC", "EvseStatusRecord": [{"EvseID": "DE*ABC*E1", "EvseStatus": "Available"}]}]
    whole = {"EvseStatuses": {"OperatorEvseStatus": blocks}}
    for body in (whole, {"EvseStatuses": blocks}, {"EVSEStatuses": {"OperatorEVSEStatus": blocks}}):
        assert model.model_validate(body).wire() == whole


def test_one_id_in_place_of_the_list_is_a_list_of_one() -> None:
    message = PullEvseStatusById.model_validate({"ProviderID": "DE-DCB", "EvseID": "DE*ABC*E1"})
    assert message.evse_id == ["DE*ABC*E1"]


@pytest.mark.parametrize(
    "body",
    [
        {"Period": [{"begin": "09:00", "end": "18:00"}], "on": "Everyday"},
        {"Period": {"begin": "09:00", "end": "18:00"}, "on": "Everyday"},
        {"Periods": [{"Begin": "09:00", "End": "18:00"}], "On": "Everyday"},
    ],
)
def test_opening_times_are_read_in_every_form_and_written_in_one(body: dict[str, Any]) -> None:
    assert OpeningTimes.model_validate(body).wire() == {
        "Period": [{"begin": "09:00", "end": "18:00"}],
        "on": "Everyday",
    }
    times = EvseDataRecord.model_validate(record(OpeningTimes=body)).opening_times
    assert times == [OpeningTimes.model_validate(body)]


@pytest.mark.parametrize(
    "times",
    [
        [{"Periods": [{"begin": "09:00", "end": "18:00"}], "on": "Everyday"}],
        [{"Period": {"begin": "09:00", "end": "18:00"}, "on": "Everyday"}],
        {"Period": [{"begin": "09:00", "end": "18:00"}], "On": "Everyday"},
    ],
)
def test_the_availability_of_a_product_is_read_in_every_form_and_written_in_one(times: object) -> None:
    product = PricingProductDataRecord.model_validate({**PRODUCT, "ProductAvailabilityTimes": times})
    assert product.wire() == PRODUCT


@pytest.mark.parametrize("name", ["PricingProductData", "OperatorPricingProducts"])
def test_pulled_products_are_read_under_both_names(name: str) -> None:
    assert PricingProductData.model_validate({name: []}).wire() == {"PricingProductData": []}


@pytest.mark.parametrize("name", ["OperatorEVSEPricing", "EVSEPricing"])
def test_pulled_evse_pricing_is_read_under_either_name_and_written_under_both(name: str) -> None:
    blocks: list[dict[str, Any]] = [{"OperatorID": "DE*ABC", "EVSEPricing": []}]
    message = EvsePricing.model_validate({name: blocks})
    assert message.wire() == {"OperatorEVSEPricing": blocks, "EVSEPricing": blocks}
    assert message.operator_evse_pricing[0].operator_id == "DE*ABC"
    assert EvsePricing.model_validate(message.wire()).operator_evse_pricing == message.operator_evse_pricing


@pytest.mark.parametrize("name", ["OperatorIds", "OperatorIDs"])
def test_the_operators_of_a_pull_are_read_under_both_names_and_written_as_each_pull_has_it(name: str) -> None:
    body = {"ProviderID": "DE-DCB", "GeoCoordinatesResponseFormat": "Google", name: ["DE*ABC"]}
    assert PullEvseData.model_validate(body).wire()["OperatorIds"] == ["DE*ABC"]
    assert PullPricingProductData.model_validate(body).wire()["OperatorIDs"] == ["DE*ABC"]
    assert PullEvsePricing.model_validate(body).wire()["OperatorIDs"] == ["DE*ABC"]


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), ("auto", "auto")])
def test_dynamic_info_available_is_read_as_text_or_boolean_and_written_as_text(value: object, text: str) -> None:
    message = EvseDataRecord.model_validate(record(DynamicInfoAvailable=value))
    assert message.wire()["DynamicInfoAvailable"] == text


def test_a_push_of_evse_pricing_keeps_the_asterisk_for_all_providers() -> None:
    pricing = [{"EvseID": "DE*ABC*E1", "ProviderID": "*", "EvseIDProductList": ["AC 1"]}]
    body = {"ActionType": "fullLoad", "EVSEPricing": pricing}
    assert PushEvsePricing.model_validate(body).wire() == body


def test_null_for_an_optional_member_is_as_if_it_were_absent() -> None:
    nulls = {
        field.serialization_alias: None
        for field in EvseDataRecord.model_fields.values()
        if field.serialization_alias and not field.is_required()
    }
    assert EvseDataRecord.model_validate(record(**nulls)).wire() == EvseDataRecord.model_validate(record()).wire()


def test_unknown_members_and_unknown_values_survive() -> None:
    message = EvseDataRecord.model_validate(
        record(Plugs=["Megawatt Charging System"], LocationImage="http://x.example")
    )
    assert message.wire()["Plugs"] == ["Megawatt Charging System"]
    assert message.wire()["LocationImage"] == "http://x.example"


def test_booleans_may_be_strings() -> None:
    message = EvseDataRecord.model_validate(record(RenewableEnergy="false", IsOpen24Hours="true"))
    assert (message.renewable_energy, message.is_open_24_hours) == (False, True)


def test_coordinates_may_be_a_bare_string() -> None:
    assert GeoCoordinates.model_validate({"Google": "52.5 13.4"}).google == GeoCoordinatesGoogle(
        coordinates="52.5 13.4"
    )


def test_a_page_without_paging_members_is_read() -> None:
    page = read(EvseData, b'{"content": []}')
    assert (page.content, page.number, page.last) == ([], None, None)


def test_an_answer_without_its_content_is_not_a_page() -> None:
    with pytest.raises(InvalidMessage):
        read(EvseData, b'{"StatusCode": {"Code": "000"}}')


def test_a_record_is_built_by_attribute_names() -> None:
    message = EvseDataRecord(
        evse_id="DE*ABC*E1",
        charging_station_names=[InfoText(lang="en", value="Station")],
        address=AddressIso19773(country="DEU", city="Berlin", street="Weg", postal_code="10829", house_num="22"),
        geo_coordinates=GeoCoordinates(google=GeoCoordinatesGoogle(coordinates="52.480495 13.356465")),
        plugs=["Type 2 Outlet"],
        charging_facilities=[ChargingFacility(power_type="AC_3_PHASE", power=Decimal(22))],
        renewable_energy=True,
        calibration_law_data_availability="Local",
        authentication_modes=["REMOTE"],
        payment_options=["Contract"],
        value_added_services=["None"],
        accessibility="Test Station",
        hotline_phone_number="+493012345",
        is_open_24_hours=True,
        is_hubject_compatible=True,
        dynamic_info_available="true",
    )
    assert message.wire() == record()


def test_a_push_tells_every_missing_member_with_its_pointer() -> None:
    bad = record()
    del bad["Plugs"], bad["Address"]["City"]
    body = {"ActionType": "insert", "OperatorEvseData": {"OperatorID": "DE*ABC", "EvseDataRecord": [bad]}}
    with pytest.raises(InvalidMessage) as refusal:
        read(PushEvseData, body)
    assert {violation.pointer for violation in refusal.value.violations} == {
        "/OperatorEvseData/OperatorName",
        "/OperatorEvseData/EvseDataRecord/0/Plugs",
        "/OperatorEvseData/EvseDataRecord/0/Address/City",
    }

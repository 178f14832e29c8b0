"""What a CDR of our own CPO is checked for before it is sent."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest

from p2pnode.oicp.cdr import ChargeDetailRecord, SignedMeteringValue
from p2pnode.oicp.codec import decode, encode
from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import (
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_PROGRESS,
    PUSH_EVSE_DATA,
    PUSH_EVSE_PRICING,
    PUSH_PRICING_PRODUCT_DATA,
)
from p2pnode.roaming.preflight import PREFLIGHT
from tests.roaming.roaming_messages import EVSE, NOON, SESSION, make, rfid
from tests.roaming.roaming_world import Call, Party, refused
from tests.roaming.test_roaming_cdrs import HOUR, authorized, cdr, stored
from tests.samples import sample_members


async def publish(cpo: Party, **members: object) -> None:
    """Publish the charging point: 22 kW, with other members where some are given."""
    push: dict[str, Any] = sample_members(PUSH_EVSE_DATA) | {"ActionType": "fullLoad"}
    data = push["OperatorEvseData"]
    facility = {"PowerType": "AC_3_PHASE", "Power": 22}
    record = {**data["EvseDataRecord"][0], "EvseID": EVSE, "ChargingFacilities": [facility], **members}
    data |= {"OperatorID": "DE*CPO", "EvseDataRecord": [record]}
    assert (await cpo.send(PUSH_EVSE_DATA, encode(push))).result


async def publish_products(cpo: Party, *product_ids: str, at_evse: str) -> None:
    push: dict[str, Any] = sample_members(PUSH_PRICING_PRODUCT_DATA) | {"ActionType": "fullLoad"}
    data = push["PricingProductData"]
    (record, *_) = data["PricingProductDataRecords"]
    records = [{**record, "ProductID": product_id} for product_id in product_ids]
    data |= {"OperatorID": "DE*CPO", "ProviderID": "*", "PricingProductDataRecords": records}
    assert (await cpo.send(PUSH_PRICING_PRODUCT_DATA, encode(push))).result
    pricing = [{"EvseID": EVSE, "ProviderID": "*", "EvseIDProductList": [at_evse]}]
    assert (await cpo.send(PUSH_EVSE_PRICING, encode({"ActionType": "fullLoad", "EVSEPricing": pricing}))).result


async def told(cpo: Party, message: ChargeDetailRecord) -> list[tuple[str, str, Severity]]:
    return [(each.pointer, each.code, each.severity) for each in await cpo.roaming.check_cdr(message)]


async def stopped(cpo: Party, message: ChargeDetailRecord) -> tuple[Violation, ...]:
    """What stops the CDR; nothing of it is stored or sent."""
    calls = len(cpo.wire.calls)
    error = await refused(cpo.send(CHARGE_DETAIL_RECORD, message))
    assert isinstance(error, InvalidMessage)
    assert error.http is HTTPStatus.BAD_REQUEST
    assert await cpo.store.cdr(session_key(SESSION)) is None
    assert len(cpo.wire.calls) == calls
    return error.violations


async def notes(cpo: Party) -> list[tuple[str, list[str]]]:
    """The lines of the history: code and rules."""
    lines: list[tuple[str, list[str]]] = []
    for event in await cpo.store.history(session_key(SESSION)):
        if event.operation == PREFLIGHT:
            body: Any = decode(event.body)
            lines.append((event.code, [each["code"] for each in body["violations"]]))
    return lines


@pytest.fixture
async def cpo(pair: tuple[Party, Party]) -> Party:
    cpo, _ = pair
    await authorized(cpo)
    return cpo


async def test_a_cdr_that_fits_everything_published_is_sent_without_a_word(cpo: Party) -> None:
    await publish(cpo)
    await publish_products(cpo, "AC1", at_evse="AC1")
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr(partner_product_id="AC1"))).result
    assert (await notes(cpo), cpo.checked) == ([], [])


async def test_more_energy_than_the_evse_can_deliver_stops_a_cdr_until_it_is_put_right(cpo: Party) -> None:
    await publish(cpo)
    most = Decimal("24.6")  # 22 kW for an hour and a minute, and a tenth
    assert [each.code for each in await stopped(cpo, cdr(consumed_energy=most + Decimal("0.1")))] == ["power-exceeded"]
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr(consumed_energy=most))).result
    assert (await stored(cpo)).energy == most
    assert await notes(cpo) == [("022", ["power-exceeded"])]


async def test_signed_values_are_demanded_where_the_evse_says_external(cpo: Party) -> None:
    await publish(cpo, CalibrationLawDataAvailability="External")
    (found,) = await stopped(cpo, cdr())
    assert (found.pointer, found.code) == ("/SignedMeteringValues", "signed-values-missing")
    signed = SignedMeteringValue(signed_metering_value="OCMF|{}", metering_status="End")
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr(signed_metering_values=[signed]))).result


@pytest.mark.parametrize(("product", "code"), [("AC9", "product-unknown"), ("AC2", "product-elsewhere")])
async def test_a_product_nobody_has_published_here_is_told_and_stops_no_cdr(
    cpo: Party, product: str, code: str
) -> None:
    assert await told(cpo, cdr(partner_product_id=product)) == []
    await publish(cpo)
    await publish_products(cpo, "AC1", "AC2", at_evse="AC1")
    assert (await cpo.send(CHARGE_DETAIL_RECORD, cdr(partner_product_id=product))).result
    assert await notes(cpo) == [("000", [code])]
    assert [[each.code for each in found] for _, found in cpo.checked] == [[code]]


async def test_of_all_prices_only_those_of_the_evse_and_the_product_are_read(
    cpo: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_products(cpo, "AC1", "AC2", at_evse="AC1")
    others = [{"EvseID": f"{EVSE}{at}", "ProviderID": "*", "EvseIDProductList": ["AC2"]} for at in range(100)]
    assert (await cpo.send(PUSH_EVSE_PRICING, encode({"ActionType": "insert", "EVSEPricing": others}))).result
    read: list[int] = []
    for name in ("products", "evse_pricing"):
        monkeypatch.setattr(cpo.store, name, _counting(getattr(cpo.store, name), read))
    assert await told(cpo, cdr(partner_product_id="AC1")) == []
    assert read == [1, 1]


def _counting(reading: Callable[..., Awaitable[Sequence[object]]], into: list[int]) -> Callable[..., object]:
    async def counted(*wanted: object, **more: object) -> Sequence[object]:
        found = await reading(*wanted, **more)
        into.append(len(found))
        return found

    return counted


async def test_all_violations_are_told_at_once_and_noted_once_however_often_it_is_tried(cpo: Party) -> None:
    await publish(cpo, CalibrationLawDataAvailability="External")
    wrong = cdr(consumed_energy=Decimal(99), meter_value_start=Decimal(5), meter_value_end=Decimal(4))
    for _ in range(3):
        codes = {each.code for each in await stopped(cpo, wrong)}
        assert codes == {"power-exceeded", "signed-values-missing", "meter-values"}
    assert len(await notes(cpo)) == 1
    assert len(cpo.checked) == 3


async def test_what_the_session_has_told_otherwise_is_a_warning(cpo: Party) -> None:
    progress = make(
        CHARGING_NOTIFICATION_PROGRESS.request,
        type="Progress",
        session_id=SESSION,
        evse_id=EVSE,
        identification=rfid(),
        charging_start=NOON,
        event_occurred=NOON + HOUR,
        charging_duration=3_600_000,
        consumed_energy_progress=Decimal(12),
        operator_id="DE*CPO",
    )
    assert (await cpo.send(CHARGING_NOTIFICATION_PROGRESS, progress)).result
    await publish(cpo)
    elsewhere = cdr(evse_id="DE*CPO*E2*1", consumed_energy=Decimal("11.9"))
    assert await told(cpo, elsewhere) == [
        ("/EvseID", "evse-unknown", Severity.WARNING),
        ("/EvseID", "other-evse", Severity.WARNING),
        ("/ConsumedEnergy", "energy-below-told", Severity.WARNING),
    ]
    assert (await cpo.send(CHARGE_DETAIL_RECORD, elsewhere)).result
    assert await notes(cpo) == [("000", ["evse-unknown", "other-evse", "energy-below-told"])]


async def test_a_check_tells_of_an_unknown_session_and_of_a_second_cdr(cpo: Party) -> None:
    unheard = cdr("ffffffff-0000-4000-8000-000000000000")
    assert await told(cpo, unheard) == [("/SessionID", "session", Severity.ERROR)]
    await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    assert await told(cpo, cdr()) == []
    assert await told(cpo, cdr(consumed_energy=Decimal(1))) == [("/SessionID", "second-cdr", Severity.ERROR)]


async def test_a_cdr_that_was_accepted_is_accepted_again_whatever_is_published_since(cpo: Party) -> None:
    first = await cpo.send(CHARGE_DETAIL_RECORD, cdr())
    await publish(cpo, CalibrationLawDataAvailability="External")
    assert await cpo.send(CHARGE_DETAIL_RECORD, cdr()) == first


async def test_a_cdr_of_a_peer_is_not_held_against_what_we_publish(pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await authorized(cpo)
    late = cdr(charging_end=NOON + timedelta(seconds=1), consumed_energy=Decimal(500))
    call = Call("cpo", "emp", CHARGE_DETAIL_RECORD, encode(late), "DE*CPO", None)
    assert b'"Result":true' in (await emp.answer(call, "process"))[1]

"""The pricing products of the virtual CPO: one per power type, by the kilowatt-hour, for every provider."""

from collections.abc import Iterable

from p2pnode.config.virtual import VirtualChargePoint, VirtualCpo
from p2pnode.oicp.evse_types import PowerType
from p2pnode.oicp.pricing import (
    EvsePricingType,
    PricingProductDataRecord,
    PricingProductDataType,
    PushEvsePricing,
    PushPricingProductData,
    ReferenceUnitType,
)
from p2pnode.oicp.scalars import ANY_PROVIDER, ActionType

PRODUCTS = {PowerType.AC_1_PHASE: "AC1", PowerType.AC_3_PHASE: "AC3", PowerType.DC: "DC"}
"""The specification's standard products."""


def product_of(point: VirtualChargePoint) -> str:
    """The ProductID that applies at a charge point."""
    return PRODUCTS[PowerType(point.power_type)]


def products(settings: VirtualCpo, operator_id: str, points: Iterable[VirtualChargePoint]) -> PushPricingProductData:
    """eRoamingPushPricingProductData, a full load: the products that apply at these charge points."""
    rising = sorted(points, key=lambda point: point.power)
    greatest = {product_of(point): point.power for point in rising}
    data = PricingProductDataType(
        operator_id=operator_id,
        operator_name=operator_id,
        provider_id=ANY_PROVIDER,
        pricing_default_price=settings.price_ac,
        pricing_default_price_currency=settings.currency,
        pricing_default_reference_unit=ReferenceUnitType.KILOWATT_HOUR,
        pricing_product_data_records=[
            PricingProductDataRecord(
                product_id=name,
                reference_unit=ReferenceUnitType.KILOWATT_HOUR,
                product_price_currency=settings.currency,
                price_per_reference_unit=settings.price_dc if name == PRODUCTS[PowerType.DC] else settings.price_ac,
                maximum_product_charging_power=power,
                is_valid_24_hours=True,
                product_availability_times=[],
            )
            for name, power in sorted(greatest.items())
        ],
    )
    return PushPricingProductData(action_type=ActionType.FULL_LOAD, pricing_product_data=data)


def evse_prices(points: Iterable[VirtualChargePoint]) -> PushEvsePricing:
    """eRoamingPushEVSEPricing, a full load: which product applies at which of these charge points."""
    return PushEvsePricing(
        action_type=ActionType.FULL_LOAD,
        evse_pricing=[
            EvsePricingType(evse_id=point.evse_id, provider_id=ANY_PROVIDER, evse_id_product_list=[product_of(point)])
            for point in points
        ],
    )

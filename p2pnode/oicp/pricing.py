"""eRoamingDynamicPricing: pricing products and the charging points they apply to, pushed by the CPO, pulled by the EMP.

Prices are exact decimals in the currency beside them, without VAT.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, SerializationInfo, SerializerFunctionWrapHandler, model_serializer

from p2pnode.oicp.constraints import OneOf
from p2pnode.oicp.errata import E013, E014, E015, E018
from p2pnode.oicp.evse_types import DayText, Period
from p2pnode.oicp.model import Many, Number, OicpModel, Text, Timestamp, names
from p2pnode.oicp.scalars import (
    ActionType,
    CurrencyIDText,
    EvseIDText,
    OperatorIDText,
    OperatorNameText,
    ProductIDText,
    ProviderIDText,
    ProviderOrAnyText,
)
from p2pnode.oicp.status import StatusCode


class ReferenceUnitType(StrEnum):
    """ReferenceUnitType: what a price is counted by."""

    HOUR = "HOUR"
    KILOWATT_HOUR = "KILOWATT_HOUR"
    MINUTE = "MINUTE"


class AdditionalReferenceType(StrEnum):
    """AdditionalReferenceType: price components beside the base price."""

    START_FEE = "START FEE"
    FIXED_FEE = "FIXED FEE"
    PARKING_FEE = "PARKING FEE"
    MINIMUM_FEE = "MINIMUM FEE"
    MAXIMUM_FEE = "MAXIMUM FEE"


ReferenceUnitText = Annotated[Text, OneOf(ReferenceUnitType)]
AdditionalReferenceText = Annotated[Text, OneOf(AdditionalReferenceType)]


class ProductAvailabilityTimes(OicpModel):
    """ProductAvailabilityTimesType: when a product applies on some days (E013)."""

    model_config = names(periods=E013.forms[:2], on=E013.forms[2:])

    periods: Many[Period]
    on: DayText


class AdditionalReferences(OicpModel):
    """AdditionalReferencesType: one price component beside the base price."""

    additional_reference: AdditionalReferenceText
    additional_reference_unit: ReferenceUnitText
    price_per_additional_reference_unit: Number


class PricingProductDataRecord(OicpModel):
    """PricingProductDataRecordType: one pricing product; its charging power is in kW."""

    model_config = names(is_valid_24_hours="IsValid24hours")

    product_id: ProductIDText
    reference_unit: ReferenceUnitText
    product_price_currency: CurrencyIDText
    price_per_reference_unit: Number
    maximum_product_charging_power: Number
    is_valid_24_hours: bool
    product_availability_times: Many[ProductAvailabilityTimes]
    additional_references: Many[AdditionalReferences] | None = None


class PricingProductDataType(OicpModel):
    """PricingProductDataType: the products of one operator for one provider, or for all (`*`)."""

    operator_id: OperatorIDText
    operator_name: OperatorNameText | None = None
    provider_id: ProviderOrAnyText
    pricing_default_price: Number
    pricing_default_price_currency: CurrencyIDText
    pricing_default_reference_unit: ReferenceUnitText
    pricing_product_data_records: Many[PricingProductDataRecord]


class PushPricingProductData(OicpModel):
    """eRoamingPushPricingProductData: a CPO publishes its products for a provider."""

    action_type: Annotated[Text, OneOf(ActionType)]
    pricing_product_data: PricingProductDataType


class EvsePricingType(OicpModel):
    """EVSEPricingType: the products that apply at one charging point for one provider, or for all (`*`)."""

    model_config = names(evse_id_product_list="EvseIDProductList")

    evse_id: EvseIDText
    provider_id: ProviderOrAnyText
    evse_id_product_list: Many[ProductIDText]


class PushEvsePricing(OicpModel):
    """eRoamingPushEVSEPricing: a CPO publishes which products apply at which charging points."""

    model_config = names(evse_pricing=("EVSEPricing", "EvsePricing"))

    action_type: Annotated[Text, OneOf(ActionType)]
    evse_pricing: Many[EvsePricingType]


class OperatorEvsePricing(OicpModel):
    """OperatorEVSEPricingType: the pricing of the charging points listed under one operator."""

    model_config = names(evse_pricing=("EVSEPricing", "EvsePricing"))

    operator_id: OperatorIDText
    operator_name: OperatorNameText | None = None
    evse_pricing: Many[EvsePricingType]


class PullPricingProductData(OicpModel):
    """eRoamingPullPricingProductData: an EMP asks for the products that given operators offer it.

    The caller stands in the path; ProviderID is not a member of this message and is kept where a partner sends it.
    """

    model_config = names(operator_ids=E018.forms[::-1])

    last_call: Timestamp | None = None
    operator_ids: Many[OperatorIDText]
    provider_id: ProviderIDText | None = None


class PullEvsePricing(OicpModel):
    """eRoamingPullEVSEPricing: an EMP asks which products apply at given operators' charging points."""

    model_config = names(operator_ids=E018.forms[::-1])

    provider_id: ProviderIDText
    last_call: Timestamp | None = None
    operator_ids: Many[OperatorIDText]


class PricingProductData(OicpModel):
    """eRoamingPricingProductData: the answer to PullPricingProductData, by operator (E014)."""

    model_config = names(pricing_product_data=E014.forms)

    pricing_product_data: Many[PricingProductDataType]
    status_code: StatusCode | None = None


def _both_names(schema: dict[str, Any]) -> None:
    """E015 in the JSON schema."""
    schema["properties"]["EVSEPricing"] = schema["properties"]["OperatorEVSEPricing"]


class EvsePricing(OicpModel):
    """eRoamingEVSEPricing: the answer to PullEvsePricing, by operator.

    Readers look for the list under one of two names, so it is written under both (E015).
    """

    model_config = names(operator_evse_pricing=E015.forms) | ConfigDict(json_schema_extra=_both_names)

    operator_evse_pricing: Many[OperatorEvsePricing]
    status_code: StatusCode | None = None

    @model_serializer(mode="wrap")
    def _under_both_names(self, serialize: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        members: dict[str, Any] = serialize(self)
        return {**members, "EVSEPricing": members["OperatorEVSEPricing"]} if info.by_alias else members

"""The messages of the lab's parties, as their backends would write them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from p2pnode.backends.evse_records import evse_data_record
from p2pnode.config.virtual import VirtualChargePoint, VirtualDriver
from p2pnode.lab.parties import Party, Product
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.scalars import ANY_PROVIDER, ActionType

Body = Mapping[str, Any]

ALWAYS = [{"Periods": [{"begin": "00:00", "end": "23:59"}], "on": "Everyday"}]
SLOW_POWER = 43
"""kW, the most a charge point with alternating current gives."""


def push_evse_data(party: Party, action: ActionType, points: Sequence[VirtualChargePoint]) -> Body:
    """eRoamingPushEvseData of the party's own charge points."""
    return {
        "ActionType": action,
        "OperatorEvseData": {
            "OperatorID": party.operator_id,
            "OperatorName": party.operator_name,
            "EvseDataRecord": [
                {**evse_data_record(point).wire(), "HotlinePhoneNumber": party.hotline} for point in points
            ],
        },
    }


def push_evse_status(party: Party, action: ActionType, statuses: Mapping[str, EvseStatusType]) -> Body:
    """eRoamingPushEvseStatus: the status of charge points by EvseID."""
    return {
        "ActionType": action,
        "OperatorEvseStatus": {
            "OperatorID": party.operator_id,
            "OperatorName": party.operator_name,
            "EvseStatusRecord": [{"EvseID": evse_id, "EvseStatus": status} for evse_id, status in statuses.items()],
        },
    }


def push_pricing_products(party: Party, action: ActionType, products: Sequence[Product]) -> Body:
    """eRoamingPushPricingProductData for every provider."""
    return {
        "ActionType": action,
        "PricingProductData": {
            "OperatorID": party.operator_id,
            "OperatorName": party.operator_name,
            "ProviderID": ANY_PROVIDER,
            "PricingDefaultPrice": party.products[0].price,
            "PricingDefaultPriceCurrency": party.currency,
            "PricingDefaultReferenceUnit": "KILOWATT_HOUR",
            "PricingProductDataRecords": [
                {
                    "ProductID": product.product_id,
                    "ReferenceUnit": "KILOWATT_HOUR",
                    "ProductPriceCurrency": party.currency,
                    "PricePerReferenceUnit": product.price,
                    "MaximumProductChargingPower": product.power,
                    "IsValid24hours": True,
                    "ProductAvailabilityTimes": ALWAYS,
                }
                for product in products
            ],
        },
    }


def push_evse_pricing(party: Party, action: ActionType, points: Sequence[VirtualChargePoint]) -> Body:
    """eRoamingPushEVSEPricing: the slow product at slow charge points, the fast one at fast ones."""
    return {
        "ActionType": action,
        "EVSEPricing": [
            {
                "EvseID": point.evse_id,
                "ProviderID": ANY_PROVIDER,
                "EvseIDProductList": [product_at(party, point).product_id],
            }
            for point in points
        ],
    }


def product_at(party: Party, point: VirtualChargePoint) -> Product:
    """The product that applies at a charge point."""
    return party.products[point.power > SLOW_POWER]


def plug_and_charge(driver: VirtualDriver) -> Body:
    """The Identification of a driver's car."""
    return {"PlugAndChargeIdentification": {"EvcoID": driver.evco_id}}


def card(uid: str | None) -> Body:
    """The Identification of an RFID card."""
    return {"RFIDMifareFamilyIdentification": {"UID": uid}}


def remote(driver: VirtualDriver) -> Body:
    """The Identification of a driver who uses an app."""
    return {"RemoteIdentification": {"EvcoID": driver.evco_id}}


def pull_evse_data(party: Party, **members: object) -> Body:
    """eRoamingPullEvseData."""
    return {"ProviderID": party.provider_id, "GeoCoordinatesResponseFormat": "Google", **members}


def get_cdrs(party: Party, start: datetime, end: datetime, **members: object) -> Body:
    """eRoamingGetChargeDetailRecords for a span of time."""
    return {"ProviderID": party.provider_id, "From": start, "To": end, **members}

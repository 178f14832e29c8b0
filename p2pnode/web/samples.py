"""A sample message of every operation, in the names of two given parties."""

from datetime import datetime
from importlib.resources import files
from typing import Final

from p2pnode.oicp.codec import decode, encode
from p2pnode.oicp.operations import (
    GET_CHARGE_DETAIL_RECORDS,
    PULL_EVSE_DATA,
    PULL_EVSE_PRICING,
    PULL_EVSE_STATUS,
    PULL_PRICING_PRODUCT_DATA,
    AnyOperation,
)

OPERATOR = "DE*ABC"
PROVIDER = "DE-DCB"
"""The parties the samples are written for."""

UNFILTERED: Final = {
    PULL_EVSE_DATA: ("ProviderID", "GeoCoordinatesResponseFormat"),
    PULL_EVSE_STATUS: ("ProviderID",),
    PULL_PRICING_PRODUCT_DATA: ("OperatorIDs",),
    PULL_EVSE_PRICING: ("ProviderID", "OperatorIDs"),
    GET_CHARGE_DETAIL_RECORDS: ("ProviderID", "From", "To"),
}
"""What is left of the sample of a pull that asks for everything."""


def first_request(operation: AnyOperation, operator_id: str, provider_id: str, now: datetime) -> bytes:
    """The sample request, or for a pull one that asks for everything until now: the sample's filters fit no party."""
    sample = sample_request(operation, operator_id, provider_id)
    kept = UNFILTERED.get(operation)
    if kept is None:
        return sample
    members = decode(sample)
    if not isinstance(members, dict):
        raise TypeError(f"the sample of {operation.name} is no object")
    return encode({name: now.isoformat() if name == "To" else members[name] for name in kept})


def sample_request(operation: AnyOperation, operator_id: str, provider_id: str) -> bytes:
    """The operation's sample request, between this operator and this provider; EvseIDs and EvcoIDs follow them."""
    text = (files("p2pnode.oicp") / "samples" / f"{operation.name}.request.json").read_text(encoding="utf-8")
    return text.replace(f'"{OPERATOR}', f'"{operator_id}').replace(f'"{PROVIDER}', f'"{provider_id}').encode()

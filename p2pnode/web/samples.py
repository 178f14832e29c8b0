"""A sample message of every operation, in the names of two given parties."""

from importlib.resources import files

from p2pnode.oicp.operations import AnyOperation

OPERATOR = "DE*ABC"
PROVIDER = "DE-DCB"
"""The parties the samples are written for."""


def sample_request(operation: AnyOperation, operator_id: str, provider_id: str) -> bytes:
    """The operation's sample request, between this operator and this provider; EvseIDs and EvcoIDs follow them."""
    text = (files("p2pnode.oicp") / "samples" / f"{operation.name}.request.json").read_text(encoding="utf-8")
    return text.replace(f'"{OPERATOR}', f'"{operator_id}').replace(f'"{PROVIDER}', f'"{provider_id}').encode()

"""Which identifier a caller gives as its own inside a message: OperatorID for a CPO, ProviderID for an EMP."""

from collections.abc import Callable

from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import OPERATIONS, AnyOperation, Role

Claim = Callable[[OicpModel], str | None]

ATTRIBUTES = {Role.CPO: "operator_id", Role.EMP: "provider_id"}


def _nothing(_message: OicpModel) -> str | None:
    return None


def _claim(operation: AnyOperation) -> Claim:
    """How to find the caller's id in a request: a member of the message, or of the one object that holds records."""
    own = ATTRIBUTES[operation.caller]
    fields = operation.request.model_fields
    if own in fields:
        return lambda message: getattr(message, own)
    for name, field in fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, OicpModel) and own in kind.model_fields:
            return lambda message: getattr(getattr(message, name), own)
    return _nothing


CLAIMS: dict[AnyOperation, Claim] = {operation: _claim(operation) for operation in OPERATIONS}
"""For each operation, the caller's id in a request; None where it has none: the path is all there is."""

"""Reading what the store has kept of messages: what cannot be read any more is the store's fault, not the sender's."""

from typing import TypeVar

from p2pnode.oicp.codec import read
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.model import OicpModel
from p2pnode.roaming.ports import StoreFault

Model = TypeVar("Model", bound=OicpModel)


def read_stored(model: type[Model], body: bytes) -> Model:
    """The message in stored bytes. Raises StoreFault."""
    try:
        return read(model, body)
    except InvalidMessage:
        raise StoreFault(f"a stored {model.__name__} cannot be read") from None

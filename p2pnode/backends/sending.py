"""How a backend sends a message of its own role into the world."""

from typing import Any, Protocol, TypeVar

from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import Operation

Answer = TypeVar("Answer", bound=OicpModel)


class Send(Protocol):
    """Sends a message as our own party and returns the answer the party gets.

    Raises ProtocolError where our own node refuses it, PeerError where no peer could be asked.
    """

    async def __call__(self, operation: Operation[Any, Answer], message: OicpModel, *, to: str | None = None) -> Answer:
        """`to` names a peer; without it the node finds the way."""
        ...

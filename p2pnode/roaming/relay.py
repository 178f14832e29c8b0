"""Relaying: what a peer sends for another peer goes on as if our own party sent it, and the peer gets the answer.

No message can go in circles: it never goes back to its source, from one hub never to another (`router.comes_back`), and
one that comes in again while it is still on its way is refused, whoever brings it. Process-ID and body are the same all
the way; neither alone tells a message, for a peer may give all of its messages one Process-ID.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from p2pnode.oicp import operations as ops
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received, onward

RELAYED = (
    ops.AUTHORIZE_START,
    ops.AUTHORIZE_STOP,
    ops.CHARGING_NOTIFICATION_START,
    ops.CHARGING_NOTIFICATION_PROGRESS,
    ops.CHARGING_NOTIFICATION_END,
    ops.CHARGING_NOTIFICATION_ERROR,
    ops.CHARGE_DETAIL_RECORD,
    ops.AUTHORIZE_REMOTE_RESERVATION_START,
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP,
    ops.AUTHORIZE_REMOTE_START,
    ops.AUTHORIZE_REMOTE_STOP,
)
"""The operations that go to one party: a relay sends them on, to its own party or to a peer. What parties publish it
keeps, gives on and shows; there the services of those operations do more for a relay."""

OnItsWay = tuple[str, str, str, bytes]


class Relay:
    """The messages that are on their way through this node."""

    def __init__(self) -> None:
        self._on_their_way: set[OnItsWay] = set()

    def receivers(self, receivers: Receivers, senders: Senders) -> Receivers:
        """What becomes of messages of peers at a node that relays."""
        guarded = {operation: self._once(handle) for operation, handle in receivers.items()}
        return guarded | {operation: self._once(_passed_on(senders, operation)) for operation in RELAYED}

    def _once(self, handle: Callable[[Received[Any]], Awaitable[OicpModel | bytes]]) -> Any:  # noqa: ANN401 - a handler of any operation
        async def receive(received: Received[Any]) -> OicpModel | bytes:
            passing = (received.process_id, received.operation.name, received.caller_id, received.body)
            if passing in self._on_their_way:
                raise ProtocolError(Code.PARTNER_NOT_FOUND, "the message is on its way through this relay already")
            self._on_their_way.add(passing)
            try:
                return await handle(received)
            finally:
                self._on_their_way.discard(passing)

        return receive


def _passed_on(senders: Senders, operation: AnyOperation) -> Callable[[Received[Any]], Awaitable[OicpModel | bytes]]:
    send = senders[operation]

    async def receive(received: Received[Any]) -> OicpModel | bytes:
        return await send(relayed(received))

    return receive


def relayed(received: Received[Any]) -> Outgoing[Any]:
    """A peer's message as it goes on to others."""
    return onward(received, source=received.peer, reached=received.reached)

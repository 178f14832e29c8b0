"""What crosses the wire between the nodes of the lab, as the nodes themselves report it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p2pnode.web.client import AdminClient


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as one of the two nodes saw it."""

    node: str
    verb: str
    peer: str
    operation: str
    http: int
    code: str
    ms: float
    process_id: str


class Wire:
    """Every message seen so far, in the order of arrival here, and a way to wait for more."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._more = asyncio.Condition()

    async def listen(self, node: str, client: AdminClient, ready: asyncio.Event) -> None:
        """Note what the node reports until it stops; `ready` is set once it reports."""
        async for event in client.events():
            ready.set()
            call = event.get("call")
            if call is not None:
                async with self._more:
                    self.seen.append(_seen(node, call))
                    self._more.notify_all()

    def receipt(self, sent: Seen) -> Seen | None:
        """The same message as its receiver saw it."""
        return next(
            (
                seen
                for seen in self.seen
                if seen.verb == "receive"
                and seen.node == sent.peer
                and seen.operation == sent.operation
                and seen.process_id == sent.process_id
            ),
            None,
        )

    async def more(self, count: int) -> None:
        """Wait until more than `count` messages were seen."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.seen) > count)


def _seen(node: str, call: Mapping[str, Any]) -> Seen:
    return Seen(
        node=node,
        verb=call["verb"],
        peer=call["peer"],
        operation=call["operation"],
        http=call["http"],
        code=call["code"],
        ms=float(call["ms"]),
        process_id=call["process_id"],
    )

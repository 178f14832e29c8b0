"""What crosses the wire between the nodes of the lab, as the nodes themselves report it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem

READY_SECONDS = 10.0


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
        self._arrived = asyncio.Event()

    def note(self, seen: Seen) -> None:
        """One more message was seen."""
        self.seen.append(seen)
        self._arrived.set()

    @asynccontextmanager
    async def listening(self, node: str, client: AdminClient) -> AsyncGenerator[None]:
        """Note what the node reports, from the beginning of the context to its end. Raises Problem."""
        ready = asyncio.Event()
        listener = asyncio.create_task(self._listen(node, client, ready), name=f"listen to {node}")
        try:
            await _heard(node, ready)
            await asyncio.sleep(0)
            if listener.done():
                raise Problem(f"{node} does not tell its events")
            yield
        finally:
            listener.cancel()
            await asyncio.wait([listener])

    async def _listen(self, node: str, client: AdminClient, ready: asyncio.Event) -> None:
        try:
            async for event in client.events():
                ready.set()
                call = event.get("call")
                if call is not None:
                    self.note(_seen(node, call))
        finally:
            ready.set()

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
        while len(self.seen) <= count:
            self._arrived.clear()
            await self._arrived.wait()


async def _heard(node: str, ready: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            await ready.wait()
    except TimeoutError:
        raise Problem(f"{node} does not tell its events") from None


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

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
        self._more = asyncio.Condition()

    @asynccontextmanager
    async def listening(self, node: str, client: AdminClient) -> AsyncGenerator[None]:
        """Note what the node reports, from the beginning of the context to its end."""
        ready = asyncio.Event()
        listener = asyncio.create_task(self._listen(node, client, ready), name=f"listen to {node}")
        try:
            async with asyncio.timeout(READY_SECONDS):
                await ready.wait()
            yield
        except TimeoutError:
            raise Problem(f"{node} does not tell its events", "see its log") from None
        finally:
            listener.cancel()
            await asyncio.wait([listener])

    async def _listen(self, node: str, client: AdminClient, ready: asyncio.Event) -> None:
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

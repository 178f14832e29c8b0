"""Work that outlives the message it began with: tracked, and ended with the node."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from p2pnode.roaming.ports import StoreFault

T = TypeVar("T")


class Background:
    """Tasks that nobody waits for; `aclose` cancels what still runs and waits for it.

    A task that fails is told to the exception handler of the event loop.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._finishing: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run `work` until it is done or the node closes."""
        self.adopt(asyncio.create_task(work, name=name))

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Look after a task that is already running."""
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def finish(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """The result of `work`, which goes on to its end where whoever waits for it is cancelled, and at the close.

        Raises what `work` does.
        """
        task = asyncio.create_task(work, name=name)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait until everything that runs now has ended by itself."""
        while running := self._tasks | self._finishing:
            await asyncio.wait(running)

    async def aclose(self) -> None:
        """Cancel what still runs and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await self.settle()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            told: dict[str, Any] = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            if isinstance(error, StoreFault):  # no fault of the code: where it happened tells nobody anything
                told = {"message": f"{task.get_name()} failed: {error}"}
            task.get_loop().call_exception_handler(told)

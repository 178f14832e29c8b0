"""Time limits for an await, at a fraction of the cost of `asyncio.timeout`, which is noticed on every request."""

import asyncio
from collections.abc import Awaitable
from math import inf
from typing import Any, TypeVar

from msgspec import Struct

T = TypeVar("T")


class _Limit(Struct, eq=False):
    task: Any
    at: float
    passed: bool = False


class Deadlines:
    """Time limits that share one timer, because nearly all of them are lifted long before they pass.

    Belongs to the event loop it is used on.
    """

    def __init__(self) -> None:
        self._limits: set[_Limit] = set()
        self._next = inf
        """When the timer goes off."""

    async def within(self, seconds: float, work: Awaitable[T]) -> T:
        """The result of `work`. Where it takes longer it is cancelled and TimeoutError raised.

        Other cancellations pass.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a time limit needs a task")
        limit = _Limit(task, loop.time() + seconds)
        self._limits.add(limit)
        if limit.at < self._next:
            self._set_timer(loop, limit.at)
        cancelled_before = task.cancelling()
        try:
            return await work
        except asyncio.CancelledError:
            if not limit.passed:
                raise
            limit.passed = False
            if task.uncancel() <= cancelled_before:
                raise TimeoutError from None
            raise
        finally:
            self._limits.discard(limit)
            if limit.passed:  # the work answered its cancellation with something else
                task.uncancel()

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._next = at
        loop.call_at(at, self._end, loop, at)

    def _end(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        """Cancel whose time is up, and wait for the next one; `at` is the moment this was to happen."""
        if at != self._next:  # an earlier limit came later, and has its own timer
            return
        self._next = inf
        now = max(loop.time(), at)
        for limit in tuple(self._limits):
            if limit.at <= now:
                self._limits.discard(limit)
                limit.passed = True
                limit.task.cancel()
        if self._limits:
            self._set_timer(loop, min(limit.at for limit in self._limits))

"""A time limit for one await, at a fraction of the cost of `asyncio.timeout`, which is noticed on every request."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class _Alarm:
    __slots__ = ("rang", "task")

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self.task = task
        self.rang = False

    def __call__(self) -> None:
        self.rang = True
        self.task.cancel()


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of `work`. Where it takes longer it is cancelled and TimeoutError raised; other cancellations pass."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a time limit needs a task")
    alarm = _Alarm(task)
    cancelled_before = task.cancelling()
    handle = asyncio.get_running_loop().call_later(seconds, alarm)
    try:
        return await work
    except asyncio.CancelledError:
        if not alarm.rang:
            raise
        alarm.rang = False
        if task.uncancel() <= cancelled_before:
            raise TimeoutError from None
        raise
    finally:
        handle.cancel()
        if alarm.rang:  # the work answered its cancellation with something else
            task.uncancel()

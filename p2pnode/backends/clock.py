"""The clock of the virtual parties: it may run faster than ours, so that an hour of charging fits into a second."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

Sleep = Callable[[float], Awaitable[None]]


class VirtualClock:
    """Time that begins at the moment the clock is made and passes `scale` times as fast as `now` says."""

    def __init__(self, now: Callable[[], datetime], scale: float = 1.0, sleep: Sleep = asyncio.sleep) -> None:
        self._now = now
        self._scale = scale
        self._sleep = sleep
        self._begun = now()

    def now(self) -> datetime:
        """The virtual time (UTC), to the second."""
        elapsed = (self._now() - self._begun).total_seconds() * self._scale
        return (self._begun + timedelta(seconds=elapsed)).replace(microsecond=0)

    async def sleep(self, duration: timedelta) -> None:
        """Wait for this much virtual time."""
        await self._sleep(duration.total_seconds() / self._scale)

"""Connections whose TLS handshake is not done: which may begin it, and which ends where there are too many.

A handshake costs computing time before it is known with whom, so they begin at a bounded rate, but for those that turn
out to be a peer's. Addresses take turns. Those that a peer has come from have every second turn to themselves, and room
for half of the connections, whoever else connects.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

from p2pnode.roaming.recent import Recent

T = TypeVar("T", bound=Hashable)
"""What stands for a connection."""

PATIENCE = 2.0
"""Seconds that a handshake under way has before it ends for one that waits: it takes a few times the way to and fro."""

KNOWN_SITES = 4096
"""How many of the addresses that peers have come from are remembered."""


@dataclass(slots=True)
class _Site(Generic[T]):
    """The unfinished connections of one address, the oldest first."""

    is_known: bool
    """Whether a peer has come from there."""
    silent: dict[T, None] = field(default_factory=dict[T, None])
    waiting: dict[T, "asyncio.Future[None]"] = field(default_factory=dict[T, "asyncio.Future[None]"])
    begun: dict[T, float] = field(default_factory=dict[T, float])
    """Those under way, and since when."""
    has_turn: bool = False
    """Whether it is in the row of those that take turns."""

    def __len__(self) -> int:
        return len(self.silent) + len(self.waiting) + len(self.begun)

    def first_to_end(self, now: float) -> T:
        """The one silent for longest, else the one that has been at it for too long, else the last that waits."""
        if self.silent:
            return next(iter(self.silent))
        oldest = next(iter(self.begun), None)
        if oldest is not None and (not self.waiting or now - self.begun[oldest] >= PATIENCE):
            return oldest
        return next(reversed(self.waiting))


class Handshakes(Generic[T]):
    """At most `most` connections, of which `rate` a second begin their handshake. `clock` tells seconds."""

    def __init__(self, most: int, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._most, self._rate, self._clock = most, rate, clock
        self._site_of: dict[T, str] = {}
        self._sites: dict[str, _Site[T]] = {}
        self._known: Recent[str, bool] = Recent(KNOWN_SITES)
        self._rows: dict[bool, deque[str]] = {True: deque(), False: deque()}
        self._is_for_known = True
        self._saved, self._since = max(rate, 1.0), clock()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def unfinished(self) -> tuple[T, ...]:
        """All of them."""
        return tuple(self._site_of)

    def enter(self, connected: T, address: str) -> T | None:
        """Take a connection in, silent as yet; the one that has to end for it, if there are too many."""
        ended = self.end_one() if len(self._site_of) >= self._most else None
        self._site_of[connected] = address
        site = self._sites.get(address)
        if site is None:
            site = self._sites[address] = _Site(self._known.get(address) is not None)
        site.silent[connected] = None
        return ended

    def end_one(self) -> T | None:
        """Let go of a connection from the address with most: of one no peer came from, if those hold half of all."""
        if not self._sites:
            return None
        others = [site for site in self._sites.values() if not site.is_known]
        is_theirs = sum(map(len, others)) * 2 >= len(self._site_of)
        ended = max(others if is_theirs else self._sites.values(), key=len).first_to_end(self._clock())
        self.leave(ended)
        return ended

    async def turn(self, connected: T) -> None:
        """Wait until the connection, which is silent no more, may begin. Raises ConnectionError where it has ended."""
        address = self._site_of.get(connected)
        if address is None:
            raise ConnectionAbortedError
        site = self._sites[address]
        site.silent.pop(connected, None)
        turn = site.waiting[connected] = asyncio.get_running_loop().create_future()
        self._queue(address, site)
        self._grant()
        await turn

    def leave(self, connected: T, *, is_peer: bool = False) -> None:
        """Note that a connection has ended, or that its handshake is done, and whether it is a peer's."""
        address = self._site_of.pop(connected, None)
        if address is None:
            return
        site = self._sites[address]
        if (turn := site.waiting.pop(connected, None)) is not None and not turn.done():
            turn.set_exception(ConnectionAbortedError())
        site.silent.pop(connected, None)
        site.begun.pop(connected, None)
        if not len(site):
            del self._sites[address]
        if is_peer:
            self._known.put(address, value=True)
            site.is_known = True
            self._saved += 1
            self._grant()

    def _queue(self, address: str, site: _Site[T]) -> None:
        if not site.has_turn:
            site.has_turn = True
            self._rows[site.is_known].append(address)

    def _grant(self) -> None:
        """Let begin whoever may."""
        now = self._clock()
        self._saved = min(max(self._rate, 1.0), self._saved + (now - self._since) * self._rate)
        self._since = now
        while self._saved >= 1 and (following := self._following()) is not None:
            address, site = following
            connected = next(iter(site.waiting))
            turn = site.waiting.pop(connected)
            if site.waiting:
                self._queue(address, site)
            site.begun[connected] = now
            if not turn.done():  # else whoever waited is being cancelled
                self._saved -= 1
                turn.set_result(None)
        if self._timer is None and any(self._rows.values()):
            self._timer = asyncio.get_running_loop().call_later((1 - self._saved) / self._rate, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._grant()

    def _following(self) -> tuple[str, _Site[T]] | None:
        """Whose turn it is, of those who have somebody waiting."""
        for is_for_known in (self._is_for_known, not self._is_for_known):
            row = self._rows[is_for_known]
            while row:
                address = row.popleft()
                site = self._sites.get(address)
                if site is None or not site.has_turn:
                    continue
                site.has_turn = False
                if site.waiting:
                    self._is_for_known = not is_for_known
                    return address, site
        return None

"""How much one peer may ask of the node, so that the others do not notice it: requests at once, requests a second."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from p2pnode.config.node import LimitsSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.status import Code


@dataclass(slots=True)
class _Use:
    """What one peer is using. `saved` are the requests it may send at once before its rate holds it up."""

    at_once: int = 0
    saved: float = 0.0
    since: float = 0.0


class PeerLimiter:
    """Counts the requests of each peer. `clock` tells seconds."""

    def __init__(self, limits: LimitsSection, clock: Callable[[], float] = monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._used: dict[str, _Use] = {}

    def enter(self, peer: PeerEntry) -> None:
        """Take a request in; `leave` has to follow. Raises ProtocolError (429, 320) where the peer asks too much."""
        use = self._used.get(peer.name)
        if use is None:
            use = self._used[peer.name] = _Use(saved=float("inf"))
        most = peer.requests_at_once or self._limits.peer_requests_at_once
        if use.at_once >= most:
            raise _too_many(f"{most} requests are being answered already")
        rate = peer.requests_per_second or self._limits.peer_requests_per_second
        if rate and not self._is_saved(use, rate):
            raise _too_many(f"no more than {rate:g} requests a second are answered")
        use.at_once += 1

    def leave(self, peer: PeerEntry) -> None:
        """Note that a request has been answered."""
        self._used[peer.name].at_once -= 1

    def _is_saved(self, use: _Use, rate: float) -> bool:
        """Spend one request, if there is one; a second without any saves as many as the rate allows."""
        now = self._clock()
        use.saved = min(max(rate, 1.0), use.saved + (now - use.since) * rate)
        use.since = now
        if use.saved < 1:
            return False
        use.saved -= 1
        return True


class LargeBodies:
    """Turns in reading a large body: `most` are read at a time, but of one peer one less, so that it holds up itself.

    Where `most` is 1 whoever comes first is read first.
    """

    def __init__(self, most: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._most_of_one = max(1, most - 1)
        self._of_peer: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def turn(self, peer: PeerEntry | None) -> AsyncGenerator[None]:
        """Wait for a turn and hold it."""
        name = peer.name if peer is not None else ""
        of_peer = self._of_peer.setdefault(name, asyncio.Semaphore(self._most_of_one))
        async with of_peer, self._all:
            yield


def _too_many(told: str) -> ProtocolError:
    return ProtocolError(Code.SERVICE_NOT_AVAILABLE, f"Too many requests: {told}.", http=HTTPStatus.TOO_MANY_REQUESTS)

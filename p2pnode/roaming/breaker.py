"""A circuit breaker for each peer: who has not answered is asked less often, and at once when heard from."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any, TypeVar

from msgspec.structs import replace

from p2pnode.config.outbox import OutboxSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import NoAnswer, PeerError, Unreachable
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import Operation
from p2pnode.roaming.outbox_records import BreakerRecord, BreakerState
from p2pnode.roaming.ports import PeerAnswer, PeerCaller
from p2pnode.roaming.records import PageRequest

Answer = TypeVar("Answer", bound=OicpModel)

MOST_DOUBLINGS = 64
"""Beyond this many failures a pause is at its cap, whatever the factor."""


def pause(
    settings: OutboxSection, failures: int, random: Callable[[], float], *, cap: float | None = None
) -> timedelta:
    """How long to wait after so many failures in a row."""
    grown = settings.base_seconds * settings.factor ** min(max(failures - 1, 0), MOST_DOUBLINGS)
    longest = settings.cap_seconds if cap is None else cap
    return timedelta(seconds=min(grown, longest) * (1 + settings.jitter * random()))


class Breakers:
    """The breakers of all peers. Knows only those that have failed since they answered last.

    `changed` is told the state to be stored, `back` the name of a peer that may be back.
    """

    def __init__(
        self,
        settings: OutboxSection,
        now: Callable[[], datetime],
        changed: Callable[[BreakerRecord], None],
        *,
        random: Callable[[], float] | None = None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._changed = changed
        self._random = random or SystemRandom().random
        self._troubled: dict[str, BreakerRecord] = {}
        self._failed_at: dict[str, datetime] = {}
        self._listeners: list[Callable[[str, BreakerRecord], None]] = []

    def listen(self, listener: Callable[[str, BreakerRecord], None]) -> None:
        """Have the listener told of a peer that may be back, with what was known of it until then."""
        self._listeners.append(listener)

    def resume(self, records: Iterable[BreakerRecord]) -> None:
        """Take up what was stored when the node ended."""
        for record in records:
            if record.state is not BreakerState.CLOSED:
                self._troubled.setdefault(record.peer, record)

    def open_until(self, peer: str) -> datetime | None:
        """Until when the peer is not to be called; None where it may be."""
        if peer not in self._troubled:
            return None
        record = self._troubled[peer]
        if record.state is not BreakerState.OPEN or record.next_at is None:
            return None
        # Longer than any pause: the clock has been set back.
        longest = timedelta(seconds=self._settings.breaker_cap_seconds * (1 + self._settings.jitter))
        return record.next_at if timedelta(0) < record.next_at - self._now() <= longest else None

    def of(self, peer: str) -> BreakerRecord:
        """The breaker of a peer."""
        return self._troubled.get(peer) or BreakerRecord(peer)

    def failed(self, peer: str, reason: str) -> None:
        """A call had no answer."""
        at = self._now()
        known = self.of(peer)
        failures = known.failures + 1
        record = replace(known, failures=failures, reason=reason)
        if failures >= self._settings.breaker_failures:
            wait = pause(
                self._settings,
                failures - self._settings.breaker_failures + 1,
                self._random,
                cap=self._settings.breaker_cap_seconds,
            )
            since = known.since or at
            record = replace(record, state=BreakerState.OPEN, since=since, next_at=at + wait)
            self._changed(record)
        self._troubled[peer] = record
        self._failed_at[peer] = at

    def answered(self, peer: str) -> None:
        """A call had an answer: all is well with the peer."""
        if peer not in self._troubled:
            return
        record = self._troubled.pop(peer)
        self._failed_at.pop(peer, None)
        if record.state is not BreakerState.CLOSED:
            self._changed(BreakerRecord(peer))
        self._tell(peer, record)

    def heard(self, peer: str) -> None:
        """The peer has sent something: it runs, so that it is worth a call, though not one for each of its own."""
        if peer not in self._troubled:
            return
        record = self._troubled[peer]
        at = self._now()
        failed_at = self._failed_at.get(peer)
        if failed_at is not None and abs(at - failed_at) < timedelta(seconds=self._settings.base_seconds):
            return
        self._failed_at[peer] = at
        if record.state is BreakerState.OPEN:
            half_open = self._troubled[peer] = replace(record, state=BreakerState.HALF_OPEN, next_at=None)
            self._changed(half_open)
        self._tell(peer, record)

    def _tell(self, peer: str, record: BreakerRecord) -> None:
        for listener in self._listeners:
            listener(peer, record)


class WatchedCaller:
    """A `PeerCaller` whose calls move the breakers."""

    def __init__(self, caller: PeerCaller, breakers: Breakers) -> None:
        self._caller = caller
        self._breakers = breakers

    async def call(  # noqa: PLR0913 - as the protocol has it
        self,
        peer: PeerEntry,
        operation: Operation[Any, Answer],
        body: bytes,
        *,
        caller_id: str,
        process_id: str,
        page: PageRequest | None = None,
        deadline: float | None = None,
        reached: Sequence[str] = (),
    ) -> PeerAnswer[Answer]:
        """As `PeerCaller.call`."""
        try:
            answered = await self._caller.call(
                peer,
                operation,
                body,
                caller_id=caller_id,
                process_id=process_id,
                page=page,
                deadline=deadline,
                reached=reached,
            )
        except (Unreachable, NoAnswer) as error:
            self._breakers.failed(peer.name, error.reason)
            raise
        except PeerError:
            self._breakers.answered(peer.name)
            raise
        self._breakers.answered(peer.name)
        return answered

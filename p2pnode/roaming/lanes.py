"""One lane of the outbox: what waits for one peer, in its order, one message in flight.

The store is the queue; a lane holds the beginning of it in memory, and only the answers that somebody waits for. It
runs while something can be sent, sleeps until the next attempt otherwise, and is woken when the peer is heard from.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from p2pnode.config.outbox import OutboxSection
from p2pnode.roaming.background import Background
from p2pnode.roaming.breaker import Breakers, pause
from p2pnode.roaming.outbox_ports import OutboxReading
from p2pnode.roaming.outbox_records import QueuedRecord, QueueState
from p2pnode.roaming.ports import Outgoing

AT_ONCE = 200
"""How many messages are read from the store together."""
MOST_HELD = 1000
"""How many messages a lane holds; those behind them are read from the store when it is their turn."""
LONGEST_SLEEP = timedelta(hours=1)
"""After which a lane looks at the clock again, which may have been set."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The peer has answered, for good: the message leaves the outbox. `error` is what stands for a refusal."""

    answer: Any
    code: str
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Deferred:
    """There is no answer yet.

    `is_theirs` says that the peer answered, with a failure of its own; `is_silent` that nothing came from it.
    """

    code: str
    reason: str
    is_theirs: bool = False
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Hopeless:
    """The message can never be sent."""

    reason: str


Outcome = Answered | Deferred | Hopeless


@dataclass(slots=True)
class Entry:
    """A message in a lane, with what its sender still has in memory of it.

    `supersedes` says that it makes older ones of its operation and session needless, `is_aside` that the peer has
    failed on it so often that other sessions pass it, and the CDR of its own.
    """

    record: QueuedRecord
    outgoing: Outgoing[Any] | None = None
    supersedes: bool = False
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class LaneParts:
    """What all lanes share."""

    settings: OutboxSection
    store: OutboxReading
    breakers: Breakers
    background: Background
    now: Callable[[], datetime]
    random: Callable[[], float]
    attempt: Callable[[Entry], Awaitable[Outcome]]
    settle: Callable[[QueuedRecord, Answered], Awaitable[None]]
    """Take the message out, with what its answer means for session and CDR. Raises what the store does."""
    postpone: Callable[[QueuedRecord, Deferred | Hopeless], Awaitable[None]]
    """Note the next attempt, or that there is none. Raises what the store does."""
    held_by: "Callable[[Entry], Lane | None]"
    """The lane that has something which is to be delivered before the message."""
    moved: Callable[[str, str], None]
    """Told the peer and name of a lane that holds less than before, or has come to a stop."""
    resting: asyncio.Event
    """Set once nothing more is to be sent."""


def _next_at(entry: Entry) -> datetime:
    """When a message is to be sent again, which stands aside."""
    return entry.record.next_at or entry.record.created_at


class Lane:
    """What waits for one peer. `complete` says whether `entries` are all of it."""

    def __init__(self, parts: LaneParts, peer: str, name: str, *, complete: bool) -> None:
        self.peer = peer
        self.name = name
        self.complete = complete
        self.sessions: Counter[str] = Counter()
        """How many of the messages in memory are about a session."""
        self._parts = parts
        self._entries: deque[Entry] = deque()
        self._last_id = 0
        self._missed = 0
        """Counts the messages that were not taken into memory."""
        self._waiters: dict[int, list[asyncio.Future[Outcome]]] = {}
        self._blocked: Deferred | None = None
        self._blocked_until: datetime | None = None
        self._running = False
        self._flight: asyncio.Task[None] | None = None
        self._forced = False
        self._heard_at: datetime | None = None
        """When something was sent earlier than it was to be because the peer had been heard from."""
        self._faults = 0
        """How often in a row the store has failed."""
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task[None] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self.complete and not self._entries

    @property
    def flight(self) -> asyncio.Task[None] | None:
        """What sends now; None where nothing does."""
        return self._flight if self._running else None

    @property
    def leaving(self) -> asyncio.Task[None] | None:
        """What takes a message out that has been answered; None where nothing does."""
        return self._leaving

    @property
    def blocked(self) -> Deferred | None:
        """Why nothing is sent for now."""
        return self._blocked

    def add(self, entry: Entry) -> None:
        """Take up a message that is in the store."""
        if entry.record.id > self._last_id:
            if entry.supersedes and not self._running:
                self._drop_older(entry.record)
            if self.complete and len(self._entries) < MOST_HELD:
                self._append(entry)
            else:
                self.complete = False
                self._missed += 1
        self.start()

    def holds(self, session_key: str) -> bool:
        """Whether there may be something about the session that is to be delivered before its CDR."""
        if not self.complete or self.sessions[session_key] <= 0:
            return not self.complete
        return not next(entry.is_aside for entry in self._entries if entry.record.session_key == session_key)

    def forget(self, number: int) -> None:
        """Send no more of a message that is not in the store any longer."""
        found = next((entry for entry in self._entries if entry.record.id == number), None)
        if found is not None:
            self._pop(found)
            self._tell(number, Deferred("", "taken out of the outbox"))
            self._parts.moved(self.peer, self.name)
            self.start()

    def result(self, number: int) -> asyncio.Future[Outcome]:
        """What will become of a message, or that it has to wait longer than anybody should."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if self._blocked is not None:
            future.set_result(self._blocked)
        else:
            self._waiters.setdefault(number, []).append(future)
        return future

    def start(self, *, force: bool = False) -> None:
        """Send what can be sent; with `force` also what was to wait longer."""
        if force:
            self._forced = True
            self._blocked = None
        if not self._running and not self._parts.resting.is_set():
            self._running = True
            name = f"outbox to {self.peer or 'our own backend'}"
            self._flight = asyncio.create_task(self._run(), name=name)
            self._parts.background.adopt(self._flight)

    def heard(self) -> None:
        """The peer is there: what waits because it was silent is sent at once, though not more often than at first."""
        if self._blocked is None or not self._blocked.is_silent or self._running:
            return
        now, pause_seconds = self._parts.now(), self._parts.settings.base_seconds
        if self._heard_at is not None and abs(now - self._heard_at) < timedelta(seconds=pause_seconds):
            self._sleep(pause_seconds, self.heard)
            return
        self._heard_at = now
        self.start(force=True)

    def stop(self) -> None:
        """Send nothing more by itself."""
        self._stop_timer()

    def _append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._last_id = entry.record.id
        self.sessions[entry.record.session_key] += 1

    def _drop_older(self, record: QueuedRecord) -> None:
        same = (record.session_key, record.operation)
        kept = [entry for entry in self._entries if (entry.record.session_key, entry.record.operation) != same]
        if len(kept) < len(self._entries):
            self.sessions[record.session_key] -= len(self._entries) - len(kept)
            self._entries = deque(kept)

    async def _run(self) -> None:
        self._stop_timer()
        try:
            while await self._one():
                pass
        except Exception:  # a fault over one message, or of the store, ends no delivery
            self._start_over(Deferred("", "the node could not read its outbox"))
            raise
        finally:
            self._running = False

    async def _one(self) -> bool:
        """Attempt the first message; returns whether to go on with the next one."""
        entry = await self._first()
        if entry is None:
            self._forced = False
            return False
        if self._parts.resting.is_set():
            return False
        holder = self._parts.held_by(entry)
        if holder is not None:
            if holder.blocked is not None:
                self._tell_all(holder.blocked)
            return False
        until = None if self._forced else self._wait_until(entry)
        if until is not None:
            why = self._blocked or Deferred("", entry.record.reason or "the peer does not answer", is_silent=True)
            if entry.is_aside and self._blocked is None:
                self._pause(why, until)
            else:
                self._block(why, until)
            return False
        self._forced = False
        self._blocked = self._blocked_until = None
        outcome = await self._parts.attempt(entry)
        if isinstance(outcome, Answered):
            await self._leave(entry, outcome)
            return True
        return await self._put_off(entry, outcome)

    async def _first(self) -> Entry | None:
        """The message that has its turn, or will have it next; read from the store where memory has none."""
        while (entry := self._turn()) is None and not self.complete:
            await self._left()  # what is in the store until it has been taken out is not to be read again
            missed = self._missed
            found = await self._parts.store.waiting(self.peer, self.name, self._last_id, AT_ONCE)
            for record in found:
                self._append(Entry(record))
            if len(found) < AT_ONCE and missed == self._missed:
                self.complete, self._missed = True, 0
                if not self._entries:
                    self._parts.moved(self.peer, self.name)
        return entry or min((entry for entry in self._entries if entry.is_aside), key=_next_at, default=None)

    def _turn(self) -> Entry | None:
        """The first message that is not aside until later, and not behind one of its session that is."""
        passed: set[str] = set()
        for entry in self._entries:
            key = entry.record.session_key
            if key not in passed:
                if self._forced or not entry.is_aside or not self._is_ahead(entry.record.next_at):
                    return entry
                passed.add(key)
        return None

    def _is_ahead(self, moment: datetime | None) -> bool:
        """Whether a pause goes on until then; not where it would be longer than any: the clock has been set back."""
        settings = self._parts.settings
        longest = timedelta(seconds=settings.cap_seconds * (1 + settings.jitter))
        return moment is not None and timedelta(0) < moment - self._parts.now() <= longest

    def _wait_until(self, entry: Entry) -> datetime | None:
        """Until when nothing is to be sent; None where it may be sent now."""
        moments = [moment for moment in (entry.record.next_at, self._blocked_until) if self._is_ahead(moment)]
        moments.append(self._parts.breakers.open_until(self.peer))
        return max((moment for moment in moments if moment is not None), default=None)

    def _block(self, why: Deferred, until: datetime) -> None:
        """Tell everybody who waits that it takes longer, and sleep until then."""
        self._blocked, self._blocked_until = why, until
        self._pause(why, until)

    def _pause(self, why: Deferred, until: datetime) -> None:
        """The same, but what comes meanwhile is sent."""
        self._tell_all(why)
        self._parts.moved(self.peer, self.name)
        self._sleep(min(until - self._parts.now(), LONGEST_SLEEP).total_seconds(), self.start)

    def _sleep(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        if not self._parts.resting.is_set():
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 0.001), then)

    async def _leave(self, entry: Entry, outcome: Answered) -> None:
        """Take the message out, while the next one is on its way already: no more than one is taken out at a time."""
        await self._left()
        self._pop(entry)
        self._leaving = asyncio.create_task(self._settle(entry.record, outcome), name="leaving the outbox")
        self._parts.background.adopt(self._leaving)

    async def _left(self) -> None:
        """Wait until nothing is being taken out; where that fails, everything is being read again already."""
        leaving, self._leaving = self._leaving, None
        if leaving is not None:
            await asyncio.wait((leaving,))

    async def _settle(self, record: QueuedRecord, outcome: Answered) -> None:
        try:
            await self._parts.settle(record, outcome)
        except Exception:
            self._start_over(Deferred("", "the node could not note that it has been delivered"))
            raise
        else:
            self._faults = 0
        finally:
            self._tell(record.id, outcome)
            self._parts.moved(self.peer, self.name)

    async def _put_off(self, entry: Entry, outcome: Deferred | Hopeless) -> bool:
        """Note the failure; returns whether the next message has its turn."""
        settings, now = self._parts.settings, self._parts.now()
        record = entry.record
        attempts = record.attempts + 1
        reason = outcome.reason
        old = now - record.created_at >= timedelta(days=settings.dead_after_days)
        if isinstance(outcome, Hopeless) or old:
            dead = replace(record, attempts=attempts, next_at=None, state=QueueState.DEAD, reason=reason)
            await self._parts.postpone(dead, outcome)
            self._pop(entry)
            self._tell(record.id, outcome)
            self._parts.moved(self.peer, self.name)
            return True
        next_at = now + pause(settings, attempts, self._parts.random)
        entry.record = replace(record, attempts=attempts, next_at=next_at, reason=reason)
        await self._parts.postpone(entry.record, outcome)
        if outcome.is_theirs and attempts >= settings.failed_answers:
            entry.is_aside = True
            self._tell(record.id, outcome)
            self._parts.moved(self.peer, self.name)
            return True
        self._block(outcome, next_at)
        return self._forced

    def _pop(self, entry: Entry) -> None:
        place = next((place for place, known in enumerate(self._entries) if known is entry), None)
        if place is None:  # everything is being read again
            return
        del self._entries[place]
        key = entry.record.session_key
        self.sessions[key] -= 1
        if self.sessions[key] <= 0:
            del self.sessions[key]

    def _start_over(self, why: Deferred) -> None:
        """Read everything from the store again, later."""
        self._entries.clear()
        self.sessions.clear()
        self.complete, self._last_id = False, 0
        self._faults += 1
        self._block(why, self._parts.now() + pause(self._parts.settings, self._faults, self._parts.random))

    def _tell_all(self, why: Deferred) -> None:
        for number in tuple(self._waiters):
            self._tell(number, why)

    def _tell(self, number: int, outcome: Outcome) -> None:
        for future in self._waiters.pop(number, ()):
            if not future.done():
                future.set_result(outcome)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

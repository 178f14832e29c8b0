"""The clock by which what is published changes: it follows the node's clock and never goes backwards."""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Final

from p2pnode.store.values import to_us

REMEMBERED: Final = 1000
"""How many commits are remembered with the time they took."""
GUARD: Final = 60_000_000
"""Microseconds that a commit nobody remembers may have taken."""


class LogicalClock:
    """Gives every change a moment of its own, later than every moment at which somebody may have read.

    The writer ticks, readers read; both may do so at the same time. All moments are microseconds since 1970 (UTC).
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0
        self._pending: int | None = None
        self._first: int | None = None
        """The moment of the first change that is not committed yet."""
        self._commits: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        """The moment of the first change of a commit, and the one from which on it could be seen."""
        self._known_since = to_us(now())
        self._lock = Lock()

    def now(self) -> datetime:
        """The node's time."""
        return self._now()

    def read(self) -> int:
        """A moment at which the data is what it is now, and will always have been."""
        with self._lock:
            if self._pending is not None:
                return self._pending - 1
            self._last = max(self._last, to_us(self._now()))
            return self._last

    def tick(self, at: int, stored: int) -> int:
        """The moment of a change that happens at `at`: that one, or as soon as possible after all others.

        `stored` is the last moment the database knows. Until `settle`, readers are kept before the change.
        """
        with self._lock:
            self._last = max(self._last + 1, stored + 1, at)
            if self._pending is None:
                self._pending = self._last
            self._begin(self._last)
            return self._last

    def lift(self, at: int, stored: int) -> int:
        """The moment of a change without history that happens at `at`: that one, or the last of all others."""
        with self._lock:
            self._last = max(self._last, stored, at)
            self._begin(self._last)
            return self._last

    def settle(self) -> None:
        """The changes since the last `settle` are committed or undone."""
        with self._lock:
            first, self._first, self._pending = self._first, None, None
            if first is None:
                return
            seen = max(self._last, to_us(self._now()))
            if seen > first:
                if len(self._commits) == REMEMBERED:
                    self._known_since = max(self._known_since, self._commits[0][1])
                self._commits.append((first, seen))

    def before(self, called: int) -> int:
        """A moment whose state somebody has seen who read at `called`.

        Earlier where a change with an earlier moment was still being committed then, and could not be seen.
        """
        with self._lock:
            moment = called if called >= self._known_since else called - GUARD
            if self._first is not None and self._first <= moment:
                moment = self._first - 1
            for first, seen in reversed(self._commits):
                if first <= moment < seen:
                    moment = first - 1
            return moment

    def _begin(self, moment: int) -> None:
        self._first = moment if self._first is None else min(self._first, moment)

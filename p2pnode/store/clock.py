"""The clock by which EVSE data changes: it follows the node's clock and never goes backwards."""

from collections.abc import Callable
from datetime import datetime
from threading import Lock

from p2pnode.store.values import to_us


class LogicalClock:
    """Gives every change a moment of its own, later than every moment at which somebody may have read.

    The writer ticks, readers read; both may do so at the same time. All moments are microseconds since 1970 (UTC).
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0
        self._pending: int | None = None
        self._lock = Lock()

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
            return self._last

    def settle(self) -> None:
        """The changes since the last `settle` are committed or undone."""
        with self._lock:
            self._pending = None

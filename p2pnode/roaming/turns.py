"""How long one thread may hold the interpreter while another waits for it, shortened while a large push is in hand.

A commit is dozens of calls of SQLite, after each of which the writer's thread waits for the interpreter again: with
Python's 5 ms, one large push that is read on the event loop makes every commit take hundreds of milliseconds. At other
times the long turns are better: the writer takes what a whole round of the loop has left it, without interrupting it.
"""

import sys
from threading import Lock
from types import TracebackType

SHORT = 0.0003
"""Seconds."""


class ShortTurns:
    """A context, entered by as many as like. The interpreter has one setting, so a process has one of these."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._usual = sys.getswitchinterval()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(SHORT)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._usual)


short_turns = ShortTurns()

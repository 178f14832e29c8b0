"""Short work that needs no interpreter, such as checking signatures: done by the event loop and a thread together.

A piece that comes alone is done by the loop at once. Of several that come together the thread takes some, and does them
while the loop does the others, if there is a second core. How many it gets to depends on how often it is let in: before
each piece it waits for the interpreter, which the loop holds most of the time.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

WORTH_WAKING = 2
"""The thread is woken for so many pieces."""

AT_ONCE = 16
"""After so many pieces the loop looks after everything else before it goes on."""

T = TypeVar("T")

Piece = tuple[Callable[[], Any], asyncio.Future[Any]]
Done = tuple[asyncio.Future[Any], Any, Exception | None]


class SideWork:
    """Does what one turn of the loop has asked for at the end of that turn. Belongs to the loop it is made on."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Piece] = deque()
        self._is_called = False
        self._calls: SimpleQueue[int] = SimpleQueue()
        # A daemon: whoever waits for a piece is on the loop, and gone with it.
        self._thread = Thread(target=self._help, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, which may be done on the thread. Raises what it raises, which is no StopIteration.

        What is no Exception, such as a panic of the cryptography, is raised as a RuntimeError.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append((work, future))
        if not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._share)
        return await future

    async def aclose(self) -> None:
        """End the thread. What is asked for later, the loop does."""
        self._calls.put(0)
        await asyncio.to_thread(self._thread.join)

    def _share(self) -> None:
        if len(self._waiting) >= WORTH_WAKING and self._calls.empty():
            self._calls.put(len(self._waiting))
        _deliver(self._do(AT_ONCE))
        self._is_called = bool(self._waiting)
        if self._is_called:
            self._loop.call_soon(self._share)

    def _help(self) -> None:
        while most := self._calls.get():
            if done := self._do(most):
                try:
                    self._loop.call_soon_threadsafe(_deliver, done)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return

    def _do(self, most: int) -> Sequence[Done]:
        """Do pieces until none is left, or so many are done."""
        done: list[Done] = []
        while len(done) < most:
            try:
                work, future = self._waiting.popleft()  # for one of the two only, whoever comes first
            except IndexError:
                break
            try:
                done.append((future, work(), None))
            except Exception as error:  # noqa: BLE001 - it is raised where the result is waited for
                done.append((future, None, error))
            except BaseException as error:  # noqa: BLE001 - a panic of the cryptography ends neither thread nor loop
                fault = RuntimeError(f"{type(error).__name__}: {error}")
                fault.__cause__ = error
                done.append((future, None, fault))
        return done


def _deliver(done: Sequence[Done]) -> None:
    for future, result, error in done:
        if future.done():  # nobody waits any more
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

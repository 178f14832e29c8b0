"""A thread that does what waits, many pieces at a time, and wakes all who waited for them at once.

Handing one piece of work to a thread and waking one waiter cost more than a look-up in SQLite; shared among all who
wait they cost next to nothing. The writer shares its commits in the same way.
"""

import asyncio
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

from msgspec import Struct

SOON = 0.05
"""After so many seconds what nobody waits for has its turn, if nothing else has had it."""

S = TypeVar("S")
T = TypeVar("T")


class Job(Struct, Generic[S], eq=False):
    """One piece of work, its result or error, and who waits for it."""

    work: Callable[[S], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Let this be the outcome, unless the work has failed by itself."""
        if self.error is None:
            self.error = error

    def deliver(self) -> None:
        """Wake who waits; on the event loop."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, StopIteration):  # a future refuses it
            self.future.set_exception(RuntimeError("the work raised StopIteration"))
        else:
            self.future.set_exception(self.error)


class Gatherer(Generic[S]):
    """Runs `perform` on its own thread with all the jobs that wait, at most `most` at a time, in their order.

    `perform` gives each job its result or error; `finish` is called on the thread after the last one.
    `closed` is raised after `aclose`, `failed` where `perform` raises.
    Belongs to the event loop it is made on, and hands over together what was asked for in one turn of the loop: a
    thread woken for each would take turns with the loop at every statement.
    """

    def __init__(  # noqa: PLR0913 - what the users of it differ in
        self,
        name: str,
        perform: Callable[[Sequence[Job[S]]], None],
        finish: Callable[[], None],
        *,
        most: int = 256,
        closed: type[Exception] = RuntimeError,
        failed: type[Exception] = RuntimeError,
    ) -> None:
        self._name = name
        self._closed_error = closed
        self._failed_error = failed
        self._perform = perform
        self._finish = finish
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._new: list[Job[S]] = []
        self._left: list[Job[S]] = []
        self._waiting: SimpleQueue[list[Job[S]] | None] = SimpleQueue()
        self._is_called = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        # A daemon: a process that ends without closing loses only what nobody was told is done.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[[S], T]) -> asyncio.Future[T]:
        """The result of `work`, run on the thread, or what it raises. Raises `closed` after `aclose`."""
        if not self._is_called:
            self._is_called = True
            self._loop.call_soon(self._hand_over)
        return self._ask(work)

    def add(self, work: Callable[[S], T]) -> asyncio.Future[T]:
        """The same for what nobody waits for: `work` has its turn together with what is asked for next, or soon."""
        future = self._ask(work)
        if self._timer is None:
            self._timer = self._loop.call_later(SOON, self._time_is_up)
        return future

    def _time_is_up(self) -> None:
        self._timer = None
        self._hand_over()

    def _ask(self, work: Callable[[S], T]) -> asyncio.Future[T]:
        if self._closed:
            raise self._closed_error(f"the {self._name} has been closed")
        future: asyncio.Future[T] = self._loop.create_future()
        self._new.append(Job(work, future))
        return future

    def _hand_over(self) -> None:
        self._is_called = False
        new, self._new = self._new, []
        if new:
            self._waiting.put(new)

    async def aclose(self) -> None:
        """Do what still waits, then end the thread."""
        if not self._closed:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            self._hand_over()
            self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            while jobs := self._gather():
                self._do(jobs)
                try:
                    self._loop.call_soon_threadsafe(_deliver, jobs)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return
        finally:
            self._finish()

    def _gather(self) -> list[Job[S]]:
        """Wait for a job, and take all others that wait; empty once the last one has been done."""
        jobs = self._left
        while len(jobs) < self._most:
            try:
                some = self._waiting.get(block=not jobs)
            except Empty:
                break
            if some is None:
                if jobs:
                    self._waiting.put(None)
                break
            jobs = [*jobs, *some]
        self._left = jobs[self._most :]
        return jobs[: self._most]

    def _do(self, jobs: Sequence[Job[S]]) -> None:
        try:
            self._perform(jobs)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told, whatever happened, and the thread lives on
            failed = self._failed_error(f"the {self._name} failed ({type(error).__name__})")
            failed.__cause__ = error
            for job in jobs:
                job.fail(failed)


def _deliver(jobs: Sequence[Job[Any]]) -> None:
    for job in jobs:
        job.deliver()

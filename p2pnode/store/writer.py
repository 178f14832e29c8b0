"""The writer of a database: a thread that runs all waiting works in one transaction, commits once, wakes everybody."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, Protocol, TypeVar

from p2pnode.roaming.gatherer import Gatherer, Job
from p2pnode.store.connection import WriteConnection
from p2pnode.store.errors import Closed, StoreError


class Transaction(Protocol):
    """What works write with."""

    def do_together(self, works: Sequence[Callable[[Any], Any]]) -> Collection[int]:
        """Do those of the works that can be done at once, where all of them succeed; their places in the list."""
        ...


S = TypeVar("S", bound=Transaction)
T = TypeVar("T")


class Writer(Generic[S]):
    """Gathers works into transactions; `transaction` is what they write with, `settled` is called at the end of each.

    Each work runs exactly once. One that raises is undone alone and its exception goes to its caller. Where the
    transaction cannot be committed (disk full, locked, read-only), everybody in it gets the StoreError, nothing of it
    is on disk, and the next transaction starts afresh.
    """

    def __init__(self, name: str, connection: WriteConnection, transaction: S, settled: Callable[[], None]) -> None:
        self._connection = connection
        self._transaction = transaction
        self._settled = settled
        self._gatherer: Gatherer[S] = Gatherer(
            name, self._batch, self._connection.close, closed=Closed, failed=StoreError
        )

    def run(self, work: Callable[[S], T]) -> asyncio.Future[T]:
        """The result of `work` once it is on disk. Cancelled, it is on disk wholly or not at all."""
        return self._gatherer.run(work)

    def add(self, work: Callable[[S], T]) -> asyncio.Future[T]:
        """The same for what nobody waits for: it is in the next commit, or in one of its own soon."""
        return self._gatherer.add(work)

    async def aclose(self) -> None:
        """Write what waits, then close the connection."""
        await self._gatherer.aclose()

    def _batch(self, jobs: Sequence[Job[S]]) -> None:
        try:
            self._connection.begin()
            wanted = [job for job in jobs if not job.future.cancelled()]
            done = self._transaction.do_together([job.work for job in wanted])
            for place, job in enumerate(wanted):
                if place not in done:
                    self._one(job)
            self._connection.commit()
        except BaseException as error:
            self._connection.abandon()
            if not isinstance(error, StoreError):
                raise
            for job in jobs:
                job.fail(error)
        finally:
            self._settled()

    def _one(self, job: Job[S]) -> None:
        try:
            job.result = job.work(self._transaction)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, whatever it is
            job.error = error
            self._connection.undo()
        else:
            self._connection.keep()

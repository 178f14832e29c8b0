"""The one writer: a thread that runs all waiting works in one transaction, commits once and wakes everybody."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from p2pnode.store.clock import LogicalClock
from p2pnode.store.connection import WriteConnection
from p2pnode.store.errors import StoreError
from p2pnode.store.gatherer import Gatherer, Job
from p2pnode.store.transaction import SqlTransaction

T = TypeVar("T")


class Writer:
    """Gathers works into transactions.

    Each work runs exactly once. One that raises is undone alone and its exception goes to its caller. Where the
    transaction cannot be committed (disk full, locked, read-only), everybody in it gets the StoreError, nothing of it
    is on disk, and the next transaction starts afresh.
    """

    def __init__(self, connection: WriteConnection, clock: LogicalClock) -> None:
        self._clock = clock
        self._connection = connection
        self._transaction = SqlTransaction(connection, clock)
        self._gatherer: Gatherer[SqlTransaction] = Gatherer("store-writer", self._batch, self._connection.close)

    async def run(self, work: Callable[[SqlTransaction], T]) -> T:
        """The result of `work` once it is on disk. Cancelled, it is on disk wholly or not at all."""
        return await self._gatherer.run(work)

    async def aclose(self) -> None:
        """Write what waits, then close the connection."""
        await self._gatherer.aclose()

    def _batch(self, jobs: Sequence[Job[SqlTransaction]]) -> None:
        try:
            self._connection.begin()
            for job in jobs:
                if not job.future.cancelled():
                    self._one(job)
            self._connection.commit()
        except BaseException as error:
            self._connection.abandon()
            if not isinstance(error, StoreError):
                raise
            for job in jobs:
                job.fail(error)
        finally:
            self._clock.settle()

    def _one(self, job: Job[SqlTransaction]) -> None:
        try:
            job.result = job.work(self._transaction)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, whatever it is
            job.error = error
            self._connection.undo()
        else:
            self._connection.keep()

"""Reading: look-ups shared on one thread, searches and lists on a few others, all on connections that cannot write.

One look-up, of who has published an EVSE, is read on the event loop: it takes a few pages of indexes and 8 µs, where
handing it to a thread and being woken takes 70.

A search decodes its records where it runs, so that a list of 100,000 statuses does not hold up the event loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Connection, Engine

from p2pnode.roaming.gatherer import Gatherer, Job
from p2pnode.store.errors import DATABASE_ERRORS, Closed, Locked, StoreError, store_error
from p2pnode.store.lookups import Lookups

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

SEARCHES = 4
"""How many searches run at the same time."""


class ReadConnection:
    """One connection for compiled queries, each of which sees all that is committed when it begins.

    Where another process holds the database, one that `waits` does so for the lock timeout, another raises Locked.
    """

    def __init__(self, engine: Engine, *, waits: bool = True) -> None:
        self._connection = engine.connect()
        self._cursor = cast("sqlite3.Connection", self._connection.connection.driver_connection).cursor()
        if not waits:
            self._cursor.execute("PRAGMA busy_timeout = 0").fetchall()

    def rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The rows of a compiled query, all of them: an unfinished one would keep an old state alive."""
        try:
            return self._cursor.execute(sql, values).fetchall()
        except DATABASE_ERRORS as error:
            raise store_error(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Reader:
    """Runs look-ups and searches off the event loop."""

    def __init__(self, engine: Engine, connection: ReadConnection, at_once: ReadConnection) -> None:
        """`at_once` is used on the event loop, and does not wait for locks."""
        self._engine = engine
        self._at_once = at_once
        self._glances = Lookups(at_once)
        self._lookups = Lookups(connection)
        self._gatherer: Gatherer[Lookups] = Gatherer(
            "store-reader", self._look_up, connection.close, closed=Closed, failed=StoreError
        )
        self._pool = ThreadPoolExecutor(SEARCHES, "store-search")
        self._closed = False

    async def look_up(self, work: Callable[[Lookups], T]) -> T:
        """The result of a look-up. Raises StoreError."""
        return await self._gatherer.run(work)

    async def glance(self, work: Callable[[Lookups], T]) -> T:
        """The result of a look-up that reads no more than a few pages, on the event loop. Raises StoreError.

        Only where another process holds the database it is handed to the thread, which can wait.
        """
        if self._closed:
            raise Closed("the store has been closed")
        try:
            return work(self._glances)
        except Locked:
            return await self.look_up(work)

    async def search(self, work: Callable[[Connection], T]) -> T:
        """The result of a search, which sees one state of the database from its first query on. Raises StoreError."""
        if self._closed:
            raise Closed("the store has been closed")

        def run() -> T:
            try:
                with self._engine.connect() as connection:
                    return work(connection)
            except DATABASE_ERRORS as error:
                raise store_error(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def aclose(self) -> None:
        """Finish what runs, then close the connections."""
        if not self._closed:
            self._closed = True
            self._at_once.close()
        await self._gatherer.aclose()
        await asyncio.to_thread(self._pool.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    def _look_up(self, jobs: Sequence[Job[Lookups]]) -> None:
        for job in jobs:
            try:
                job.result = job.work(self._lookups)
            except Exception as error:  # noqa: BLE001 - it belongs to the caller, whatever it is
                job.error = error

"""The connection all writing goes through: one transaction for a batch of works, each of which can be undone alone."""

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, Engine, Executable

from p2pnode.store.errors import DATABASE_ERRORS, Damaged, ReadOnly, StoreError, Unopenable, store_error


class WriteConnection:
    """Runs statements inside the transaction of a batch. Used by one thread at a time.

    To undo one work without a savepoint for each, there is a list of what the works did: undoing goes back to where it
    begins and does it again, without the work that failed. Works that change much (`run_once`, `run_many`) are not
    listed: when they end, the list begins anew, behind them. Where it begins there is a savepoint, unless that is where
    the transaction begins: every statement costs the writer's thread a turn at the interpreter.

    Where SQLite gives up the whole transaction, every further statement of the batch is refused, so that none of them
    can end up committed on its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._done: list[tuple[str, tuple[Any, ...]]] = []
        self._before = 0
        """How many of the statements in `_done` are of works that have ended."""
        self._changed = False
        """Whether the work has made changes that are not in `_done`."""
        self._kept = False
        """Whether changes before those in `_done` belong to the batch."""
        self._saved = False
        """Whether there is a savepoint behind them."""
        self._lost: StoreError | None = None
        self._stale = False
        """Whether what is wrong may stay with the connection: SQLite asks only once whether it may write to a file."""
        self._open()

    def begin(self) -> None:
        """Begin a batch. Raises StoreError where the database cannot be written."""
        if self._stale:
            self.close()
        if self._connection is None:
            self._open()
        self._lost = None
        self._control("BEGIN IMMEDIATE")
        self._kept = False
        self._start_list()

    def commit(self) -> None:
        """Put the batch on the disk. Raises StoreError where that fails; `abandon` it then."""
        self._require()
        self._control("COMMIT")

    def abandon(self) -> None:
        """Undo the batch, whatever state it is in. The next `begin` starts afresh, on a new connection if need be."""
        try:
            if self._driver.in_transaction:
                self._cursor.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def keep(self) -> None:
        """The changes of the work that has just ended belong to the batch. Raises StoreError where it is lost."""
        self._require()
        if self._changed:
            self._release()
        self._before = len(self._done)

    def undo(self) -> None:
        """Take back the changes of the work that has just failed. Raises StoreError where the batch is lost."""
        self._require()
        if not self._changed and len(self._done) == self._before:
            return
        if self._saved:
            self._control("ROLLBACK TO works")
        else:
            self._control("ROLLBACK")
            self._control("BEGIN IMMEDIATE")
        for sql, values in self._done[: self._before]:
            self._run(sql, values)
        if self._before:
            self._release()
        else:
            self._done.clear()
            self._changed = False

    def close(self) -> None:
        """Close the connection; `begin` opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The rows of a compiled query."""
        self._require()
        try:
            return self._cursor.execute(sql, values).fetchall()
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def run(self, sql: str, values: tuple[Any, ...]) -> int:
        """Run a compiled statement that changes few rows; how many it changed."""
        self._save()
        changed = self._run(sql, values)
        self._done.append((sql, values))
        return changed

    def select(self, query: Executable) -> Sequence[Any]:
        """The rows of a query that is built where it is asked."""
        self._require()
        assert self._connection is not None  # noqa: S101 - `begin` has opened it
        try:
            return self._connection.execute(query).fetchall()
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def run_once(self, sql: str, values: Sequence[Any]) -> int:
        """Run a compiled statement that changes many rows; how many it changed."""
        self._save()
        self._changed = True
        return self._run(sql, values)

    def run_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run a compiled statement for each of the rows; how many rows of the table it changed in all."""
        if not rows:
            return 0
        self._save()
        self._changed = True
        try:
            return self._cursor.executemany(sql, rows).rowcount
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def _run(self, sql: str, values: Sequence[Any]) -> int:
        try:
            return self._cursor.execute(sql, values).rowcount
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def _save(self) -> None:
        """Before a change: there is something to go back to."""
        self._require()
        if self._kept and not self._saved:
            self._control("SAVEPOINT works")
            self._saved = True

    def _release(self) -> None:
        """Everything up to here stays, whatever fails later."""
        if self._saved:
            self._control("RELEASE works")
        self._kept = True
        self._start_list()

    def _start_list(self) -> None:
        self._done.clear()
        self._before = 0
        self._changed = False
        self._saved = False

    def _control(self, sql: str) -> None:
        try:
            self._cursor.execute(sql)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _require(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _failed(self, error: Exception) -> StoreError:
        """What happened, noting whether SQLite has given up the transaction because of it."""
        translated = store_error(error)
        self._stale = self._stale or isinstance(translated, ReadOnly | Damaged | Unopenable)
        try:
            alive = self._driver.in_transaction
        except sqlite3.Error:
            alive = False
        if not alive:
            self._lost = translated
        return translated

    def _open(self) -> None:
        try:
            self._connection = self._engine.connect()
            self._driver = cast("sqlite3.Connection", self._connection.connection.driver_connection)
            self._cursor = self._driver.cursor()
            self._stale = False
        except DATABASE_ERRORS as error:
            raise store_error(error) from error

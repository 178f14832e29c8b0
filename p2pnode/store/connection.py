"""The connection all writing goes through: one transaction for a batch of works, each of which can be undone alone."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Engine, Executable

from p2pnode.store.errors import DATABASE_ERRORS, StoreError, store_error

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class WriteConnection:
    """Runs statements inside the transaction of a batch. Used by one thread at a time.

    A work that fails is undone to the savepoint set before its first change; one that has only read costs none. Where
    SQLite gives up the whole transaction, every further statement of the batch is refused, so that none of them can
    end up committed on its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._marked = False
        self._lost: StoreError | None = None
        self._open()

    def begin(self) -> None:
        """Begin a batch. Raises StoreError where the database cannot be written."""
        if self._connection is None:
            self._open()
        self._lost = None
        self._marked = False
        self._control("BEGIN IMMEDIATE")

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
        if self._marked:
            self._marked = False
            self._control("RELEASE work")

    def undo(self) -> None:
        """Take back the changes of the work that has just failed. Raises StoreError where the batch is lost."""
        self._require()
        if self._marked:
            self._marked = False
            self._control("ROLLBACK TO work")
            self._control("RELEASE work")

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
        """Run a compiled statement that changes rows; how many it changed."""
        self._mark()
        try:
            return self._cursor.execute(sql, values).rowcount
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def select(self, statement: Executable) -> Sequence[Any]:
        """The rows of a query."""
        self._require()
        return self._execute(statement, None).fetchall()

    def change(self, statement: Executable, parameters: Parameters = None) -> int:
        """Run a statement that changes rows, once or for each of the parameters; how many it changed."""
        self._mark()
        return self._execute(statement, parameters).rowcount

    def _execute(self, statement: Executable, parameters: Parameters) -> CursorResult[Any]:
        assert self._connection is not None  # noqa: S101 - `begin` has opened it
        try:
            return cast("CursorResult[Any]", self._connection.execute(statement, parameters))
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def _mark(self) -> None:
        self._require()
        if not self._marked:
            self._control("SAVEPOINT work")
            self._marked = True

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
        except DATABASE_ERRORS as error:
            raise store_error(error) from error

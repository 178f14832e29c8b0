"""The two database files: where they are, how connections to them behave, and bringing their tables up to date."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from p2pnode.store.errors import DATABASE_ERRORS, Unopenable, store_error

MIGRATIONS = Path(__file__).parent / "migrations"
SESSIONS = "sessions"
PUBLISHED = "published"
LEFT_OUT = "left_out"
"""The execution option with whom to tell of an unreadable row."""

WAL = "PRAGMA journal_mode = WAL"
IN_MEMORY = "PRAGMA temp_store = MEMORY"
WRITING = (
    WAL,
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    IN_MEMORY,
    "PRAGMA cache_size = -32768",  # KiB, as needed: a large push touches the same pages of the indexes again and again
    "PRAGMA wal_autocheckpoint = 8000",  # pages: what changes often is copied into the file seldom
    "PRAGMA journal_size_limit = 67108864",  # bytes: what a large push has made of the log is given back
)
READING = ("PRAGMA query_only = ON", IN_MEMORY)
PAGE_SIZE = {SESSIONS: 4096, PUBLISHED: 16384}
"""In bytes, of a database that is made: a commit of a session writes a few pages, a page of records reads thousands."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database file, of `tables.sessions` or of `tables.published`.

    `lock_timeout` is how long another process may hold it, in seconds.
    """

    path: Path
    lock_timeout: float
    holds: str = SESSIONS

    @classmethod
    def at(cls, where: str | Path, lock_timeout: float) -> "Database":
        """The database at a path or `sqlite:///` URL. Raises Unopenable for any other URL and for one in memory."""
        if isinstance(where, str) and "://" in where:
            try:
                url = make_url(where)
            except ArgumentError:
                raise Unopenable(f"not the URL of a database: {where}") from None
            if url.get_backend_name() != "sqlite":
                raise Unopenable(f"this store speaks SQLite, not {url.get_backend_name()}")
            where = url.database or ""
        if not str(where) or str(where).startswith(":"):
            raise Unopenable("the store needs a file: what is in memory is not remembered")
        return cls(Path(where).absolute(), lock_timeout)

    @property
    def published(self) -> "Database":
        """The database beside this one that holds what is published."""
        path = self.path.with_name(f"{self.path.stem}-{PUBLISHED}{self.path.suffix}")
        return Database(path, self.lock_timeout, PUBLISHED)

    def create(self) -> None:
        """Make the file where there is none, readable by its owner only. Raises Unopenable."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise Unopenable(f"the database {self.path} cannot be opened: {error.strerror}") from error

    def writing(self) -> Engine:
        """An engine whose connections write, in transactions that the caller begins and commits."""
        return self._engine(WRITING, pool_size=None)

    def reading(self, connections: int, left_out: Callable[[str], None]) -> Engine:
        """An engine with this many connections that see the tables of both databases and cannot write.

        Each use of one sees one state of each database. `left_out` is told of rows that a list does without.
        """
        attach = f"ATTACH DATABASE {_quoted(str(self.published.path))} AS {PUBLISHED}"
        engine = self._engine((attach, *READING), pool_size=connections).execution_options(**{LEFT_OUT: left_out})
        event.listen(engine, "begin", _begin)
        return engine

    def looking(self) -> Engine:
        """An engine whose connections see this database alone, one state of it at each use, and cannot write."""
        engine = self._engine(READING, pool_size=None)
        event.listen(engine, "begin", _begin)
        return engine

    def migrate(self) -> None:
        """Bring the tables up to date, in one transaction.

        Raises Unopenable for a database of a newer p2pnode, StoreError where it cannot be read or written.
        """
        engine = self._engine(
            (f"PRAGMA page_size = {PAGE_SIZE[self.holds]}", WAL, "PRAGMA foreign_keys = OFF"), pool_size=None
        )
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                upgrade(connection, self.holds)
                connection.exec_driver_sql("COMMIT")
        except CommandError as error:
            raise Unopenable(f"the database {self.path} was made by a newer p2pnode: {error}") from error
        except DATABASE_ERRORS as error:
            failed = store_error(error)
            raise type(failed)(f"{self.path}: {failed}") from error

    def _engine(self, settings: tuple[str, ...], *, pool_size: int | None) -> Engine:
        pool = {"poolclass": NullPool} if pool_size is None else {"poolclass": QueuePool, "pool_size": pool_size}
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)),
            isolation_level="AUTOCOMMIT",  # of the driver: nothing is begun or committed behind our back
            connect_args={"timeout": self.lock_timeout, "check_same_thread": False},
            hide_parameters=True,
            **pool,
        )

        def prepare(connection: sqlite3.Connection, _: object) -> None:
            cursor = connection.cursor()
            for setting in settings:
                cursor.execute(setting).fetchall()

        event.listen(engine, "connect", prepare)
        return engine


def upgrade(connection: Connection, holds: str) -> None:
    """Run the migrations that the database has not seen yet, inside the caller's transaction."""
    if MigrationContext.configure(connection).get_current_revision() != scripts(holds).get_current_head():
        command.upgrade(migrations(connection, holds), "head")


@cache
def scripts(holds: str) -> ScriptDirectory:
    """The migrations of the tables a database holds, read once: they are part of the package."""
    return ScriptDirectory.from_config(migrations(None, holds))


def migrations(connection: Connection | None, holds: str) -> Config:
    """The migrations of the tables a database holds, to be run on this connection where one is given."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(MIGRATIONS / holds).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    return config


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")

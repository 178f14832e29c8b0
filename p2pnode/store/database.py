"""The database file: where it is, how connections to it behave, and bringing its tables up to date."""

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from p2pnode.store.errors import DATABASE_ERRORS, Unopenable, store_error

MIGRATIONS = Path(__file__).parent / "migrations"

WAL = "journal_mode = WAL"
IN_MEMORY = "temp_store = MEMORY"
WRITING = (
    WAL,
    "synchronous = FULL",
    "foreign_keys = ON",
    IN_MEMORY,
    "cache_size = -32768",  # KiB, as needed: a large push touches the same pages of the indexes again and again
    "journal_size_limit = 67108864",  # bytes: what a large push has made of the log is given back
)
READING = ("query_only = ON", IN_MEMORY)


@dataclass(frozen=True, slots=True)
class Database:
    """One database file. `lock_timeout` is how long another process may hold it, in seconds."""

    path: Path
    lock_timeout: float

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

    def create(self) -> None:
        """Make the file where there is none, readable by its owner only. Raises Unopenable."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise Unopenable(f"the database {self.path} cannot be opened: {error.strerror}") from error

    def writing(self) -> Engine:
        """An engine whose connections write, in transactions that the caller begins and commits."""
        return self._engine(WRITING, pool_size=None)

    def reading(self, connections: int) -> Engine:
        """An engine with this many connections that cannot write; each use of one sees one state of the database."""
        engine = self._engine(READING, pool_size=connections)
        event.listen(engine, "begin", _begin)
        return engine

    def migrate(self) -> None:
        """Bring the tables up to date, in one transaction.

        Raises Unopenable for a database of a newer p2pnode, StoreError where it cannot be read or written.
        """
        engine = self._engine((WAL, "foreign_keys = OFF"), pool_size=None)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                upgrade(connection)
                connection.exec_driver_sql("COMMIT")
        except CommandError as error:
            raise Unopenable(f"the database {self.path} was made by a newer p2pnode: {error}") from error
        except DATABASE_ERRORS as error:
            failed = store_error(error)
            raise type(failed)(f"{self.path}: {failed}") from error

    def _engine(self, pragmas: tuple[str, ...], *, pool_size: int | None) -> Engine:
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
            for pragma in pragmas:
                cursor.execute(f"PRAGMA {pragma}").fetchall()

        event.listen(engine, "connect", prepare)
        return engine


def upgrade(connection: Connection) -> None:
    """Run the migrations that the database has not seen yet, inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")

"""What can go wrong with the store, sorted by what the reader of the sentence does next."""

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from p2pnode.roaming.ports import StoreFault


class StoreError(StoreFault):
    """The store could not do what was asked; nothing of it is on disk. The text is a sentence without stored values."""

    repeatable = False
    """Whether the same again can succeed without anybody doing something."""


class DiskFull(StoreError):
    """There is no room left: nothing is written until there is."""


class Locked(StoreError):
    """Another process held the database for longer than the lock timeout."""

    repeatable = True


class ReadOnly(StoreError):
    """The file, its directory or the connection does not allow writing."""


class Damaged(StoreError):
    """The file is no database, is corrupt, or a stored row is not what the node writes."""


class Conflict(StoreError):
    """A rule of the tables forbids it: a second CDR of a session, an event of a session that does not exist."""


class Unopenable(StoreError):
    """The database is not there, cannot be reached, or was made by a newer p2pnode."""


class Closed(StoreError):
    """The store has been closed."""


_BY_CODE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (DiskFull, "the disk is full: the database cannot grow"),
    sqlite3.SQLITE_IOERR: (StoreError, "the disk failed to read or write"),
    sqlite3.SQLITE_BUSY: (Locked, "the database is locked by another process"),
    sqlite3.SQLITE_LOCKED: (Locked, "the database is locked by another process"),
    sqlite3.SQLITE_READONLY: (ReadOnly, "the database is read-only"),
    sqlite3.SQLITE_PERM: (ReadOnly, "the database may not be written"),
    sqlite3.SQLITE_CORRUPT: (Damaged, "the database is damaged: restore it from a copy"),
    sqlite3.SQLITE_NOTADB: (Damaged, "the file is not a database of this program"),
    sqlite3.SQLITE_CANTOPEN: (Unopenable, "the database file cannot be opened"),
}


def store_error(error: Exception) -> StoreError:
    """The StoreError that says what an exception of the driver, of SQLAlchemy or of a value's encoding means."""
    if isinstance(error, StoreError):
        return error
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _from_sqlite(cause)
    if isinstance(cause, OverflowError | UnicodeEncodeError):
        return StoreError(f"a value cannot be stored ({type(cause).__name__})")
    return StoreError(f"the database failed ({type(cause).__name__})")


def _from_sqlite(error: sqlite3.Error) -> StoreError:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    if code is None:  # raised by the module itself, before SQLite was asked
        return Damaged(f"a stored value cannot be read ({name})") if "decode" in str(error) else StoreError(str(error))
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(f"a rule of the tables forbids it: {error}")
    kind, sentence = _BY_CODE.get(primary, (StoreError, "the database failed"))
    return kind(f"{sentence} ({name})")


DATABASE_ERRORS = (sqlite3.Error, SQLAlchemyError, OverflowError, UnicodeEncodeError)
"""What `store_error` translates where a statement is run."""

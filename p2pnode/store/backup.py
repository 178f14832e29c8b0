"""Copies of the two databases: taken while a node writes, checked before they are used, put in place of the former."""

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from p2pnode.oicp.operations import OPERATIONS, Delivery
from p2pnode.roaming.outbox_records import NOTHING_KNOWN
from p2pnode.store.database import SESSIONS, Database
from p2pnode.store.errors import Locked, StoreError, Unopenable, store_error
from p2pnode.store.values import to_us

BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside a database that is open."""
PUBLISHED = tuple(operation for operation in OPERATIONS if operation.delivery is Delivery.LATEST)
"""What peers are told and hold from then on."""


def copy(database: Database, directory: Path) -> list[Path]:
    """Copy both databases of a store into a directory, each as it was at one moment; a node may write meanwhile.

    Sessions and CDRs are those of a moment just before that of what is published, so that nothing they tell of has not
    been published yet. Raises StoreError.
    """
    each = (database, database.published)
    for one in each:
        if not one.path.is_file():
            raise Unopenable(f"there is no database {one.path}")
    try:
        with closing(_opened(database)) as sessions, closing(_opened(database.published)) as published:
            copies = [directory / one.path.name for one in each]
            for source in (sessions, published):
                source.execute("BEGIN")
                source.execute("SELECT count(*) FROM sqlite_master").fetchall()  # from here on: this state
            for source, target in zip((sessions, published), copies, strict=True):
                _write(source, target)
    except sqlite3.Error as error:
        raise store_error(error) from error
    except OSError as error:
        raise StoreError(f"the copy cannot be written: {error.strerror}") from error
    return copies


@dataclass(frozen=True, slots=True)
class Swapped:
    """The databases that are in place now, and the former ones beside them, none where there were none."""

    databases: tuple[Path, ...]
    former: tuple[Path, ...]


def swap(database: Database, copies: Database, suffix: str, peers: Iterable[str] = ()) -> Swapped:
    """Put copies in the place of both databases of a store; the former stay beside them, with a suffix to their names.

    Up to when peers have everything, and we of them, is left out: they have been told what the copies do not know of.
    Those of the copies and these `peers` are to get all that we publish, also that it is nothing. The place holds a
    whole database at every moment. Raises Locked where a process has a database open, StoreError where a file cannot be
    moved.
    """
    each = (database, database.published)
    there = [one.path for one in each if one.path.exists()]
    try:
        for path in there:
            _close_log(path)
        former = [_kept(path, suffix) for path in there]
        for one, source in zip(each, (copies, copies.published), strict=True):
            draft = one.path.with_name(f".{one.path.name}.restoring")
            shutil.copyfile(source.path, draft)
            draft.chmod(0o600)
            if one.holds == SESSIONS:
                _owe_everything(draft, peers)
            _on_disk(draft)
            draft.replace(one.path)
        _on_disk(database.path.parent)
    except sqlite3.Error as error:
        raise store_error(error) from error
    except OSError as error:
        raise StoreError(f"{error.filename or database.path} cannot be put in place: {error.strerror}") from error
    return Swapped(tuple(one.path for one in each), tuple(former))


def _opened(database: Database) -> sqlite3.Connection:
    connection = sqlite3.connect(database.path, timeout=database.lock_timeout, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _write(source: sqlite3.Connection, target: Path) -> None:
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        source.backup(connection)
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, with nothing beside it


def _owe_everything(path: Path, peers: Iterable[str]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'delivery'").fetchone():
            known = {row[0] for row in connection.execute("SELECT peer FROM delivery")}
            connection.execute("DELETE FROM delivery")
            owed = [
                (peer, operation.name, to_us(NOTHING_KNOWN)) for peer in known.union(peers) for operation in PUBLISHED
            ]
            connection.executemany("INSERT INTO delivery (peer, operation, known_at) VALUES (?, ?, ?)", owed)


def _close_log(path: Path) -> None:
    """Write the log of a database into it and remove it: beside another database it would be taken for that one's.

    The log of a database that is damaged stays; it is moved away together with it. Raises Locked.
    """
    try:
        with closing(sqlite3.connect(path, timeout=0.1, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.Error as error:
        if isinstance(store_error(error), Locked):
            raise Locked(f"{path} is open in another process") from error


def _kept(path: Path, suffix: str) -> Path:
    """The database under a second name, and what is left beside it under that name only."""
    former = path.with_name(path.name + suffix)
    try:
        os.link(path, former)
    except OSError:  # a file system without links
        shutil.copy2(path, former)
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).replace(former.with_name(former.name + ending))
    return former


def _on_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

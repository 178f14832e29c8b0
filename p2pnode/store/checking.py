"""What is wrong with the databases of a store: the files, the references between rows, rows that cannot be read."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from alembic.runtime.migration import MigrationContext
from alembic.script.revision import ResolutionError
from alembic.util import CommandError
from sqlalchemy import Connection, event, select

from p2pnode.oicp.codec import decode
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.store import reads
from p2pnode.store.database import SESSIONS as OF_SESSIONS
from p2pnode.store.database import Database, scripts
from p2pnode.store.errors import DATABASE_ERRORS, Damaged, Unopenable, store_error
from p2pnode.store.rows import (
    AUTHENTICATION,
    BREAKERS,
    CDRS,
    DELIVERIES,
    EVENTS,
    EVSE_PRICING,
    OUTBOX,
    PRODUCTS,
    REACHED,
    RECEIPTS,
    REVIEWS,
    SESSIONS,
    STATUSES,
    Rows,
)
from p2pnode.store.versions import BODY, EVSE, EVSES

JSON = frozenset({"body", "header", "identification"})
"""The columns that hold JSON; empty bytes stand for none."""
SECRET = frozenset({("authentication", "key")})
"""The columns of keys that hold what nobody but the parties may read: a UID or an EvcoID."""
NAMED = 20
"""How many unreadable rows of a table are named."""
AT_ONCE = 500
KINDS: Mapping[bool, Sequence[Rows[Any]]] = {
    True: (SESSIONS, EVENTS, CDRS, RECEIPTS, REVIEWS, OUTBOX, BREAKERS, DELIVERIES, REACHED),
    False: (EVSES, STATUSES, PRODUCTS, EVSE_PRICING, AUTHENTICATION),
}
"""The records of the database of sessions, and of that of what is published."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of one database has found: the revision of its tables and the newest, rows by table, what is wrong.

    `faults` are those of the file and between rows, `unreadable` names rows that each spoil only themselves.
    """

    path: str
    revision: str | None
    newest: str
    rows: Mapping[str, int]
    faults: tuple[str, ...]
    unreadable: tuple[str, ...]


def check(database: Database) -> list[Checked]:
    """Read both databases of a store wholly, and change nothing. Raises Unopenable where one is not there."""
    for each in (database, database.published):
        if not each.path.is_file():
            raise Unopenable(f"there is no database {each.path}")
    return [_checked(each) for each in (database, database.published)]


def _checked(database: Database) -> Checked:
    newest = str(scripts(database.holds).get_current_head())
    faults: list[str] = []
    unreadable: list[str] = []
    rows: dict[str, int] = {}
    revision: str | None = None
    engine = database.looking()
    event.listen(engine, "connect", _tolerant)
    try:
        with engine.connect() as connection:
            faults += reads.faults(connection, ["main"])
            revision = MigrationContext.configure(connection).get_current_revision()
            fault = _revision_fault(database.holds, revision)
            if fault is not None:
                faults.append(fault)
            if revision == newest:
                for kind in KINDS[database.holds == OF_SESSIONS]:
                    rows[kind.table.name] = _read(connection, kind, unreadable)
    except DATABASE_ERRORS as error:
        faults.append(str(store_error(error)))
    finally:
        engine.dispose()
    return Checked(str(database.path), revision, newest, rows, tuple(faults), tuple(unreadable))


def _revision_fault(holds: str, revision: str | None) -> str | None:
    """What is wrong with the revision of the tables; an older one is not wrong, the next start upgrades it."""
    if revision is None:
        return "this is no database of p2pnode: it tells no revision of its tables"
    try:
        scripts(holds).get_revision(revision)
    except (CommandError, ResolutionError):
        return f"the database was made by a newer p2pnode: its tables have revision {revision}"
    return None


def _read(connection: Connection, kind: Rows[Any], unreadable: list[str]) -> int:
    """How many rows a table has; those that cannot be read are named by their keys."""
    keys = [key for key in kind.table.primary_key if (kind.table.name, key.name) not in SECRET]
    query = select(*kind.columns, *(key.label(f"key_{key.name}") for key in keys))
    if kind is EVSES:
        query = query.join_from(EVSE, BODY, BODY.c.id == EVSE.c.id)
    width = len(kind.columns)
    count = bad = 0
    for some in connection.execution_options(stream_results=True).execute(query).partitions(AT_ONCE):
        for row in some:
            count += 1
            why = _why_unreadable(kind, row[:width])
            if why is None:
                continue
            bad += 1
            if bad <= NAMED:
                named = ", ".join(f"{key.name} {value!r}" for key, value in zip(keys, row[width:], strict=True))
                unreadable.append(f"{why}: {named}")
    if bad > NAMED:
        unreadable.append(f"and {bad - NAMED} more rows of {kind.table.name} cannot be read")
    return count


def _why_unreadable(kind: Rows[Any], row: Sequence[Any]) -> str | None:
    try:
        record = kind.decode(row)
    except Damaged as error:
        return str(error)
    for name in JSON:
        value = cast("object", getattr(record, name, None))
        if isinstance(value, bytes) and value:
            try:
                decode(value)
            except InvalidMessage:
                return f"a row of {kind.table.name} cannot be read ({name} is not JSON)"
    return None


def _tolerant(connection: sqlite3.Connection, _: object) -> None:
    """Let a text that is none come as bytes, so that it spoils its own row only."""
    connection.text_factory = _text_or_bytes


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw

"""Statements over the tables: the hot ones compiled to text once, and the upsert that both databases know."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias, cast

from sqlalchemy import Executable, Select, Table, bindparam, or_
from sqlalchemy.dialects.sqlite import Insert, dialect, insert

from p2pnode.store.rows import CDRS, EVENTS, RECEIPTS, SESSIONS, Rows

Query: TypeAlias = "Select[*tuple[Any, ...]]"
"""Any query."""

MOST_VALUES = 10_000
"""How many values one statement lists; SQLite allows 32,766 parameters, PostgreSQL 32,767."""

CHANGED_AT = "changed_at"


def upsert(table: Table, names: Iterable[str]) -> Insert:
    """Insert a row with these columns, or replace the one with its key.

    Where there is a `changed_at`, a row that would stay the same otherwise keeps it.
    """
    columns = [table.c[name] for name in names]
    statement = insert(table).values({column.name: bindparam(column.name) for column in columns})
    new = {column.name: statement.excluded[column.name] for column in columns if not column.primary_key}
    differs = None
    if CHANGED_AT in new:
        differs = or_(*(table.c[name].is_distinct_from(value) for name, value in new.items() if name != CHANGED_AT))
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new, where=differs)


def hot(statement: Executable, order: Sequence[str]) -> str:
    """The SQL of a statement whose parameters are given by position, in this order."""
    compiled = cast("Any", statement).compile(dialect=dialect(paramstyle="qmark"))
    given = compiled.positiontup
    if given != list(order):
        raise ValueError(f"the parameters of the statement are {given}, not {list(order)}")
    return str(compiled)


def chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    """The values in pieces that fit a statement."""
    for start in range(0, len(values), MOST_VALUES):
        yield values[start : start + MOST_VALUES]


def insert_rows(table: Table, names: Sequence[str], count: int, *, unless_known: bool = False) -> str:
    """The SQL that inserts so many rows with these columns; `unless_known`: only those whose key is not taken."""
    order = [f"{name}_{row}" for row in range(count) for name in names]
    rows: list[dict[str, Any]] = [{name: bindparam(f"{name}_{row}") for name in names} for row in range(count)]
    statement = insert(table).values(rows)
    return hot(statement.on_conflict_do_nothing() if unless_known else statement, order)


def _added(rows: Rows[Any]) -> str:
    """The SQL that inserts a row."""
    return hot(insert(rows.table).values({name: bindparam(name) for name in rows.names}), rows.names)


PUT_SESSION = hot(upsert(SESSIONS.table, SESSIONS.names), SESSIONS.names)
ADD_EVENT = _added(EVENTS)
ADD_CDR = _added(CDRS)
ADD_RECEIPT = _added(RECEIPTS)

"""Records that somebody publishes as a whole set: put, forgotten and replaced by their keys."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import bindparam, delete, select

from p2pnode.store.connection import WriteConnection
from p2pnode.store.rows import AUTHENTICATION, EVSE_PRICING, PRODUCTS, STATUSES, Rows
from p2pnode.store.statements import hot, upsert

R = TypeVar("R")
Key = tuple[str, ...]


class Published(Generic[R]):
    """One table of published records.

    `scope` names the columns that say whose set a record belongs to, `key` those that tell the records of a set apart.
    """

    def __init__(self, rows: Rows[R], scope: Sequence[str], key: Sequence[str]) -> None:
        self._rows = rows
        self._scope = tuple(scope)
        self._key = tuple(key)
        self._key_of = attrgetter(*key)
        table = rows.table
        self._put = hot(upsert(table, rows.names), rows.names)
        names = (*scope, *key)
        self._delete = hot(delete(table).where(*(table.c[name] == bindparam(name) for name in names)), names)

    def known(self, connection: WriteConnection, scope: Key) -> set[Any]:
        """The keys of the set: texts where one column is the key, tuples otherwise."""
        columns = [self._rows.table.c[name] for name in self._key]
        query = select(*columns).where(*(self._rows.table.c[n] == v for n, v in zip(self._scope, scope, strict=True)))
        found = connection.select(query)
        return {row[0] for row in found} if len(columns) == 1 else {tuple(row) for row in found}

    def put(self, connection: WriteConnection, records: Sequence[R]) -> None:
        """Insert or update these records, of whatever set."""
        connection.run_many(self._put, [self._rows.encode(record) for record in records])

    def delete(self, connection: WriteConnection, scope: Key, keys: Iterable[Any]) -> int:
        """Forget these records of the set; how many there were."""
        one = len(self._key) == 1
        return connection.run_many(self._delete, [(*scope, key) if one else (*scope, *key) for key in keys])

    def replace(self, connection: WriteConnection, scope: Key, records: Sequence[R]) -> None:
        """Make these records the whole set."""
        kept = {self._key_of(record) for record in records}
        self.delete(connection, scope, self.known(connection, scope) - kept)
        self.put(connection, records)


OPERATOR = ("owner", "operator_key")

STATUS_SET = Published(STATUSES, OPERATOR, ["evse_key"])
PRODUCT_SET = Published(PRODUCTS, (*OPERATOR, "provider_key"), ["product_id"])
EVSE_PRICING_SET = Published(EVSE_PRICING, OPERATOR, ["evse_key", "provider_key"])
AUTHENTICATION_SET = Published(AUTHENTICATION, ["owner", "provider_key"], ["kind", "key"])
OWNER_STATUS_SET = Published(STATUSES, ["owner"], ["evse_key"])
"""Statuses of an owner under whichever operator."""

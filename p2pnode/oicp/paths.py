"""The operation table by its paths: some are served by several rows, told apart by the body."""

from collections.abc import Mapping
from typing import Any

from p2pnode.oicp.operations import OPERATIONS, AnyOperation


def by_path() -> dict[str, tuple[AnyOperation, ...]]:
    """Each path of the wire with the rows served there, in the order in which they are to be tried."""
    table: dict[str, tuple[AnyOperation, ...]] = {}
    for operation in OPERATIONS:
        for path in operation.paths:
            table[path] = (*table.get(path, ()), operation)
    return table


def select(rows: tuple[AnyOperation, ...], body: Mapping[str, Any]) -> AnyOperation | None:
    """The row a decoded body belongs to, among those that share a path; None where no row fits."""
    if len(rows) == 1:
        return rows[0]
    return next((row for row in rows if row.selects is None or row.selects(body)), None)

"""PullEvseData as SQL: which versions of EVSE data a filter selects, and how two states of them differ."""

import math
from typing import Any

from sqlalchemy import CTE, ColumnElement, Connection, and_, case, func, literal, null, or_, select

from p2pnode.roaming.records import EvseFilter, EvseRecord, PageRequest
from p2pnode.store.statements import Query
from p2pnode.store.values import mode_text, to_us
from p2pnode.store.versions import BODY, EVSE, EVSES, RECORD, place

EARTH_RADIUS = 6371.0088
"""Mean radius, km."""

DELETE, INSERT, UPDATE = "delete", "insert", "update"
ORDER = ("operator_key", "evse_key", "owner")


def page(connection: Connection, wanted: EvseFilter, request: PageRequest, as_of: int) -> list[EvseRecord]:
    """One page of the records the filter selects at `as_of` (microseconds)."""
    chosen = _page(wanted, request, as_of)
    changed = [chosen.c.changed_at, chosen.c.delta_type]
    found = connection.execute(_joined(chosen, [*RECORD, *changed], versions=True))
    return [EVSES.decode(row) for part in found.partitions(1000) for row in part]


def page_bodies(connection: Connection, wanted: EvseFilter, request: PageRequest, as_of: int) -> list[bytes]:
    """The bodies of the same page."""
    chosen = _page(wanted, request, as_of)
    found = connection.execute(_joined(chosen, [BODY.c.body], versions=False))
    return [row[0] for row in found]


def count(connection: Connection, wanted: EvseFilter, as_of: int) -> int:
    """How many records the filter selects at `as_of` (microseconds)."""
    chosen = _chosen(wanted, as_of).subquery()
    return connection.execute(select(func.count()).select_from(chosen)).scalar_one()


def _page(wanted: EvseFilter, request: PageRequest, as_of: int) -> CTE:
    """The ids of one page: cut in the index, before anything else is read."""
    chosen = _chosen(wanted, as_of)
    columns = chosen.selected_columns
    ordered = chosen.order_by(*(columns[name] for name in ORDER))
    return ordered.limit(request.size).offset(request.page * request.size).cte("page")


def _joined(chosen: CTE, columns: list[ColumnElement[Any]], *, versions: bool) -> Query:
    joined = chosen.join(BODY, BODY.c.id == chosen.c.id)
    if versions:
        joined = joined.join(EVSE, EVSE.c.id == chosen.c.id)
    return select(*columns).select_from(joined).order_by(*(chosen.c[name] for name in ORDER))


def _chosen(wanted: EvseFilter, as_of: int) -> Query:
    """The id, the order, the moment of the change and the delta type of each record of the answer."""
    if wanted.changed_since is None:
        columns = (*_order(), EVSE.c.valid_from.label("changed_at"), null().label("delta_type"))
        return select(EVSE.c.id, *columns).where(*_conditions(wanted), *_held(as_of))
    return _difference(wanted, min(to_us(wanted.changed_since), as_of), as_of)


def _difference(wanted: EvseFilter, then: int, now: int) -> Query:
    """What turns the records selected at `then` into those selected at `now`.

    Of each EVSE only versions that began or ended in between can tell; the last of them carries the difference. What
    no longer meets the filter is a delete like what is gone.
    """
    evse = (EVSE.c.owner, EVSE.c.evse_key)
    first = EVSE.c.valid_from
    began = and_(EVSE.c.valid_from > then, EVSE.c.valid_from <= now)
    ended = and_(EVSE.c.valid_to > then, EVSE.c.valid_to <= now)
    moved = (
        select(
            EVSE.c.id,
            *_order(),
            EVSE.c.valid_from,
            EVSE.c.valid_to,
            EVSE.c.digest,
            func.row_number().over(partition_by=evse, order_by=first.desc()).label("back"),
            func.first_value(EVSE.c.valid_from).over(partition_by=evse, order_by=first).label("first_from"),
            func.first_value(EVSE.c.digest).over(partition_by=evse, order_by=first).label("first_digest"),
        )
        .where(*_conditions(wanted), or_(began, ended))
        .cte("moved")
    )
    there_then = moved.c.first_from <= then
    there_now = or_(moved.c.valid_to.is_(None), moved.c.valid_to > now)
    kind = case((~there_now, DELETE), (there_then, UPDATE), else_=INSERT)
    return select(
        moved.c.id,
        *(moved.c[name] for name in ORDER),
        case((there_now, moved.c.valid_from), else_=moved.c.valid_to).label("changed_at"),
        kind.label("delta_type"),
    ).where(
        moved.c.back == 1,
        or_(and_(there_then, ~there_now), and_(there_now, or_(~there_then, moved.c.digest != moved.c.first_digest))),
    )


def _order() -> tuple[ColumnElement[Any], ...]:
    return tuple(EVSE.c[name] for name in ORDER)


def _held(at: int) -> tuple[ColumnElement[bool], ...]:
    return EVSE.c.valid_from <= at, or_(EVSE.c.valid_to.is_(None), EVSE.c.valid_to > at)


def _conditions(wanted: EvseFilter) -> list[ColumnElement[bool]]:
    """Everything the filter demands of a version, whenever it holds."""
    conditions: list[ColumnElement[bool]] = [EVSE.c.owner.in_(wanted.owners)]
    for column, values in (
        (EVSE.c.operator_key, wanted.operator_keys),
        (EVSE.c.country, wanted.countries),
        (EVSE.c.accessibility, wanted.accessibility),
        (EVSE.c.calibration_law, wanted.calibration_law),
    ):
        if values is not None:
            conditions.append(column.in_(values))
    for column, flag in (
        (EVSE.c.renewable_energy, wanted.renewable_energy),
        (EVSE.c.is_hubject_compatible, wanted.is_hubject_compatible),
        (EVSE.c.is_open_24_hours, wanted.is_open_24_hours),
    ):
        if flag is not None:
            conditions.append(column == int(flag))
    if wanted.authentication_modes is not None:
        conditions.append(_any(_contains(EVSE.c.authentication_modes, mode) for mode in wanted.authentication_modes))
    if wanted.evse_key_prefixes is not None:
        conditions.append(_any(_begins(EVSE.c.evse_key, prefix) for prefix in wanted.evse_key_prefixes))
    if wanted.center is not None and wanted.radius is not None:
        conditions.append(_near(*wanted.center, wanted.radius))
    return conditions


def _any(conditions: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a generator of conditions
    return or_(literal(1) == 0, *conditions)


def _contains(column: ColumnElement[str], mode: str) -> ColumnElement[bool]:
    # LIKE ignores case on one database and not on the other, and each has its own name for a search; both know replace.
    return func.replace(column, mode_text([mode]), "") != column


def _begins(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    return func.substr(column, 1, len(prefix)) == prefix


def _near(latitude: float, longitude: float, radius: float) -> ColumnElement[bool]:
    """Within `radius` km over ground: comparing chords, squared, needs no function that a database may lack."""
    center = place(latitude, longitude)
    if center is None or not radius >= 0:
        return literal(1) == 0
    chord = 2 * math.sin(min(radius / EARTH_RADIUS, math.pi) / 2)
    x, y, z = (column - there for column, there in zip((EVSE.c.x, EVSE.c.y, EVSE.c.z), center, strict=True))
    return x * x + y * y + z * z <= chord * chord

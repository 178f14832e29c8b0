"""PullEvseData as SQL: which versions of EVSE data a filter selects, and how two states of them differ."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
)

from p2pnode.roaming.published_records import EvseFilter, EvseRecord, EvseVersions
from p2pnode.roaming.records import PageRequest
from p2pnode.store import reads
from p2pnode.store.errors import Damaged
from p2pnode.store.statements import Query
from p2pnode.store.values import from_us, mode_text, to_us
from p2pnode.store.versions import BODY, EVSE, EVSES, RECORD, place

EARTH_RADIUS = 6371.0088
"""Mean radius, km."""

DELETE, INSERT, UPDATE = "delete", "insert", "update"
ORDER = ("operator_key", "evse_key", "owner")
VERSION = (BODY.c.id, BODY.c.body, BODY.c.notation)
_WHERE_IT_STANDS = select(*(EVSE.c[name] for name in ORDER)).where(EVSE.c.id == bindparam("id"))


Place = tuple[str, str, str]
"""Where a record stands in that order."""


@dataclass(frozen=True)
class Answer:
    """The rows of an answer: versions that hold, or those that carry a difference."""

    rows: FromClause
    where: Sequence[ColumnElement[bool]]
    changed_at: ColumnElement[int]
    delta_type: ColumnElement[Any]

    @property
    def order(self) -> list[ColumnElement[str]]:
        """What the rows are ordered by."""
        return [self.rows.c[name] for name in ORDER]

    def select(self, *columns: ColumnElement[Any]) -> Query:
        """These columns of all rows, in no order."""
        return select(*columns).select_from(self.rows).where(*self.where)


def page(
    connection: Connection, wanted: EvseFilter, request: PageRequest, after: Place | None
) -> tuple[list[EvseRecord], Place | None]:
    """One page of the records the filter selects, and where it ends if it is full. `after` is `end_before` it."""
    answer = _answer(wanted)
    query = _page(answer, request, after, [*RECORD, answer.changed_at, answer.delta_type])
    if query is None:
        return [], None
    records = reads.records(connection, EVSES, query)
    if len(records) < request.size:
        return records, None
    last = records[-1]
    return records, (last.operator_key, last.evse_key, last.owner)


def versions(
    connection: Connection, wanted: EvseFilter, request: PageRequest, after: Place | None
) -> tuple[EvseVersions, Place | None]:
    """What an answer needs of the same page, and where it ends if it is full."""
    answer = _answer(wanted)
    query = _page(answer, request, after, [*VERSION, answer.changed_at, answer.delta_type])
    if query is None:
        return _columns([]), None
    result: Any = connection.execute(query)
    found: list[tuple[Any, ...]] = result.cursor.fetchall()  # as the driver gives them: rows of SQLAlchemy cost more
    made = _versions(connection, found)
    if len(found) < request.size:
        return made, None
    return made, _place(connection, _WHERE_IT_STANDS, {"id": found[-1][0]})


def _versions(connection: Connection, found: Sequence[tuple[Any, ...]]) -> EvseVersions:
    """The versions of rows of `VERSION`, moment and delta type, without those that cannot be read."""
    with suppress(Damaged):
        return _columns(found)
    read: list[tuple[Any, ...]] = []
    for row in found:
        try:
            _columns([row])
        except Damaged as error:
            reads.left_out(connection, error)
        else:
            read.append(row)
    return _columns(read)


def _columns(found: Sequence[tuple[Any, ...]]) -> EvseVersions:
    """Raises Damaged where a row cannot be read."""
    bodies, notations, stamps, delta_types = (list(map(itemgetter(number), found)) for number in range(1, 5))
    if set(map(type, bodies)) <= {bytes} and set(map(type, stamps)) <= {int}:
        with suppress(ArithmeticError):
            return EvseVersions(bodies, notations, list(map(lru_cache(from_us), stamps)), delta_types)
    raise Damaged(f"a row of {BODY.name} cannot be read")


def count(connection: Connection, wanted: EvseFilter) -> int:
    """How many records the filter selects."""
    return int(connection.execute(_answer(wanted).select(func.count())).scalar_one())


def end_before(connection: Connection, wanted: EvseFilter, request: PageRequest) -> Place | None:
    """Where the page before this one ends; None for the first page, and where there are not so many records.

    To skip records, only the index is read.
    """
    if request.page == 0:
        return None
    answer = _answer(wanted)
    order = answer.order
    skipping = answer.select(*order).order_by(*order).offset(request.page * request.size - 1).limit(1)
    return _place(connection, skipping)


def _page(
    answer: Answer, request: PageRequest, after: Place | None, columns: Sequence[ColumnElement[Any]]
) -> "Query | None":
    """A query for one page, which begins behind `after`."""
    if after is None and request.page > 0:
        return None
    query = answer.select(*columns).join(BODY, BODY.c.id == answer.rows.c.id)
    if answer.rows is not EVSE and len(columns) > len(RECORD):
        query = query.join(EVSE, EVSE.c.id == answer.rows.c.id)
    order = answer.order
    if after is not None:
        query = query.where(tuple_(*order) > tuple_(*after))
    return query.order_by(*order).limit(request.size)


def _place(connection: Connection, query: Query, values: Mapping[str, int] | None = None) -> Place | None:
    row = connection.execute(query, values).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def _answer(wanted: EvseFilter) -> Answer:
    conditions, now = _conditions(wanted), to_us(wanted.as_of)
    if wanted.changed_since is not None:
        return _difference(conditions, to_us(wanted.changed_since), now)
    holds = (EVSE.c.valid_from <= now, or_(EVSE.c.valid_to.is_(None), EVSE.c.valid_to > now))
    return Answer(EVSE, [*conditions, *holds], EVSE.c.valid_from, null())


def _difference(conditions: Sequence[ColumnElement[bool]], then: int, now: int) -> Answer:
    """What turns the versions that meet the conditions at `then` into those that do at `now`.

    Of each EVSE only versions that began or ended in between can tell; the last of them carries the difference. What
    no longer meets the conditions is a delete like what is gone.
    """
    evse = (EVSE.c.owner, EVSE.c.evse_key)
    first = EVSE.c.valid_from
    began = and_(EVSE.c.valid_from > then, EVSE.c.valid_from <= now)
    ended = and_(EVSE.c.valid_to > then, EVSE.c.valid_to <= now)
    moved = (
        select(
            EVSE.c.id,
            *(EVSE.c[name] for name in ORDER),
            EVSE.c.valid_from,
            EVSE.c.valid_to,
            EVSE.c.digest,
            func.row_number().over(partition_by=evse, order_by=first.desc()).label("back"),
            func.first_value(EVSE.c.valid_from).over(partition_by=evse, order_by=first).label("first_from"),
            func.first_value(EVSE.c.digest).over(partition_by=evse, order_by=first).label("first_digest"),
        )
        .where(*conditions, or_(began, ended))
        .cte("moved")
    )
    there_then = moved.c.first_from <= then
    there_now = or_(moved.c.valid_to.is_(None), moved.c.valid_to > now)
    gone = and_(there_then, ~there_now)
    come_or_other = and_(there_now, or_(~there_then, moved.c.digest != moved.c.first_digest))
    return Answer(
        moved,
        [moved.c.back == 1, or_(gone, come_or_other)],
        case((there_now, moved.c.valid_from), else_=moved.c.valid_to),
        case((~there_now, DELETE), (there_then, UPDATE), else_=INSERT),
    )


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
    if wanted.hubs:
        conditions.append(~and_(EVSE.c.owner.in_(wanted.hubs), EVSE.c.operator_key.in_(wanted.direct)))
    if wanted.authentication_modes is not None:
        conditions.append(_any(_contains(EVSE.c.authentication_modes, mode) for mode in wanted.authentication_modes))
    if wanted.evse_key_prefixes is not None:
        conditions.append(_begins(EVSE.c.evse_key, wanted.evse_key_prefixes))
    if wanted.center is not None and wanted.radius is not None:
        conditions.append(_near(*wanted.center, wanted.radius))
    return conditions


def _any(conditions: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a generator of conditions
    return or_(literal(1) == 0, *conditions)


def _contains(column: ColumnElement[str], mode: str) -> ColumnElement[bool]:
    # LIKE ignores case on one database and not on the other, and each has its own name for a search; both know replace.
    return func.replace(column, mode_text([mode]), "") != column


def _begins(column: ColumnElement[str], prefixes: Sequence[str]) -> ColumnElement[bool]:
    """Begins with one of the prefixes, of which there may be thousands: those of a length are one list."""
    lengths = sorted({len(prefix) for prefix in prefixes})
    return _any(func.substr(column, 1, n).in_([prefix for prefix in prefixes if len(prefix) == n]) for n in lengths)


def _near(latitude: float, longitude: float, radius: float) -> ColumnElement[bool]:
    """Within `radius` km over ground: comparing chords, squared, needs no function that a database may lack."""
    center = place(latitude, longitude)
    if center is None or not radius >= 0:
        return literal(1) == 0
    chord = 2 * math.sin(min(radius / EARTH_RADIUS, math.pi) / 2)
    x, y, z = (column - there for column, there in zip((EVSE.c.x, EVSE.c.y, EVSE.c.z), center, strict=True))
    return x * x + y * y + z * z <= chord * chord

"""EVSE data as a history: each version of a record holds from one moment until another, and no version is rewritten."""

import math
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, func, insert, literal, select, update
from sqlalchemy import delete as delete_from

from p2pnode.roaming.published_records import EvseRecord
from p2pnode.store import tables
from p2pnode.store.connection import WriteConnection
from p2pnode.store.rows import Rows
from p2pnode.store.statements import Query, chunks, hot
from p2pnode.store.values import mode_text

EVSE = tables.evse
BODY = tables.evse_body
CURRENT = EVSE.c.valid_to.is_(None)

AT_ONCE = 1000
"""How many rows are made before they are written.

Those of a large push would take half its size in memory, and collecting garbage among them stop everybody for 80 ms.
"""

Versions = dict[str, tuple[int, bytes]]
"""The id and digest of the current version of each EVSE."""

RECORD = (
    EVSE.c.owner,
    EVSE.c.evse_key,
    BODY.c.evse_id,
    EVSE.c.operator_key,
    BODY.c.operator_id,
    BODY.c.operator_name,
    BODY.c.body,
    EVSE.c.country,
    EVSE.c.latitude,
    EVSE.c.longitude,
    EVSE.c.is_hubject_compatible,
    EVSE.c.is_open_24_hours,
    EVSE.c.renewable_energy,
    EVSE.c.accessibility,
    EVSE.c.calibration_law,
    EVSE.c.authentication_modes,
    BODY.c.notation,
)
"""The columns of an EvseRecord, in the order of its attributes, without the last two."""

EVSES = Rows(EvseRecord, EVSE, (*RECORD, EVSE.c.valid_from, literal(None)))
"""Rows of `RECORD`, the moment of the change and the delta type."""

_END = hot(update(EVSE).where(EVSE.c.id == bindparam("the_id")).values(valid_to=bindparam("at")), ["at", "the_id"])
_REMOVE = hot(delete_from(EVSE).where(EVSE.c.id == bindparam("id")), ["id"])
_REMOVE_BODY = hot(delete_from(BODY).where(BODY.c.id == bindparam("id")), ["id"])
_COLUMNS = [column.name for column in EVSE.c if column is not EVSE.c.valid_to]
_ADD = hot(insert(EVSE).values({name: bindparam(name) for name in _COLUMNS}), _COLUMNS)
_BODY_COLUMNS = ["id", "evse_id", "operator_id", "operator_name", "body", "notation"]
_ADD_BODY = hot(insert(BODY).values({name: bindparam(name) for name in _BODY_COLUMNS}), _BODY_COLUMNS)


def place(latitude: float | None, longitude: float | None) -> tuple[float, float, float] | None:
    """The point on a sphere of radius 1; None where the coordinates (degrees) are none."""
    if latitude is None or longitude is None or not (math.isfinite(latitude) and math.isfinite(longitude)):
        return None
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def known(connection: WriteConnection, owner: str, evse_keys: Iterable[str]) -> set[str]:
    """Those of the keys that have a current version of the owner."""
    return set(_current(connection, owner, list(evse_keys)))


def put(connection: WriteConnection, records: Sequence[EvseRecord], at: int) -> None:
    """Begin a version of each record at that moment, unless it is the same as the current one."""
    by_owner: dict[str, dict[str, EvseRecord]] = {}
    for record in records:
        by_owner.setdefault(record.owner, {})[record.evse_key] = record
    for owner, own in by_owner.items():
        _put(connection, own.values(), _current(connection, owner, list(own)), at)


def delete(connection: WriteConnection, owner: str, evse_keys: Iterable[str], at: int) -> int:
    """End the current versions of these records at that moment; how many there were."""
    found = _current(connection, owner, list(evse_keys))
    _end(connection, (version for version, _ in found.values()), at)
    return len(found)


def replace(
    connection: WriteConnection,
    scope: tuple[str, str],
    records: Sequence[EvseRecord],
    at: int,
    untouched: Collection[str],
) -> None:
    """End the versions of the owner's and operator's other records at that moment, but those untouched; put these."""
    owner, operator_key = scope
    wanted = {record.evse_key: record for record in records}
    query = _versions().where(EVSE.c.owner == owner, EVSE.c.operator_key == operator_key)
    under = _read(connection, query)
    gone = (version for key, (version, _) in under.items() if key not in wanted and key not in untouched)
    _end(connection, gone, at)
    elsewhere = _current(connection, owner, [key for key in wanted if key not in under])
    _put(connection, wanted.values(), under | elsewhere, at)


def remove(connection: WriteConnection, ids: Sequence[int]) -> None:
    """Remove these versions, which have ended."""
    rows = [(version,) for version in ids]
    connection.run_many(_REMOVE_BODY, rows)
    connection.run_many(_REMOVE, rows)


def _versions() -> Query:
    return select(EVSE.c.evse_key, EVSE.c.id, EVSE.c.digest).where(CURRENT)


def _read(connection: WriteConnection, query: Query) -> Versions:
    return {key: (version, digest) for key, version, digest in connection.select(query)}


def _current(connection: WriteConnection, owner: str, evse_keys: Sequence[str]) -> Versions:
    found: Versions = {}
    for some in chunks(evse_keys):
        found |= _read(connection, _versions().where(EVSE.c.evse_key.in_(some), EVSE.c.owner == owner))
    return found


def _end(connection: WriteConnection, versions: Iterable[int], at: int) -> None:
    connection.run_many(_END, [(at, version) for version in versions])


def _put(connection: WriteConnection, records: Iterable[EvseRecord], current: Versions, at: int) -> None:
    number = connection.select(select(func.max(EVSE.c.id)))[0][0] or 0
    waiting = iter(records)
    while some := list(islice(waiting, AT_ONCE)):
        ended: list[tuple[int, int]] = []
        versions: list[tuple[Any, ...]] = []
        bodies: list[tuple[Any, ...]] = []
        for record in some:
            searched = _searched(record)
            digest = _digest(record, searched)
            former = current.get(record.evse_key)
            if former is not None:
                if former[1] == digest:
                    continue
                ended.append((at, former[0]))
            number += 1
            versions.append(_version(number, record, searched, digest, at))
            beside = (record.evse_id, record.operator_id, record.operator_name)
            bodies.append((number, *beside, record.body, record.notation))
        connection.run_many(_END, ended)
        connection.run_many(_ADD, versions)
        connection.run_many(_ADD_BODY, bodies)


def _searched(record: EvseRecord) -> tuple[Any, ...]:
    """What searches look at, without the keys and the place."""
    return (
        int(record.is_hubject_compatible),
        int(record.is_open_24_hours),
        int(record.renewable_energy),
        record.accessibility,
        record.calibration_law,
        mode_text(record.authentication_modes),
    )


def _digest(record: EvseRecord, searched: tuple[Any, ...]) -> bytes:
    """Of everything that a reader could see or search by."""
    digest = blake2b(record.body, digest_size=16)
    beside = (
        *(record.evse_id, record.operator_key, record.operator_id, record.operator_name),
        *(record.country, record.latitude, record.longitude, *searched),
    )
    digest.update(repr(beside).encode(errors="surrogatepass"))
    return digest.digest()


def _version(number: int, record: EvseRecord, searched: tuple[Any, ...], digest: bytes, at: int) -> tuple[Any, ...]:
    """The row of a version that begins, in the order of the table's columns."""
    return (
        *(number, record.operator_key, record.evse_key, record.owner, at, digest),
        *(record.country, record.latitude, record.longitude),
        *(place(record.latitude, record.longitude) or (None, None, None)),
        *searched,
    )

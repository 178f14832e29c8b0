"""EVSE data as a history: each version of a record holds from one moment until another, and no version is rewritten."""

import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import sqlalchemy
from sqlalchemy import bindparam, func, insert, literal, select, update

from p2pnode.roaming.records import EvseRecord
from p2pnode.store import tables
from p2pnode.store.connection import WriteConnection
from p2pnode.store.rows import Rows
from p2pnode.store.statements import Query, chunks
from p2pnode.store.values import mode_text

EVSE = tables.evse
BODY = tables.evse_body
CURRENT = EVSE.c.valid_to.is_(None)

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
)
"""The columns of an EvseRecord, in the order of its attributes, without the last two."""

_END = update(EVSE).where(EVSE.c.id == bindparam("the_id")).values(valid_to=bindparam("the_end"))
_REMOVE = sqlalchemy.delete(EVSE).where(EVSE.c.id == bindparam("the_id"))
_REMOVE_BODY = sqlalchemy.delete(BODY).where(BODY.c.id == bindparam("the_id"))
_ADD = insert(EVSE)
_ADD_BODY = insert(BODY)


EVSES = Rows(EvseRecord, EVSE, (*RECORD, EVSE.c.valid_from, literal(None)))
"""Rows of `RECORD`, the moment of the change and the delta type."""


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


def replace(connection: WriteConnection, owner: str, operator_key: str, records: Sequence[EvseRecord], at: int) -> None:
    """End the versions of the operator's other records at that moment and put these."""
    wanted = {record.evse_key: record for record in records}
    query = _versions().where(EVSE.c.owner == owner, EVSE.c.operator_key == operator_key)
    under = _read(connection, query)
    _end(connection, (version for key, (version, _) in under.items() if key not in wanted), at)
    elsewhere = _current(connection, owner, [key for key in wanted if key not in under])
    _put(connection, wanted.values(), under | elsewhere, at)


def remove(connection: WriteConnection, ids: Sequence[int]) -> None:
    """Remove these versions, which have ended."""
    parameters = [{"the_id": version} for version in ids]
    if parameters:
        connection.change(_REMOVE_BODY, parameters)
        connection.change(_REMOVE, parameters)


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
    parameters = [{"the_id": version, "the_end": at} for version in versions]
    if parameters:
        connection.change(_END, parameters)


def _put(connection: WriteConnection, records: Iterable[EvseRecord], current: Versions, at: int) -> None:
    changed: list[tuple[EvseRecord, bytes]] = []
    ended: list[int] = []
    for record in records:
        digest = _digest(record)
        former = current.get(record.evse_key)
        if former is None or former[1] != digest:
            changed.append((record, digest))
            if former is not None:
                ended.append(former[0])
    if not changed:
        return
    _end(connection, ended, at)
    following = (connection.select(select(func.max(EVSE.c.id)))[0][0] or 0) + 1
    numbered = [(number, record, digest) for number, (record, digest) in enumerate(changed, following)]
    connection.change(_ADD, [_version(number, record, digest, at) for number, record, digest in numbered])
    connection.change(_ADD_BODY, [_body(number, record) for number, record, _ in numbered])


def _digest(record: EvseRecord) -> bytes:
    """Of everything that a reader could see or search by."""
    digest = blake2b(record.body, digest_size=16)
    beside = (
        *(record.evse_id, record.operator_key, record.operator_id, record.operator_name, record.country),
        *(record.latitude, record.longitude, record.is_hubject_compatible, record.is_open_24_hours),
        *(record.renewable_energy, record.accessibility, record.calibration_law),
        mode_text(record.authentication_modes),
    )
    digest.update(repr(beside).encode(errors="surrogatepass"))
    return digest.digest()


def _version(number: int, record: EvseRecord, digest: bytes, at: int) -> dict[str, Any]:
    x, y, z = place(record.latitude, record.longitude) or (None, None, None)
    return {
        "id": number,
        "operator_key": record.operator_key,
        "evse_key": record.evse_key,
        "owner": record.owner,
        "valid_from": at,
        "valid_to": None,
        "digest": digest,
        "country": record.country,
        "latitude": record.latitude,
        "longitude": record.longitude,
        "x": x,
        "y": y,
        "z": z,
        "is_hubject_compatible": int(record.is_hubject_compatible),
        "is_open_24_hours": int(record.is_open_24_hours),
        "renewable_energy": int(record.renewable_energy),
        "accessibility": record.accessibility,
        "calibration_law": record.calibration_law,
        "authentication_modes": mode_text(record.authentication_modes),
    }


def _body(number: int, record: EvseRecord) -> dict[str, Any]:
    return {
        "id": number,
        "evse_id": record.evse_id,
        "operator_id": record.operator_id,
        "operator_name": record.operator_name,
        "body": record.body,
    }

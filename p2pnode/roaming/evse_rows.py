"""EVSE data and status records as they came, turned into what the store keeps and searches by."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from sys import intern
from typing import Any, Generic, TypeVar

from p2pnode.oicp.codec import MOST_VIOLATIONS, encode, replace_members
from p2pnode.oicp.coordinates import UnreadableCoordinates, position_of
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.identifiers import evse_key, operator_key, operator_of_evse
from p2pnode.oicp.mending import EvseDataReading, read_evse_record, read_status_record
from p2pnode.oicp.rules import check, errors_in
from p2pnode.roaming.pushes import in_turns
from p2pnode.roaming.records import OWN, EvseRecord, StatusRecord

Row = TypeVar("Row")

STATION_ID = "ChargingStationID"
STATION_ID_IN_PUSHES = "ChargingStationId"
HUB_OPERATOR = "HubOperatorID"


@dataclass(frozen=True, slots=True)
class Listing:
    """Whose records they are, and under which operator they are listed.

    Records that peers are shown are kept as they stand in the answer to a pull.
    """

    owner: str
    operator_id: str
    operator_name: str = ""
    is_shown: bool = False


@dataclass(slots=True)
class Rows(Generic[Row]):
    """The rows of a list of records, and every reason why some could not be taken; pointers begin at the list.

    With `MOST_VIOLATIONS` reasons a push that is taken as a whole is hopeless, and its other records are not read.
    """

    rows: list[Row]
    violations: list[Violation] = field(default_factory=list[Violation])

    async def reading(self, records: Sequence[bytes]) -> AsyncIterator[tuple[int, bytes]]:
        """The records of a push with their places, in turns with other work; no more once it is hopeless."""
        async for index, raw in in_turns(records):
            if len(self.violations) >= MOST_VIOLATIONS:
                return
            yield index, raw

    def refuse(self, index: int, violations: Iterable[Violation]) -> None:
        """Note why the record at this place was not taken."""
        self.violations += [replace(violation, pointer=f"/{index}{violation.pointer}") for violation in violations]


def add_evse(into: Rows[EvseRecord], index: int, raw: bytes, listing: Listing, *, strict: bool) -> None:
    """Read one EVSE data record. With `strict` a record that breaks a rule of the texts is refused too."""
    take_evse(into, index, raw, read_evse_record(raw), listing, strict=strict)


def take_evse(  # noqa: PLR0913 - all that is known of one record
    into: Rows[EvseRecord], index: int, raw: bytes, reading: EvseDataReading, listing: Listing, *, strict: bool
) -> None:
    """Take one EVSE data record that has been read."""
    record = reading.record
    broken = errors_in(check(record)) if strict and record is not None else ()
    if record is None or broken:
        into.refuse(index, reading.violations or broken)
        return
    into.rows.append(_evse_row(record, raw, reading, listing))


def add_status(  # noqa: PLR0913 - all that is known of one record
    into: Rows[StatusRecord], index: int, raw: bytes, listing: Listing, at: datetime, *, strict: bool
) -> None:
    """Read one EVSE status record."""
    reading = read_status_record(raw)
    record = reading.record
    broken = errors_in(check(record)) if strict and record is not None else ()
    if record is None or broken:
        into.refuse(index, reading.violations or broken)
        return
    body = encode(record) if listing.owner == OWN and reading.mended else raw
    into.rows.append(
        StatusRecord(
            owner=listing.owner,
            evse_key=evse_key(record.evse_id),
            evse_id=record.evse_id,
            operator_key=operator_key(listing.operator_id),
            operator_id=listing.operator_id,
            operator_name=listing.operator_name,
            status=record.evse_status,
            body=body,
            changed_at=at,
        )
    )


async def named_evses(records: Sequence[bytes], into: Rows[Any]) -> list[str]:
    """The EvseIDs of records of which only that is needed, as in a push that deletes them."""
    found: list[str] = []
    async for index, raw in into.reading(records):
        evse_id = read_status_record(raw).evse_id
        found.append(evse_id)
        if not evse_id:
            into.refuse(index, [Violation("/EvseID", "missing", "EvseID is missing.")])
    return found


def _evse_row(record: EvseDataRecord, raw: bytes, reading: EvseDataReading, listing: Listing) -> EvseRecord:
    latitude = longitude = None
    try:
        position = position_of(record.geo_coordinates)
        latitude, longitude = float(position.latitude), float(position.longitude)
    except UnreadableCoordinates:
        pass
    return EvseRecord(
        owner=listing.owner,
        evse_key=evse_key(record.evse_id),
        evse_id=record.evse_id,
        operator_key=operator_key(listing.operator_id),
        operator_id=listing.operator_id,
        operator_name=listing.operator_name,
        body=_pull_form(raw, reading, record.evse_id, listing) if listing.is_shown else raw,
        country=intern(record.address.country),
        latitude=latitude,
        longitude=longitude,
        is_hubject_compatible=record.is_hubject_compatible,
        is_open_24_hours=record.is_open_24_hours,
        renewable_energy=record.renewable_energy,
        accessibility=intern(record.accessibility),
        calibration_law=intern(record.calibration_law_data_availability),
        authentication_modes=_modes(tuple(record.authentication_modes)),
    )


@lru_cache(maxsize=256)
def _modes(modes: tuple[str, ...]) -> frozenset[str]:
    """One set for all records with the same modes: 100,000 of them take a tenth of the memory of a push."""
    return frozenset(modes)


def _pull_form(raw: bytes, reading: EvseDataReading, evse_id: str, listing: Listing) -> bytes:
    """A record as a PullEvseDataRecordType (E002), so that a page is joined without touching it again."""
    members = reading.body
    changes: dict[str, object] = {
        "OperatorID": listing.operator_id,
        "OperatorName": listing.operator_name,
        "deltaType": None,
        "lastUpdate": None,
    }
    if HUB_OPERATOR not in members and operator_of_evse(evse_id) != operator_key(listing.operator_id):
        changes[HUB_OPERATOR] = listing.operator_id  # the EVSE is one of an operator that it bundles
    if STATION_ID_IN_PUSHES in members:
        changes |= {STATION_ID: members[STATION_ID_IN_PUSHES], STATION_ID_IN_PUSHES: None}
    return replace_members(encode(members) if reading.mended else raw, changes)


def push_form(body: bytes) -> bytes:
    """A record that is shown as an EvseDataRecordType again."""
    changes: dict[str, object] = {"OperatorID": None, "OperatorName": None}
    if b'"ChargingStationID"' in body:
        station: object = read_evse_record(body).body.get(STATION_ID)
        changes |= {STATION_ID: None, STATION_ID_IN_PUSHES: station}
    return replace_members(body, changes)

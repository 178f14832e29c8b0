"""EVSE data and status records as they came, turned into what the store keeps and searches by."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from p2pnode.oicp.codec import MOST_VIOLATIONS, View, encode, replace_members
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.evse_sound import EvseSummary, sound_evse_record, summary_of
from p2pnode.oicp.identifiers import evse_key, operator_key, operator_of_evse
from p2pnode.oicp.mending import EvseDataReading, read_evse_record, read_status_record
from p2pnode.oicp.rules import check, errors_in
from p2pnode.roaming.published_records import EvseRecord, StatusRecord
from p2pnode.roaming.pushes import Record, in_turns
from p2pnode.roaming.records import OWN

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

    async def reading(self, records: Iterable[Record]) -> AsyncIterator[tuple[int, Record]]:
        """The records of a push with their places, in turns with other work; no more once it is hopeless."""
        async for index, raw in in_turns(records):
            if len(self.violations) >= MOST_VIOLATIONS:
                return
            yield index, raw

    def refuse(self, index: int, violations: Iterable[Violation]) -> None:
        """Note why the record at this place was not taken."""
        self.violations += [replace(violation, pointer=f"/{index}{violation.pointer}") for violation in violations]


def add_evse(into: Rows[EvseRecord], index: int, raw: View, listing: Listing) -> None:
    """Take one EVSE data record of a push; one that cannot be read or breaks a rule of the texts is refused."""
    summary = sound_evse_record(raw)
    if summary is not None:
        into.rows.append(_evse_row(summary, raw, listing))
        return
    reading = read_evse_record(bytes(raw))
    broken = errors_in(check(reading.record)) if reading.record is not None else reading.violations
    if broken:
        into.refuse(index, broken)
    else:
        take_evse(into.rows, raw, reading, listing)


def take_evse(into: list[EvseRecord], raw: View, reading: EvseDataReading | EvseSummary, listing: Listing) -> None:
    """Take one EVSE data record that has been read, if it can be."""
    if isinstance(reading, EvseSummary):
        into.append(_evse_row(reading, raw, listing))
    elif reading.record is not None:
        kept = encode(reading.body) if listing.is_shown and reading.mended else raw
        into.append(_evse_row(summary_of(reading.record), kept, listing))


def _evse_row(summary: EvseSummary, body: View, listing: Listing) -> EvseRecord:
    return EvseRecord(
        listing.owner,
        evse_key(summary.evse_id),
        summary.evse_id,
        operator_key(listing.operator_id),
        listing.operator_id,
        listing.operator_name,
        _pull_form(bytes(body), summary.evse_id, listing) if listing.is_shown else body,
        summary.country,
        summary.latitude,
        summary.longitude,
        summary.is_hubject_compatible,
        summary.is_open_24_hours,
        summary.renewable_energy,
        summary.accessibility,
        summary.calibration_law,
        summary.authentication_modes,
        summary.notation,
    )


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


def _pull_form(body: bytes, evse_id: str, listing: Listing) -> bytes:
    """A record as a PullEvseDataRecordType (E002), so that a page is joined without touching it again."""
    changes = {
        "OperatorID": listing.operator_id,
        "OperatorName": listing.operator_name,
        "deltaType": None,
        "lastUpdate": None,
    }
    renamed = {STATION_ID_IN_PUSHES: STATION_ID}
    bundled = operator_of_evse(evse_id) != operator_key(listing.operator_id)
    missing = {HUB_OPERATOR: listing.operator_id} if bundled else {}
    return replace_members(body, changes, renamed, missing)


def push_form(body: bytes) -> bytes:
    """A record that is shown as an EvseDataRecordType again."""
    return replace_members(body, {"OperatorID": None, "OperatorName": None}, {STATION_ID: STATION_ID_IN_PUSHES})

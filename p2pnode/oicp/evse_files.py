"""Files of EVSE data and EVSE status, as operators, hubs and authorities hand them out.

Read are a push, an answer to a pull or its pages in a list, the form of national open data (`EVSEData` or
`EVSEStatuses`, a list of operators with their records), and a bare list of records. The file is taken apart into the
bytes of its records first, so that a record that is wrong costs only itself and a large file no memory at once.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec

from p2pnode.oicp.codec import BOM, decode
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_status import EvseStatusRecord
from p2pnode.oicp.identifiers import operator_key, operator_of_evse
from p2pnode.oicp.mending import RecordReading, read_evse_record, read_status_record
from p2pnode.oicp.mends import MendKind, pointer_to
from p2pnode.oicp.model import OicpModel

Record = TypeVar("Record", bound=OicpModel)
Value = TypeVar("Value")

DEEPEST_WRAPPER = 8
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_OPERATOR: Final = frozenset({"operatorid", "operatorname"})
_BLANKS: Final = 64
_WRAPPERS: Final = frozenset(
    {
        "content",
        "evsedata",
        "evsestatuses",
        "evsestatusrecords",
        "operatorevsedata",
        "operatorevsestatus",
    }
)


@dataclass(frozen=True, slots=True)
class FileRecord(Generic[Record]):
    """One record of a file: where it stands (RFC 6901), the operator it is listed under, and what became of it.

    `operator_id` is that of the list the record stands in, or the record's own, or the one inside its EvseID; empty
    where none is told. `operator_name` is empty where none is told.
    """

    pointer: str
    operator_id: str
    operator_name: str
    reading: RecordReading[Record]


@dataclass(frozen=True, slots=True)
class OperatorReading(Generic[Record]):
    """The records of a file that are listed under one operator, in the order of the file."""

    operator_id: str
    operator_name: str
    records: tuple[FileRecord[Record], ...]


@dataclass(frozen=True, slots=True)
class FileReading(Generic[Record]):
    """A file by operator, in the order in which the operators first appear."""

    operators: tuple[OperatorReading[Record], ...]

    @property
    def records(self) -> tuple[FileRecord[Record], ...]:
        """All records of the file."""
        return tuple(record for operator in self.operators for record in operator.records)

    @property
    def taken(self) -> int:
        """The number of records that could be read."""
        return sum(record.reading.record is not None for record in self.records)

    @property
    def refused(self) -> tuple[FileRecord[Record], ...]:
        """The records that could not be read; the violations of each reading tell why."""
        return tuple(record for record in self.records if record.reading.record is None)

    @property
    def mends(self) -> Counter[MendKind]:
        """How often each kind of mend was made."""
        return Counter(mend.kind for record in self.records for mend in record.reading.mended)


def iterate_evse_data_file(data: bytes) -> Iterator[FileRecord[EvseDataRecord]]:
    """The EVSE data records of a file, one by one. Raises InvalidMessage where the file holds no such records."""
    return _iterate(data, "evsedatarecord", read_evse_record)


def iterate_evse_status_file(data: bytes) -> Iterator[FileRecord[EvseStatusRecord]]:
    """The EVSE status records of a file, one by one. Raises InvalidMessage where the file holds no such records."""
    return _iterate(data, "evsestatusrecord", read_status_record)


def read_evse_data_file(data: bytes) -> FileReading[EvseDataRecord]:
    """A file of EVSE data, by operator. Raises InvalidMessage where the file holds no EVSE data records."""
    return _by_operator(iterate_evse_data_file(data))


def read_evse_status_file(data: bytes) -> FileReading[EvseStatusRecord]:
    """A file of EVSE status, by operator. Raises InvalidMessage where the file holds no EVSE status records."""
    return _by_operator(iterate_evse_status_file(data))


def _by_operator(records: Iterator[FileRecord[Record]]) -> FileReading[Record]:
    groups: dict[str, list[FileRecord[Record]]] = {}
    for record in records:
        groups.setdefault(operator_key(record.operator_id), []).append(record)
    return FileReading(
        tuple(
            OperatorReading(
                group[0].operator_id,
                next((record.operator_name for record in group if record.operator_name), ""),
                tuple(group),
            )
            for group in groups.values()
        )
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The raw record at a pointer and what the list it stands in says of its operator."""

    pointer: str
    raw: msgspec.Raw
    operator_id: str = ""
    operator_name: str = ""


def _iterate(
    data: bytes, list_name: str, read_record: Callable[[bytes], RecordReading[Record]]
) -> Iterator[FileRecord[Record]]:
    raw = msgspec.Raw(data.removeprefix(BOM))
    if not _is_known(raw, list_name):
        reason = "The file holds no list of records that is known here."
        raise InvalidMessage(reason, (Violation("", "file", reason),))
    for found in _records(raw, "", list_name, DEEPEST_WRAPPER):
        yield _file_record(found, read_record(bytes(found.raw)))


def _file_record(found: _Found, reading: RecordReading[Record]) -> FileRecord[Record]:
    own, name = _text(reading.body, "OperatorID", "OperatorId"), _text(reading.body, "OperatorName")
    operator_id = found.operator_id or own or operator_of_evse(reading.evse_id) or ""
    return FileRecord(found.pointer, operator_id, found.operator_name or name, reading)


def _text(members: Mapping[str, object], *names: str) -> str:
    texts = [members.get(name) for name in names]
    return next((text.strip() for text in texts if isinstance(text, str)), "")


def _is_known(raw: msgspec.Raw, list_name: str) -> bool:
    if _kind(raw) == b"{":
        names = {name.casefold() for name in _split_object(raw)}
        return not names.isdisjoint({list_name, "evseid", *_WRAPPERS})
    _split_list(raw)
    return True


def _records(raw: msgspec.Raw, at: str, list_name: str, depth: int) -> Iterator[_Found]:
    """The records below a value: what stands in lists and is no wrapper of further lists."""
    if depth and _kind(raw) == b"[":
        for index, element in enumerate(_split_list(raw)):
            yield from _records(element, pointer_to(at, index), list_name, depth - 1)
        return
    members = _split_object(raw) if _kind(raw) == b"{" else {}
    folded = {name.casefold(): name for name in members}
    wrappers = [folded[name] for name in folded if name in _WRAPPERS]
    if list_name in folded:
        yield from _listed(members, at, folded, folded[list_name])
    elif wrappers and depth:
        for name in wrappers:
            yield from _records(members[name], pointer_to(at, name), list_name, depth - 1)
    else:
        yield _Found(at, raw)


def _listed(members: dict[str, msgspec.Raw], at: str, folded: dict[str, str], name: str) -> Iterator[_Found]:
    """The records of one list, with the operator that is told beside it; one object may stand for the list."""
    told = {member: decode(bytes(members[name])) for member, name in folded.items() if member in _OPERATOR}
    operator_id, operator_name = _text(told, "operatorid"), _text(told, "operatorname")
    place = pointer_to(at, name)
    if _kind(members[name]) == b"{":
        yield _Found(place, members[name], operator_id, operator_name)
    elif _kind(members[name]) == b"[":
        for index, raw in enumerate(_split_list(members[name])):
            yield _Found(pointer_to(place, index), raw, operator_id, operator_name)


def _kind(raw: msgspec.Raw) -> bytes:
    """The first character of a JSON text that is no blank."""
    return bytes(memoryview(raw)[:_BLANKS]).lstrip()[:1]


def _split_object(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    return _split(_OBJECT, raw)


def _split_list(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return _split(_LIST, raw)


def _split(decoder: msgspec.json.Decoder[Value], raw: msgspec.Raw) -> Value:
    try:
        return decoder.decode(raw)
    except RecursionError:
        reason = "The file is nested too deeply."
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"The file is not JSON: {error}."
    raise InvalidMessage(reason, (Violation("", "json", reason),))

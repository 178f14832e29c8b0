"""Telling everything about one message or file at once: what is wrong with it, what is doubtful, what would be mended.

A message is read and checked as the node does it when the message comes in. EVSE records are mended first, as they are
there, so that what is told is what a partner would get to hear.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from p2pnode.oicp.codec import read
from p2pnode.oicp.envelopes import Records, split, split_answer
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.evse_data import EvseDataRecord, PullEvseDataRecord
from p2pnode.oicp.evse_files import FileRecord, iterate_evse_data_file, iterate_evse_status_file
from p2pnode.oicp.evse_status import EvseStatusRecord
from p2pnode.oicp.mending import RecordReading, read_evse_record, read_status_record
from p2pnode.oicp.mends import Mend
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import OPERATIONS, PULL_EVSE_DATA, PUSH_EVSE_DATA, PUSH_EVSE_STATUS, AnyOperation
from p2pnode.oicp.rules import check, errors_in, repeated_evses


@dataclass(frozen=True, slots=True)
class Validation:
    """What there is to say. `records` counts the records that were read one by one; messages without have none."""

    records: int = 0
    violations: tuple[Violation, ...] = ()
    mends: tuple[Mend, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether nothing makes the message unacceptable."""
        return not errors_in(self.violations)


def _message(model: type[OicpModel], body: bytes) -> Validation:
    try:
        return Validation(violations=check(read(model, body)))
    except InvalidMessage as refusal:
        return Validation(violations=refusal.violations)


def _push(operation: AnyOperation, model: type[OicpModel], body: bytes) -> Validation:
    try:
        envelope = split(operation, body)
    except InvalidMessage as refusal:
        return Validation(violations=refusal.violations)
    at = "".join(f"/{name}" for name in operation.records)
    found = _records(model, envelope.records, at)
    repeated = repeated_evses((record.reading.evse_id for record in found), at)
    return _told((*check(envelope.message), *repeated), model, found)


def _page(body: bytes) -> Validation:
    try:
        envelope = split_answer(PULL_EVSE_DATA, body)
    except InvalidMessage as refusal:
        return Validation(violations=refusal.violations)
    found = _records(PullEvseDataRecord, envelope.records, "/content")
    return _told(check(envelope.message), PullEvseDataRecord, found)


def _file(model: type[OicpModel], records: Callable[[bytes], Iterator[FileRecord[Any]]], body: bytes) -> Validation:
    try:
        return _told((), model, [_Placed(record.pointer, record.reading) for record in records(body)])
    except InvalidMessage as refusal:
        return Validation(violations=refusal.violations)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A record that was read, with its pointer in the message or file."""

    pointer: str
    reading: RecordReading[Any]


def _records(model: type[OicpModel], records: Records, at: str) -> list[_Placed]:
    reader = read_status_record if model is EvseStatusRecord else read_evse_record
    return [_Placed(f"{at}/{index}", reader(raw)) for index, raw in enumerate(records)]


def _told(violations: Iterable[Violation], model: type[OicpModel], found: list[_Placed]) -> Validation:
    """What there is to say of a message with its records, in their order."""
    violations = [*violations]
    mends: list[Mend] = []
    for record in found:
        violations += [
            replace(violation, pointer=record.pointer + violation.pointer)
            for violation in _violations(model, record.reading)
        ]
        mends += [replace(mend, pointer=record.pointer + mend.pointer) for mend in record.reading.mended]
    return Validation(len(found), tuple(violations), tuple(mends))


def _violations(model: type[OicpModel], reading: RecordReading[Any]) -> tuple[Violation, ...]:
    if reading.record is None:
        return reading.violations
    if isinstance(reading.record, model):
        return check(reading.record)
    try:
        return check(read(model, reading.body))
    except InvalidMessage as refusal:
        return refusal.violations


def _request(operation: AnyOperation) -> Callable[[bytes], Validation]:
    if operation is PUSH_EVSE_DATA:
        return partial(_push, operation, EvseDataRecord)
    if operation is PUSH_EVSE_STATUS:
        return partial(_push, operation, EvseStatusRecord)
    return partial(_message, operation.request)


def _answer(operation: AnyOperation) -> Callable[[bytes], Validation]:
    return _page if operation is PULL_EVSE_DATA else partial(_message, operation.answer)


KINDS: Mapping[str, Callable[[bytes], Validation]] = {
    **{operation.name: _request(operation) for operation in OPERATIONS},
    **{f"{operation.name}.answer": _answer(operation) for operation in OPERATIONS},
    "evse-data": partial(_file, EvseDataRecord, iterate_evse_data_file),
    "evse-status": partial(_file, EvseStatusRecord, iterate_evse_status_file),
}
"""Everything that can be validated, by its name: requests, answers, and files of EVSE data and status."""

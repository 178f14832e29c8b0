"""Reading records as real senders write them: at once where they are right, mended where they are not quite.

Every mend is reported with its kind, so that a partner can be told what to correct and how often it happens. What
cannot be read is refused with all reasons, and costs only itself. Whether what was read also keeps the rules of the
specification is for `rules` to say.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from p2pnode.oicp.codec import decode, read
from p2pnode.oicp.errors import InvalidMessage, Violation
from p2pnode.oicp.evse_data import EvseDataRecord
from p2pnode.oicp.evse_mends import EvseDataMending, EvseStatusMending, remove_unreadable
from p2pnode.oicp.evse_plain import is_plain_evse_record, is_plain_status_record
from p2pnode.oicp.evse_status import EvseStatusRecord
from p2pnode.oicp.mends import Members, Mend, Mending, is_object
from p2pnode.oicp.model import OicpModel

Record = TypeVar("Record", bound=OicpModel)


@dataclass(frozen=True, slots=True)
class RecordReading(Generic[Record]):
    """What became of one record.

    `record` is None where it was refused; `violations` then tells why. `body` is the record as it is to be kept: as it
    came, but for the members that `mended` lists.
    """

    record: Record | None
    body: Members
    mended: tuple[Mend, ...] = ()
    violations: tuple[Violation, ...] = ()

    @property
    def evse_id(self) -> str:
        """The EvseID as it is kept, also of a record that was refused; empty where there is none."""
        value: object = self.body.get("EvseID")
        return value if isinstance(value, str) else ""


EvseDataReading = RecordReading[EvseDataRecord]
EvseStatusReading = RecordReading[EvseStatusRecord]


def read_evse_record(raw: bytes | Mapping[str, Any]) -> EvseDataReading:
    """The EvseDataRecordType or PullEvseDataRecordType in JSON or in its decoded members. Never raises.

    A record without an EvseID, without a position, or without another required member for which no neutral value
    exists is refused.
    """
    return _reading(EvseDataRecord, raw, is_plain_evse_record, EvseDataMending)


def read_status_record(raw: bytes | Mapping[str, Any]) -> EvseStatusReading:
    """The EvseStatusRecordType in JSON or in its decoded members. Never raises."""
    return _reading(EvseStatusRecord, raw, is_plain_status_record, EvseStatusMending)


def _reading(
    model: type[Record],
    raw: bytes | Mapping[str, Any],
    is_plain: Callable[[Members], bool],
    mender: Callable[[Members], Mending],
) -> RecordReading[Record]:
    try:
        body = decode(raw) if isinstance(raw, bytes) else raw
    except InvalidMessage as refusal:
        return RecordReading(None, {}, violations=refusal.violations)
    if not is_object(body):
        return RecordReading(None, {}, violations=(Violation("", "type", "A record has to be an object."),))
    if is_plain(body):
        with suppress(InvalidMessage):
            return RecordReading(read(model, body), body)
    mending = mender(body)
    mending.mend()
    try:
        record = _mended(model, mending)
    except InvalidMessage as refusal:
        return RecordReading(None, body, violations=refusal.violations)
    return RecordReading(record, mending.body, tuple(mending.mends))


def _mended(model: type[Record], mending: Mending) -> Record:
    """The record once its mends are made; what can be spared and still cannot be read is left out first."""
    try:
        record = read(model, mending.body)
    except InvalidMessage as refusal:
        if not remove_unreadable(mending, refusal.violations):
            raise InvalidMessage(refusal.reason, (*refusal.violations, *mending.reasons())) from None
        record = read(model, mending.body)
    if reasons := mending.reasons():
        raise InvalidMessage("The record is of no use.", reasons)
    return record

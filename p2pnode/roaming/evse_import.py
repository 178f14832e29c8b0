"""Files of EVSE data and status become what our own CPO publishes, record by record, each loss with its reason."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.codec import encode
from p2pnode.oicp.envelopes import join
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.evse_data import OperatorEvseData, PushEvseData
from p2pnode.oicp.evse_files import FileRecord, iterate_evse_data_file, iterate_evse_status_file
from p2pnode.oicp.evse_status import OperatorEvseStatus, PushEvseStatus
from p2pnode.oicp.identifiers import evse_key, operator_key
from p2pnode.oicp.operations import PUSH_EVSE_DATA, PUSH_EVSE_STATUS, Operation
from p2pnode.oicp.rules import check, errors_in
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import OWN
from p2pnode.roaming.refusals import PASSING
from p2pnode.roaming.store_ports import Store

Send = Callable[[Outgoing[Any]], Awaitable[object]]
CODE_OF_PEER = re.compile(r"(?:^|; )[^:;]+: (\d{3})\b")
"""A peer's name and its code, in what `Publisher.publish` tells."""
CHUNK = 5000
"""Records in one push."""


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that was not taken: its place in the file, its EvseID where it has one, and why."""

    pointer: str
    evse_id: str
    reasons: tuple[str, ...]


@dataclass(slots=True)
class ImportReport:
    """What became of a file: records taken, of them mended, mends by kind, those refused, what peers did not take.

    `relisted` counts the records of operators that are not ours, which stand under our principal OperatorID now.
    """

    taken: int = 0
    mended: int = 0
    mends: Counter[str] = field(default_factory=Counter[str])
    refused: list[RefusedRecord] = field(default_factory=list[RefusedRecord])
    relisted: Counter[str] = field(default_factory=Counter[str])
    not_delivered: list[str] = field(default_factory=list[str])

    @property
    def refused_by_peers(self) -> bool:
        """Whether a peer said no: one that is away, or has failed, gets it later."""
        codes = (code for problem in self.not_delivered for code in CODE_OF_PEER.findall(problem))
        return any(code not in PASSING for code in codes)


@dataclass(frozen=True, slots=True)
class _Taken:
    key: str
    operator_id: str
    body: bytes


class EvseImport:
    """Imports files for the operators `own`; `send` publishes as our own backend would."""

    def __init__(self, own: Sequence[str], store: Store, send: Send, new_id: Callable[[], str]) -> None:
        self._own = {operator_key(text): text for text in own}
        self._principal = own[0]
        self._store = store
        self._send = send
        self._new_id = new_id

    async def data(self, file: bytes) -> ImportReport:
        """Insert or update the EVSE data records of a file. Raises ProtocolError where the file holds none.

        A record listed under an operator that is not ours is published under our principal OperatorID, as a hub
        operator publishes those of its sub operators.
        """
        report = ImportReport()
        records = list(self._taken(iterate_evse_data_file(file), report))
        keys = [taken.key for taken in records]
        known = await self._store.publish(lambda publication: publication.known_evses(OWN, keys))
        report.not_delivered += await self._publish(PUSH_EVSE_DATA, records, known, _data_push)
        return report

    async def status(self, file: bytes) -> ImportReport:
        """Insert or update the EVSE status records of a file. Raises ProtocolError where the file holds none."""
        report = ImportReport()
        records = list(self._taken(iterate_evse_status_file(file), report))
        keys = [taken.key for taken in records]
        known = await self._store.publish(lambda publication: publication.known_statuses(OWN, keys))
        report.not_delivered += await self._publish(PUSH_EVSE_STATUS, records, known, _status_push)
        return report

    def _taken(self, records: Iterator[FileRecord[Any]], report: ImportReport) -> Iterator[_Taken]:
        seen: set[str] = set()
        for record in records:
            reading = record.reading
            broken = errors_in(check(reading.record)) if reading.record is not None else reading.violations
            if reading.record is None or broken:
                reasons = tuple(f"{found.pointer or '/'}: {found.message}" for found in broken)
                report.refused.append(RefusedRecord(record.pointer, str(reading.body.get("EvseID") or ""), reasons))
                continue
            key = evse_key(reading.record.evse_id)
            if key in seen:
                reason = ("the EvseID stands twice in the file; the first record was taken",)
                report.refused.append(RefusedRecord(record.pointer, reading.record.evse_id, reason))
                continue
            seen.add(key)
            report.taken += 1
            if reading.mended:
                report.mended += 1
                report.mends.update(mend.kind.value for mend in reading.mended)
            operator = self._own.get(operator_key(record.operator_id))
            if operator is None:
                operator = self._principal
                report.relisted[record.operator_id or "no operator"] += 1
            yield _Taken(key, operator, encode(reading.body))

    async def _publish(
        self,
        operation: Operation[Any, Acknowledgement],
        records: Sequence[_Taken],
        known: set[str],
        push: Callable[[ActionType, str], Any],
    ) -> list[str]:
        """Publish the records in chunks; returns what went wrong with peers, each once."""
        problems: dict[str, None] = {}
        groups: dict[tuple[ActionType, str], list[bytes]] = {}
        for record in records:
            action = ActionType.UPDATE if record.key in known else ActionType.INSERT
            groups.setdefault((action, record.operator_id), []).append(record.body)
        for (action, operator_id), bodies in groups.items():
            for start in range(0, len(bodies), CHUNK):
                chunk = bodies[start : start + CHUNK]
                message = push(action, operator_id)
                body = join(operation, message, chunk)
                outgoing = Outgoing(operation, message, body, self._new_id(), operator_id, chunk)
                answer = await self._send(outgoing)
                _require_stored(answer)
                if isinstance(answer, Acknowledgement) and answer.status_code.additional_info:
                    problems[answer.status_code.additional_info] = None
        return list(problems)


def _require_stored(answer: object) -> None:
    """Raises ProtocolError where our own node did not take the push; that a peer could not be told is no reason."""
    if isinstance(answer, Acknowledgement) and not answer.result and answer.status_code.code == Code.DATA_ERROR:
        raise ProtocolError(Code.DATA_ERROR, answer.status_code.additional_info or "the records were not taken")


def _data_push(action: ActionType, operator_id: str) -> PushEvseData:
    data = OperatorEvseData(operator_id=operator_id, operator_name=operator_id, evse_data_record=[])
    return PushEvseData(action_type=action, operator_evse_data=data)


def _status_push(action: ActionType, operator_id: str) -> PushEvseStatus:
    status = OperatorEvseStatus(operator_id=operator_id, operator_name=operator_id, evse_status_record=[])
    return PushEvseStatus(action_type=action, operator_evse_status=status)

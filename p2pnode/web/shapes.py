"""What the admin face shows of a node's records, as JSON values. Media are masked, bodies of messages too."""

from collections.abc import Sequence
from dataclasses import asdict

import msgspec
from msgspec import structs

from p2pnode.observe.events import Event
from p2pnode.observe.masking import masked
from p2pnode.oicp.codec import decode
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.identification import Identification
from p2pnode.roaming.evse_import import ImportReport
from p2pnode.roaming.outbox_records import QueuedRecord
from p2pnode.roaming.ports import StoreFault
from p2pnode.roaming.published_records import EvseRecord
from p2pnode.roaming.records import CdrRecord, CdrReview, SessionEvent, SessionRecord
from p2pnode.roaming.stored import read_stored

Shape = dict[str, object]
UNREADABLE = "cannot be read"
"""Shown instead of what the store has kept, and nobody can read any more."""


def session_shape(session: SessionRecord, history: Sequence[SessionEvent] | None = None) -> Shape:
    """A session; `cpo` and `emp` are peer names, empty for our own side."""
    shape = structs.asdict(session)
    del shape["key"], shape["evse_key"]
    shape["identification"] = _medium(session.identification)
    if history is not None:
        shape["history"] = [_event_shape(event) for event in history]
    return shape


def cdr_shape(record: CdrRecord) -> Shape:
    """A charge detail record as it came (`record`), with what it is found by."""
    shape = asdict(record)
    del shape["key"], shape["operator_key"], shape["provider_key"], shape["body"]
    shape["record"] = _as_it_is(record.body)
    return shape


def _as_it_is(body: bytes) -> object:
    try:
        decode(body)
    except InvalidMessage:
        return UNREADABLE
    return msgspec.Raw(body)


def review_shape(review: CdrReview) -> Shape:
    """A CDR that was refused and kept for a person; `peer` is empty where our own backend sent it."""
    shape = asdict(review)
    del shape["session_key"], shape["digest"], shape["body"]
    shape["record"] = _as_it_is(review.body)
    return shape


def event_shape(event: Event) -> Shape:
    """Something that happened in the node."""
    shape: Shape = {"kind": event.kind, "at": event.at}
    if event.call is not None:
        shape["call"] = structs.asdict(event.call)
    if event.data:
        shape["data"] = {name: masked(name, value) for name, value in event.data.items()}
    return shape


def queued_shape(record: QueuedRecord, *, whole: bool = False) -> Shape:
    """A message of the outbox, with `whole` also its body; `peer` is empty where our own backend is to get it."""
    shape: Shape = {"number": record.id, "session": record.session_key, **structs.asdict(record)}
    del shape["id"], shape["session_key"], shape["lane"], shape["body"]
    return shape | ({"body": _body(record.body)} if whole else {})


def evse_shape(record: EvseRecord, status: str | None) -> Shape:
    """A charge point somebody has published, its record as it came, and its status where that is known."""
    return {
        "evse_id": record.evse_id,
        "operator_id": record.operator_id,
        "owner": record.owner,
        "status": status,
        "record": msgspec.Raw(record.body),
    }


def import_shape(report: ImportReport) -> Shape:
    """What became of a file: counts, mends by kind, records refused with the reasons, what peers did not take."""
    return {
        "taken": report.taken,
        "mended": report.mended,
        "mends": dict(report.mends),
        "refused": [asdict(record) for record in report.refused],
        "relisted": dict(report.relisted),
        "not_delivered": report.not_delivered,
        "refused_by_peers": report.refused_by_peers,
    }


def _medium(identification: bytes | None) -> str:
    try:
        return read_stored(Identification, identification).masked() if identification is not None else ""
    except StoreFault:
        return UNREADABLE


def _body(body: bytes) -> object:
    """A message, masked; None where there is none, or none that can be read."""
    try:
        return masked("", decode(body))
    except InvalidMessage:
        return None


def _event_shape(event: SessionEvent) -> Shape:
    body = _body(event.body)
    return {
        "at": event.at,
        "operation": event.operation,
        "verb": event.verb,
        "peer": event.peer,
        "code": event.code,
        "body": body,
    }

"""Which messages are kept as receipts, and for which session."""

import re
from contextlib import suppress

import msgspec
from msgspec import Struct, field

from p2pnode.oicp import operations as ops
from p2pnode.oicp.codec import BOM
from p2pnode.oicp.identifiers import Standard, parse_session, session_key
from p2pnode.oicp.operations import AnyOperation

STARTS = frozenset({ops.AUTHORIZE_START, ops.AUTHORIZE_REMOTE_START})
"""The operations in whose answer the session may get another id than it had in the request."""

KEPT = STARTS | {
    ops.AUTHORIZE_STOP,
    ops.AUTHORIZE_REMOTE_STOP,
    ops.AUTHORIZE_REMOTE_RESERVATION_START,
    ops.AUTHORIZE_REMOTE_RESERVATION_STOP,
    ops.CHARGE_DETAIL_RECORD,
}
"""The operations whose positive answers are kept as receipts."""

_PIN = re.compile(rb'"(?:Hashed)?PIN"\s*:\s*["{0-9]')

_ESCAPE = b"\\u00"
"""What the name of a member may be written with."""


class _Session(Struct):
    """What is read of a body to find its session."""

    session_id: str | None = field(name="SessionID", default=None)


def holds_pin(operation: AnyOperation, request: bytes, answer: bytes) -> bool:
    """Whether a PIN stands in a request or its answer: it is stored nowhere, and nothing can be taken out.

    Of answers only that to an AuthorizeStart has a place for one: elsewhere such a member means nothing, and would but
    keep the other party from having a receipt.
    """
    return _has_pin(request) or (operation is ops.AUTHORIZE_START and _has_pin(answer))


def _has_pin(body: bytes) -> bool:
    """Whether a member of the body is a PIN, however its name is written."""
    if _ESCAPE in body:
        with suppress(msgspec.DecodeError):
            body = msgspec.json.encode(msgspec.json.decode(body.removeprefix(BOM)))
    return b'PIN"' in body and _PIN.search(body) is not None


def sessions_of(operation: AnyOperation, request: bytes, answer: bytes) -> list[str]:
    """The keys of the session that a request and its answer belong to.

    Those are two where the answer to a start gives the session another id: whether it has got that, others decide.
    """
    asked, told = _session_id(request), _session_id(answer)
    if operation not in STARTS or asked is None:
        return [session_key(chosen) for chosen in (asked or told,) if chosen]
    follows = told is not None and parse_session(told).standard is not Standard.OTHER
    return list(dict.fromkeys(session_key(each) for each in (asked, told if follows else None) if each))


def _session_id(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body.removeprefix(BOM), type=_Session).session_id
    except msgspec.DecodeError:
        return None

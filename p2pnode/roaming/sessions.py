"""The life of a session, as a table of (state, event) → state, and the checks every message of a session passes.

A pair that is not in the table is refused with 400. `None` stands for a session that does not exist yet.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace

from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import SessionEvent, SessionRecord, SessionState
from p2pnode.roaming.store_ports import Transaction

RESERVED = SessionState.RESERVED
AUTHORIZED = SessionState.AUTHORIZED
UNCONFIRMED = SessionState.UNCONFIRMED
CHARGING = SessionState.CHARGING
ENDED = SessionState.ENDED
SETTLED = SessionState.SETTLED
EXPIRED = SessionState.EXPIRED


class Event(StrEnum):
    """What moves a session."""

    RESERVE = "reservation granted"
    RELEASE = "reservation given back"
    AUTHORIZE = "start authorized"
    ASK = "remote start asked"
    CONFIRM = "remote start accepted"
    START = "notification Start"
    PROGRESS = "notification Progress"
    END = "notification End"
    ERROR = "notification Error"
    STOP = "stop authorized"
    SETTLE = "CDR"
    EXPIRE = "time is up"


TRANSITIONS: Mapping[tuple[SessionState | None, Event], SessionState] = {
    (None, Event.RESERVE): RESERVED,
    (None, Event.AUTHORIZE): AUTHORIZED,
    (None, Event.ASK): UNCONFIRMED,
    (RESERVED, Event.RESERVE): RESERVED,
    (RESERVED, Event.AUTHORIZE): AUTHORIZED,
    (RESERVED, Event.ASK): UNCONFIRMED,
    (RESERVED, Event.ERROR): RESERVED,
    (RESERVED, Event.RELEASE): ENDED,
    (RESERVED, Event.SETTLE): SETTLED,
    (RESERVED, Event.EXPIRE): EXPIRED,
    (AUTHORIZED, Event.CONFIRM): AUTHORIZED,
    (AUTHORIZED, Event.START): CHARGING,
    (AUTHORIZED, Event.PROGRESS): CHARGING,
    (AUTHORIZED, Event.END): ENDED,
    (AUTHORIZED, Event.ERROR): AUTHORIZED,
    (AUTHORIZED, Event.STOP): AUTHORIZED,
    (AUTHORIZED, Event.SETTLE): SETTLED,
    (AUTHORIZED, Event.EXPIRE): EXPIRED,
    (UNCONFIRMED, Event.ASK): UNCONFIRMED,
    (UNCONFIRMED, Event.CONFIRM): AUTHORIZED,
    (UNCONFIRMED, Event.START): CHARGING,
    (UNCONFIRMED, Event.PROGRESS): CHARGING,
    (UNCONFIRMED, Event.END): ENDED,
    (UNCONFIRMED, Event.ERROR): AUTHORIZED,
    (UNCONFIRMED, Event.STOP): UNCONFIRMED,
    (UNCONFIRMED, Event.SETTLE): SETTLED,
    (UNCONFIRMED, Event.EXPIRE): EXPIRED,
    (CHARGING, Event.CONFIRM): CHARGING,
    (CHARGING, Event.START): CHARGING,
    (CHARGING, Event.PROGRESS): CHARGING,
    (CHARGING, Event.END): ENDED,
    (CHARGING, Event.ERROR): CHARGING,
    (CHARGING, Event.STOP): CHARGING,
    (CHARGING, Event.SETTLE): SETTLED,
    (ENDED, Event.CONFIRM): ENDED,
    (ENDED, Event.START): CHARGING,
    (ENDED, Event.PROGRESS): ENDED,
    (ENDED, Event.END): ENDED,
    (ENDED, Event.ERROR): ENDED,
    (ENDED, Event.STOP): ENDED,
    (ENDED, Event.SETTLE): SETTLED,
    (SETTLED, Event.CONFIRM): SETTLED,
    (EXPIRED, Event.SETTLE): SETTLED,
}
"""Every move a session can make. A CDR is accepted from an expired session too, since energy was delivered."""

EXPIRING = frozenset(state for state, event in TRANSITIONS if event is Event.EXPIRE)


def after(state: SessionState | None, event: Event) -> SessionState:
    """The state that follows. Raises ProtocolError 400 where the event does not fit the state."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        reason = f"{event} does not fit a session that is {state or 'unknown'}"
        raise ProtocolError(Code.SESSION_INVALID, reason)
    return following


def state_at(session: SessionRecord, at: datetime) -> SessionState:
    """The session's state at that moment: `expired` once its time is up, whatever was stored last."""
    if session.expires_at is not None and session.expires_at <= at and session.state in EXPIRING:
        return after(session.state, Event.EXPIRE)
    return session.state


def moved(session: SessionRecord, event: Event, at: datetime) -> SessionRecord:
    """The session after the event. Raises ProtocolError 400 where the event does not fit."""
    state = after(state_at(session, at), event)
    expires_at = session.expires_at if state in EXPIRING else None
    return replace(session, state=state, updated_at=at, expires_at=expires_at)


def moved_if_possible(session: SessionRecord, event: Event, at: datetime) -> SessionRecord:
    """The session after the event, or as it is where it has gone on in the meantime."""
    return moved(session, event, at) if (state_at(session, at), event) in TRANSITIONS else session


def note_stop(transaction: Transaction, session: SessionRecord, event: SessionEvent, *, stopped: bool) -> None:
    """Add the line about a stop to the history of a session; one that has been `stopped` has moved by it."""
    current = transaction.session(session.key)
    if stopped or current is None:
        transaction.put_session(moved_if_possible(current or session, Event.STOP, event.at))
    transaction.add_event(event)


def require_between(session: SessionRecord | None, *, cpo: str | None = None, emp: str | None = None) -> SessionRecord:
    """The session, if it is known and these are its parties (None: any). Raises ProtocolError 400 otherwise.

    The refusal is the same for a session that is unknown and for one of somebody else, so that nobody learns which
    SessionIDs are in use.
    """
    if session is None or cpo not in {None, session.cpo} or emp not in {None, session.emp}:
        raise ProtocolError(Code.SESSION_INVALID, "no such session between the two parties")
    return session

"""What an authorized start makes: its session with its SessionID, and the answers that name it."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStatus,
    AuthorizationStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.status import DONE, Code
from p2pnode.roaming.media import Medium, medium_of, medium_of_stored, stored_identification
from p2pnode.roaming.party import Party
from p2pnode.roaming.recent import Recent
from p2pnode.roaming.records import SessionRecord, SessionState
from p2pnode.roaming.sessions import Event, moved, require_between, state_at

STARTED = frozenset({SessionState.AUTHORIZED, SessionState.CHARGING})


class Mint:
    """SessionIDs for starts that came without one: the same for a start that is sent again under its CPO's own id."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._minted: Recent[tuple[str, str, str | None, Medium | None], str] = Recent(party.limits.remembered_starts)

    async def session_id(self, message: AuthorizeStart, peer: str) -> str:
        """The SessionID for a start of this peer."""
        if message.cpo_partner_session_id is None:
            return self._party.new_session_id()
        start = (peer, message.cpo_partner_session_id, message.evse_id, medium_of(message.identification))
        minted = self._minted.get(start)
        if minted is not None:
            known = await self._party.store.session(session_key(minted))
            if known is not None and known.state in STARTED:
                return minted
        minted = self._party.new_session_id()
        self._minted.put(start, minted)
        return minted


def session_of(  # noqa: PLR0913 - what an approval tells
    message: AuthorizeStart,
    session_id: str,
    *,
    cpo: str,
    emp: str,
    provider_id: str,
    at: datetime,
    lifetime: timedelta,
    emp_partner_session_id: str | None = None,
    by_push: bool = False,
) -> SessionRecord:
    """The session of an authorized start."""
    evse_id = message.evse_id
    return SessionRecord(
        key=session_key(session_id),
        session_id=session_id,
        state=SessionState.AUTHORIZED,
        cpo=cpo,
        emp=emp,
        operator_id=message.operator_id,
        provider_id=provider_id,
        created_at=at,
        updated_at=at,
        evse_key=evse_key(evse_id) if evse_id is not None else None,
        evse_id=evse_id,
        identification=stored_identification(message.identification),
        authorized_by_push=by_push,
        cpo_partner_session_id=message.cpo_partner_session_id,
        emp_partner_session_id=emp_partner_session_id or message.emp_partner_session_id,
        expires_at=at + lifetime,
    )


def same_start(known: SessionRecord, message: AuthorizeStart, cpo: str, at: datetime) -> SessionRecord:
    """The session, if this start is the one that made it, sent again. Raises ProtocolError 400 otherwise."""
    require_between(known, cpo=cpo)
    key = evse_key(message.evse_id) if message.evse_id is not None else None
    same = known.evse_key == key and medium_of_stored(known.identification) == medium_of(message.identification)
    if not same or state_at(known, at) not in STARTED:
        raise ProtocolError(Code.SESSION_INVALID, "the session has been started already")
    return known


def from_reservation(reserved: SessionRecord, started: SessionRecord) -> SessionRecord:
    """The session a start takes up. Raises ProtocolError 400 where it is not between the same two, or elsewhere."""
    require_between(reserved, cpo=started.cpo, emp=started.emp)
    if started.evse_key not in {None, reserved.evse_key}:
        raise ProtocolError(Code.SESSION_INVALID, "the reservation is for another EVSE")
    return replace(
        started,
        state=moved(reserved, Event.AUTHORIZE, started.updated_at).state,
        key=reserved.key,
        session_id=reserved.session_id,
        created_at=reserved.created_at,
        evse_key=reserved.evse_key,
        evse_id=reserved.evse_id,
        cpo_partner_session_id=started.cpo_partner_session_id or reserved.cpo_partner_session_id,
        emp_partner_session_id=started.emp_partner_session_id or reserved.emp_partner_session_id,
    )


def yes() -> AuthorizationStart:
    """A positive answer; `start_answer` puts the session's ids in."""
    return AuthorizationStart(authorization_status=AuthorizationStatus.AUTHORIZED, status_code=DONE)


def start_answer(
    answer: AuthorizationStart, message: AuthorizeStart, session: SessionRecord | None
) -> AuthorizationStart:
    """The answer with the ids of the session it made; a refusal echoes those of the message."""
    members = answer.__dict__ | (answer.__pydantic_extra__ or {})
    members["cpo_partner_session_id"] = message.cpo_partner_session_id
    if session is not None:
        members["session_id"] = session.session_id
        members["provider_id"] = session.provider_id
        members["emp_partner_session_id"] = session.emp_partner_session_id
    else:
        members["session_id"] = message.session_id
        members["emp_partner_session_id"] = answer.emp_partner_session_id or message.emp_partner_session_id
    return AuthorizationStart.read(members)


def stop_answer(answer: AuthorizationStop, message: AuthorizeStop, session: SessionRecord) -> AuthorizationStop:
    """The answer with the ids of its session."""
    return answer.model_copy(
        update={
            "session_id": message.session_id,
            "provider_id": session.provider_id,
            "cpo_partner_session_id": message.cpo_partner_session_id or session.cpo_partner_session_id,
            "emp_partner_session_id": answer.emp_partner_session_id or session.emp_partner_session_id,
        }
    )

"""AuthorizeStart and AuthorizeStop: who lets a driver start and stop at a charging point."""

from functools import partial

from p2pnode.oicp.authorization import (
    AuthorizationStart,
    AuthorizationStatus,
    AuthorizationStop,
    AuthorizeStart,
    AuthorizeStop,
)
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import AUTHORIZE_START, AUTHORIZE_STOP
from p2pnode.oicp.status import DONE, Code
from p2pnode.roaming.adoption import adopted
from p2pnode.roaming.asking import ask_counterpart, own_answer, with_session_id
from p2pnode.roaming.authorize_start import StartSender
from p2pnode.roaming.media import REFUSALS, MediumKind, body_without_pin, medium_of, medium_of_stored
from p2pnode.roaming.offline import decide
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, SessionState, Verb
from p2pnode.roaming.sessions import Event, moved, note_stop, require_between
from p2pnode.roaming.starts import (
    Mint,
    from_reservation,
    same_start,
    session_of,
    start_answer,
    stop_answer,
    yes,
)
from p2pnode.roaming.store_ports import Transaction


class Authorization:
    """Both operations, both verbs."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._mint = Mint(party)
        self._starter = StartSender(party, self._mint)

    @property
    def receivers(self) -> Receivers:
        """What our EMP answers."""
        return {AUTHORIZE_START: self.receive_start, AUTHORIZE_STOP: self.receive_stop}

    @property
    def senders(self) -> Senders:
        """What our CPO asks."""
        return {AUTHORIZE_START: self._starter.send, AUTHORIZE_STOP: self.send_stop}

    async def receive_start(self, received: Received[AuthorizeStart]) -> AuthorizationStart:
        """eRoamingAuthorizeStart from a CPO: our EMP decides, and a session it authorizes is on disk before the answer.

        The same start again gets the same answer; a different one for the same session is refused with 400.
        """
        party, message, peer = self._party, received.message, received.peer.name
        session_id = message.session_id or await self._mint.session_id(message, peer)
        answer: AuthorizationStart = await own_answer(party, with_session_id(received, session_id))
        if not answer.authorized:
            return await self._refused(answer, message, peer)
        session = session_of(
            message,
            session_id,
            cpo=peer,
            emp=OWN,
            provider_id=answer.provider_id or party.own.providers[0],
            at=(at := party.now()),
            lifetime=party.limits.authorized,
            emp_partner_session_id=answer.emp_partner_session_id,
        )
        body = body_without_pin(message.identification, received.body)
        event = SessionEvent(session.key, at, AUTHORIZE_START.name, Verb.RECEIVE, peer, Code.SUCCESS, body)

        def take_up(transaction: Transaction) -> SessionRecord:
            known = transaction.session(session.key)
            if known is not None and known.state is not SessionState.RESERVED:
                return same_start(known, message, peer, at)
            kept = from_reservation(known, session) if known is not None else session
            transaction.put_session(kept)
            transaction.add_event(event)
            return kept

        is_new = await party.store.start(session, event) is None
        return start_answer(answer, message, session if is_new else await party.store.write(take_up))

    async def _refused(self, answer: AuthorizationStart, message: AuthorizeStart, peer: str) -> AuthorizationStart:
        """The refusal, unless this start has been authorized before: then that answer again."""
        key = session_key(message.session_id) if message.session_id else None
        known = await self._party.store.session(key) if key is not None else None
        if known is None or known.state is SessionState.RESERVED:
            return start_answer(answer, message, None)
        return start_answer(yes(), message, same_start(known, message, peer, self._party.now()))

    async def receive_stop(self, received: Received[AuthorizeStop]) -> AuthorizationStop:
        """eRoamingAuthorizeStop from the CPO of one of our sessions. Raises ProtocolError 400 for any other."""
        party, message, peer = self._party, received.message, received.peer.name
        session = require_between(await party.store.session(session_key(message.session_id)), cpo=peer, emp=OWN)
        moved(session, Event.STOP, party.now())
        answer: AuthorizationStop = await own_answer(party, received)
        await self._note_stop(session, message, received.body, Verb.RECEIVE, answer)
        return stop_answer(answer, message, session)

    async def send_stop(self, outgoing: Outgoing[AuthorizeStop]) -> AuthorizationStop:
        """eRoamingAuthorizeStop of our CPO, or of a peer's: asked of who authorized the session.

        A session that pushed data authorized stops with the medium that started it, and nobody is asked. Raises
        ProtocolError 400 for a session that is unknown, foreign or finished.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.operator_id)
        known = await party.store.session(session_key(message.session_id))
        if known is None and outgoing.source is not None:
            known = await adopted(party, outgoing.source, message, caller_id, party.now())
        session = require_between(known, cpo=outgoing.sender)
        moved(session, Event.STOP, party.now())
        if session.authorized_by_push:
            answer = await self._stop_offline(session, message)
        else:
            answer = (await ask_counterpart(party, session, outgoing, caller_id=caller_id)).answer
        await self._note_stop(session, message, outgoing.body, Verb.SEND, answer)
        return stop_answer(answer, message, session)

    async def _stop_offline(self, session: SessionRecord, message: AuthorizeStop) -> AuthorizationStop:
        medium = medium_of(message.identification)
        if medium is None or medium != medium_of_stored(session.identification):
            code = REFUSALS[medium.kind] if medium else Code.NO_POSITIVE_AUTHENTICATION
            raise ProtocolError(code, "only the medium that started this session may stop it")
        if medium.kind is MediumKind.QR_CODE:
            verdict = await decide(self._party, message.identification, self._party.now())
            if verdict is not None and verdict.refusal is not None:
                raise ProtocolError(verdict.refusal, "by the authentication data the provider has published")
        return AuthorizationStop(authorization_status=AuthorizationStatus.AUTHORIZED, status_code=DONE)

    async def _note_stop(
        self, session: SessionRecord, message: AuthorizeStop, body: bytes, verb: Verb, answer: AuthorizationStop
    ) -> None:
        at = self._party.now()
        peer = session.emp if verb is Verb.SEND else session.cpo
        kept = body_without_pin(message.identification, body)
        event = SessionEvent(session.key, at, AUTHORIZE_STOP.name, verb, peer, answer.status_code.code, kept)
        await self._party.store.write(partial(note_stop, session=session, event=event, stopped=answer.authorized))

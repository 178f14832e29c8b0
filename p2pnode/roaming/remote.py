"""AuthorizeRemoteStart and AuthorizeRemoteStop: a provider has a charging point start and stop.

The session is stored before anybody is asked, as `unconfirmed`: the notification of a start may overtake its answer,
and a start whose answer is lost may have happened. A refusal takes the session away again.
"""

from datetime import datetime
from functools import partial

from msgspec.structs import replace

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.authorization import AuthorizeRemoteStart, AuthorizeRemoteStop
from p2pnode.oicp.codec import encode, replace_members
from p2pnode.oicp.errors import PeerError, ProtocolError
from p2pnode.oicp.identifiers import Standard, evse_key, parse_session, session_key
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_START, AUTHORIZE_REMOTE_STOP
from p2pnode.oicp.status import Code
from p2pnode.roaming.adoption import adopted_from_afar
from p2pnode.roaming.asking import (
    ask,
    ask_counterpart,
    may_have_happened,
    own_answer,
    told,
    tried_own_answer,
    unanswered,
    with_session_id,
)
from p2pnode.roaming.evse_checks import cpo_of, operator_of, require_own
from p2pnode.roaming.media import body_without_pin, medium_of, medium_of_stored, stored_identification
from p2pnode.roaming.outbox import Outbox
from p2pnode.roaming.outbox_records import QueuedRecord
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, SessionState, Verb
from p2pnode.roaming.refusals import TELLING_NOTHING
from p2pnode.roaming.reservations import Reservations
from p2pnode.roaming.router import Destination
from p2pnode.roaming.sessions import TRANSITIONS, Event, after, moved, note_stop, require_between, state_at
from p2pnode.roaming.starts import STARTED
from p2pnode.roaming.store_ports import Transaction


class Remote:
    """Remote start and stop, and with them the reservations."""

    def __init__(self, party: Party, outbox: Outbox) -> None:
        self._party = party
        self._outbox = outbox
        self._reservations = Reservations(party)

    @property
    def receivers(self) -> Receivers:
        """What our CPO answers."""
        return {
            AUTHORIZE_REMOTE_START: self.receive_start,
            AUTHORIZE_REMOTE_STOP: self.receive_stop,
            **self._reservations.receivers,
        }

    @property
    def senders(self) -> Senders:
        """What our EMP asks."""
        return {
            AUTHORIZE_REMOTE_START: self.send_start,
            AUTHORIZE_REMOTE_STOP: self.send_stop,
            **self._reservations.senders,
        }

    async def send_start(self, outgoing: Outgoing[AuthorizeRemoteStart]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStart of our EMP, or of a peer's, to the CPO that owns the charging point.

        Raises ProtocolError where it could not be asked. Without an answer the session stays `unconfirmed`, and with
        `remote_start_on_timeout = "stop"` a RemoteStop follows.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        session_id = message.session_id or party.new_session_id()
        known = await party.store.session(session_key(session_id)) if message.session_id else None
        if known is not None and self._is_repeated(require_between(known, emp=outgoing.sender), message):
            return acknowledge(message)
        destination = await cpo_of(party, outgoing, known)
        body = outgoing.body
        if message.session_id is None:
            body = replace_members(body, {"SessionID": session_id})
            message = message.model_copy(update={"session_id": session_id})
        session = self._unconfirmed(message, session_id, known, destination, emp=outgoing.sender)
        await self._begin(session)
        try:
            reply = await ask(party, destination, outgoing, caller_id=caller_id, body=body, message=message)
        except PeerError as error:
            if may_have_happened(error):
                await self._lost(session, outgoing, error.code, caller_id)
            else:
                await self._undo(session, known)
            raise told(outgoing, error) from error
        answer: Acknowledgement = reply.answer
        if not answer.result:
            if answer.status_code.code in TELLING_NOTHING:
                await self._lost(session, outgoing, answer.status_code.code, caller_id)
            else:
                await self._undo(session, known)
            return answer
        followed = await self._confirm(
            session, answer, operation=outgoing.operation.name, verb=Verb.SEND, body=body, message=message
        )
        return answer.model_copy(update={"session_id": followed.session_id})

    async def receive_start(self, received: Received[AuthorizeRemoteStart]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStart for a charging point of ours: our CPO decides.

        Raises ProtocolError 603 or 604 for an EVSE that cannot be started, 400 for a SessionID that is in use.
        """
        party, message = self._party, received.message
        await require_own(party, message.evse_id, received.peer)
        session_id = message.session_id or party.new_session_id()
        known = await party.store.session(session_key(session_id)) if message.session_id else None
        if known is not None:
            require_between(known, cpo=OWN, emp=received.peer.name)
            if self._is_repeated(known, message):
                return acknowledge(message)
        received = with_session_id(received, session_id)
        message = received.message
        own = Destination(None, "The EVSE is ours.")
        session = self._unconfirmed(message, session_id, known, own, emp=received.peer.name)
        await self._begin(session)
        try:
            answer: Acknowledgement = await tried_own_answer(party, received)
        except PeerError as error:
            if not may_have_happened(error):
                await self._undo(session, known)
            raise unanswered(error) from error
        if not answer.result:
            if answer.status_code.code not in TELLING_NOTHING:
                await self._undo(session, known)
            return answer
        await self._confirm(
            session,
            answer,
            operation=received.operation.name,
            verb=Verb.RECEIVE,
            body=received.body,
            message=message,
        )
        return answer.model_copy(update={"session_id": session_id})

    def _is_repeated(self, known: SessionRecord, message: AuthorizeRemoteStart) -> bool:
        """Whether this start has succeeded before. Raises ProtocolError 400 where the session is another one's."""
        state = state_at(known, self._party.now())
        if known.evse_key != evse_key(message.evse_id):
            raise ProtocolError(Code.SESSION_INVALID, "the session is at another EVSE")
        if state in STARTED:
            if medium_of_stored(known.identification) != medium_of(message.identification):
                raise ProtocolError(Code.SESSION_INVALID, "the session was started by somebody else")
            return True
        after(state, Event.ASK)
        return False

    def _unconfirmed(
        self,
        message: AuthorizeRemoteStart,
        session_id: str,
        known: SessionRecord | None,
        destination: Destination,
        emp: str,
    ) -> SessionRecord:
        party = self._party
        at = party.now()
        return SessionRecord(
            key=session_key(session_id),
            session_id=session_id,
            state=SessionState.UNCONFIRMED,
            cpo=destination.name,
            emp=emp,
            operator_id=operator_of(party, destination, message.evse_id),
            provider_id=message.provider_id,
            created_at=known.created_at if known is not None else at,
            updated_at=at,
            evse_key=evse_key(message.evse_id),
            evse_id=message.evse_id,
            identification=stored_identification(message.identification),
            cpo_partner_session_id=message.cpo_partner_session_id,
            emp_partner_session_id=message.emp_partner_session_id,
            expires_at=at + party.limits.unconfirmed,
        )

    async def _begin(self, session: SessionRecord) -> None:
        """Store the session before anybody is asked, unless it has gone on in the meantime."""

        def work(transaction: Transaction) -> None:
            current = transaction.session(session.key)
            if current is None or (state_at(current, session.updated_at), Event.ASK) in TRANSITIONS:
                transaction.put_session(session)

        await self._party.store.write(work)

    async def _confirm(  # noqa: PLR0913 - the parts of one line of history
        self,
        session: SessionRecord,
        answer: Acknowledgement,
        *,
        operation: str,
        verb: Verb,
        body: bytes,
        message: AuthorizeRemoteStart,
    ) -> SessionRecord:
        """The session after a positive answer, under the SessionID a CPO insists on where that is valid and free."""
        at = self._party.now()
        peer = session.cpo if verb is Verb.SEND else session.emp
        kept_body = body_without_pin(message.identification, body)
        insisted = answer.session_id if verb is Verb.SEND else None

        def work(transaction: Transaction) -> SessionRecord:
            current = transaction.session(session.key) or session
            confirmed = replace(
                moved(current, Event.CONFIRM, at),
                cpo_partner_session_id=answer.cpo_partner_session_id or current.cpo_partner_session_id,
            )
            if confirmed.state is SessionState.AUTHORIZED:
                confirmed = replace(confirmed, expires_at=at + self._party.limits.authorized)
            if insisted is not None and self._may_follow(transaction, session, insisted):
                transaction.delete_session(session.key)
                confirmed = replace(confirmed, key=session_key(insisted), session_id=insisted)
            transaction.put_session(confirmed)
            transaction.add_event(SessionEvent(confirmed.key, at, operation, verb, peer, Code.SUCCESS, kept_body))
            return confirmed

        return await self._party.store.write(work)

    @staticmethod
    def _may_follow(transaction: Transaction, session: SessionRecord, insisted: str) -> bool:
        key = session_key(insisted)
        valid = parse_session(insisted).standard is not Standard.OTHER
        return key != session.key and valid and transaction.session(key) is None

    async def _undo(self, session: SessionRecord, known: SessionRecord | None) -> None:
        """Take back a start that was refused, unless the session has gone on in the meantime."""

        def work(transaction: Transaction) -> None:
            current = transaction.session(session.key)
            if current is None or current.state is not SessionState.UNCONFIRMED:
                return
            if known is not None:
                transaction.put_session(known)
            else:
                transaction.delete_session(session.key)

        await self._party.store.write(work)

    async def _lost(
        self, session: SessionRecord, outgoing: Outgoing[AuthorizeRemoteStart], code: str, caller_id: str
    ) -> None:
        """After a call that does not tell whether charging has started: the session stays unconfirmed."""
        at = self._party.now()
        body = body_without_pin(outgoing.message.identification, outgoing.body)
        event = SessionEvent(session.key, at, outgoing.operation.name, Verb.SEND, session.cpo, code, body)
        row = self._stop_row(session, outgoing.process_id, caller_id) if outgoing.source is None else None

        def work(transaction: Transaction) -> tuple[None, QueuedRecord | None]:
            if transaction.session(session.key) is not None:
                transaction.add_event(event)
            return None, transaction.queue(row) if row is not None else None

        await self._outbox.write(work)

    def _stop_row(self, session: SessionRecord, process_id: str, caller_id: str) -> QueuedRecord | None:
        """The RemoteStop that is to follow a remote start whose answer is lost; None where none is."""
        if self._party.limits.remote_start_on_timeout != "stop" or session.evse_id is None:
            return None
        message = AuthorizeRemoteStop(
            session_id=session.session_id,
            provider_id=session.provider_id,
            evse_id=session.evse_id,
            emp_partner_session_id=session.emp_partner_session_id,
        )
        body = encode(message)
        stop = Outgoing(AUTHORIZE_REMOTE_STOP, message, body, process_id)
        return self._outbox.row(session.cpo, stop, session, caller_id=caller_id, body=body)

    async def resume(self) -> None:
        """Send the RemoteStops of the remote starts that were being asked for when the node ended."""
        if self._party.limits.remote_start_on_timeout != "stop":
            return
        begun = await self._party.store.untold(SessionState.UNCONFIRMED, OWN, AUTHORIZE_REMOTE_START.name)
        for session in begun:
            row = self._stop_row(session, self._party.new_session_id(), session.provider_id)
            if row is not None:
                await self._outbox.write(partial(_queue_stop, row, self._party.now()))

    async def send_stop(self, outgoing: Outgoing[AuthorizeRemoteStop]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStop of our EMP, or of a peer's, to the CPO of the session.

        Raises ProtocolError 400 without one.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        known = await party.store.session(session_key(message.session_id))
        if known is None and outgoing.source is not None:
            known = await adopted_from_afar(party, outgoing, party.now())
        session = require_between(known, emp=outgoing.sender)
        moved(session, Event.STOP, party.now())
        answer: Acknowledgement = (await ask_counterpart(party, session, outgoing, caller_id=caller_id)).answer
        await self._note_stop(session, outgoing.body, Verb.SEND, answer)
        return answer

    async def receive_stop(self, received: Received[AuthorizeRemoteStop]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteStop for a session at a charging point of ours. Raises ProtocolError 400 otherwise."""
        party, message, peer = self._party, received.message, received.peer.name
        session = require_between(await party.store.session(session_key(message.session_id)), cpo=OWN, emp=peer)
        moved(session, Event.STOP, party.now())
        if session.evse_key not in {None, evse_key(message.evse_id)}:
            raise ProtocolError(Code.SESSION_INVALID, "the session is at another EVSE")
        answer: Acknowledgement = await own_answer(party, received)
        await self._note_stop(session, received.body, Verb.RECEIVE, answer)
        return answer

    async def _note_stop(self, session: SessionRecord, body: bytes, verb: Verb, answer: Acknowledgement) -> None:
        at = self._party.now()
        peer = session.cpo if verb is Verb.SEND else session.emp
        event = SessionEvent(session.key, at, AUTHORIZE_REMOTE_STOP.name, verb, peer, answer.status_code.code, body)
        await self._party.store.write(partial(note_stop, session=session, event=event, stopped=answer.result))


def _queue_stop(row: QueuedRecord, at: datetime, transaction: Transaction) -> tuple[None, QueuedRecord | None]:
    """Queue the stop of a start whose fate nobody knows, unless the session has gone on."""
    session = transaction.session(row.session_key)
    if session is None or session.state is not SessionState.UNCONFIRMED:
        return None, None
    code = Code.PARTNER_DID_NOT_RESPOND
    transaction.add_event(
        SessionEvent(row.session_key, at, AUTHORIZE_REMOTE_START.name, Verb.SEND, row.peer, code, b"")
    )
    return None, transaction.queue(row)

"""AuthorizeRemoteReservationStart and -Stop: a provider reserves a charging point, and gives it back."""

from datetime import datetime, timedelta

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.codec import replace_members
from p2pnode.oicp.errors import PeerError, ProtocolError
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.operations import AUTHORIZE_REMOTE_RESERVATION_START, AUTHORIZE_REMOTE_RESERVATION_STOP
from p2pnode.oicp.reservation import (
    LONGEST_RESERVATION,
    AuthorizeRemoteReservationStart,
    AuthorizeRemoteReservationStop,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import ask, ask_counterpart, own_answer, told, with_session_id
from p2pnode.roaming.evse_checks import cpo_of, operator_of, require_own
from p2pnode.roaming.media import body_without_pin, stored_identification
from p2pnode.roaming.party import Party, Receivers, Senders
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, Verb
from p2pnode.roaming.router import Destination
from p2pnode.roaming.sessions import Event, after, moved, moved_if_possible, require_between, state_at
from p2pnode.roaming.store_ports import Transaction


class Reservations:
    """Both operations, both verbs. A reservation that was refused, or whose answer was lost, leaves no session."""

    def __init__(self, party: Party) -> None:
        self._party = party

    @property
    def receivers(self) -> Receivers:
        """What our CPO answers."""
        return {
            AUTHORIZE_REMOTE_RESERVATION_START: self.receive_start,
            AUTHORIZE_REMOTE_RESERVATION_STOP: self.receive_stop,
        }

    @property
    def senders(self) -> Senders:
        """What our EMP asks."""
        return {
            AUTHORIZE_REMOTE_RESERVATION_START: self.send_start,
            AUTHORIZE_REMOTE_RESERVATION_STOP: self.send_stop,
        }

    async def send_start(self, outgoing: Outgoing[AuthorizeRemoteReservationStart]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStart of our EMP; for a session that is reserved already, its extension."""
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        session_id = message.session_id or party.new_session_id()
        known = await party.store.session(session_key(session_id)) if message.session_id else None
        if known is not None:
            self._require_reserved(require_between(known, emp=outgoing.sender), message)
        destination = await cpo_of(party, outgoing, known)
        body = outgoing.body
        if message.session_id is None:
            body = replace_members(body, {"SessionID": session_id})
            message = message.model_copy(update={"session_id": session_id})
        try:
            reply = await ask(party, destination, outgoing, caller_id=caller_id, body=body, message=message)
        except PeerError as error:
            raise told(outgoing, error) from error
        answer: Acknowledgement = reply.answer
        if answer.result:
            await self._keep(
                message, session_id, destination, outgoing.sender, answer=answer, verb=Verb.SEND, body=body
            )
            answer = answer.model_copy(update={"session_id": session_id})
        return answer

    async def receive_start(self, received: Received[AuthorizeRemoteReservationStart]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStart for a charging point of ours: our CPO decides.

        Raises ProtocolError 603 or 604 for an EVSE that cannot be reserved, 400 for a SessionID that is in use.
        """
        party, message, peer = self._party, received.message, received.peer.name
        await require_own(party, message.evse_id, received.peer)
        session_id = message.session_id or party.new_session_id()
        known = await party.store.session(session_key(session_id)) if message.session_id else None
        if known is not None:
            self._require_reserved(require_between(known, cpo=OWN, emp=peer), message)
        received = with_session_id(received, session_id)
        message = received.message
        answer: Acknowledgement = await own_answer(party, received)
        if answer.result:
            own = Destination(None, "The EVSE is ours.")
            await self._keep(message, session_id, own, peer, answer=answer, verb=Verb.RECEIVE, body=received.body)
            answer = answer.model_copy(update={"session_id": session_id})
        return answer

    def _require_reserved(self, known: SessionRecord, message: AuthorizeRemoteReservationStart) -> None:
        after(state_at(known, self._party.now()), Event.RESERVE)
        if known.evse_key != evse_key(message.evse_id):
            raise ProtocolError(Code.SESSION_INVALID, "the session is at another EVSE")

    def _ends_at(self, message: AuthorizeRemoteReservationStart, at: datetime) -> datetime:
        if message.duration is None:
            return at + self._party.limits.reservation
        return at + timedelta(minutes=max(1, min(message.duration, LONGEST_RESERVATION)))

    async def _keep(  # noqa: PLR0913 - what a granted reservation tells
        self,
        message: AuthorizeRemoteReservationStart,
        session_id: str,
        destination: Destination,
        emp: str,
        *,
        answer: Acknowledgement,
        verb: Verb,
        body: bytes,
    ) -> None:
        party = self._party
        at = party.now()
        session = SessionRecord(
            key=session_key(session_id),
            session_id=session_id,
            state=after(None, Event.RESERVE),
            cpo=destination.name,
            emp=emp,
            operator_id=operator_of(party, destination, message.evse_id),
            provider_id=message.provider_id,
            created_at=at,
            updated_at=at,
            evse_key=evse_key(message.evse_id),
            evse_id=message.evse_id,
            identification=stored_identification(message.identification),
            cpo_partner_session_id=answer.cpo_partner_session_id or message.cpo_partner_session_id,
            emp_partner_session_id=answer.emp_partner_session_id or message.emp_partner_session_id,
            expires_at=self._ends_at(message, at),
        )
        peer = session.cpo if verb is Verb.SEND else session.emp
        event = SessionEvent(
            session.key,
            at,
            AUTHORIZE_REMOTE_RESERVATION_START.name,
            verb,
            peer,
            Code.SUCCESS,
            body_without_pin(message.identification, body),
        )

        def work(transaction: Transaction) -> None:
            current = transaction.session(session.key)
            if current is not None:
                moved(require_between(current, cpo=session.cpo, emp=session.emp), Event.RESERVE, at)
            transaction.put_session(session)
            transaction.add_event(event)

        await party.store.write(work)

    async def send_stop(self, outgoing: Outgoing[AuthorizeRemoteReservationStop]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStop of our EMP, to the CPO of the reservation."""
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        session = require_between(await party.store.session(session_key(message.session_id)), emp=outgoing.sender)
        moved(session, Event.RELEASE, party.now())
        answer: Acknowledgement = (await ask_counterpart(party, session, outgoing, caller_id=caller_id)).answer
        await self._release(session, outgoing.body, Verb.SEND, answer)
        return answer

    async def receive_stop(self, received: Received[AuthorizeRemoteReservationStop]) -> Acknowledgement:
        """eRoamingAuthorizeRemoteReservationStop for a reservation at a charging point of ours."""
        party, message, peer = self._party, received.message, received.peer.name
        session = require_between(await party.store.session(session_key(message.session_id)), cpo=OWN, emp=peer)
        moved(session, Event.RELEASE, party.now())
        if session.evse_key != evse_key(message.evse_id):
            raise ProtocolError(Code.SESSION_INVALID, "the session is at another EVSE")
        answer: Acknowledgement = await own_answer(party, received)
        await self._release(session, received.body, Verb.RECEIVE, answer)
        return answer

    async def _release(self, session: SessionRecord, body: bytes, verb: Verb, answer: Acknowledgement) -> None:
        at = self._party.now()
        peer = session.cpo if verb is Verb.SEND else session.emp
        code = answer.status_code.code
        event = SessionEvent(session.key, at, AUTHORIZE_REMOTE_RESERVATION_STOP.name, verb, peer, code, body)

        def work(transaction: Transaction) -> None:
            current = transaction.session(session.key)
            if answer.result and current is not None:
                transaction.put_session(moved_if_possible(current, Event.RELEASE, at))
            transaction.add_event(event)

        await self._party.store.write(work)

"""ChargingNotifications: how a session goes while it runs. Each one moves the session and stands in its history."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp import operations as ops
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.codec import replace_members
from p2pnode.oicp.dialects import FROM_SESSION
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.notifications import (
    ChargingNotificationEnd,
    ChargingNotificationError,
    ChargingNotificationProgress,
    ChargingNotificationStart,
)
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.roaming.adoption import adopted
from p2pnode.roaming.lanes import Answered
from p2pnode.roaming.media import body_without_pin
from p2pnode.roaming.outbox import Outbox, Queued
from p2pnode.roaming.outbox_records import QueuedRecord
from p2pnode.roaming.party import Party, Receivers, Senders, caller_of
from p2pnode.roaming.ports import ChargingNotification, Outgoing, Received
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, Verb
from p2pnode.roaming.sessions import Event, moved, require_between
from p2pnode.roaming.store_ports import Transaction

EVENTS: Mapping[AnyOperation, Event] = {
    ops.CHARGING_NOTIFICATION_START: Event.START,
    ops.CHARGING_NOTIFICATION_PROGRESS: Event.PROGRESS,
    ops.CHARGING_NOTIFICATION_END: Event.END,
    ops.CHARGING_NOTIFICATION_ERROR: Event.ERROR,
}


class Notifications:
    """The four operations, both verbs."""

    def __init__(self, party: Party, outbox: Outbox) -> None:
        self._party = party
        self._outbox = outbox

    @property
    def receivers(self) -> Receivers:
        """What our EMP hears."""
        return dict.fromkeys(EVENTS, self.receive)

    @property
    def senders(self) -> Senders:
        """What our CPO tells."""
        return dict.fromkeys(EVENTS, self.send)

    async def receive(self, received: Received[ChargingNotification]) -> Acknowledgement:
        """eRoamingChargingNotifications about a session of one of our drivers, stored and given to our EMP.

        The answer is that of our EMP; where it cannot be told now, ours: it will be. One that came before, since the
        answer to it was lost, is acknowledged, and our EMP is not told again. Raises ProtocolError 400 for a session
        that is not between the two, or that does not stand where the notification fits.
        """
        party, message, peer = self._party, received.message, received.peer
        event = EVENTS[received.operation]
        key = session_key(message.session_id)
        at = party.now()
        kept = _kept(message, received.body)
        line = SessionEvent(key, at, received.operation.name, Verb.RECEIVE, peer.name, Code.SUCCESS, kept)
        given = Outgoing(received.operation, message, received.body, received.process_id, received.caller_id)

        def work(transaction: Transaction) -> tuple[bool, QueuedRecord | None]:
            session = transaction.session(key) or own
            if session is None:
                return False, None
            require_between(session, cpo=peer.name, emp=OWN)
            if transaction.has_event(key, line.operation, kept):
                return True, None
            transaction.put_session(_told(moved(session, event, at), message))
            transaction.add_event(line)
            row = self._outbox.row(OWN, given, session, caller_id=received.caller_id, body=kept)
            return True, _queued(transaction, row)

        own: SessionRecord | None = None
        known, queued = await self._outbox.write(work, lambda: given)
        if not known:
            own = await adopted(party, peer, message, caller_of(received), at)
            require_between(own)
            _, queued = await self._outbox.write(work, lambda: given)
        return await self._answer(given, queued, "")

    async def send(self, outgoing: Outgoing[ChargingNotification]) -> Acknowledgement:
        """eRoamingChargingNotifications of our CPO, or of a peer's, to the EMP of the session.

        The session moves whatever the EMP answers, since it tells what has happened. Where the EMP cannot be told now,
        the notification is stored, acknowledged and sent again before any later one. One that came before, since the
        answer to it was lost, goes out once. Raises ProtocolError 400 for a session that is not the sender's.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.operator_id)
        event = EVENTS[outgoing.operation]
        key = session_key(message.session_id)
        going = outgoing
        adoptable: SessionRecord | None = None
        if outgoing.source is not None and await party.store.session(key) is None:
            adoptable = await adopted(party, outgoing.source, message, caller_id, party.now())

        def work(transaction: Transaction) -> tuple[bool, QueuedRecord | None]:
            nonlocal going
            session = require_between(transaction.session(key) or adoptable, cpo=outgoing.sender)
            following = _told(session, message)
            going = _completed(outgoing, following, party.peers().get(following.emp))
            kept = _kept(message, going.body)
            row = self._outbox.row(following.emp, outgoing, following, caller_id=caller_id, body=kept)
            if transaction.has_event(key, row.operation, kept):
                return True, None
            for same in transaction.queued(key, row.peer, row.lane):
                if (same.operation, same.body) == (row.operation, kept):
                    return False, same
            transaction.put_session(moved(following, event, party.now()))
            return False, _queued(transaction, row)

        is_delivered, queued = await self._outbox.write(work, lambda: going)
        if is_delivered:
            return acknowledge(message)
        return await self._answer(outgoing, queued, "stored, and not forwarded yet")

    async def _answer(
        self, outgoing: Outgoing[ChargingNotification], queued: Queued | None, otherwise: str
    ) -> Acknowledgement:
        """The answer of who was told; a positive one of ours where there is none yet. Raises ProtocolError."""
        outcome = await self._outbox.answer(queued, outgoing.operation.deadline)
        if not isinstance(outcome, Answered):
            reason = outcome.reason if otherwise and outgoing.source is None else ""
            return acknowledge(outgoing.message, Code.SUCCESS, ": ".join(filter(None, (otherwise, reason))) or None)
        if outcome.error is not None:
            raise outcome.error
        answer: Acknowledgement = outcome.answer
        return answer


def _queued(transaction: Transaction, row: QueuedRecord) -> QueuedRecord:
    """The row in the outbox; a Progress stands for those of its session that have not been delivered."""
    if row.operation == ops.CHARGING_NOTIFICATION_PROGRESS.name:
        transaction.supersede(row.session_key, row.peer, row.operation)
    return transaction.queue(row)


def _completed(
    outgoing: Outgoing[ChargingNotification], session: SessionRecord, emp: PeerEntry | None
) -> Outgoing[ChargingNotification]:
    """The notification with the optional members that the EMP's dialect demands, as far as the session has them."""
    demanded = FROM_SESSION.get((emp.dialect, outgoing.operation), ()) if emp is not None else ()
    given = outgoing.message.wire()
    known = {
        "Identification": msgspec.Raw(session.identification) if session.identification is not None else None,
        "ChargingStart": session.charging_start,
    }
    missing = {name: known[name] for name in demanded if name not in given and known[name] is not None}
    return replace(outgoing, body=replace_members(outgoing.body, missing)) if missing else outgoing


def _kept(message: ChargingNotification, body: bytes) -> bytes:
    identification = message.identification
    return body_without_pin(identification, body) if identification is not None else body


def _told(session: SessionRecord, message: ChargingNotification) -> SessionRecord:
    """The session with what the notification tells: where, since when, and how much (kWh)."""
    if session.evse_key is None:
        session = replace(session, evse_key=evse_key(message.evse_id), evse_id=message.evse_id)
    match message:
        case ChargingNotificationStart():
            return replace(session, charging_start=message.charging_start)
        case ChargingNotificationProgress():
            energy = message.consumed_energy_progress
            return replace(
                session,
                charging_start=message.charging_start,
                energy=energy if energy is not None else session.energy,
            )
        case ChargingNotificationEnd():
            return replace(
                session,
                charging_start=message.charging_start or session.charging_start,
                energy=message.consumed_energy if message.consumed_energy is not None else session.energy,
            )
        case ChargingNotificationError():
            return session

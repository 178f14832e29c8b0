"""ChargeDetailRecord and GetChargeDetailRecords: on disk before it is acknowledged, one per session, never lost."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import read, replace_members
from p2pnode.oicp.envelopes import join_page
from p2pnode.oicp.errors import InvalidMessage, NotAllowed, ProtocolError
from p2pnode.oicp.identifiers import operator_key, operator_of_evse, provider_key, provider_of_evco, session_key
from p2pnode.oicp.operations import (
    CHARGE_DETAIL_RECORD,
    CHARGING_NOTIFICATION_START,
    GET_CHARGE_DETAIL_RECORDS,
    Role,
)
from p2pnode.oicp.status import Code
from p2pnode.roaming.adoption import adopted
from p2pnode.roaming.asking import as_one_page, ask_each
from p2pnode.roaming.cdr_pages import cdr_pages, questions_about
from p2pnode.roaming.cdr_reviews import to_review
from p2pnode.roaming.lanes import Answered
from p2pnode.roaming.media import body_without_pin
from p2pnode.roaming.outbox import LANES, Outbox, waiting_of
from p2pnode.roaming.outbox_records import QueuedRecord
from p2pnode.roaming.party import Party, Receivers, Senders, caller_of
from p2pnode.roaming.ports import Outgoing, Received
from p2pnode.roaming.preflight import Preflight
from p2pnode.roaming.records import OWN, CdrFilter, CdrRecord, SessionEvent, SessionRecord, SessionState, Verb
from p2pnode.roaming.router import Knowledge, resolve
from p2pnode.roaming.sessions import Event, moved, require_between, state_at
from p2pnode.roaming.store_ports import Transaction
from p2pnode.roaming.stored import read_stored
from p2pnode.roaming.visibility import own_keys

HUB_MEMBERS = {"hub_operator_id": "HubOperatorID", "hub_provider_id": "HubProviderID"}
LANE = LANES[CHARGE_DETAIL_RECORD]
AFTER_EXPIRY = f"{CHARGE_DETAIL_RECORD.name} (the session had expired)"
"""The line of the history that marks a CDR which came after its session's time."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The CDR of a session as it is stored, and what became of one that came: taken, known before, or different."""

    record: CdrRecord
    is_new: bool = False
    is_different: bool = False


def refuse_different(kept: Kept) -> None:
    """Raises ProtocolError 400 for a second, different CDR."""
    if kept.is_different:
        raise ProtocolError(Code.SESSION_INVALID, "the session has a CDR already, and this is a different one")


class Cdrs:
    """Both operations, both verbs."""

    def __init__(self, party: Party, outbox: Outbox) -> None:
        self._party = party
        self._outbox = outbox
        self._preflight = Preflight(party)

    @property
    def receivers(self) -> Receivers:
        """What our EMP takes, and what our CPO hands out."""
        return {CHARGE_DETAIL_RECORD: self.receive, GET_CHARGE_DETAIL_RECORDS: self.receive_get}

    @property
    def senders(self) -> Senders:
        """What our CPO sends, and what our EMP asks for."""
        return {CHARGE_DETAIL_RECORD: self.send, GET_CHARGE_DETAIL_RECORDS: self.send_get}

    async def receive(self, received: Received[ChargeDetailRecord]) -> Acknowledgement:
        """eRoamingChargeDetailRecord of a session of one of our drivers, also of one that has expired.

        Acknowledged once it is on disk; our EMP gets it afterwards. The same CDR again gets the same answer. Raises
        ProtocolError 400 for a session that is not between the two, and for a second, different CDR, 017 for a
        HubOperatorID that is another peer's.
        """
        self._refuse_foreign_hub(received.peer, received.message, caller_of(received))
        given = Outgoing(received.operation, received.message, received.body, received.process_id)
        await self._store(received.peer, given, caller_of(received))
        return acknowledge(received.message)

    def _refuse_foreign_hub(self, peer: PeerEntry, message: ChargeDetailRecord, caller_id: str) -> None:
        """Raises NotAllowed (017) for a HubOperatorID that is another peer's.

        A hub may name that of the CDR's sender, and of everybody whom it speaks for.
        """
        hub = message.hub_operator_id
        named = self._party.peers().by_operator(operator_key(hub)) if hub is not None else None
        if named is None or named.name == peer.name:
            return
        if not peer.hub or (not named.through_hub and operator_key(caller_id) not in own_keys(named, Role.CPO)):
            raise NotAllowed(Code.UNAUTHORIZED_ACCESS, "HubOperatorID is another peer's")

    async def _store(self, peer: PeerEntry, given: Outgoing[ChargeDetailRecord], operator_id: str) -> bool:
        """Put a CDR of a peer on disk, and into the outbox for our own EMP unless that has it; whether it is new."""
        party, message = self._party, given.message
        key = session_key(message.session_id)
        at = party.now()
        own: SessionRecord | None = None

        def work(transaction: Transaction) -> tuple[Kept | None, QueuedRecord | None]:
            session = transaction.session(key) or own
            if session is None:
                return None, None
            require_between(session, cpo=peer.name, emp=OWN)
            kept = _kept(transaction, session, message, given.body, at=at, peer=peer.name)
            return kept, self._queued(transaction, session, kept, given)

        kept, _ = await self._outbox.write(work)
        if kept is None:
            own = await adopted(party, peer, message, operator_id, at)
            require_between(own)
            kept, _ = await self._outbox.write(work)
        if kept is None:
            raise ProtocolError(Code.SESSION_INVALID, "no such session between the two parties")
        refuse_different(kept)
        return kept.is_new

    def _queued(
        self,
        transaction: Transaction,
        session: SessionRecord,
        kept: Kept,
        outgoing: Outgoing[ChargeDetailRecord],
    ) -> QueuedRecord | None:
        """The CDR's row in the outbox, made where it is not there; None where its EMP has the CDR."""
        record = kept.record
        if kept.is_different or record.forwarded_at is not None:
            return None
        before: Sequence[QueuedRecord] = () if kept.is_new else transaction.queued(record.key, record.emp, LANE)
        waiting = waiting_of(before)
        if waiting is not None:
            return waiting
        for dead in before:
            transaction.unqueue(dead.id)
        row = self._outbox.row(record.emp, outgoing, session, caller_id=record.operator_id, body=b"")
        return transaction.queue(row)

    async def send(self, outgoing: Outgoing[ChargeDetailRecord]) -> Acknowledgement:
        """eRoamingChargeDetailRecord of our CPO, or of a peer's: stored first, then sent to the EMP of the session.

        The answer is positive once it is stored, as the hub's would be; only a refusal by the EMP is passed on.
        Notifications of the session that still wait are sent before it. The
        same CDR again is sent again until the EMP has acknowledged it. Raises ProtocolError 400 for a session that is
        not the sender's, and for a second, different CDR, InvalidMessage for one of our own that `Preflight` stops.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing)
        key = session_key(message.session_id)
        at = party.now()
        adoptable: SessionRecord | None = None
        if outgoing.source is None:
            await self._preflight.require(message)
        else:
            self._refuse_foreign_hub(outgoing.source, message, caller_id)
            if await party.store.session(key) is None:
                adoptable = await adopted(party, outgoing.source, message, caller_id, at)

        going = outgoing

        def work(transaction: Transaction) -> tuple[Kept, QueuedRecord | None]:
            nonlocal going
            session = require_between(transaction.session(key) or adoptable, cpo=outgoing.sender)
            bundled = with_hub_partners(message, outgoing.body, session)
            kept = _kept(transaction, session, *bundled, at=at, peer=outgoing.sender)
            going = replace(outgoing, message=bundled[0], body=kept.record.body)
            return kept, self._queued(transaction, session, kept, outgoing)

        kept, queued = await self._outbox.write(work, lambda: going)
        refuse_different(kept)
        if queued is None:
            return acknowledge(message)
        outcome = await self._outbox.answer(queued, CHARGE_DETAIL_RECORD.deadline)
        if not isinstance(outcome, Answered):
            reason = f": {outcome.reason}" if outgoing.source is None else ""
            return acknowledge(message, Code.SUCCESS, f"stored, and not forwarded yet{reason}")
        if outcome.error is not None:
            raise outcome.error
        answer: Acknowledgement = outcome.answer
        return answer

    async def receive_get(self, received: Received[GetChargeDetailRecords]) -> bytes:
        """eRoamingGetChargeDetailRecords: one page of our CDRs of the asking EMP's sessions, as they were stored.

        Without those whose notifications still wait for it: a CDR settles the session, and ends what is heard of it.
        """
        message, page = received.message, received.page
        keys = {provider_key(message.provider_id), *(provider_key(text) for text in received.peer.sub_providers)}
        wanted = CdrFilter(
            emp=received.peer.name,
            provider_keys=tuple(sorted(keys)),
            from_=message.from_.astimezone(UTC),
            to=message.to.astimezone(UTC),
            session_keys=_keys(message.session_id, session_key),
            operator_keys=_keys(message.operator_id, operator_key),
            forwarded=message.cdr_forwarded,
            told=(received.peer.name, LANES[CHARGING_NOTIFICATION_START]),
        )
        found = await self._party.store.cdr_page(wanted, page)
        return join_page(found.records, number=page.page, size=page.size, total_elements=found.total)

    async def send_get(self, outgoing: Outgoing[GetChargeDetailRecords]) -> bytes:
        """eRoamingGetChargeDetailRecords of our EMP: one page, from one CPO or from all; what we lacked is stored."""
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing, message.provider_id)
        knowledge = Knowledge(party.own, to=outgoing.to)
        destinations = resolve(GET_CHARGE_DETAIL_RECORDS, message, party.peers(), knowledge)
        replies = await ask_each(party, destinations, outgoing, caller_id=caller_id)
        for reply in replies:
            if reply.destination.peer is not None:
                await self._take_over(reply.destination.peer, reply.records)
        return as_one_page(replies, outgoing.page)

    async def fetch(
        self, peer: PeerEntry, from_: datetime, to: datetime, session_ids: Sequence[str] | None = None
    ) -> int:
        """Take over a CPO's CDRs of an interval (UTC), or of these sessions around it; how many we did not have.

        Raises ProtocolError.
        """
        found = 0
        for provider_id in self._party.own.providers:
            questions = (
                (GetChargeDetailRecords(provider_id=provider_id, from_=from_, to=to),)
                if session_ids is None
                else questions_about(provider_id, session_ids, from_, to)
            )
            for question in questions:
                async for records in cdr_pages(self._party, peer, question):
                    found += await self._take_over(peer, records)
        return found

    async def _take_over(self, peer: PeerEntry, records: Iterable[bytes]) -> int:
        """Store the fetched CDRs that we did not have, and count them.

        One of a session that is not between the two is left out.
        """
        found = 0
        for body in records:
            try:
                message = read(ChargeDetailRecord, body)
                given = Outgoing(CHARGE_DETAIL_RECORD, message, body, self._party.new_session_id())
                found += await self._store(peer, given, next(iter(peer.operators), ""))
            except (InvalidMessage, ProtocolError):
                continue
        return found


def _kept(  # noqa: PLR0913 - what one CDR writes
    transaction: Transaction,
    session: SessionRecord,
    message: ChargeDetailRecord,
    body: bytes,
    *,
    at: datetime,
    peer: str,
) -> Kept:
    """The CDR of `peer` as it is stored now, or was before. A second, different one is kept for a person.

    The history says that it came and was stored; that it was sent on is noted when it was (`Outbox`).
    """
    known = transaction.cdr(session.key)
    if known is not None:
        is_different = read_stored(ChargeDetailRecord, known.body).wire() != message.wire()
        if is_different:
            transaction.add_cdr_review(to_review(session, message, body, at))
        return Kept(known, is_different=is_different)
    record = CdrRecord(
        key=session.key,
        session_id=message.session_id,
        cpo=session.cpo,
        emp=session.emp,
        operator_key=operator_key(session.operator_id),
        operator_id=session.operator_id,
        provider_key=provider_key(session.provider_id),
        provider_id=session.provider_id,
        evse_id=message.evse_id,
        session_start=message.session_start.astimezone(UTC),
        session_end=message.session_end.astimezone(UTC),
        energy=message.consumed_energy,
        body=body,
        received_at=at,
    )
    settled = replace(
        moved(session, Event.SETTLE, at), charging_start=message.charging_start, energy=message.consumed_energy
    )
    transaction.put_session(settled)
    transaction.add_cdr(record)
    kept = body_without_pin(message.identification, body)
    name = CHARGE_DETAIL_RECORD.name
    transaction.add_event(SessionEvent(session.key, at, name, Verb.RECEIVE, peer, Code.SUCCESS, kept))
    if state_at(session, at) is SessionState.EXPIRED:
        transaction.add_event(SessionEvent(session.key, at, AFTER_EXPIRY, Verb.RECEIVE, peer, Code.SUCCESS, b""))
    return Kept(record, is_new=True)


def with_hub_partners(
    message: ChargeDetailRecord, body: bytes, session: SessionRecord
) -> tuple[ChargeDetailRecord, bytes]:
    """The CDR with HubOperatorID and HubProviderID where they are missing and EVSE or driver are a sub partner's.

    The session runs under the identifiers of who bundles it; sub partners are told by EvseID and EvcoID only.
    """
    evco_id = message.identification.evco_id
    provider = provider_of_evco(evco_id) if evco_id is not None else None
    missing: dict[str, str] = {}
    bundled = operator_of_evse(message.evse_id) != operator_key(session.operator_id)
    if session.operator_id and bundled and message.hub_operator_id is None:
        missing["hub_operator_id"] = session.operator_id
    bundled = provider is not None and provider != provider_key(session.provider_id)
    if session.provider_id and bundled and message.hub_provider_id is None:
        missing["hub_provider_id"] = session.provider_id
    if not missing:
        return message, body
    named = {HUB_MEMBERS[name]: text for name, text in missing.items()}
    return message.model_copy(update=missing), replace_members(body, named)


def _keys(texts: Iterable[str] | None, key: Callable[[str], str]) -> tuple[str, ...] | None:
    return tuple(sorted({key(text) for text in texts})) if texts else None

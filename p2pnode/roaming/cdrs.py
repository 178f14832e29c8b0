"""ChargeDetailRecord and GetChargeDetailRecords: on disk before it is acknowledged, one per session, never lost."""

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from msgspec.structs import replace

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import acknowledge
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import read, replace_members
from p2pnode.oicp.envelopes import join_page
from p2pnode.oicp.errors import InvalidMessage, PeerError, ProtocolError
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE
from p2pnode.oicp.identifiers import operator_key, operator_of_evse, provider_key, provider_of_evco, session_key
from p2pnode.oicp.operations import CHARGE_DETAIL_RECORD, GET_CHARGE_DETAIL_RECORDS, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.adoption import adopted
from p2pnode.roaming.asking import as_one_page, ask, ask_each, ask_own
from p2pnode.roaming.party import Party, Receivers, Senders, caller_of
from p2pnode.roaming.ports import Outgoing, Received, Transaction
from p2pnode.roaming.records import OWN, CdrFilter, CdrRecord, PageRequest, SessionEvent, SessionRecord, Verb
from p2pnode.roaming.router import Destination, Knowledge, resolve
from p2pnode.roaming.sessions import Event, moved, require_between
from p2pnode.roaming.stored import read_stored
from p2pnode.roaming.undelivered import Undelivered

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
AWAY = frozenset(
    {Code.PARTNER_NOT_FOUND, Code.NO_VALID_CONTRACT, Code.PARTNER_DID_NOT_RESPOND, Code.SERVICE_NOT_AVAILABLE}
)
"""The codes that hold for everything an EMP is sent, not for one CDR."""
HUB_MEMBERS = {"hub_operator_id": "HubOperatorID", "hub_provider_id": "HubProviderID"}
TEMPORARY = AWAY | {Code.SYSTEM_ERROR, Code.UNAUTHORIZED_ACCESS}
"""The codes after which sending a CDR again may help, some of them once a peer table has been put right."""


class Cdrs:
    """Both operations, both verbs."""

    def __init__(self, party: Party, undelivered: Undelivered) -> None:
        self._party = party
        self._undelivered = undelivered
        self._in_hand: set[str] = set()
        """The keys of the CDRs that their EMP is being sent or given: nobody gets one twice at the same time."""

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
        ProtocolError 400 for a session that is not between the two, and for a second, different CDR.
        """
        message = received.message
        record = await self._store(received.peer, message, received.body, caller_of(received))
        self._start_hand_over(message, record)
        return acknowledge(message)

    async def _store(self, peer: PeerEntry, message: ChargeDetailRecord, body: bytes, operator_id: str) -> CdrRecord:
        party = self._party
        key = session_key(message.session_id)
        at = party.now()
        own: SessionRecord | None = None

        def work(transaction: Transaction) -> CdrRecord | None:
            session = transaction.session(key) or own
            if session is None:
                return None
            require_between(session, cpo=peer.name, emp=OWN)
            return _kept(transaction, session, message, body, at=at, verb=Verb.RECEIVE, peer=peer.name)

        record = await party.store.write(work)
        if record is None:
            own = await adopted(party, peer, message, operator_id, at)
            require_between(own)
            record = await party.store.write(work)
        if record is None:
            raise ProtocolError(Code.SESSION_INVALID, "no such session between the two parties")
        return record

    def _start_hand_over(self, message: ChargeDetailRecord, record: CdrRecord) -> None:
        """Give a stored CDR to our own EMP in the background, unless that has been done, or is being done now."""
        if record.forwarded_at is None and record.key not in self._in_hand:
            self._in_hand.add(record.key)
            self._party.background.start(self._hand_over(message, record), "CDR to our EMP")

    async def _hand_over(self, message: ChargeDetailRecord, record: CdrRecord) -> None:
        """Give a stored CDR to our own EMP; what it does not take stays marked as not forwarded."""
        operation = CHARGE_DETAIL_RECORD
        try:
            answer = await ask_own(
                self._party,
                operation,
                message,
                record.body,
                caller_id=record.operator_id,
                deadline=operation.deadline,
            )
            if answer.result:
                await self._mark_forwarded(record)
            else:
                await self._note(record, answer.status_code.code)
        except PeerError as error:
            await self._note(record, error.code)
        finally:
            self._in_hand.discard(record.key)

    async def _mark_forwarded(self, record: CdrRecord) -> None:
        at = self._party.now()
        await self._party.store.write(lambda transaction: transaction.mark_cdr_forwarded(record.key, at))

    async def send(self, outgoing: Outgoing[ChargeDetailRecord]) -> Acknowledgement:
        """eRoamingChargeDetailRecord of our CPO, or of a peer's: stored first, then sent to the EMP of the session.

        The answer is positive once it is stored, as the hub's would be; only a refusal by the EMP is passed on.
        Notifications of the session that still wait are sent before it. The
        same CDR again is sent again until the EMP has acknowledged it. Raises ProtocolError 400 for a session that is
        not the sender's, and for a second, different CDR.
        """
        party, message = self._party, outgoing.message
        caller_id = party.own_id(outgoing)
        key = session_key(message.session_id)
        at = party.now()
        adoptable: SessionRecord | None = None
        if outgoing.source is not None and await party.store.session(key) is None:
            adoptable = await adopted(party, outgoing.source, message, caller_id, at)

        def work(transaction: Transaction) -> CdrRecord:
            session = require_between(transaction.session(key) or adoptable, cpo=outgoing.sender)
            bundled = with_hub_partners(message, outgoing.body, session)
            return _kept(transaction, session, *bundled, at=at, verb=Verb.SEND, peer=session.emp)

        record = await party.store.write(work)
        if record.forwarded_at is not None:
            return acknowledge(message)
        if key in self._in_hand:
            return acknowledge(message, Code.SUCCESS, "stored, and being forwarded")
        self._in_hand.add(key)
        try:
            session = await party.store.session(key)
            if session is not None:
                await self._undelivered.flush(session)
            return await self._forward(record, outgoing)
        finally:
            self._in_hand.discard(key)

    async def _forward(self, record: CdrRecord, outgoing: Outgoing[ChargeDetailRecord]) -> Acknowledgement:
        """Send a stored CDR to its EMP; the EMP's answer, or ours where there is none."""
        party, message = self._party, outgoing.message
        knowledge = Knowledge(
            party.own, counterpart=record.emp, counterpart_id=record.provider_id, source=outgoing.source
        )
        try:
            destination = resolve(CHARGE_DETAIL_RECORD, message, party.peers(), knowledge)[0]
            caller_id = party.own_id(outgoing, record.operator_id) if record.cpo == OWN else record.operator_id
            reply = await ask(
                party, destination, outgoing, caller_id=caller_id, body=_for_hub(record, message, destination)
            )
        except (PeerError, ProtocolError) as error:
            await self._note(record, error.code)
            reason = "stored, and not forwarded yet"
            return acknowledge(message, Code.SUCCESS, f"{reason}: {error}" if outgoing.source is None else reason)
        answer: Acknowledgement = reply.answer
        if answer.result:
            await self._mark_forwarded(record)
        else:
            await self._note(record, answer.status_code.code)
        return answer

    async def _note(self, record: CdrRecord, code: str) -> None:
        event = SessionEvent(record.key, self._party.now(), CHARGE_DETAIL_RECORD.name, Verb.SEND, record.emp, code, b"")
        await self._party.store.write(lambda transaction: transaction.add_event(event))

    async def receive_get(self, received: Received[GetChargeDetailRecords]) -> bytes:
        """eRoamingGetChargeDetailRecords: one page of our CDRs of the asking EMP's sessions, as they were stored."""
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

    async def _take_over(self, peer: PeerEntry, records: Iterable[bytes]) -> None:
        """Store the fetched CDRs that we did not have. One of a session that is not between the two is left out."""
        for body in records:
            try:
                message = read(ChargeDetailRecord, body)
                record = await self._store(peer, message, body, next(iter(peer.operators), ""))
            except (InvalidMessage, ProtocolError):
                continue
            self._start_hand_over(message, record)

    async def forward_pending(self) -> int:
        """Give every CDR that its EMP has not acknowledged to it again; returns how many were acknowledged.

        For a start of the node, and now and then. A CDR the EMP has refused is left to people, and an EMP that does
        not answer is left alone until the next time.
        """
        emps = [OWN] if self._party.emp is not None else []
        emps += [peer.name for peer in self._party.peers().with_role(Role.EMP)]
        forwarded = 0
        for emp in emps:
            for body in await self._unforwarded(emp):
                key = _key_of(body)
                if key is None or key in self._in_hand:
                    continue
                self._in_hand.add(key)
                try:
                    code = await self._forward_again(key)
                finally:
                    self._in_hand.discard(key)
                if code in AWAY:
                    break
                forwarded += code == Code.SUCCESS
        return forwarded

    async def _unforwarded(self, emp: str) -> list[bytes]:
        wanted = CdrFilter(emp=emp, provider_keys=None, from_=EARLIEST, to=LATEST, forwarded=False)
        bodies: list[bytes] = []
        for number in itertools.count():
            page = await self._party.store.cdr_page(wanted, PageRequest(number, LARGEST_PAGE_SIZE))
            bodies += page.records
            if len(bodies) >= page.total or not page.records:
                break
        return bodies

    async def _forward_again(self, key: str) -> str | None:
        """Send a CDR if that may help; returns the code of what became of it, None where it was not sent."""
        record = await self._party.store.cdr(key)
        if record is None or record.forwarded_at is not None or await self._was_refused(record):
            return None
        message = read_stored(ChargeDetailRecord, record.body)
        if record.emp == OWN:
            await self._hand_over(message, record)
        else:
            source = self._party.peers().get(record.cpo) if record.cpo != OWN else None
            process_id = self._party.new_session_id()
            await self._forward(record, Outgoing(CHARGE_DETAIL_RECORD, message, record.body, process_id, source=source))
        current = await self._party.store.cdr(key)
        is_forwarded = current is not None and current.forwarded_at is not None
        return Code.SUCCESS if is_forwarded else await self._last_code(record)

    async def _was_refused(self, record: CdrRecord) -> bool:
        code = await self._last_code(record)
        return code is not None and code not in TEMPORARY

    async def _last_code(self, record: CdrRecord) -> str | None:
        """Why the EMP did not take the CDR when it was sent last; None where it has not been sent."""
        history = await self._party.store.history(record.key)
        codes = [event.code for event in history if event.operation == CHARGE_DETAIL_RECORD.name and not event.body]
        return codes[-1] if codes else None


def _key_of(body: bytes) -> str | None:
    """The key of the session of a stored CDR; None where its bytes can no longer be read, which holds up no other."""
    try:
        return session_key(read(ChargeDetailRecord, body).session_id)
    except InvalidMessage:
        return None


def _kept(  # noqa: PLR0913 - what one CDR writes
    transaction: Transaction,
    session: SessionRecord,
    message: ChargeDetailRecord,
    body: bytes,
    *,
    at: datetime,
    verb: Verb,
    peer: str,
) -> CdrRecord:
    """The CDR as it is stored now, or was before. Raises ProtocolError 400 for a second, different one."""
    known = transaction.cdr(session.key)
    if known is not None:
        if read_stored(ChargeDetailRecord, known.body).wire() != message.wire():
            raise ProtocolError(Code.SESSION_INVALID, "the session has a CDR already, and this is a different one")
        return known
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
    transaction.add_event(SessionEvent(session.key, at, CHARGE_DETAIL_RECORD.name, verb, peer, Code.SUCCESS, body))
    return record


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


def _for_hub(record: CdrRecord, message: ChargeDetailRecord, destination: Destination) -> bytes:
    """The CDR as it is sent; a hub that takes over a session it has not seen is told whose driver it was."""
    hub = destination.peer is not None and destination.peer.hub and destination.name != record.emp
    if not hub or message.hub_provider_id is not None or not record.provider_id:
        return record.body
    return replace_members(record.body, {HUB_MEMBERS["hub_provider_id"]: record.provider_id})


def _keys(texts: Iterable[str] | None, key: Callable[[str], str]) -> tuple[str, ...] | None:
    return tuple(sorted({key(text) for text in texts})) if texts else None

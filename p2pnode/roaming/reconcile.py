"""Comparing CDRs with a peer: what one side has and the other has not, and what the two hold differently.

As an EMP we ask the CPO with GetChargeDetailRecords. As a CPO there is nothing to ask the EMP with: OICP has no message
by which an EMP tells its CDRs. There we compare what has happened with what the EMP has acknowledged.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.cdr import ChargeDetailRecord, GetChargeDetailRecords
from p2pnode.oicp.codec import read
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.evse_data import LARGEST_PAGE_SIZE
from p2pnode.oicp.identifiers import session_key
from p2pnode.oicp.operations import Role
from p2pnode.roaming.cdr_pages import EARLIEST, cdr_pages, questions_about
from p2pnode.roaming.cdrs import LANE
from p2pnode.roaming.party import Party
from p2pnode.roaming.records import OWN, CdrFilter, CdrRecord, PageRequest, SessionFilter, SessionState
from p2pnode.roaming.stored import read_stored

SHOWN = ("ConsumedEnergy", "MeterValueStart", "MeterValueEnd")
SHOWN_TIMES = ("SessionStart", "SessionEnd", "ChargingStart", "ChargingEnd")
"""The members whose values are told; of all others that differ, the name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One CDR or session of a list: SessionID, energy in kWh, start, and why it stands there where that is known."""

    session_id: str
    energy: str = ""
    session_start: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A member that two CDRs of one session hold differently; values of energy and time only."""

    session_id: str
    member: str
    ours: str = ""
    theirs: str = ""


@dataclass(slots=True)
class Reconciliation:
    """What a comparison has found. `asked` tells whether the peer could be asked: only a CPO can."""

    peer: str
    from_: datetime
    to: datetime
    asked: bool = False
    equal: int = 0
    missing_here: list[Entry] = field(default_factory=list[Entry])
    missing_there: list[Entry] = field(default_factory=list[Entry])
    different: list[Difference] = field(default_factory=list[Difference])
    unknown: list[Entry] = field(default_factory=list[Entry])
    unreadable: int = 0
    acknowledged: int = 0
    not_acknowledged: list[Entry] = field(default_factory=list[Entry])
    without_cdr: list[Entry] = field(default_factory=list[Entry])
    to_review: list[Entry] = field(default_factory=list[Entry])

    @property
    def agrees(self) -> bool:
        """Whether there is nothing for a person to look at."""
        lists = (self.missing_here, self.missing_there, self.different, self.unknown, self.not_acknowledged)
        return not any((*lists, self.without_cdr, self.to_review, self.unreadable))


class Reconciler:
    """Compares; changes nothing on either side."""

    def __init__(self, party: Party) -> None:
        self._party = party

    async def run(self, peer: PeerEntry, from_: datetime, to: datetime) -> Reconciliation:
        """Compare the CDRs of an interval (UTC, half-open), by when each side received them.

        Raises ProtocolError where the peer does not answer.
        """
        found = Reconciliation(peer.name, from_, to)
        if self._party.own.providers and (peer.ids(Role.CPO) or peer.hub):
            found.asked = True
            await self._with_cpo(peer, found)
        if self._party.own.operators and (peer.ids(Role.EMP) or peer.hub):
            await self._with_emp(peer, found)
        for review in await self._party.store.cdr_reviews():
            if review.peer in {peer.name, OWN} and from_ <= review.received_at < to:
                cdr = await self._party.store.cdr(review.session_key)
                if cdr is not None and peer.name in {cdr.cpo, cdr.emp}:
                    reason = f"refused, kept as {review.id}"
                    found.to_review.append(Entry(review.session_id, str(review.energy), reason=reason))
        return found

    async def _with_cpo(self, peer: PeerEntry, found: Reconciliation) -> None:
        theirs: dict[str, ChargeDetailRecord] = {}
        for provider_id in self._party.own.providers:
            from_ = max(found.from_, EARLIEST)
            question = GetChargeDetailRecords(provider_id=provider_id, from_=from_, to=found.to)
            await self._crawl(peer, question, theirs, found)
        for key, message in theirs.items():
            await self._compare(peer, key, message, found)
        lacking: dict[str, CdrRecord] = {}
        async for records in self._ours(found, cpo=peer.name, emp=OWN):
            lacking |= {record.key: record for record in records if record.key not in theirs}
        await self._ask_again(peer, lacking, found)

    async def _ask_again(self, peer: PeerEntry, lacking: dict[str, CdrRecord], found: Reconciliation) -> None:
        """Ask by SessionID for what the peer did not list: it may have received those at another time than we."""
        theirs: dict[str, ChargeDetailRecord] = {}
        for provider_id in sorted({record.provider_id for record in lacking.values()}):
            wanted = [record.session_id for record in lacking.values() if record.provider_id == provider_id]
            for question in questions_about(provider_id, wanted, found.from_, found.to):
                await self._crawl(peer, question, theirs, found)
        for key, record in lacking.items():
            message = theirs.get(key)
            if message is None:
                found.missing_there.append(_entry(record))
            else:
                await self._compare(peer, key, message, found)

    async def _crawl(
        self,
        peer: PeerEntry,
        question: GetChargeDetailRecords,
        into: dict[str, ChargeDetailRecord],
        found: Reconciliation,
    ) -> None:
        """All pages of the answer to a question, as long as each brings something new. Raises ProtocolError."""
        async for records in cdr_pages(self._party, peer, question):
            known = len(into)
            for raw in records:
                try:
                    message = read(ChargeDetailRecord, raw)
                except InvalidMessage:
                    found.unreadable += 1
                else:
                    into[session_key(message.session_id)] = message
            if len(into) == known:
                return

    async def _compare(self, peer: PeerEntry, key: str, message: ChargeDetailRecord, found: Reconciliation) -> None:
        entry = Entry(message.session_id, str(message.consumed_energy), message.session_start.astimezone(UTC))
        ours = await self._party.store.cdr(key)
        if ours is None:
            session = await self._party.store.session(key)
            is_ours = session is not None and (session.cpo, session.emp) == (peer.name, OWN)
            (found.missing_here if is_ours else found.unknown).append(entry)
            return
        if (ours.cpo, ours.emp) != (peer.name, OWN):
            found.unknown.append(entry)
            return
        differences = list(_differences(read_stored(ChargeDetailRecord, ours.body), message))
        found.different += differences
        found.equal += not differences

    async def _with_emp(self, peer: PeerEntry, found: Reconciliation) -> None:
        store = self._party.store
        async for records in self._ours(found, cpo=OWN, emp=peer.name):
            lacking = [record for record in records if record.forwarded_at is None]
            found.acknowledged += len(records) - len(lacking)
            queued = await store.outbox_about(peer.name, LANE, [record.key for record in lacking])
            reasons = {each.session_key: each.reason or "waits in the outbox, not tried yet" for each in queued}
            found.not_acknowledged += [
                _entry(record, reasons.get(record.key, "not in the outbox")) for record in lacking
            ]
        wanted, last = SessionFilter(SessionState.ENDED, OWN, peer.name, found.from_, found.to), ""
        while sessions := await store.sessions_by_key(wanted, last, LARGEST_PAGE_SIZE):
            last = sessions[-1].key
            for session in sessions:
                energy = "" if session.energy is None else str(session.energy)
                found.without_cdr.append(Entry(session.session_id, energy, session.charging_start, "ended"))

    async def _ours(self, found: Reconciliation, *, cpo: str, emp: str) -> AsyncIterator[Sequence[CdrRecord]]:
        """Our CDRs of the interval between these two, page by page."""
        number = 0
        wanted = CdrFilter(emp=emp, provider_keys=None, from_=found.from_, to=found.to, cpo=cpo)
        while (page := await self._party.store.cdrs(wanted, PageRequest(number, LARGEST_PAGE_SIZE))).records:
            yield page.records
            number += 1


def _entry(record: CdrRecord, reason: str = "") -> Entry:
    return Entry(record.session_id, str(record.energy), record.session_start, reason)


def _differences(ours: ChargeDetailRecord, theirs: ChargeDetailRecord) -> Iterable[Difference]:
    """The members of two CDRs of a session that differ."""
    one, other = ours.wire(), theirs.wire()
    for name in sorted({*one, *other}):
        if one.get(name) == other.get(name):
            continue
        is_shown = name in SHOWN or name in SHOWN_TIMES
        values = [_text(wire.get(name)) for wire in (one, other)] if is_shown else ["", ""]
        yield Difference(ours.session_id, name, *values)


def _text(value: object) -> str:
    return "" if value is None else str(value)

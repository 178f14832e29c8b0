"""The outbox: what must arrive is on disk before anybody is told so, and goes to its peer in order, until it is taken.

Notifications share one lane per peer, so that none overtakes another; every other operation has a lane of its own. A
CDR waits for the notifications of its session. Our own backend is a peer here like any other.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from random import SystemRandom
from typing import Any, TypeVar

from msgspec.structs import replace

from p2pnode.oicp import operations as ops
from p2pnode.oicp.answers import acknowledge, code_of
from p2pnode.oicp.codec import read, replace_members
from p2pnode.oicp.errors import (
    BadStatus,
    InvalidMessage,
    NoAnswer,
    PeerError,
    ProtocolError,
    Refused,
    Unreachable,
    Unreadable,
)
from p2pnode.oicp.operations import BY_NAME, AnyOperation, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import ask, told
from p2pnode.roaming.lanes import AT_ONCE, Answered, Deferred, Entry, Hopeless, Lane, LaneParts, Outcome
from p2pnode.roaming.outbox_records import BreakerRecord, QueuedRecord, QueueState
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, Verb
from p2pnode.roaming.refusals import AWAY, FAILED, OVERLOADED
from p2pnode.roaming.router import Destination, Knowledge, resolve
from p2pnode.roaming.store_ports import Transaction

T = TypeVar("T")

PATIENCE = 0.7
"""The part of its caller's deadline for which an answer is waited for: ours has to arrive before it, too."""

NOTIFICATIONS = "ChargingNotification"
"""The lane of all four notifications."""
LANES: Mapping[AnyOperation, str] = {
    ops.CHARGING_NOTIFICATION_START: NOTIFICATIONS,
    ops.CHARGING_NOTIFICATION_PROGRESS: NOTIFICATIONS,
    ops.CHARGING_NOTIFICATION_END: NOTIFICATIONS,
    ops.CHARGING_NOTIFICATION_ERROR: NOTIFICATIONS,
    ops.CHARGE_DETAIL_RECORD: ops.CHARGE_DETAIL_RECORD.name,
    ops.AUTHORIZE_REMOTE_STOP: ops.AUTHORIZE_REMOTE_STOP.name,
}
"""What goes through the outbox, and in which lane."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the outbox, and what will become of it."""

    record: QueuedRecord
    future: asyncio.Future[Outcome]


class Outbox:
    """The lanes to all peers."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._resting = asyncio.Event()
        self._resumed = False
        self._resuming = asyncio.Lock()
        self._parts = LaneParts(
            settings=party.limits.outbox,
            store=party.store,
            breakers=party.breakers,
            background=party.background,
            now=party.now,
            random=SystemRandom().random,
            attempt=self._attempt,
            settle=self._settle,
            postpone=self._postpone,
            held_by=self._held_by,
            moved=self._moved,
            resting=self._resting,
        )
        party.breakers.listen(self._back)

    async def resume(self) -> None:
        """Take up, once, what waited when the node ended."""
        if self._resumed:
            return
        async with self._resuming:
            if self._resumed:
                return
            self._party.breakers.resume(await self._party.store.breakers())
            for peer, name in await self._party.store.lanes():
                self._lane(peer, name, complete=False)
            self._resumed = True
        for lane in tuple(self._lanes.values()):
            lane.start()

    def wake(self) -> None:
        """Try everything that waits, however long it was to wait: peers or their table may have changed."""
        for lane in self._lanes.values():
            lane.start(force=True)

    async def rest(self, seconds: float) -> None:
        """Send nothing more; returns when nothing is in flight, or after so many seconds."""
        self._resting.set()
        for lane in self._lanes.values():
            lane.stop()
        flights = [flight for lane in self._lanes.values() if (flight := lane.flight) is not None]
        if flights:
            await asyncio.wait(flights, timeout=seconds)
        leaving = [task for lane in self._lanes.values() if (task := lane.leaving) is not None]
        if leaving:
            await asyncio.wait(leaving, timeout=seconds)

    def row(
        self, peer: str, outgoing: Outgoing[Any], session: SessionRecord, *, caller_id: str, body: bytes
    ) -> QueuedRecord:
        """The row of a message to be queued. `body` is kept as it is: without a PIN, empty for a CDR."""
        is_emp = outgoing.operation.callee is Role.EMP
        return QueuedRecord(
            id=0,
            peer=peer,
            lane=LANES[outgoing.operation],
            session_key=session.key,
            operation=outgoing.operation.name,
            caller_id=caller_id,
            process_id=outgoing.process_id,
            counterpart_id=session.provider_id if is_emp else session.operator_id,
            source=outgoing.source.name if outgoing.source is not None else "",
            body=body,
            created_at=self._party.now(),
        )

    async def write(
        self,
        work: Callable[[Transaction], tuple[T, QueuedRecord | None]],
        live: Callable[[], Outgoing[Any]] | None = None,
    ) -> tuple[T, Queued | None]:
        """Run `work`, which may queue a message or find one in the queue; it goes out once all of it is on disk.

        `live`, asked after `work`, is what is sent of it as long as the node runs. Raises what the store and `work` do.
        """
        return await self._party.background.finish(self._write(work, live), "writing to the outbox")

    async def _write(
        self,
        work: Callable[[Transaction], tuple[T, QueuedRecord | None]],
        live: Callable[[], Outgoing[Any]] | None,
    ) -> tuple[T, Queued | None]:
        """As `write`; not to be cancelled, or a lane would not learn of what is on disk."""
        await self.resume()
        result, record = await self._party.store.write(work)
        if record is None or record.state is not QueueState.WAITING:
            return result, None
        lane = self._lane(record.peer, record.lane)
        future = lane.result(record.id)
        supersedes = record.operation == ops.CHARGING_NOTIFICATION_PROGRESS.name
        lane.add(Entry(record, live() if live is not None else None, supersedes=supersedes))
        return result, Queued(record, future)

    async def answer(self, queued: Queued | None, seconds: float) -> Outcome:
        """What became of a message, if that is known in time for a caller who waits so many seconds."""
        if queued is None:
            return Deferred("", "given up until somebody queues it again")
        future = queued.future
        if future.done():
            return future.result()
        try:
            return await self._party.deadlines.within(seconds * PATIENCE, asyncio.shield(future))
        except TimeoutError:
            return Deferred(Code.PARTNER_DID_NOT_RESPOND, "no answer yet")

    async def requeue(self, number: int) -> int | None:
        """Put a dead letter behind all others of its lane, as if it were new; returns the number it has from then on.

        One that waits keeps its place and its number, and is tried at once. None where there is no such message.
        """

        def work(transaction: Transaction) -> tuple[int | None, QueuedRecord | None]:
            record = transaction.queued_one(number)
            if record is None or record.state is QueueState.WAITING:
                return (None if record is None else record.id), None
            queued = self._revived(transaction, record)
            return queued.id, queued

        found, _ = await self.write(work)
        if found is not None:
            self.wake()
        return found

    async def requeue_dead(self, peer: str) -> int:
        """Put all dead letters of a peer behind what waits for it, in their order; returns how many there were."""
        again: list[int] = []
        while dead := await self._party.store.outbox(peer, QueueState.DEAD, AT_ONCE):
            former = [record for record in dead if not again or record.id < again[0]]  # what has died again stays so
            if not former:
                break
            again += await self._party.background.finish(self._requeue_all(former), "queueing dead letters again")
        self.wake()
        return len(again)

    async def _requeue_all(self, dead: Sequence[QueuedRecord]) -> list[int]:
        """Not to be cancelled, as `_write`."""
        await self.resume()

        def work(transaction: Transaction) -> list[QueuedRecord]:
            found = [transaction.queued_one(record.id) for record in dead]
            return [
                self._revived(transaction, record)
                for record in found
                if record is not None and record.state is QueueState.DEAD
            ]

        records = await self._party.store.write(work)
        for record in records:
            self._lane(record.peer, record.lane).add(Entry(record))
        return [record.id for record in records]

    def _revived(self, transaction: Transaction, record: QueuedRecord) -> QueuedRecord:
        transaction.unqueue(record.id)
        return transaction.queue(
            replace(record, created_at=self._party.now(), attempts=0, next_at=None, state=QueueState.WAITING, reason="")
        )

    async def drop(self, number: int) -> bool:
        """Take a message out for good, also one that waits; returns whether there is one with this id."""

        def work(transaction: Transaction) -> QueuedRecord | None:
            record = transaction.queued_one(number)
            return record if transaction.unqueue(number) else None

        dropped = await self._party.store.write(work)
        if dropped is not None and dropped.state is QueueState.WAITING:
            self._lane(dropped.peer, dropped.lane).forget(number)
        return dropped is not None

    def _lane(self, peer: str, name: str, *, complete: bool = True) -> Lane:
        lane = self._lanes.get((peer, name))
        if lane is None:
            lane = self._lanes[peer, name] = Lane(self._parts, peer, name, complete=complete)
        return lane

    def _back(self, peer: str, record: BreakerRecord) -> None:  # noqa: ARG002 - others need to know what was
        """The peer may be back: try what waits for it."""
        for (name, _), lane in self._lanes.items():
            if name == peer:
                lane.heard()

    def _held_by(self, entry: Entry) -> Lane | None:
        """The lane of notifications, if a CDR has to wait for those of its session."""
        record = entry.record
        before = self._lanes.get((record.peer, NOTIFICATIONS)) if record.lane != NOTIFICATIONS else None
        return before if before is not None and before.holds(record.session_key) else None

    def _moved(self, peer: str, name: str) -> None:
        """Notifications have been delivered, or cannot be for now: messages of other lanes may have waited for them."""
        for other in LANES.values() if name == NOTIFICATIONS else ():
            if other != name and (lane := self._lanes.get((peer, other))) is not None and not lane.is_empty:
                lane.start()

    async def _attempt(self, entry: Entry) -> Outcome:
        """Send one message."""
        record, party = entry.record, self._party
        try:
            outgoing = entry.outgoing or await self._stored(record)
        except InvalidMessage as error:
            return Hopeless(f"what is stored cannot be read: {error}")
        operation = outgoing.operation
        knowledge = Knowledge(
            party.own, counterpart=record.peer, counterpart_id=record.counterpart_id, source=outgoing.source
        )
        try:
            destination = resolve(operation, outgoing.message, party.peers(), knowledge)[0]
            body = for_hub(outgoing, record, destination) if operation is ops.CHARGE_DETAIL_RECORD else None
            deadline = operation.deadline if destination.peer is None else None
            reply = await ask(party, destination, outgoing, caller_id=record.caller_id, body=body, deadline=deadline)
        except ProtocolError as error:
            if LANES[operation] == NOTIFICATIONS and error.code is Code.NO_VALID_CONTRACT:
                reason = error.reason if outgoing.source is None else "the other party is not told of it"
                return Answered(acknowledge(outgoing.message, error.code, reason), error.code)
            return Deferred(error.code, error.reason)
        except PeerError as error:
            return _failure(error, outgoing)
        code = code_of(reply.answer)
        if code in AWAY | FAILED and (destination.peer is None or not is_final(operation, code)):
            status = reply.answer.status_code
            said = status.additional_info or status.description or ""
            return Deferred(code, f"{code} {said}".rstrip(), is_theirs=code in FAILED)
        return Answered(reply.answer, code)

    async def _stored(self, record: QueuedRecord) -> Outgoing[Any]:
        """A message as it is stored. Raises InvalidMessage where it cannot be read."""
        operation = BY_NAME[record.operation]
        body = record.body
        if not body:
            cdr = await self._party.store.cdr(record.session_key)
            body = cdr.body if cdr is not None else b""
        source = self._party.peers().get(record.source) if record.source else None
        message = read(operation.request, body)
        return Outgoing(operation, message, body, record.process_id, record.caller_id, source=source)

    async def _settle(self, record: QueuedRecord, outcome: Answered) -> None:
        """The message has been answered for good: out of the outbox, into the history of its session."""
        at = self._party.now()
        done = outcome.error is None and outcome.answer.result

        def work(transaction: Transaction) -> None:
            transaction.unqueue(record.id)
            if record.operation == ops.CHARGE_DETAIL_RECORD.name and done:
                transaction.mark_cdr_forwarded(record.session_key, at)
            _note(transaction, record, outcome.code, at)

        await self._party.store.write(work)

    async def _postpone(self, record: QueuedRecord, outcome: Deferred | Hopeless) -> None:
        at = self._party.now()
        code = outcome.code if isinstance(outcome, Deferred) else Code.DATA_ERROR

        def work(transaction: Transaction) -> None:
            transaction.requeue(record)
            if record.attempts == 1 or record.state is QueueState.DEAD:
                _note(transaction, record, code, at)

        await self._party.store.write(work)


def waiting_of(records: Sequence[QueuedRecord]) -> QueuedRecord | None:
    """The first of the messages that is still tried."""
    return next((record for record in records if record.state is QueueState.WAITING), None)


def _note(transaction: Transaction, record: QueuedRecord, code: str, at: datetime) -> None:
    """A line in the history of the session, if it is one of our CPO's or tells of a failure."""
    session = transaction.session(record.session_key)
    is_noted = session is not None and session.cpo != OWN and record.peer == OWN and not record.source
    if session is None or (is_noted and code == Code.SUCCESS):
        return
    transaction.add_event(
        SessionEvent(record.session_key, at, record.operation, Verb.SEND, record.peer, code, record.body)
    )


def is_final(operation: AnyOperation, code: str) -> bool:
    """Whether a peer's reason that may pass is an answer all the same: to a notification, whose worth passes sooner.

    A party that takes no notifications would have none of the CDRs behind them.
    """
    return LANES[operation] == NOTIFICATIONS and code in AWAY and code != Code.PARTNER_DID_NOT_RESPOND


def _failure(error: PeerError, outgoing: Outgoing[Any]) -> Outcome:
    """What a call that failed means for the message."""
    reason = str(error)
    if isinstance(error, Refused):
        code = error.peer_code
        passing = error.http in OVERLOADED or (code in AWAY and not is_final(outgoing.operation, code))
        if not passing and code not in FAILED and (error.http or 0) < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Answered(None, error.code, told(outgoing, error))
        return Deferred(error.code, reason, is_theirs=not passing)
    theirs = isinstance(error, Unreadable) or (isinstance(error, BadStatus) and error.http not in OVERLOADED)
    return Deferred(error.code, reason, is_theirs=theirs, is_silent=isinstance(error, Unreachable | NoAnswer))


def for_hub(outgoing: Outgoing[Any], record: QueuedRecord, destination: Destination) -> bytes | None:
    """A CDR for a hub that takes over a session it has not seen: it is told whose driver it was. None: as it is."""
    hub = destination.peer is not None and destination.peer.hub and destination.name != record.peer
    if not hub or outgoing.message.hub_provider_id is not None or not record.counterpart_id:
        return None
    return replace_members(outgoing.body, {"HubProviderID": record.counterpart_id})

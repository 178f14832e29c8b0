"""Notifications that their EMP has not answered: kept in the history of their session, and sent again in their order.

The history is the queue, so a restart loses none. A notification waits while the last line about it tells a code that
may pass; any answer of the EMP, also a refusal, ends the waiting.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from p2pnode.oicp import operations as ops
from p2pnode.oicp.codec import read
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.operations import AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.roaming.asking import ask_counterpart
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing, Transaction
from p2pnode.roaming.records import OWN, SessionEvent, SessionRecord, Verb

TEMPORARY = frozenset(
    {Code.PARTNER_NOT_FOUND, Code.NO_VALID_CONTRACT, Code.PARTNER_DID_NOT_RESPOND, Code.SERVICE_NOT_AVAILABLE}
)
"""Why a message could not be delivered: reasons that may pass, by themselves or in the peer table."""
NOTIFICATIONS: Mapping[str, AnyOperation] = {
    operation.name: operation
    for operation in (
        ops.CHARGING_NOTIFICATION_START,
        ops.CHARGING_NOTIFICATION_PROGRESS,
        ops.CHARGING_NOTIFICATION_END,
        ops.CHARGING_NOTIFICATION_ERROR,
    )
}
LOOKED_THROUGH = 1000
"""How many of the most recent sessions are looked through after a start of the node."""


def waiting_in(history: Sequence[SessionEvent]) -> list[SessionEvent]:
    """The notifications of a history that wait, oldest first."""
    waiting: dict[tuple[str, bytes], SessionEvent] = {}
    for event in history:
        if event.verb is not Verb.SEND or event.operation not in NOTIFICATIONS:
            continue
        told = (event.operation, event.body)
        if event.code in TEMPORARY:
            waiting.setdefault(told, event)
        else:
            waiting.pop(told, None)
    return list(waiting.values())


class Undelivered:
    """The sessions with notifications that wait."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._keys: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._looked = False
        self._looking = asyncio.Lock()

    def add(self, key: str) -> None:
        """Note that a notification of this session waits."""
        self._keys.add(key)

    async def flush(self, session: SessionRecord) -> bool:
        """Send what waits of the session, oldest first; returns whether nothing waits any more."""
        await self._look_through()
        if session.key not in self._keys:
            return True
        async with self._locks.setdefault(session.key, asyncio.Lock()):
            delivered = await self._flush(session)
        if delivered:
            self._keys.discard(session.key)
            self._locks.pop(session.key, None)
        return delivered

    async def _flush(self, session: SessionRecord) -> bool:
        for event in waiting_in(await self._party.store.history(session.key)):
            code = await self._send(session, event)
            if code in TEMPORARY:
                return False
            line = SessionEvent(
                session.key, self._party.now(), event.operation, Verb.SEND, session.emp, code, event.body
            )
            await self._party.store.write(partial(_add, line))
        return True

    async def deliver(self) -> None:
        """Send what waits of all sessions; an EMP that does not answer is left alone until the next time."""
        await self._look_through()
        away: set[str] = set()
        for key in sorted(self._keys):
            session = await self._party.store.session(key)
            if session is None:
                self._keys.discard(key)
            elif session.emp not in away and not await self.flush(session):
                away.add(session.emp)

    async def _look_through(self) -> None:
        """Find, once, what waited when the node ended."""
        if self._looked:
            return
        async with self._looking:
            if self._looked:
                return
            for session in await self._party.store.sessions(LOOKED_THROUGH):
                if self._is_told_by_us(session) and waiting_in(await self._party.store.history(session.key)):
                    self._keys.add(session.key)
            self._looked = True

    def _is_told_by_us(self, session: SessionRecord) -> bool:
        return session.cpo == OWN or self._party.relay

    async def _send(self, session: SessionRecord, event: SessionEvent) -> str:
        """Send one notification again; returns the code of the answer, or of why there was none."""
        operation = NOTIFICATIONS[event.operation]
        message = read(operation.request, event.body)
        source = self._party.peers().get(session.cpo) if session.cpo != OWN else None
        outgoing = Outgoing(operation, message, event.body, self._party.new_session_id(), source=source)
        try:
            own = session.cpo == OWN
            caller_id = self._party.own_id(outgoing, message.operator_id) if own else message.operator_id
            reply = await ask_counterpart(self._party, session, outgoing, caller_id=caller_id)
        except ProtocolError as error:
            return error.code
        code: str = reply.answer.status_code.code
        return code


def _add(line: SessionEvent, transaction: Transaction) -> None:
    transaction.add_event(line)

"""What all pushes share: the four actions, and refusing a push as a whole."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar
from weakref import WeakSet, WeakValueDictionary

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.codec import View, reason
from p2pnode.oicp.errors import InvalidMessage, ProtocolError, Violation
from p2pnode.oicp.identifiers import evse_key, operator_of_evse
from p2pnode.oicp.operations import Role
from p2pnode.oicp.rules import repeated
from p2pnode.oicp.scalars import ActionType
from p2pnode.oicp.status import Code
from p2pnode.roaming.visibility import has_prefix, own_keys

Key = TypeVar("Key")
Record = TypeVar("Record", bound=View)

AT_ONCE = 50
"""How many records are read before other work gets its turn."""
SHOWN = 20
"""How many records a refusal names."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Pushed:
    """What a party has pushed since somebody began to ask it: single EVSEs, and all of operators, by their keys."""

    evses: set[str] = field(default_factory=set[str])
    operators: set[str] = field(default_factory=set[str])

    def includes(self, evse: str, operator: str) -> bool:
        """Whether what an answer says of the EVSE is older than a push."""
        return evse in self.evses or operator in self.operators


class InOrder:
    """The pushes of one party one after the other, in the order in which they came.

    A sender that waited long enough for the answer to a large push sends the next one, which is read faster.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watching: dict[str, WeakSet[Pushed]] = {}

    @asynccontextmanager
    async def of(self, owner: str) -> AsyncGenerator[None]:
        """Wait for the owner's earlier pushes, and let later ones wait."""
        lock = self._locks.get(owner)
        if lock is None:
            lock = self._locks[owner] = asyncio.Lock()
        async with lock:
            yield

    def watch(self, owner: str) -> Pushed:
        """What the owner pushes from here on, as it is noted, for as long as somebody holds it."""
        pushed = Pushed()
        self._watching.setdefault(owner, WeakSet()).add(pushed)
        return pushed

    def note(self, owner: str, action: ActionType, operator: str, evse_ids: Iterable[str]) -> None:
        """A push of the owner has been applied. Where nobody watches, its EvseIDs are not looked at."""
        watching = [*self._watching.get(owner, ())]
        keys = {evse_key(evse_id) for evse_id in evse_ids} if watching else ()
        for pushed in watching:
            if action is ActionType.FULL_LOAD:
                pushed.operators.add(operator)
            pushed.evses.update(keys)


def action_of(text: str) -> ActionType:
    """The ActionType of a push. Raises InvalidMessage for another one."""
    try:
        return ActionType(text)
    except ValueError:
        violation = Violation("/ActionType", "value", "ActionType is fullLoad, update, insert or delete.")
        raise InvalidMessage(violation.message, [violation]) from None


async def in_turns(records: Iterable[Record]) -> AsyncIterator[tuple[int, Record]]:
    """The records with their places; other work gets its turn in between."""
    for index, raw in enumerate(records):
        if index and index % AT_ONCE == 0:
            await asyncio.sleep(0)
        yield index, raw


def refuse_invalid(violations: Iterable[Violation], at: str) -> None:
    """Raises InvalidMessage (022) that names every violation below the list at this pointer, if there is any."""
    found = [replace(violation, pointer=f"{at}{violation.pointer}") for violation in violations]
    if found:
        raise InvalidMessage(reason(found), found)


def refuse_foreign(peer: PeerEntry, evse_ids: Iterable[str]) -> None:
    """Raises ProtocolError 018 where an EvseID is not of the operator, its sub operators or the peer's prefixes."""
    if peer.hub:
        return
    operators = own_keys(peer, Role.CPO)
    foreign = [
        evse_id
        for evse_id in evse_ids
        if operator_of_evse(evse_id) not in operators and not has_prefix(peer, evse_key(evse_id))
    ]
    if foreign:
        raise ProtocolError(Code.INCONSISTENT_EVSE_ID, f"not of this operator: {_named(foreign)}")


def refuse_repeated(evse_ids: Iterable[str], at: str) -> None:
    """Raises ProtocolError 018 where an EvseID stands twice in one push."""
    refuse_twice((evse_key(evse_id) for evse_id in evse_ids), at)


def refuse_twice(keys: Iterable[str], at: str) -> None:
    """Raises ProtocolError 018 where a key made of an EvseID stands twice in one push."""
    twice = repeated(keys, at, "EvseID")
    if twice:
        raise ProtocolError(Code.INCONSISTENT_EVSE_ID, reason(twice), violations=twice)


def refuse_misfits(
    action: ActionType, keys: Iterable[Key], known: Collection[Key], shown: Callable[[Key], str] = str
) -> None:
    """Raises ProtocolError 022 where a record to insert exists, or one to update or delete does not.

    `shown` writes a key for the refusal; no part of it may be a secret.
    """
    if action is ActionType.INSERT:
        found = [key for key in keys if key in known]
        if found:
            raise ProtocolError(
                Code.DATA_ERROR, f"nothing was inserted, these exist already: {_named(map(shown, found))}"
            )
    elif action in {ActionType.UPDATE, ActionType.DELETE}:
        found = [key for key in keys if key not in known]
        if found:
            did = "updated" if action is ActionType.UPDATE else "deleted"
            raise ProtocolError(Code.DATA_ERROR, f"nothing was {did}, these do not exist: {_named(map(shown, found))}")


def _named(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more

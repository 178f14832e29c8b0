"""Values the node under test knows, so that requests get further than its first check."""

from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, cast

from p2pnode.lab.parties import Party

OWN = 0.95
"""How often an OperatorID or ProviderID is the caller's own."""
KNOWN = 0.7
"""How often another member is given a value the node knows."""
REMEMBERED_SESSIONS = 200


class Words:
    """The ids of the caller and of the node, and the sessions the node has told of, each by the member's name."""

    def __init__(self, caller: Party, node: Party, random: Random) -> None:
        drivers = (*caller.drivers.all(), *node.drivers.all())
        self.caller = caller
        self.node = node
        self._random = random
        self._sessions: deque[str] = deque(maxlen=REMEMBERED_SESSIONS)
        self._own: dict[str, Sequence[str]] = {
            "OperatorID": (caller.operator_id,),
            "ProviderID": (caller.provider_id,),
        }
        self._known: dict[str, Sequence[str]] = {
            **self._own,
            "EvseID": tuple(point.evse_id for party in (caller, node) for point in party.points),
            "EvcoID": tuple(driver.evco_id for driver in drivers if driver.evco_id),
            "UID": tuple(driver.uid for driver in drivers if driver.uid),
            "PIN": tuple(driver.pin for driver in drivers if driver.pin),
            "SessionID": self._sessions,
        }

    def identifier(self, parameter: str) -> str:
        """The caller's own id, as a path has it."""
        return self.caller.operator_id if parameter == "operatorID" else self.caller.provider_id

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Remember the session of an answer."""
        session_id = answer.get("SessionID")
        if isinstance(session_id, str):
            self._sessions.append(session_id)

    def owned(self, value: Any) -> Any:  # noqa: ANN401 - any part of a message
        """A copy in which nearly every OperatorID and ProviderID is the caller's."""
        return self._copy(value, self._own)

    def told(self, value: Any) -> Any:  # noqa: ANN401 - any part of a message
        """A copy in which also most other strings of members with known values are one of those."""
        return self._copy(value, self._known)

    def _copy(self, value: Any, known: Mapping[str, Sequence[str]]) -> Any:  # noqa: ANN401 - as above
        if isinstance(value, list):
            return [self._copy(element, known) for element in cast("Sequence[Any]", value)]
        if not isinstance(value, dict):
            return value
        members = cast("Mapping[str, Any]", value)
        return {name: self._member(name, member, known) for name, member in members.items()}

    def _member(self, name: str, member: Any, known: Mapping[str, Sequence[str]]) -> Any:  # noqa: ANN401 - as above
        often = OWN if name in self._own else KNOWN
        if isinstance(member, str) and known.get(name) and self._random.random() < often:
            return self._random.choice(known[name])
        return self._copy(member, known)

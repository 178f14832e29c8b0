"""Who speaks for a party: itself, or a hub. A session may go on by another way than it began, where a hub is one."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import NotAllowed
from p2pnode.oicp.identifiers import operator_key, provider_key, session_key
from p2pnode.oicp.operations import GET_CHARGE_DETAIL_RECORDS, OPERATIONS, Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import Party, caller_of
from p2pnode.roaming.ports import Received
from p2pnode.roaming.records import OWN, SessionRecord

ABOUT_A_SESSION = frozenset(row for row in OPERATIONS if "session_id" in row.request.model_fields) - {
    GET_CHARGE_DETAIL_RECORDS  # lists sessions, and gets those of its sender only
}


async def spoken_for(party: Party, received: Received[Any]) -> Received[Any]:
    """The message as that of the peer its session began with, where its sender now speaks for the same identifier.

    Only to and from a hub: no other peer takes over a session. Raises NotAllowed (017) where a hub gives an id that it
    does not speak for: ours, or, about a session that did not begin with this hub, that of an enabled peer whose entry
    does not say `through_hub`. Published data and pulls pass: a hub's copy of what a peer publishes does not count
    beside the peer's own, and a hub is shown what its own entry lets it see.
    """
    is_about_one = received.operation in ABOUT_A_SESSION
    session_id: str | None = received.message.session_id if is_about_one else None
    session = await party.store.session(session_key(session_id)) if session_id is not None else None
    if received.peer.hub:
        for identifier in _given_in(received):
            _require_foreign(party, received.operation.caller, identifier)
            if is_about_one:
                _require_voice(party, received, identifier, session)
    if session is None:
        return received
    name, _ = _side(session, received.operation.caller)
    if name in {OWN, received.peer.name} or not _is_way_of(party, received, name):
        return received
    if not _is_side(session, received.operation.caller, caller_of(received)):
        return received
    return replace(received, peer=received.peer.model_copy(update={"name": name}))


def is_closed_to(party: Party, hub: PeerEntry, role: Role, identifier: str) -> bool:
    """Whether the identifier is that of another enabled peer, for which no hub speaks."""
    peers = party.peers()
    key = operator_key(identifier) if role is Role.CPO else provider_key(identifier)
    direct = peers.by_operator(key) if role is Role.CPO else peers.by_provider(key)
    return direct is not None and direct.name != hub.name and not direct.through_hub


def _given_in(received: Received[Any]) -> Iterator[str]:
    """The ids that the sender gives as its own: that in the path and that in the message, which may be two."""
    member = "operator_id" if received.operation.caller is Role.CPO else "provider_id"
    for identifier in {received.caller_id, getattr(received.message, member, None)}:
        if identifier:
            yield identifier


def _require_foreign(party: Party, role: Role, identifier: str) -> None:
    if party.own.is_own(role, identifier):
        raise NotAllowed(Code.UNAUTHORIZED_ACCESS, f"{identifier!r:.100} is our own id, which no hub speaks for")


def _require_voice(party: Party, received: Received[Any], identifier: str, session: SessionRecord | None) -> None:
    hub, role = received.peer, received.operation.caller
    if not is_closed_to(party, hub, role, identifier):
        return
    if session is None or _side(session, role)[0] != hub.name or not _is_side(session, role, identifier):
        raise NotAllowed(
            Code.UNAUTHORIZED_ACCESS,
            f"{identifier!r:.100} is a direct peer's id: a hub speaks for it only with through_hub = true in its entry",
        )


def _side(session: SessionRecord, role: Role) -> tuple[str, str]:
    return (session.cpo, session.operator_id) if role is Role.CPO else (session.emp, session.provider_id)


def _is_side(session: SessionRecord, role: Role, identifier: str) -> bool:
    """Whether the identifier, in any spelling, is that of the party that plays this role in the session."""
    key = operator_key if role is Role.CPO else provider_key
    _, known = _side(session, role)
    return bool(known) and key(identifier) == key(known)


def _is_way_of(party: Party, received: Received[Any], name: str) -> bool:
    """Whether the sender may be another way to the peer with this name: one of the two is a hub."""
    former = party.peers().get(name)
    return received.peer.hub or (former is not None and former.hub)

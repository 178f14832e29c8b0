"""A party of a session that reaches us by another way than before: by a hub, its own peer being gone, or directly."""

from typing import Any

from msgspec.structs import replace

from p2pnode.oicp.identifiers import operator_key, provider_key, session_key
from p2pnode.oicp.operations import Role
from p2pnode.roaming.party import Party, caller_of
from p2pnode.roaming.ports import Received
from p2pnode.roaming.records import OWN, SessionRecord


async def spoken_for(party: Party, received: Received[Any]) -> Received[Any]:
    """The message as that of the peer its session began with, where its sender now speaks for the same identifier.

    Only to and from a hub: no other peer takes over a session.
    """
    session_id: str | None = getattr(received.message, "session_id", None)
    if not party.peers().hubs or session_id is None:
        return received
    session = await party.store.session(session_key(session_id))
    if session is None:
        return received
    name, identifier = _side(session, received.operation.caller)
    if name in {OWN, received.peer.name} or not _is_way_of(party, received, name):
        return received
    key = operator_key if received.operation.caller is Role.CPO else provider_key
    if not identifier or key(caller_of(received)) != key(identifier):
        return received
    return replace(received, peer=received.peer.model_copy(update={"name": name}))


def _side(session: SessionRecord, role: Role) -> tuple[str, str]:
    return (session.cpo, session.operator_id) if role is Role.CPO else (session.emp, session.provider_id)


def _is_way_of(party: Party, received: Received[Any], name: str) -> bool:
    """Whether the sender may be another way to the peer with this name: one of the two is a hub."""
    former = party.peers().get(name)
    return received.peer.hub or (former is not None and former.hub)

"""Finding a peer by what a person calls it."""

from p2pnode.config.peers import PeerTable
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import Role
from p2pnode.oicp.status import Code


def find_peer(table: PeerTable, role: Role, to: str) -> str:
    """The name of the peer called `to`, or that has this id in this role. Raises ProtocolError 300."""
    by_id = table.by_operator(operator_key(to)) if role is Role.CPO else table.by_provider(provider_key(to))
    peer = table.get(to) or by_id
    if peer is not None and not peer.enabled:
        raise ProtocolError(Code.PARTNER_NOT_FOUND, f"{peer.name} is switched off: enabled = false in the peer table")
    if peer is None:
        raise ProtocolError(Code.PARTNER_NOT_FOUND, f"no peer is called {to!r:.100} or has this id as {role}")
    return peer.name

"""What is known about a charging point before somebody starts it from afar: whose it is, and whether it may roam."""

from typing import Any

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.identifiers import evse_key, operator_key, operator_of_evse
from p2pnode.oicp.operations import Role
from p2pnode.oicp.status import Code
from p2pnode.roaming.party import Party
from p2pnode.roaming.ports import Outgoing
from p2pnode.roaming.records import OWN, SessionRecord
from p2pnode.roaming.router import Destination, Knowledge, publisher_of, resolve
from p2pnode.roaming.visibility import is_visible, own_keys


async def cpo_of(party: Party, outgoing: Outgoing[Any], session: SessionRecord | None) -> Destination:
    """The CPO that a start or reservation from afar goes to: that of its session, else the owner of the EVSE.

    Raises ProtocolError 603 or 604 by our copy of the CPO's EVSE data, 300 and 210 as `resolve` does. An operator that
    has published no EVSE is not checked.
    """
    evse_id: str = outgoing.message.evse_id
    key = evse_key(evse_id)
    published, peers = await party.store.evse_owners(key), party.peers()
    knowledge = Knowledge(
        party.own,
        counterpart=session.cpo if session is not None else None,
        counterpart_id=session.operator_id if session is not None else "",
        evse_owner=publisher_of(published, peers, outgoing.source),
        to=outgoing.to,
        source=outgoing.source,
    )
    destination = resolve(outgoing.operation, outgoing.message, peers, knowledge)[0]
    if destination.peer is None:
        if outgoing.source is not None:
            await require_own(party, evse_id, outgoing.source)
        return destination
    if outgoing.source is not None and not is_visible(outgoing.source, key):
        raise ProtocolError(Code.UNKNOWN_EVSE_ID, f"{evse_id} is not an EVSE that {outgoing.source.name} may see")
    compatible = next((found.is_hubject_compatible for found in published if found.owner == destination.name), None)
    listed = _listed(destination.peer, evse_id)
    if compatible is None and await party.store.lacks_evse(destination.name, key, listed):
        raise ProtocolError(Code.UNKNOWN_EVSE_ID, f"{evse_id} is not among the EVSEs {destination.name} published")
    _require_compatible(evse_id, is_compatible=compatible is not False)
    return destination


async def require_own(party: Party, evse_id: str, peer: PeerEntry) -> None:
    """Let only EVSEs pass that are ours to start.

    Raises ProtocolError 603 for one that is not ours or hidden from the peer, 604 for one that is not for roaming.
    """
    key = evse_key(evse_id)
    found = next((found for found in await party.store.evse_owners(key) if found.owner == OWN), None)
    compatible = found.is_hubject_compatible if found is not None else None
    is_own = compatible is not None
    if not is_own and not await party.store.lacks_evse(OWN, key):
        is_own = found is not None or operator_of_evse(evse_id) in party.own.keys[Role.CPO]
    if not is_own or not is_visible(peer, key):
        raise ProtocolError(Code.UNKNOWN_EVSE_ID, f"{evse_id} is not an EVSE of this operator")
    _require_compatible(evse_id, is_compatible=compatible is not False)


def operator_of(party: Party, destination: Destination, evse_id: str) -> str:
    """The OperatorID a session with this CPO runs under: the one in the EvseID if it is the CPO's, else its first."""
    identifiers = destination.peer.operators if destination.peer is not None else party.own.operators
    inside = operator_of_evse(evse_id)
    own = next((text for text in identifiers if operator_key(text) == inside), None)
    return own or (identifiers[0] if identifiers else inside or "")


def _listed(peer: PeerEntry, evse_id: str) -> str | None:
    """The operator under which the peer would have listed the EVSE; None where that cannot be told."""
    inside = operator_of_evse(evse_id)
    return inside if peer.hub or inside in own_keys(peer, Role.CPO) else None


def _require_compatible(evse_id: str, *, is_compatible: bool) -> None:
    if not is_compatible:
        raise ProtocolError(Code.EVSE_NOT_HUBJECT_COMPATIBLE, f"{evse_id} cannot be started from afar")

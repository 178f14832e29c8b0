"""The merged copy of what parties publish: whose data a peer is shown, and which copy of it counts where there are two.

What a party publishes reaches us from itself, from a hub, or from both. Both are kept, under the name of who sent them.
While the party is an enabled peer, the hub's copy of its data does not count; without it, it does at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import Role
from p2pnode.roaming.asking import Reply
from p2pnode.roaming.party import OwnParty, Party
from p2pnode.roaming.records import OWN
from p2pnode.roaming.router import comes_back
from p2pnode.roaming.visibility import own_keys


@dataclass(frozen=True, slots=True)
class Shown:
    """Whose data is shown. That of `hubs` is left out for the parties with the keys in `direct`.

    Each of `elsewhere` is an owner and a party whose data is left out, too.
    """

    owners: tuple[str, ...]
    hubs: tuple[str, ...] = ()
    direct: frozenset[str] = frozenset()
    elsewhere: frozenset[tuple[str, str]] = frozenset()

    def includes(self, owner: str, key: str) -> bool:
        """Whether the owner's copy counts for the operator or provider with this key."""
        return (owner not in self.hubs or key not in self.direct) and (owner, key) not in self.elsewhere


ONLY_OURS = Shown((OWN,))
NOBODY: frozenset[str] = frozenset()


def shown_to(party: Party, peer: PeerEntry, role: Role) -> Shown:
    """What parties of the role have published and the peer may be shown: ours, and where we relay that of others."""
    if not party.relay:
        return ONLY_OURS
    peers = party.peers()
    others = [other for other in peers.peers if other.enabled and not comes_back(other, peer)]
    hubs = tuple(other.name for other in others if other.hub)
    return Shown(
        (OWN, *(other.name for other in others)), hubs, direct_keys(peers, party.own, role) if hubs else NOBODY
    )


def direct_keys(peers: PeerTable, own: OwnParty, role: Role) -> frozenset[str]:
    """The keys of the parties of the role that no hub is needed for: our own, and those of the other enabled peers."""
    direct = (own_keys(peer, role) for peer in peers.peers if peer.enabled and not peer.hub)
    return own.keys[role].union(*direct)


def gives_on(party: Party, peer: PeerEntry, role: Role, key: str) -> bool:
    """Whether we give on what the peer publishes for the party with this key: not a hub's copy that does not count."""
    return party.relay and not (peer.hub and key in direct_keys(party.peers(), party.own, role))


def published_for(party: Party, shown: Shown, role: Role) -> list[str]:
    """The identifiers of the parties whose data is shown: a full load of nothing tells that one has withdrawn it."""
    found = list(party.own.ids(role))
    key = operator_key if role is Role.CPO else provider_key
    peers = party.peers()
    for name in shown.owners:
        peer = peers.get(name)
        if peer is not None and not peer.hub:
            found += [text for text in peer.ids(role) if (name, key(text)) not in shown.elsewhere]
    return found


def first_hand(replies: Iterable[Reply], role: Role) -> Callable[[Reply, str], bool]:
    """Whether what an answer tells of the party with a key counts: in a hub's, where the party has not answered."""
    peers = [reply.destination.peer for reply in replies]
    direct = NOBODY.union(*(own_keys(peer, role) for peer in peers if peer is not None and not peer.hub))

    def counts(reply: Reply, key: str) -> bool:
        peer = reply.destination.peer
        return peer is None or not peer.hub or key not in direct

    return counts

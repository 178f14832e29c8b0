"""Peers as a person names them, by name or by an id, and what is said where there is no such peer."""

from difflib import get_close_matches

from p2pnode.config.peers import PeerEntry, PeerTable
from p2pnode.oicp.identifiers import operator_key, provider_key

SHOWN = 10
"""How many known names a hint lists."""
LONGEST = 64
"""How much of what was asked is compared: no name is longer."""
CLOSE = 0.7
"""How much of a name has to be right for it to be meant, from 0 to 1."""


def peer_called(peers: PeerTable, asked: str) -> PeerEntry | None:
    """The peer of this name, OperatorID or ProviderID."""
    return peers.get(asked) or peers.by_operator(operator_key(asked)) or peers.by_provider(provider_key(asked))


def name_of(peers: PeerTable, asked: str) -> str:
    """The name of the peer called so; what was asked where there is none: the store may hold what a former one sent."""
    found = peer_called(peers, asked)
    return found.name if found is not None else asked


def unknown_among(peers: PeerTable, *asked: str | None) -> str | None:
    """The first of the names that is no peer's; our own side's is empty."""
    return next((each for each in asked if each and peer_called(peers, each) is None), None)


def no_such_peer(peers: PeerTable, asked: str) -> tuple[str, str]:
    """What is told of a name that no peer has, and as a hint the nearest there are."""
    message = f"no peer is called {asked!r:.100} or has this id"
    if not peers.peers:
        return message, "there are no peers yet: `p2pnode peer add URL` makes a partner's node one"
    known = {each.casefold(): each for peer in peers.peers for each in (peer.name, *peer.operators, *peer.providers)}
    near = [known[each] for each in get_close_matches(asked[:LONGEST].casefold(), known, cutoff=CLOSE)]
    if near:
        return message, f"did you mean {' or '.join(near)}?"
    names = [peer.name for peer in peers.peers]
    more = ", …" if len(names) > SHOWN else ""
    return message, f"known are: {', '.join(names[:SHOWN])}{more}"

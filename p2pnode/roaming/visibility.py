"""Which of our charging points a peer may see, and which EvseIDs belong to it: by the beginnings of their keys."""

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.identifiers import evse_prefix_key, operator_key, provider_key
from p2pnode.oicp.operations import Role
from p2pnode.oicp.scalars import ANY_PROVIDER


def visible_prefixes(peer: PeerEntry) -> tuple[str, ...] | None:
    """The beginnings of the keys of our EVSEs that the peer may see; None for all."""
    return None if peer.visible == "all" else tuple(evse_prefix_key(text) for text in peer.visible)


def is_visible(peer: PeerEntry, key: str) -> bool:
    """Whether the peer may see our EVSE with this key."""
    prefixes = visible_prefixes(peer)
    return prefixes is None or key.startswith(prefixes)


def is_priced_for(peer: PeerEntry, provider: str) -> bool:
    """Whether prices for the provider with this key, or for all (`*`), are the peer's to see."""
    return provider == ANY_PROVIDER or peer.hub or provider in own_keys(peer, Role.EMP)


def has_prefix(peer: PeerEntry, key: str) -> bool:
    """Whether the EVSE's key begins with one of the peer's `evse_prefixes`."""
    return any(key.startswith(prefix) for prefix, _ in peer.evse_prefix_keys())


def own_keys(peer: PeerEntry, role: Role) -> frozenset[str]:
    """The keys of the peer's identifiers in this role, with those of the sub partners it bundles."""
    if role is Role.CPO:
        return frozenset(operator_key(text) for text in (*peer.operators, *peer.sub_operators))
    return frozenset(provider_key(text) for text in (*peer.providers, *peer.sub_providers))

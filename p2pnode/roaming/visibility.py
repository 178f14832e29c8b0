"""Which of our charging points a peer may see, and which EvseIDs belong to it: by the beginnings of their keys."""

import re
from functools import lru_cache

from p2pnode.config.peers import PeerEntry
from p2pnode.oicp.identifiers import Standard, evse_key, operator_key, parse_operator, provider_key
from p2pnode.oicp.operations import Role
from p2pnode.oicp.scalars import ANY_PROVIDER

_OPERATOR_AND_E = re.compile(r"([A-Za-z]{2})\*?([A-Za-z0-9]{3})\*?[Ee]")


@lru_cache(maxsize=4096)
def prefix_key(text: str) -> str:
    """The beginning of the keys of all EvseIDs that begin with `text`; `DEGEF` and `DE*GEF*` are one."""
    bare = text.strip().rstrip("*")
    operator = parse_operator(bare)
    if operator.standard is not Standard.OTHER:
        return f"{operator.key}*"
    if match := _OPERATOR_AND_E.fullmatch(bare):
        return f"{match[1]}*{match[2]}*E".upper()
    return evse_key(bare)


def visible_prefixes(peer: PeerEntry) -> tuple[str, ...] | None:
    """The beginnings of the keys of our EVSEs that the peer may see; None for all."""
    return None if peer.visible == "all" else tuple(prefix_key(text) for text in peer.visible)


def is_visible(peer: PeerEntry, key: str) -> bool:
    """Whether the peer may see our EVSE with this key."""
    prefixes = visible_prefixes(peer)
    return prefixes is None or key.startswith(prefixes)


def is_priced_for(peer: PeerEntry, provider: str) -> bool:
    """Whether prices for the provider with this key, or for all (`*`), are the peer's to see."""
    return provider == ANY_PROVIDER or peer.hub or provider in own_keys(peer, Role.EMP)


def longest_prefix(peer: PeerEntry, key: str) -> int:
    """The length of the longest of the peer's `evse_prefixes` that the EVSE's key begins with; 0 for none."""
    return max(
        (len(prefix) for text in peer.evse_prefixes if key.startswith(prefix := prefix_key(text))),
        default=0,
    )


def own_keys(peer: PeerEntry, role: Role) -> frozenset[str]:
    """The keys of the peer's identifiers in this role, with those of the sub partners it bundles."""
    if role is Role.CPO:
        return frozenset(operator_key(text) for text in (*peer.operators, *peer.sub_operators))
    return frozenset(provider_key(text) for text in (*peer.providers, *peer.sub_providers))

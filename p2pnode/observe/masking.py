"""Keeping who drives out of logs: what may be shown of a UID, an EvcoID, a PIN or a key."""

from collections.abc import Mapping, MutableMapping
from typing import Any, cast

from p2pnode.oicp.identifiers import provider_of_evco

HIDDEN = "…"
UID_SHOWN = 2

SECRET_KEYS = frozenset({"pin", "hashedpin", "value", "hash", "token", "authorization", "key", "password", "salt"})
MEDIUM_KEYS = {"uid": "uid", "evcoid": "evco", "rfidid": "uid", "printednumber": "uid"}
DEEPEST = 8


def mask_uid(uid: str) -> str:
    """A UID as logs may show it: its last two characters."""
    return f"{HIDDEN}{uid[-UID_SHOWN:]}" if len(uid) > 2 * UID_SHOWN else HIDDEN


def mask_evco(evco_id: str) -> str:
    """An EvcoID as logs may show it: its provider."""
    provider = provider_of_evco(evco_id)
    return f"{provider}-{HIDDEN}" if provider else HIDDEN


def masked(name: str, value: object, depth: int = 0) -> object:
    """A value as logs may show it under this name, whether an attribute's (`evco_id`) or a member's (`EvcoID`)."""
    plain = name.replace("_", "").replace("-", "").lower()
    if plain in SECRET_KEYS:
        return HIDDEN
    kind = MEDIUM_KEYS.get(plain)
    if kind and isinstance(value, str):
        return mask_uid(value) if kind == "uid" else mask_evco(value)
    if depth > DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return {str(member): masked(str(member), inner, depth + 1) for member, inner in members.items()}
    if isinstance(value, list | tuple):
        return [masked(name, inner, depth + 1) for inner in cast("list[object]", value)]
    return value


def mask_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every value of a log line, as a structlog processor."""
    for name, value in event.items():
        event[name] = masked(name, value)
    return event

"""Pushes ready to go, and full loads made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p2pnode.oicp.envelopes import join
from p2pnode.oicp.identifiers import operator_key, provider_key
from p2pnode.oicp.operations import AnyOperation, Role
from p2pnode.oicp.scalars import ActionType


@dataclass(frozen=True, slots=True)
class Parcel:
    """One push ready to go: under which of our ids, its body, whether it is a full load, and one of nothing."""

    caller_id: str
    body: bytes
    full: bool
    is_empty: bool = False


Heading = tuple[str, str]
"""What records are published under: the id of the party as it was written, and what else tells pushes apart."""


def full_loads(
    operation: AnyOperation,
    blocks: Mapping[Heading, Sequence[bytes]],
    message_of: Callable[[Heading], Any],
    size: int,
    *,
    key_of: Callable[[Heading], object] | None = None,
) -> list[Parcel]:
    """Full loads as pushes of at most `size` records: a party's first replaces what there is, the others add to it.

    A party may stand in several headings: its id in two spellings, under two names. Its pushes come one after the
    other; a heading without records is left out where the party has another. `message_of` is a push without records,
    its action a full load; `key_of` tells the party of a heading, by its id unless it is given.
    """
    by_id = operator_key if operation.caller is Role.CPO else provider_key
    parties: dict[object, list[Heading]] = {}
    for heading in blocks:
        parties.setdefault(key_of(heading) if key_of is not None else by_id(heading[0]), []).append(heading)
    parcels: list[Parcel] = []
    for headings in parties.values():
        action = ActionType.FULL_LOAD
        for heading in [each for each in headings if blocks[each]] or headings[:1]:
            message, records = message_of(heading), blocks[heading]
            for at in range(0, len(records) or 1, size):
                part = message.model_copy(update={"action_type": action.value})
                body = join(operation, part, records[at : at + size])
                parcels.append(Parcel(heading[0], body, full=True, is_empty=not records))
                action = ActionType.INSERT
    return parcels

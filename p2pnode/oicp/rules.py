"""Checking a message that was read: the limits of its members, the rules over several, and the ids of its records.

`check` reports everything at once. What it calls an error makes a message unacceptable; a warning is worth telling.
"""

from collections.abc import Collection, Iterable

from p2pnode.oicp.constraints import Severity
from p2pnode.oicp.errors import Violation
from p2pnode.oicp.identifiers import evse_key, provider_of_evco
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.rules_compile import Rulebook
from p2pnode.oicp.rules_evse import EVSE_RULES
from p2pnode.oicp.rules_session import CHOICES, SESSION_RULES

RULEBOOK = Rulebook({**SESSION_RULES, **EVSE_RULES}, CHOICES)


def check(message: OicpModel) -> tuple[Violation, ...]:
    """Every rule of the texts that a message breaks, errors and warnings, in the order of its members.

    Pointers use the names this node writes; where a sender used another form of a name, the erratum tells which.
    """
    return RULEBOOK.check(message)


def errors_in(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """The violations that make a message unacceptable."""
    return tuple([violation for violation in violations if violation.severity is Severity.ERROR])


def contracts_of_others(evco_ids: Iterable[str | None], providers: Collection[str], at: str) -> tuple[Violation, ...]:
    """019: the EvcoIDs that name none of `providers` (keys); None for a record without one."""
    return tuple(
        Violation(f"{at}/{index}/Identification", "inconsistent-evco", "EvcoID does not belong to the provider.")
        for index, evco_id in enumerate(evco_ids)
        if evco_id is not None and provider_of_evco(evco_id) not in providers
    )


def repeated_evses(evse_ids: Iterable[str], at: str) -> tuple[Violation, ...]:
    """018: the EvseIDs that stand in one push for a second time, whatever their spelling."""
    return repeated((evse_key(evse_id) for evse_id in evse_ids), at, "EvseID")


def repeated(keys: Iterable[str], at: str, name: str) -> tuple[Violation, ...]:
    """The records whose key has come before; `name` is the member the key was made from."""
    seen: dict[str, int] = {}
    found: list[Violation] = []
    for index, key in enumerate(keys):
        first = seen.setdefault(key, index)
        if first != index:
            sentence = f"{name} is that of record {first} too."
            found.append(Violation(f"{at}/{index}/{name}", "repeated", sentence))
    return tuple(found)

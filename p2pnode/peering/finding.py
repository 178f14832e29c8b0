"""What an examination finds: one line each, with what to do about a failure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, what was seen, what to do where it is not."""

    what: str
    is_well: bool
    told: str
    remedy: str = ""


def well(what: str, told: str) -> Finding:
    """It is as it should be."""
    return Finding(what, is_well=True, told=told)


def fails(what: str, told: str, remedy: str) -> Finding:
    """It is not as it should be."""
    return Finding(what, is_well=False, told=told, remedy=remedy)

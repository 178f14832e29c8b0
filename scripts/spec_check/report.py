"""What the checks find, and what of it is known and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from p2pnode.oicp.operations import Role

BOTH: tuple[Role, ...] = (Role.CPO, Role.EMP)


@dataclass(frozen=True, slots=True)
class Place:
    """Where two sources disagree.

    `documents` are the descriptions by the role they are written for, `subject` an operation, sample or schema,
    `pointer` the JSON pointer inside it with `*` for a list's index, `rule` what is broken there.
    """

    documents: tuple[Role, ...]
    subject: str
    pointer: str
    rule: str


@dataclass(frozen=True, slots=True)
class Deviation:
    """A difference that is meant: `reason` is an erratum's id, or a sentence."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference that a check found, in one document."""

    document: Role
    subject: str
    pointer: str
    rule: str
    message: str

    def is_at(self, place: Place) -> bool:
        """Whether this is the difference that `place` describes."""
        here = (self.subject, self.pointer, self.rule)
        return self.document in place.documents and here == (place.subject, place.pointer, place.rule)


class Report:
    """The outcome of one check: how much was compared, what differs, and which known deviations no longer occur."""

    def __init__(self, name: str, compared: int, found: Iterable[Difference], known: Sequence[Deviation]) -> None:
        self.name = name
        self.compared = compared
        self.expected: list[tuple[Difference, Deviation]] = []
        self.unexpected: list[Difference] = []
        seen: set[tuple[Role, Place]] = set()
        for difference in found:
            deviation = next((each for each in known if difference.is_at(each.place)), None)
            if deviation is None:
                self.unexpected.append(difference)
            else:
                self.expected.append((difference, deviation))
                seen.add((difference.document, deviation.place))
        self.stale = [
            (document, each)
            for each in known
            for document in each.place.documents
            if (document, each.place) not in seen
        ]

    @property
    def failed(self) -> bool:
        """Whether something differs that should not, or agrees that is listed as differing."""
        return bool(self.unexpected or self.stale)

    def as_dict(self) -> dict[str, Any]:
        """The report for --json."""

        def place(document: Role, subject: str, pointer: str, rule: str) -> dict[str, str]:
            return {"document": document.value, "subject": subject, "pointer": pointer, "rule": rule}

        return {
            "check": self.name,
            "compared": self.compared,
            "unexpected": [
                place(each.document, each.subject, each.pointer, each.rule) | {"message": each.message}
                for each in self.unexpected
            ],
            "known": [
                place(each.document, each.subject, each.pointer, each.rule)
                | {"message": each.message, "reason": deviation.reason}
                for each, deviation in self.expected
            ],
            "stale": [
                place(document, each.place.subject, each.place.pointer, each.place.rule) | {"reason": each.reason}
                for document, each in self.stale
            ],
        }

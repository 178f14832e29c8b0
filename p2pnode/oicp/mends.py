"""Small repairs of a decoded body: what may be put right without inventing anything, each reported.

A mend changes a member only where the sender's meaning is beyond doubt. The objects and lists it touches are copied
first, so that the body given is left as it came.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeGuard

from p2pnode.oicp.errors import Violation
from p2pnode.oicp.model import OicpModel

Members = dict[str, Any]

SHOWN_CHARACTERS = 60
_NUMBER: Final = re.compile(r"\s*([+-]?[0-9]{1,12})(?:[.,]([0-9]{1,12}))?\s*(?:kWh?|[VvAa%])?\s*", re.ASCII)
_TRUE: Final = frozenset({"true", "1", "yes", "y", "on", "t"})
_FALSE: Final = frozenset({"false", "0", "no", "n", "off", "f"})


class MendKind(StrEnum):
    """What was mended: a stable name, counted per sender; `MEANING` describes each."""

    MEMBER_RENAMED = "member-renamed"
    NUMBER_AS_TEXT = "number-as-text"
    BOOLEAN_AS_TEXT = "boolean-as-text"
    TEXT_AS_NUMBER = "text-as-number"
    TEXT_AS_BOOLEAN = "text-as-boolean"
    LIST_WITHOUT_BRACKETS = "list-without-brackets"
    NULL_IN_LIST = "null-in-list"
    BLANKS_AROUND = "blanks-around"
    VALUE_SPELLING = "value-spelling"
    OLDER_VALUE = "older-value"
    LANGUAGE_MISSING = "language-missing"
    TEXT_WITHOUT_LANGUAGE = "text-without-language"
    DATE_WITHOUT_ZONE = "date-without-zone"
    COORDINATES_AS_TEXT = "coordinates-as-text"
    COORDINATES_UNREADABLE = "coordinates-unreadable"
    COORDINATES_REWRITTEN = "coordinates-rewritten"
    TIME_ZONE_NAME = "time-zone-name"
    COUNTRY_CODE = "country-code"
    PHONE_NUMBER = "phone-number"
    STREET_TOO_SHORT = "street-too-short"
    REQUIRED_MISSING = "required-missing"
    FACILITY_WITHOUT_POWER = "facility-without-power"
    UNREADABLE_REMOVED = "unreadable-removed"


MEANING: dict[MendKind, str] = {
    MendKind.MEMBER_RENAMED: "A member whose name was spelled in another way has the specification's name.",
    MendKind.NUMBER_AS_TEXT: "A number that was written as a string is a number.",
    MendKind.BOOLEAN_AS_TEXT: "A boolean that was written as a string or a number is a boolean.",
    MendKind.TEXT_AS_NUMBER: "A text that was written as a number is a string.",
    MendKind.TEXT_AS_BOOLEAN: "A text that was written as a boolean is a string.",
    MendKind.LIST_WITHOUT_BRACKETS: "A single value where a list belongs is a list of one.",
    MendKind.NULL_IN_LIST: "Null among the elements of a list is left out.",
    MendKind.BLANKS_AROUND: "Blanks around an identifier are left out.",
    MendKind.VALUE_SPELLING: "A value of an enumeration has the specification's spelling.",
    MendKind.OLDER_VALUE: "A value of an older version has today's name.",
    MendKind.LANGUAGE_MISSING: "A text without a language has the code for an undetermined one, und.",
    MendKind.TEXT_WITHOUT_LANGUAGE: "A bare string where a text with its language belongs has the language und.",
    MendKind.DATE_WITHOUT_ZONE: "A point in time without a zone is taken as UTC.",
    MendKind.COORDINATES_AS_TEXT: "Coordinates that were a bare string stand in the object Google.",
    MendKind.COORDINATES_UNREADABLE: "Coordinates that say nothing, such as None None, are left out.",
    MendKind.COORDINATES_REWRITTEN: "Coordinates outside the grammar are written in it, to six decimals.",
    MendKind.TIME_ZONE_NAME: "A time zone's name is replaced by its offset in standard time.",
    MendKind.COUNTRY_CODE: "A country code of two letters or in lower case is the code of three letters.",
    MendKind.PHONE_NUMBER: "A phone number has no blanks and punctuation and begins with a plus sign.",
    MendKind.STREET_TOO_SHORT: "A street of one character is filled with an underscore, as the specification asks.",
    MendKind.REQUIRED_MISSING: "A required member that was missing or null has a value that claims nothing.",
    MendKind.FACILITY_WITHOUT_POWER: "A charging facility that tells no power is left out.",
    MendKind.UNREADABLE_REMOVED: "An optional member or an element that cannot be read is left out.",
}


@dataclass(frozen=True, slots=True)
class Mend:
    """One repair: RFC 6901 pointer into the record, kind, and a sentence that tells what was done."""

    pointer: str
    kind: MendKind
    sentence: str


def shown(value: object) -> str:
    """A value for a sentence, cut."""
    text = f'"{value}"' if isinstance(value, str) else str(value) if is_number(value) else type(value).__name__
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def pointer_to(parent: str, step: str | int) -> str:
    """The RFC 6901 pointer one step further."""
    return f"{parent}/{str(step).replace('~', '~0').replace('/', '~1')}"


def is_number(value: object) -> bool:
    """Whether a decoded JSON value is a number."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def is_object(value: object) -> TypeGuard[Members]:
    """Whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a decoded JSON value is a list."""
    return isinstance(value, list)


def spelling(value: str) -> str:
    """What two spellings of an enumerated value have in common."""
    return "".join(character for character in value.casefold() if character.isalnum())


def spellings(values: type[StrEnum]) -> dict[str, str]:
    """The values of an enumeration by what their spellings have in common."""
    return {spelling(member.value): member.value for member in values}


@dataclass(frozen=True, slots=True)
class Names:
    """The member names of a type: those that are right, and the right one by every other form, folded."""

    known: frozenset[str]
    by_folded: Mapping[str, str]

    @classmethod
    def of(cls, model: type[OicpModel], **synonyms: str) -> "Names":
        """The names that `model` writes; `synonyms` are folded names that senders use for one of them."""
        known = [field.serialization_alias or name for name, field in model.model_fields.items()]
        return cls(frozenset(known), {name.casefold(): name for name in known} | synonyms)

    def and_also(self, *names: str) -> "Names":
        """The same with further names that are right as they are."""
        return Names(self.known | frozenset(names), self.by_folded)


class Mending(ABC):
    """One body being mended: `body` as it will be kept, `mends` as they were made."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body: Members = dict(body)
        self.mends: list[Mend] = []

    @abstractmethod
    def mend(self) -> None:
        """Put right everything that can be, and say so."""

    @abstractmethod
    def reasons(self) -> tuple[Violation, ...]:
        """Why the body is of no use, although its structure can be read."""

    def note(self, pointer: str, kind: MendKind, sentence: str) -> None:
        """Report a mend."""
        self.mends.append(Mend(pointer, kind, sentence))

    def object_in(self, members: Members, name: str) -> Members | None:
        """A copy of the object that is a member, put in its place; None where it is not an object."""
        value: object = members.get(name)
        if not is_object(value):
            return None
        members[name] = copied = dict(value)
        return copied

    def list_in(self, members: Members, at: str, name: str, alone: tuple[type, ...]) -> list[Any] | None:
        """A copy of the list that is a member, put in its place; nulls left out, a value of `alone` made a list."""
        value: object = members.get(name)
        if isinstance(value, alone):
            self.note(pointer_to(at, name), MendKind.LIST_WITHOUT_BRACKETS, f"{name} is a list; one value came alone.")
            value = [value]
        if not is_list(value):
            return None
        elements = [element for element in value if element is not None]
        if len(elements) != len(value):
            self.note(pointer_to(at, name), MendKind.NULL_IN_LIST, f"{name} had null among its elements.")
        members[name] = elements
        return elements

    def objects_in(self, members: Members, at: str, name: str) -> list[tuple[str, Members]]:
        """Copies of the objects in the list that is a member, with their pointers."""
        elements = self.list_in(members, at, name, (dict,)) or []
        found: list[tuple[str, Members]] = []
        for index, element in enumerate(elements):
            if is_object(element):
                elements[index] = copied = dict(element)
                found.append((pointer_to(pointer_to(at, name), index), copied))
        return found

    def rename(self, members: Members, at: str, names: Names) -> None:
        """Give members the specification's names where they are unknown but differ in case only, or have a synonym."""
        for name in [name for name in members if name not in names.known]:
            proper = names.by_folded.get(name.casefold())
            if proper is None or members[name] is None or members.get(proper) is not None:
                continue
            members[proper] = members.pop(name)
            self.note(pointer_to(at, name), MendKind.MEMBER_RENAMED, f"{shown(name)} is called {proper}.")

    def numbers(self, members: Members, at: str, names: Iterable[str]) -> None:
        """Make numbers of numeric strings, also with a decimal comma or a unit behind."""
        for name in names:
            value: object = members.get(name)
            if isinstance(value, str) and (match := _NUMBER.fullmatch(value)):
                members[name] = number = _exact(match)
                self.note(pointer_to(at, name), MendKind.NUMBER_AS_TEXT, f"{shown(value)} is the number {number}.")

    def booleans(self, members: Members, at: str, names: Iterable[str]) -> None:
        """Make booleans of the strings and numbers that mean them."""
        for name in names:
            value: object = members.get(name)
            if value is None or isinstance(value, bool) or not (isinstance(value, str) or is_number(value)):
                continue
            text = str(value).strip().casefold()
            if text in _TRUE or text in _FALSE:
                members[name] = text in _TRUE
                sentence = f"{shown(value)} is the boolean {str(text in _TRUE).lower()}."
                self.note(pointer_to(at, name), MendKind.BOOLEAN_AS_TEXT, sentence)

    def texts(self, members: Members, at: str, names: Iterable[str]) -> None:
        """Make strings of numbers and booleans."""
        for name in names:
            value: object = members.get(name)
            if isinstance(value, bool):
                members[name] = str(value).lower()
                self.note(pointer_to(at, name), MendKind.TEXT_AS_BOOLEAN, f"{name} is a string, not a boolean.")
            elif is_number(value):
                members[name] = str(value)
                self.note(pointer_to(at, name), MendKind.TEXT_AS_NUMBER, f"{name} is a string, not a number.")

    def stripped(self, members: Members, at: str, name: str) -> None:
        """Leave out the blanks around an identifier."""
        value: object = members.get(name)
        if isinstance(value, str) and value != value.strip():
            members[name] = value.strip()
            self.note(pointer_to(at, name), MendKind.BLANKS_AROUND, f"There were blanks around {name}.")

    def enumerated(
        self, members: Members, at: str, name: str, table: Mapping[str, str], older: Mapping[str, str] | None = None
    ) -> None:
        """Give a value of an enumeration its spelling; an unknown value stays as it is."""
        value: object = members.get(name)
        if isinstance(value, str):
            members[name] = self._proper(value, pointer_to(at, name), table, older or {})

    def enumerated_list(self, members: Members, at: str, name: str, table: Mapping[str, str]) -> None:
        """Give each value of a list of enumerated values its spelling."""
        elements = self.list_in(members, at, name, (str,)) or []
        for index, value in enumerate(elements):
            if isinstance(value, str):
                elements[index] = self._proper(value, pointer_to(pointer_to(at, name), index), table, {})

    def _proper(self, value: str, at: str, table: Mapping[str, str], older: Mapping[str, str]) -> str:
        common = spelling(value)
        if (current := older.get(common)) is not None:
            self.note(at, MendKind.OLDER_VALUE, f"{shown(value)} is called {current} today.")
            return current
        proper = table.get(common, value)
        if proper != value:
            self.note(at, MendKind.VALUE_SPELLING, f"{shown(value)} is spelled {proper}.")
        return proper

    def info_texts(self, members: Members, at: str, name: str) -> None:
        """Give texts the object and the language that belong to them."""
        elements = self.list_in(members, at, name, (dict, str)) or []
        for index, element in enumerate(elements):
            place = pointer_to(pointer_to(at, name), index)
            if isinstance(element, str):
                elements[index] = {"lang": "und", "value": element}
                self.note(place, MendKind.TEXT_WITHOUT_LANGUAGE, "A bare string has no language.")
            if not is_object(element):
                continue
            elements[index] = text = dict(element)
            self.texts(text, place, ("value",))
            if text.get("lang") is None and text.get("value") is not None:
                text["lang"] = "und"
                self.note(pointer_to(place, "lang"), MendKind.LANGUAGE_MISSING, "The text has no language.")

    def zoned(self, members: Members, at: str, name: str) -> None:
        """Give a point in time without a zone the zone UTC."""
        value: object = members.get(name)
        if not isinstance(value, str):
            return
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return
        if moment.tzinfo is None:
            members[name] = f"{moment.isoformat()}Z"
            self.note(pointer_to(at, name), MendKind.DATE_WITHOUT_ZONE, f"{shown(value)} is taken as UTC.")

    def required(self, members: Members, at: str, neutral: Mapping[str, Callable[[], object]]) -> None:
        """Fill required members that are missing or null with a value that claims nothing."""
        for name, value in neutral.items():
            if members.get(name) is None:
                members[name] = value()
                sentence = (
                    f"{name} is required; {shown(members[name]) if members[name] else 'an empty value'} stands in."
                )
                self.note(pointer_to(at, name), MendKind.REQUIRED_MISSING, sentence)


def _exact(match: re.Match[str]) -> int | Decimal:
    whole, fraction = match[1], match[2]
    if not fraction or not fraction.strip("0"):
        return int(whole)
    return Decimal(f"{whole}.{fraction}")

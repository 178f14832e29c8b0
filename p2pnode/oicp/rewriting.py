"""Changing single members of a JSON text; whatever is not changed keeps its bytes and its order.

A `Change` is made by one of the functions here and applied by `edited`. A value that is not of the kind a change is
for is left as it is: reading it is the receiver's business.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

import msgspec

Members = dict[str, msgspec.Raw]
Text = bytes | msgspec.Raw

_MEMBERS = msgspec.json.Decoder(Members)
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_ENCODER = msgspec.json.Encoder()
NUMBER = frozenset(b"-0123456789")


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to the members of one object.

    `apply` gets the members and the peer's own ProviderID, and returns whether it changed any. `told` is the sentence
    of the manual. Where `marks` are given, the change does nothing to an object without a member of such a name.
    """

    told: str
    apply: Callable[[Members, str | None], bool]
    marks: tuple[str, ...] = ()

    def may_apply(self, body: bytes) -> bool:
        """Whether a body can hold what this changes; much cheaper than looking at its objects."""
        return not self.marks or any(b'"%b"' % mark.encode() in body for mark in self.marks)


def edited(body: bytes, path: tuple[str, ...], change: Change, provider_id: str | None) -> bytes:
    """The body with the change made at every object at `path`; the same object where there was nothing to change."""
    found = _edited(body, path, change, provider_id)
    return body if found is body else bytes(found)


def _edited(text: Text, path: tuple[str, ...], change: Change, provider_id: str | None) -> Text:
    kind = _kind(text)
    if kind == b"{":
        return _in_object(text, path, change, provider_id)
    if kind != b"[":
        return text
    elements = _ELEMENTS.decode(text)
    changed = [
        _in_object(element, path, change, provider_id) if _kind(element) == b"{" else element for element in elements
    ]
    return text if _are_same(changed, elements) else _list(changed)


def _in_object(text: Text, path: tuple[str, ...], change: Change, provider_id: str | None) -> Text:
    members = _MEMBERS.decode(text)
    if not path:
        return _object(members) if change.apply(members, provider_id) else text
    inner = members.get(path[0])
    new = None if inner is None else _edited(inner, path[1:], change, provider_id)
    if new is None or new is inner:
        return text
    members[path[0]] = _raw(new)
    return _object(members)


def _are_same(new: Sequence[Text], old: Sequence[Text]) -> bool:
    return len(new) == len(old) and all(one is other for one, other in zip(new, old, strict=True))


def _kind(text: Text) -> bytes:
    return bytes(memoryview(text)[:1])


def _raw(text: Text) -> msgspec.Raw:
    return text if isinstance(text, msgspec.Raw) else msgspec.Raw(text)


def _object(members: Mapping[str, object]) -> bytes:
    return _ENCODER.encode(members)


def _list(elements: Sequence[Text]) -> bytes:
    return _ENCODER.encode([_raw(element) for element in elements])


def _json(value: object) -> msgspec.Raw:
    return msgspec.Raw(_ENCODER.encode(value))


def _is_null(text: msgspec.Raw) -> bool:
    return _kind(text) == b"n"


def renamed(old: str, new: str) -> Change:
    """The member `old` under the name `new`, in its place. Where both are there, `old` gives way."""

    def apply(members: Members, _: str | None) -> bool:
        if old not in members:
            return False
        known = {**members}
        members.clear()
        for name, value in known.items():
            if name != old:
                members[name] = value
            elif new not in known:
                members[new] = value
        return True

    return Change(f"`{new}` in place of `{old}`", apply, (old,))


def all_named(new: str, old: str) -> Change:
    """The member `new` alone where one list is written under two names."""
    change = renamed(old, new)
    return Change(f"`{new}` alone, without `{old}`", change.apply, change.marks)


def left_out(*names: str) -> Change:
    """Without these members."""

    def apply(members: Members, _: str | None) -> bool:
        return len([True for name in names if members.pop(name, None) is not None]) > 0

    return Change(f"without {_named(names)}", apply, names)


def as_list(name: str) -> Change:
    """One value as a list of one."""

    def apply(members: Members, _: str | None) -> bool:
        value = members.get(name)
        if value is None or _is_null(value) or _kind(value) == b"[":
            return False
        members[name] = _json([value])
        return True

    return Change(f"`{name}` as a list", apply, (name,))


def as_one(name: str) -> Change:
    """The only value of a list in place of the list."""

    def apply(members: Members, _: str | None) -> bool:
        value = members.get(name)
        elements = _ELEMENTS.decode(value) if value is not None and _kind(value) == b"[" else []
        if len(elements) != 1:
            return False
        members[name] = elements[0]
        return True

    return Change(f"`{name}` as one value where it is one", apply, (name,))


def as_object(name: str, inside: str, **others: str) -> Change:
    """An object with the value as its member `inside`, where it is none yet."""

    def apply(members: Members, _: str | None) -> bool:
        value = members.get(name)
        if value is None or _is_null(value) or _kind(value) == b"{":
            return False
        members[name] = _json({inside: value, **others})
        return True

    return Change(f"`{name}` as an object with `{inside}`", apply, (name,))


def as_text(*names: str) -> Change:
    """Numbers, lists of them, and booleans as texts."""

    def text(value: msgspec.Raw) -> msgspec.Raw:
        kind = _kind(value)
        if kind[0] in NUMBER:
            return _json(format(Decimal(bytes(value).decode()), "f"))
        return _json(bytes(value).decode()) if kind in {b"t", b"f"} else value

    def apply(members: Members, _: str | None) -> bool:
        changed = False
        for name in names:
            value = members.get(name)
            if value is None:
                continue
            if _kind(value) == b"[":
                elements = _ELEMENTS.decode(value)
                texts = [text(element) for element in elements]
                if _are_same(texts, elements):
                    continue
                members[name] = _json(texts)
            else:
                members[name] = text(value)
            changed = changed or members[name] is not value
        return changed

    return Change(f"{_named(names)} as text", apply, names)


def as_whole(name: str) -> Change:
    """A number, or a text that is one, as a whole number, rounded."""

    def apply(members: Members, _: str | None) -> bool:
        value = members.get(name)
        if value is None or not (_kind(value)[0] in NUMBER or _kind(value) == b'"'):
            return False
        try:
            number = Decimal(bytes(value).decode().strip('"').strip())
            whole = _json(int(number.to_integral_value(ROUND_HALF_UP)))
        except (InvalidOperation, OverflowError, ValueError):
            return False
        if bytes(whole) == bytes(value):
            return False
        members[name] = whole
        return True

    return Change(f"`{name}` as a whole number", apply, (name,))


def replaced(name: str, values: Mapping[str, str]) -> Change:
    """Other texts for some texts."""

    def apply(members: Members, _: str | None) -> bool:
        value = members.get(name)
        new = values.get(_string(value)) if value is not None else None
        if new is None:
            return False
        members[name] = _json(new)
        return True

    told = ", ".join(f"`{new}` for `{old}`" for old, new in values.items())
    return Change(f"`{name}`: {told}", apply, (name,))


def upper_case(name: str) -> Change:
    """A text in upper case."""

    def apply(members: Members, _: str | None) -> bool:
        text = _string(members[name]) if name in members else ""
        if text == text.upper():
            return False
        members[name] = _json(text.upper())
        return True

    return Change(f"`{name}` in upper case", apply, (name,))


def named_after(name: str, other: str) -> Change:
    """The member `other` also under `name`, where that is absent or empty."""

    def apply(members: Members, _: str | None) -> bool:
        if other not in members or (name in members and _string(members[name])):
            return False
        members[name] = members[other]
        return True

    return Change(f"`{name}` always, `{other}` where there is none", apply)


def copied_down(records: str, *names: str) -> Change:
    """These members also inside each of the records beside them."""

    def apply(members: Members, _: str | None) -> bool:
        listed = members.get(records)
        given = {name: members[name] for name in names if name in members}
        if listed is None or _kind(listed) not in {b"[", b"{"} or not given:
            return False
        elements = _ELEMENTS.decode(listed) if _kind(listed) == b"[" else [listed]
        changed: list[Text] = []
        for element in elements:
            inner = _MEMBERS.decode(element) if _kind(element) == b"{" else {}
            absent = {name: value for name, value in given.items() if name not in inner or _is_null(inner[name])}
            changed.append(_object({**inner, **absent}) if inner and absent else element)
        if _are_same(changed, elements):
            return False
        members[records] = _raw(_list(changed))
        return True

    return Change(f"{_named(names)} also inside each `{records}`", apply)


def a_period_each(name: str) -> Change:
    """Each element with one object `Period`: one that has several periods becomes several."""

    def apply(members: Members, _: str | None) -> bool:
        listed = members.get(name)
        if listed is None or _kind(listed) not in {b"[", b"{"}:
            return False
        elements = _ELEMENTS.decode(listed) if _kind(listed) == b"[" else [listed]
        changed = [part for element in elements for part in _a_period_each(element)]
        if _are_same(changed, elements):
            return False
        members[name] = _raw(_list(changed))
        return True

    return Change(f"each of `{name}` with one object `Period`", apply, (name,))


def _a_period_each(element: msgspec.Raw) -> list[Text]:
    members = _MEMBERS.decode(element) if _kind(element) == b"{" else {}
    name = next((each for each in ("Periods", "Period") if each in members), None)
    if name is None or (name == "Period" and _kind(members[name]) == b"{"):
        return [element]
    value = members.pop(name)
    periods = _ELEMENTS.decode(value) if _kind(value) == b"[" else [value]
    return [_object({"Period": period, **members}) for period in periods]


def for_provider(name: str) -> Change:
    """The peer's own id in place of `*`."""

    def apply(members: Members, provider_id: str | None) -> bool:
        if provider_id is None or name not in members or _string(members[name]) != "*":
            return False
        members[name] = _json(provider_id)
        return True

    return Change(f"`{name}`: the peer's own in place of `*`", apply, (name,))


def _string(value: msgspec.Raw) -> str:
    """The text in a value, empty for what is no text."""
    return _STRING.decode(value) if _kind(value) == b'"' else ""


def _named(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names)

"""Pushes and pages: the message around a list of records, and the records as the bytes that came.

A push or page is split into its envelope and the raw bytes of its records before anything is read, so that one bad
record costs one record and 200 MB are not parsed as a whole; and it is joined from the bytes of records.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Generic, TypeVar, get_args, overload

import msgspec
from pydantic import AliasChoices

from p2pnode.oicp.codec import (
    BOM,
    BYTES_PER_RECORD,
    MEMBERS,
    MOST_RECORDS,
    PART_LIMIT,
    View,
    decode,
    decoded,
    encode,
    not_json,
    read,
    require_sparse,
)
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import Operation
from p2pnode.oicp.status import DONE

Message = TypeVar("Message", bound=OicpModel)
Request = TypeVar("Request", bound=OicpModel)
Answer = TypeVar("Answer", bound=OicpModel)

_ELEMENTS = msgspec.json.Decoder(Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_RECORDS)])
_TOO_LARGE = msgspec.Raw(b'"a record of more than 1 MiB"')  # stands in for it: what is no object is refused alone


class Records(Sequence[bytes]):
    """The raw records of a push or page: views into its body, each copied when it is taken out."""

    def __init__(self, raw: Sequence[msgspec.Raw | View] = ()) -> None:
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw)

    def __iter__(self) -> Iterator[bytes]:
        return map(bytes, self._raw)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> "Records": ...
    def __getitem__(self, index: int | slice) -> "bytes | Records":
        if isinstance(index, slice):
            return Records(self._raw[index])
        return bytes(self._raw[index])

    def views(self) -> Iterator[View]:
        """The records where they are, each holding on to the body."""
        return map(memoryview, self._raw)


def views(records: Sequence[bytes]) -> Iterable[View]:
    """Records where they are, without a copy of each."""
    return records.views() if isinstance(records, Records) else records


@dataclass(frozen=True, slots=True)
class Envelope(Generic[Message]):
    """A push or page: the message with its list of records emptied, and the records as they came."""

    message: Message
    records: Records


def split(operation: Operation[Request, Any], body: bytes) -> Envelope[Request]:
    """The envelope of a request, its records unread. One object where the list belongs is one record.

    Raises `InvalidMessage` where the body is not JSON or the envelope is not the message. An operation whose requests
    carry no records has an envelope without any.
    """
    return _split(operation.request, operation.records, body)


def split_answer(operation: Operation[Any, Answer], body: bytes) -> Envelope[Answer]:
    """The envelope of an answer, a page for instance, its records unread. Raises `InvalidMessage` as `split` does."""
    return _split(operation.answer, operation.answer_records, body)


def _split(model: type[Message], path: tuple[str, ...], body: bytes) -> Envelope[Message]:
    if not path:
        return Envelope(read(model, body), Records())
    require_sparse(body, b",", BYTES_PER_RECORD)
    wire, records = _take(body.removeprefix(BOM), _forms(model, path))
    return Envelope(read(model, wire), Records(records))


def _take(text: bytes, forms: tuple[tuple[str, ...], ...]) -> tuple[dict[str, object], Sequence[msgspec.Raw]]:
    """The members of an object with the list at the end of `forms` emptied, and the elements of that list."""
    if len(text) > PART_LIMIT:
        _require_small_besides(text, forms[0])
    members = decoded(MEMBERS, text)
    name = next((form for form in forms[0] if form in members), None)
    wire = {member: decode(bytes(raw)) for member, raw in members.items() if member != name}
    if name is None:
        return wire, ()
    raw = members[name]
    kind = memoryview(raw)[:1].tobytes()
    if kind == b"{" and len(forms) > 1:
        wire[name], records = _take(raw, forms[1:])
        return wire, records
    if kind == b"[" and len(forms) == 1:
        wire[name] = []
        return wire, _readable(decoded(_ELEMENTS, raw))
    if kind == b"{":
        wire[name] = []
        return wire, _readable((raw,))
    wire[name] = decode(bytes(raw))
    return wire, ()


def _require_small_besides(text: bytes, names: tuple[str, ...]) -> None:
    """Refuse a large object that is more than the member it is large for: the other members are all decoded."""
    found = decoded(_only(names), text)
    sizes = (len(raw) for name in names if isinstance(raw := getattr(found, name), msgspec.Raw))
    if len(text) - next(sizes, 0) > PART_LIMIT:
        raise not_json(f"The JSON text is more than {PART_LIMIT} bytes besides its records.")


@lru_cache(maxsize=256)
def _only(names: tuple[str, ...]) -> msgspec.json.Decoder[msgspec.Struct]:
    """Reads these members of an object, and skips all others without keeping anything of them."""
    fields = [(name, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for name in dict.fromkeys(names)]
    return msgspec.json.Decoder(msgspec.defstruct("Only", fields))


def _readable(records: Sequence[msgspec.Raw]) -> Sequence[msgspec.Raw]:
    """The records, those that are too large to be decoded replaced."""
    return [raw if len(raw) <= PART_LIMIT else _TOO_LARGE for raw in records]


@lru_cache(maxsize=256)
def _forms(model: type[OicpModel], path: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """For each member on a path of written names, every name under which it is read."""
    forms: list[tuple[str, ...]] = []
    inner: type[OicpModel] | None = model
    for name in path:
        fields = inner.model_fields.values() if inner else ()
        field = next((field for field in fields if name in _read_names(field.validation_alias)), None)
        forms.append((name, *_read_names(field.validation_alias)) if field else (name,))
        inner = _model_in(field.annotation) if field else None
    return tuple(forms)


def _read_names(alias: object) -> tuple[str, ...]:
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias,) if isinstance(alias, str) else ()


def _model_in(annotation: object) -> type[OicpModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, OicpModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def join(operation: Operation[Request, Any], message: Request, records: Iterable[bytes]) -> bytes:
    """The body of a request whose records are at hand as bytes: `split` the other way round, the records verbatim."""
    wire = message.wire()
    holder = wire
    for name in operation.records[:-1]:
        holder = holder.setdefault(name, {})
    holder[operation.records[-1]] = [msgspec.Raw(record) for record in records]
    return encode(wire)


def join_page(
    records: Sequence[View],
    *,
    number: int,
    size: int,
    total_elements: int,
) -> bytes:
    """One page of the answer to a paged pull, made of the records that fell on it, verbatim.

    `number` counts pages from 0, `size` is the records asked for per page, `total_elements` the records on all pages.
    """
    parts: list[View] = [b","] * (2 * len(records) - 1) if records else []
    parts[::2] = records
    return join_page_of_parts(parts, len(records), number=number, size=size, total_elements=total_elements)


def join_page_of_parts(
    parts: Iterable[View],
    count: int,
    *,
    number: int,
    size: int,
    total_elements: int,
) -> bytes:
    """As `join_page`; the text of its `count` records, with the commas between them, is in parts."""
    total_pages = -(-total_elements // size) if size > 0 else 0
    about = encode(
        {
            "number": number,
            "size": size,
            "totalElements": total_elements,
            "totalPages": total_pages,
            "first": number == 0,
            "last": number + 1 >= total_pages,
            "numberOfElements": count,
            "StatusCode": DONE.wire(),
        }
    )
    return b"".join((b'{"content":[', *parts, b"],", about[1:]))

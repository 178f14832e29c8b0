"""Splitting a push of hundreds of MB slice by slice, so that whoever serves others meanwhile gets to it in between.

A list of records is cut where one object ends and the next begins, and a cut counts only if what is before it is, by
itself, a list of whole values: JSON is read from left to right, so it is then outside of every record. The rest, with
the records cut off, is split as any other body. Where anything is not as expected, the whole body is.
"""

import re
from array import array
from collections.abc import Generator, Sequence
from typing import Any, TypeVar, overload

import msgspec

from p2pnode.oicp.codec import MOST_RECORDS, PART_LIMIT
from p2pnode.oicp.envelopes import Envelope, Records, split
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import Operation

SLICE = 256 * 1024
"""About how many bytes are split at once: a millisecond."""
LARGE = 16 * SLICE
TRIES = 64
"""How many places are tried for one cut: records have lists of objects in them."""

_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*(?=\{)")
_SEPARATION = re.compile(rb"[ \t\r\n,]*")

Request = TypeVar("Request", bound=OicpModel)


class _Pieces(Sequence[memoryview]):
    """Parts of a body, as views into it."""

    def __init__(self, body: bytes, starts: "array[int]", ends: "array[int]") -> None:
        self._body = body
        self._view = memoryview(body)
        self._starts = starts
        self._ends = ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> memoryview: ...
    @overload
    def __getitem__(self, index: slice) -> "_Pieces": ...
    def __getitem__(self, index: int | slice) -> "memoryview | _Pieces":
        if isinstance(index, slice):
            return _Pieces(self._body, self._starts[index], self._ends[index])
        return self._view[self._starts[index] : self._ends[index]]


class _Unexpected(Exception):
    """The body is not one that can be split in slices."""


def split_in_slices(operation: Operation[Request, Any], body: bytes) -> Generator[None, None, Envelope[Request]]:
    """What `codec.split` returns and raises, with a pause after each slice."""
    if len(body) <= LARGE or not operation.records:
        return split(operation, body)
    try:
        return (yield from _in_slices(operation, body))
    except (_Unexpected, InvalidMessage):
        return split(operation, body)


def _in_slices(operation: Operation[Request, Any], body: bytes) -> Generator[None, None, Envelope[Request]]:
    name = re.escape(operation.records[-1].encode())
    found = re.compile(rb'"' + name + rb'"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*').search(body, 0, PART_LIMIT)
    if found is None:
        raise _Unexpected
    begin = at = found.end()
    starts, ends = array("Q"), array("Q")
    while len(body) - at > 2 * SLICE:
        records, after = _slice(body, at)
        _note(body, at, records, starts, ends)
        at = after
        yield
    mark = _unused(body[:begin] + body[at:])
    envelope = split(operation, body[:begin] + mark + b"," + body[at:])
    rest = list(envelope.records)
    if not rest or rest[0] != mark:
        raise _Unexpected  # the list that was cut is not that of the message
    _note(body, at, rest[1:], starts, ends)
    return Envelope(envelope.message, Records(_Pieces(body, starts, ends)))


def _slice(body: bytes, at: int) -> tuple[list[msgspec.Raw], int]:
    """The records from here to a cut, and where the next one begins."""
    tried = 0
    for cut in _BETWEEN.finditer(body, at + SLICE, at + SLICE + PART_LIMIT):
        try:
            return _ELEMENTS.decode(b"[" + body[at : cut.start() + 1] + b"]"), cut.end()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            tried += 1
            if tried == TRIES:
                break
    raise _Unexpected


def _note(
    body: bytes, at: int, records: Sequence[msgspec.Raw | bytes], starts: "array[int]", ends: "array[int]"
) -> None:
    """Note where in the body these records are, which follow each other from `at` on."""
    for record in records:
        separation = _SEPARATION.match(body, at)
        start = separation.end() if separation else at
        at = start + len(record)
        if len(record) > PART_LIMIT or body[start:at] != bytes(record):
            raise _Unexpected
        starts.append(start)
        ends.append(at)
    if len(starts) > MOST_RECORDS:
        raise _Unexpected


def _unused(text: bytes) -> bytes:
    """A JSON text that does not occur in this one."""
    number = 0
    while (mark := b'"slice %d"' % number) in text:
        number += 1
    return mark

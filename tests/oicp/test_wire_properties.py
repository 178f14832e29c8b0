"""What holds for every message of every operation, whatever stands in the place of any member."""

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pnode.oicp.codec import decode, encode, read
from p2pnode.oicp.envelopes import split, split_answer
from p2pnode.oicp.errors import InvalidMessage
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import OPERATIONS, AnyOperation
from p2pnode.oicp.rules import check
from tests.samples import sample

Place = tuple[str | int, ...]
HALVES = [(operation, half) for operation in OPERATIONS for half in ("request", "answer")]


def model_of(operation: AnyOperation, half: str) -> type[OicpModel]:
    model: type[OicpModel] = operation.request if half == "request" else operation.answer
    return model


def places(value: object, at: Place = ()) -> Iterator[Place]:
    """Every place in a document."""
    yield at
    if isinstance(value, dict):
        for name, member in cast("dict[str, object]", value).items():
            yield from places(member, (*at, name))
    elif isinstance(value, list):
        for index, element in enumerate(cast("list[object]", value)):
            yield from places(element, (*at, index))


def replaced(value: Any, at: Place, new: object) -> object:  # noqa: ANN401 - any part of a document
    """A copy of a document with another value at one place."""
    if not at:
        return new
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: replaced(member, at[1:], new) if name == at[0] else member for name, member in members.items()}
    elements = cast("list[object]", value)
    return [replaced(element, at[1:], new) if index == at[0] else element for index, element in enumerate(elements)]


DOCUMENTS = {(operation.name, half): decode(sample(operation, half)) for operation, half in HALVES}
PLACES = {key: list(places(document)) for key, document in DOCUMENTS.items()}

strange = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1.5",
        "1e999",
        "1e99999",
        "9" * 5000,
        "NaN",
        "Infinity",
        "٣",
        "true",
        "null",
        "None None",
        "\x00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2024-03-15T09:02:11.123456789Z",
        "24:00",
        "A" * 4000,
        10**400,
        -(10**400),
        Decimal("1e1000"),
        Decimal("-1e-1000"),
        Decimal("0.0000001"),
        True,
        None,
    ]
)
values = st.recursive(
    strange
    | st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(("operation", "half"), HALVES, ids=lambda part: getattr(part, "name", part))
@given(data=st.data())
@settings(max_examples=60)
def test_any_value_in_any_place_is_read_checked_and_written_or_refused(
    operation: AnyOperation, half: str, data: st.DataObject
) -> None:
    document = DOCUMENTS[operation.name, half]
    place = data.draw(st.sampled_from(PLACES[operation.name, half]))
    body = encode({"": replaced(document, place, data.draw(values))})[4:-1]
    with suppress(InvalidMessage):
        message = read(model_of(operation, half), body)
        violations = check(message)
        assert all(violation.pointer == "" or violation.pointer.startswith("/") for violation in violations)
        assert read(model_of(operation, half), encode(message)).wire() == message.wire()
    with suppress(InvalidMessage):
        envelope = split(operation, body) if half == "request" else split_answer(operation, body)
        assert all(isinstance(record, bytes) for record in envelope.records)


kept = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=8) | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(("operation", "half"), HALVES, ids=lambda part: getattr(part, "name", part))
@given(data=st.data())
@settings(max_examples=20)
def test_an_unknown_member_of_any_object_survives(operation: AnyOperation, half: str, data: st.DataObject) -> None:
    document = DOCUMENTS[operation.name, half]
    copy = "EVSEPricing" if (operation.name, half) == ("PullEvsePricing", "answer") else None
    objects = [
        place
        for place in PLACES[operation.name, half]
        if isinstance(inside(document, place), dict) and place[:1] != (copy,)
    ]
    place = data.draw(st.sampled_from(objects))
    value = data.draw(kept)
    name = f"X-{data.draw(st.text(max_size=5))}"
    extended = replaced(document, place, {**inside(document, place), name: value})
    written = decode(encode(read(model_of(operation, half), encode({"": extended})[4:-1])))
    assert inside(written, place)[name] == value


NAMES_OF_PYTHON = (
    "__class__",
    "__dict__",
    "model_config",
    "model_fields",
    "wire",
    "copy",
    "self",
    "option",
    "kinds",
    "",
)


@pytest.mark.parametrize(("operation", "half"), HALVES, ids=lambda part: getattr(part, "name", part))
def test_an_unknown_member_may_have_any_name(operation: AnyOperation, half: str) -> None:
    hostile: dict[str, object] = dict.fromkeys(NAMES_OF_PYTHON, 1)
    document = cast("dict[str, object]", DOCUMENTS[operation.name, half])
    message = read(model_of(operation, half), encode({**document, **hostile}))
    check(message)
    assert hostile.items() <= cast("dict[str, object]", decode(encode(message))).items()


def inside(document: Any, place: Place) -> Any:  # noqa: ANN401 - any part of a document
    for step in place:
        document = document[step]
    return document

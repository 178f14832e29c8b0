"""Message classes as types of msgspec, which reads a record and checks the limits of its members at the same time.

A type is derived from the annotations that `model` and `constraints` read, so that nothing is said twice. It takes less
than the class does, never more: the members that the class knows, under the names that this node writes, the class
reads with the same values and without an error. What the type refuses may still be fine; that is for the class to say,
at several times the price. Limits that are worth a warning only are not looked at, except that a
value of an enumeration has to be one of its values.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import msgspec

from p2pnode.oicp.constraints import Constraint, Grammar, Length, OneOf, Range, Severity
from p2pnode.oicp.model import OicpModel

LARGEST = 10**9
"""Where a number has no limit, it has this one here, so that its text need not be looked at."""

_DAY = (
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
)
_MOMENT = rf"[1-8][0-9]{{3}}-{_DAY}(?:\.[0-9]{{1,6}})?(?:Z|[+-][01][0-9]:[0-5][0-9])"

Narrower = Mapping[Grammar, Any]
"""Types of texts that stand in for a grammar, because they are faster or have to be narrower."""


def decoder_of(
    model: type[OicpModel], narrower: Narrower, also: Mapping[str, str], *, is_closed: bool
) -> msgspec.json.Decoder[msgspec.Struct]:
    """What decodes a record of this class; `also` has further names by the attribute that they name in other texts.

    One that is not closed takes any other members of the record itself, but not of the objects inside it.
    """
    return msgspec.json.Decoder(_struct(model, narrower, also, is_closed=is_closed))


def texts_like(pattern: str) -> Any:  # noqa: ANN401 - a type made here
    """The type of the strings that match all of an expression of ASCII."""
    return Annotated[str, msgspec.Meta(pattern=rf"(?a)\A(?:{pattern})\Z")]


def one_of(values: Sequence[str]) -> Any:  # noqa: ANN401 - a type made here
    """The type of these strings."""
    return cast("Any", Literal)[tuple(values)]


def _struct(
    model: type[OicpModel], narrower: Narrower, also: Mapping[str, str], *, is_closed: bool = True
) -> type[msgspec.Struct]:
    fields: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    for attribute, field in model.model_fields.items():
        kind = _type(field.annotation, field.metadata, narrower)
        default = msgspec.NODEFAULT if field.is_required() else None
        fields.append((attribute, kind, default))
        names[attribute] = field.serialization_alias or attribute
        if attribute in also:
            fields.append((f"{attribute}_too", kind | None, None))
            names[f"{attribute}_too"] = also[attribute]
    return msgspec.defstruct(
        model.__name__, fields, rename=names, kw_only=True, forbid_unknown_fields=is_closed, frozen=True, gc=False
    )


def _type(annotation: Any, metadata: Sequence[object], narrower: Narrower) -> Any:  # noqa: ANN401 - any annotation
    """The type of a member that stands in an annotation."""
    constraints = [item for item in metadata if isinstance(item, Constraint)]
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *own = get_args(annotation)
        return _type(inner, (*own, *constraints), narrower)
    if origin in {Union, UnionType}:
        (inner,) = (option for option in get_args(annotation) if option is not type(None))
        return _type(inner, constraints, narrower) | None
    if origin is list:
        return list[_type(get_args(annotation)[0], (), narrower)]  # type: ignore[misc]  # made at run time
    if issubclass(annotation, OicpModel):
        return _struct(annotation, narrower, {})
    return _scalar(annotation, constraints, narrower)


def _scalar(kind: type[object], constraints: Sequence[Constraint], narrower: Narrower) -> Any:  # noqa: ANN401 - as above
    if kind is str:
        return _text(constraints, narrower)
    if kind is datetime:
        return texts_like(_MOMENT)
    return bool if kind is bool else _number(kind, constraints)


def _text(constraints: Sequence[Constraint], narrower: Narrower) -> Any:  # noqa: ANN401 - a type made here
    for constraint in constraints:
        match constraint:
            case Grammar(pattern=pattern):
                return narrower.get(constraint) or texts_like(pattern.pattern)
            case OneOf(values=values):
                return one_of([member.value for member in values])
            case Length(minimum=shortest, maximum=longest):
                return Annotated[str, msgspec.Meta(min_length=shortest, max_length=longest)]
            case _:
                raise TypeError(f"not a limit of a text: {constraint}")
    return str


def _number(kind: type[object], constraints: Sequence[Constraint]) -> Any:  # noqa: ANN401 - as above
    """A number within its limits. A fraction is a float here, and has to be clear of them and of zero to count."""
    least, most = -LARGEST, LARGEST
    for constraint in constraints:
        if isinstance(constraint, Range) and constraint.severity is Severity.ERROR:
            least, most = math.ceil(constraint.minimum), math.floor(constraint.maximum)
    whole = Annotated[int, msgspec.Meta(ge=least, le=most)]
    if kind is int:
        return whole
    return whole | Annotated[float, msgspec.Meta(gt=max(least, 0), lt=most)]


LONGEST_NUMBER = re.compile(rb"[0-9.eE+-]{1000}")
"""A number that is too long for `codec`; as a float it would look like any other."""

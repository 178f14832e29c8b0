"""Turning a document into settings, and every mistake in it into one sentence with its place."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from p2pnode.config.errors import ConfigError
from p2pnode.config.files import Place, line_of
from p2pnode.config.settings import Settings

S = TypeVar("S", bound=Settings)


def read_settings(model: type[S], document: object, file: Path, text: str, prefix: Place = ()) -> S:
    """The document as settings; `prefix` is where in the file it stands. Raises ConfigError for the first mistake.

    No value is repeated in the error: it may be a secret.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = min(error.errors(include_input=False), key=lambda details: details["type"] == "missing")
        place = (*prefix, *_place(first["loc"], document))
        line = line_of(text, place)
        raise ConfigError(file, _sentence(first, model), key=dotted(place) or None, line=line) from None


def dotted(place: Place) -> str:
    """A place as people write it, elements of arrays counted from 1: `peer[2].url`."""
    return "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _place(loc: tuple[str | int, ...], document: object) -> Place:
    """The part of pydantic's location that names places of the document, with a missing member at its end."""
    place: Place = ()
    for part in loc:
        if isinstance(document, Mapping):
            place = (*place, part)
            document = cast("Mapping[Any, object]", document).get(part)
        elif isinstance(document, list) and isinstance(part, int):
            place = (*place, part)
            document = cast("Sequence[object]", document)[part]
        else:
            break
    return place


def _sentence(details: ErrorDetails, model: type[Settings]) -> str:
    if details["type"] == "missing":
        return "the setting is missing"
    if details["type"] == "extra_forbidden":
        *around, name = details["loc"]
        near = difflib.get_close_matches(str(name), _names(model, around), n=1)
        return f"there is no such setting; did you mean {near[0]!r}?" if near else "there is no such setting"
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _names(model: type[Settings], loc: Sequence[str | int]) -> list[str]:
    """The names of the settings at a place of the model."""
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Settings)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)

"""What all settings share: they do not change once read, and a setting nobody knows is an error."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

Port = Annotated[int, Field(ge=0, le=65535)]


def _not_blank(text: str) -> str:
    if not text.strip():
        message = "an identifier is not empty"
        raise ValueError(message)
    return text


NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        message = "a name is lower-case letters, digits, `.`, `_` and `-`, at most 63, and begins with letter or digit"
        raise ValueError(message)
    return text


Name = Annotated[str, AfterValidator(_name)]
"""What a node is called."""
Id = Annotated[str, AfterValidator(_not_blank)]
"""An identifier, as it is written."""


class Settings(BaseModel):
    """The base of every section of a configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


SECRET: dict[str, JsonValue] = {"secret": True}
"""What marks a setting that goes to nobody who is not to have it: `Field(json_schema_extra=SECRET)`."""


def secrets_in(settings: Settings) -> Iterator[tuple[str | int, ...]]:
    """The places of the secrets that are set, as the names of tables and keys, and numbers of array elements."""
    for name, field in type(settings).model_fields.items():
        value: object = getattr(settings, name)
        if field.json_schema_extra is SECRET:
            if value != field.get_default():
                yield (name,)
        elif isinstance(value, Settings):
            yield from ((name, *place) for place in secrets_in(value))
        elif isinstance(value, tuple):
            for number, element in enumerate(cast("Sequence[object]", value)):
                if isinstance(element, Settings):
                    yield from ((name, number, *place) for place in secrets_in(element))


def is_loopback(host: str) -> bool:
    """Whether the host names this machine only: `localhost` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

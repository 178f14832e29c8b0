"""The page about the configuration, from its models."""

import json
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from manual.markdown import code, first_line, table
from p2pnode.config.node import NodeConfig
from p2pnode.config.peers import PeerEntry

WORDS: Mapping[object, str] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    Decimal: "number",
    Path: "path",
    dict: "table",
}


def configuration_page() -> str:
    """configuration.md: every setting of the node and of a peer."""
    node = "\n\n".join(_sections(NodeConfig, ""))
    peer = "\n\n".join(_sections(PeerEntry, "[peer]"))
    return f"""# Configuration

A setting that nobody knows is an error, with its place and line. Relative paths are relative to the node's directory.

## p2pnode.toml

{node}

## peers.toml and peers.d/*.toml

{peer}
"""


def _sections(model: type[BaseModel], name: str) -> Iterator[str]:
    """The settings of a section as a table, then the sections inside it. `name` is its TOML header without brackets."""
    inner = {field: found for field, info in model.model_fields.items() if (found := _section_of(info.annotation))}
    settings = [
        (code(field), kind(info.annotation), default(info), info.description or "")
        for field, info in model.model_fields.items()
        if field not in inner
    ]
    if settings:
        head = ("setting", "kind", "default", "meaning")
        yield "\n\n".join((f"### `[{name}]`", first_line(model), table(head, settings)))
    for field, (section, repeated) in inner.items():
        path = f"{name.strip('[]')}.{field}".removeprefix(".")
        yield from _sections(section, f"[{path}]" if repeated else path)


def _section_of(annotation: Any) -> tuple[type[BaseModel], bool] | None:  # noqa: ANN401 - annotations are of any type
    """The section a field holds, and whether it is a list of such sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is tuple and (found := _section_of(get_args(annotation)[0])):
        return found[0], True
    return None


def kind(annotation: Any) -> str:  # noqa: ANN401 - annotations are of any type
    """What values a setting takes, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(arguments[0])
    if origin is Literal:
        return " or ".join(code(str(each)) for each in arguments)
    if origin is tuple:
        return f"list of {kind(arguments[0])}"
    if origin in {Union, types.UnionType}:
        return " or ".join(kind(each) for each in arguments if each is not types.NoneType)
    return WORDS[origin or annotation]


def default(field: FieldInfo) -> str:
    """What holds where a setting is not given."""
    if field.is_required():
        return "required"
    value: object = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    return code(str(value) if isinstance(value, Decimal) else json.dumps(value, default=str, ensure_ascii=False))

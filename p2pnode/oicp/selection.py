"""How a body tells which row of the operation table it belongs to, where several rows share a path."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Marks:
    """What the bodies of one row have in common: the values of members, members that are there, and that are not.

    A member that is null is not there.
    """

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __call__(self, body: Mapping[str, Any]) -> bool:
        """Whether a decoded body has them."""
        return (
            all(body.get(name) == value for name, value in self.values.items())
            and all(body.get(name) is not None for name in self.present)
            and all(body.get(name) is None for name in self.absent)
        )

    def json_schema(self) -> dict[str, Any]:
        """The same as a JSON schema, for bodies without null."""
        schema: dict[str, Any] = {}
        if required := [*self.values, *self.present]:
            schema["required"] = required
        if self.values:
            schema["properties"] = {name: {"const": value} for name, value in self.values.items()}
        if self.absent:
            schema["not"] = {"anyOf": [{"required": [name]} for name in self.absent]}
        return schema

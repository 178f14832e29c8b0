"""Hubject's OpenAPI descriptions of OICP 2.3, as far as the checks ask them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft4Validator, ValidationError

from p2pnode.oicp.errors import Violation
from p2pnode.oicp.operations import Role

FILES = {Role.CPO: "oicp-2.3-cpo.openapi.json", Role.EMP: "oicp-2.3-emp.openapi.json"}
UNKNOWN_MEMBER = "unknown-member"
SPELLINGS = {"acknowledgment": "acknowledgement"}
"""Words in which only the spelling of the descriptions differs from the texts."""


def model_name(schema: str) -> str:
    """The name a schema's model has, without regard to case: `eRoamingPullEVSEData` is `pullevsedata`."""
    name = schema.removeprefix("eRoaming").casefold()
    return SPELLINGS.get(name, name)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path and method of a description, with the names of the schemas of its requests and of its answers."""

    method: str
    path: str
    requests: tuple[str, ...]
    answers: tuple[str, ...]


def generalized(path: Iterable[object]) -> str:
    """An RFC 6901 pointer whose list indexes are `*`, so that it names the member in every record."""
    steps = ("*" if isinstance(step, int) or str(step).isdigit() else str(step) for step in path)
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


class Description:
    """One of the two descriptions: `role` is the partner it is written for."""

    def __init__(self, role: Role, content: Mapping[str, Any]) -> None:
        self.role = role
        self._paths: Mapping[str, Mapping[str, Any]] = content["paths"]
        self._components: Mapping[str, Any] = content["components"]
        self.schemas: Mapping[str, Mapping[str, Any]] = content["components"]["schemas"]

    def endpoints(self) -> Iterator[Endpoint]:
        """Every path and method."""
        for path, methods in self._paths.items():
            for method, described in methods.items():
                answer = described["responses"]["200"]
                yield Endpoint(method, path, _schema_names(described["requestBody"]), _schema_names(answer))

    def examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every schema with an example of a whole message or data type."""
        for name, schema in self.schemas.items():
            example = schema.get("example")
            if isinstance(example, dict):
                yield name, example

    def holds(self, pointer: str, value: str) -> bool:
        """Whether the node of `components` at this pointer has the member or element `value`, or is it."""
        node: Any = self._components
        for step in pointer.removeprefix("/").split("/"):
            try:
                node = node[int(step) if step.isdigit() else step]
            except (KeyError, IndexError):
                return False
        return node == value if isinstance(node, str) else value in node

    def violations(self, schema: str, instance: Any) -> Iterator[Violation]:  # noqa: ANN401 - any JSON may be checked
        """What the schema of this name has against the instance; a member it does not know is one, too."""
        for error in self._errors(schema, instance):
            pointer, rule = generalized(error.absolute_path), str(error.validator)
            if rule != "additionalProperties":
                yield Violation(pointer, rule, error.message[:200])
                continue
            known, present = cast("Mapping[str, Any]", error.schema), cast("Mapping[str, Any]", error.instance)
            for member in present.keys() - known["properties"].keys():
                yield Violation(f"{pointer}/{member}", UNKNOWN_MEMBER, f"{schema} has no member of this name")

    def _errors(self, schema: str, instance: Any) -> list[ValidationError]:  # noqa: ANN401 - as above
        validator = Draft4Validator({"$ref": f"#/components/schemas/{schema}", "components": self._components})
        return list(validator.iter_errors(instance))  # pyright: ignore[reportUnknownMemberType] - its stub has a gap


def load(directory: Path) -> tuple[Description, ...]:
    """Both descriptions; none when one of the files is missing."""
    paths = {role: directory / name for role, name in FILES.items()}
    if not all(path.is_file() for path in paths.values()):
        return ()
    texts = {role: path.read_text("utf-8") for role, path in paths.items()}
    return tuple(Description(role, json.loads(text, object_hook=_as_json_schema)) for role, text in texts.items())


def _schema_names(body: Mapping[str, Any]) -> tuple[str, ...]:
    schema: Mapping[str, Any] = body["content"]["application/json"]["schema"]
    variants: list[Mapping[str, str]] = schema.get("oneOf") or [schema]
    return tuple(variant["$ref"].rpartition("/")[2] for variant in variants)


def _as_json_schema(node: dict[str, Any]) -> dict[str, Any]:
    """A schema of OpenAPI 3.0 as one of JSON Schema draft 4, with `nullable` as a type and no members undescribed."""
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        node["type"] = [node["type"], "null"]
    if node.get("type") == "object" and "properties" in node:
        node.setdefault("additionalProperties", False)
    return node

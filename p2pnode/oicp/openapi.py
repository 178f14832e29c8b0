"""The OpenAPI 3.1 description of a node, made from the operation table and the messages.

It describes what a node writes and asks for: the names of members that are written, every constraint of the texts that
makes a message unacceptable, and no null. What is read beyond that, the errata and the manual tell.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from os.path import commonprefix
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema
from pydantic_core import core_schema

from p2pnode.oicp.acknowledgement import Acknowledgement
from p2pnode.oicp.answers import refusal
from p2pnode.oicp.constraints import Grammar, keywords
from p2pnode.oicp.errors import InvalidMessage, ProtocolError, Violation
from p2pnode.oicp.evse_data import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import BASE_PATH, MEBIBYTE, OPERATIONS, AnyOperation
from p2pnode.oicp.paths import by_path
from p2pnode.oicp.scalars import OPERATOR_ID, PROVIDER_ID
from p2pnode.oicp.status import Code

Schema = dict[str, Any]
Rows = tuple[AnyOperation, ...]

OPENAPI_VERSION = "3.1.0"
DESCRIPTION = """\
The 24 operations of OICP 2.3, served to peers directly, without a hub.

Described is what is written. More is read: the other spellings of the errata, numbers as strings, null in place of an
absent member, members nobody knows. Where a description says *expected*, what differs is reported and not refused.

Whatever reaches the protocol is answered with HTTP 200 and a status code of OICP; a message that is not valid with
HTTP 400 and every violation in it.
"""
PATH_PARAMETERS: Mapping[str, Grammar] = {"operatorID": OPERATOR_ID, "providerID": PROVIDER_ID}
REFUSALS: Mapping[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "The body is not JSON or not the message; `validationErrors` names every violation.",
    HTTPStatus.UNAUTHORIZED: "The connection is no peer's: it shows no certificate, or one that nobody trusts.",
    HTTPStatus.NOT_FOUND: "There is no operation at this path.",
    HTTPStatus.METHOD_NOT_ALLOWED: "The method is not POST.",
    HTTPStatus.REQUEST_TIMEOUT: "The body did not arrive in time.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than is allowed here.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is not said to be JSON.",
}
"""The answers beside 200, with an Acknowledgement that tells the reason; that of 400 is the `InvalidMessage`."""


def openapi(version: str, *, title: str = "p2pnode", examples: Mapping[str, object] | None = None) -> dict[str, Any]:
    """The description as a JSON document.

    `version` is that of the software, `examples` are decoded messages by name, `AuthorizeStart.request` for instance.
    """
    messages = {message: None for row in OPERATIONS for message in (row.request, row.answer)}
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": title, "version": version, "description": DESCRIPTION},
        "servers": [{"url": BASE_PATH}],
        "security": [{"peerCertificate": []}, {}],
        "paths": {path: _path_item(path, rows, examples or {}) for path, rows in by_path().items()},
        "components": {
            "schemas": _schemas(tuple(messages)),
            "parameters": {**{name: _path_parameter(name) for name in PATH_PARAMETERS}, **_COMMON_PARAMETERS},
            "headers": {"ProcessID": {"required": True, "description": "Names the request.", "schema": _PROCESS_ID}},
            "responses": {_name_of(status): _refused(status) for status in REFUSALS},
            "securitySchemes": {
                "peerCertificate": {
                    "type": "mutualTLS",
                    "description": "The certificate the peer table knows the caller by. A lab may do without.",
                }
            },
        },
    }


class _WireSchema(GenerateJsonSchema):
    """Schemas of what is written: numbers are numbers, absent members are absent, and none needs a title."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> Schema:
        """A number, however exact."""
        del schema
        return {"type": "number"}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        """The value; null is never written."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        """The value; a default is written like any other."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401 - a kind of schema pydantic does not export
        """Never: it would repeat the name."""
        del schema
        return False

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: FBT001 - pydantic's own signature
    ) -> bool:
        """Whether a member is always written: also where it has a default that is not null."""
        inner: Mapping[str, Any] = field["schema"]
        return super().field_is_required(field, total) or inner.get("default") is not None


def _schemas(messages: tuple[type[OicpModel], ...]) -> dict[str, Schema]:
    mode: JsonSchemaMode = "validation"
    _, made = models_json_schema(
        [(message, mode) for message in messages],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
        schema_generator=_WireSchema,
    )
    schemas: dict[str, Schema] = made["$defs"]
    return {**schemas, "InvalidMessage": _INVALID_MESSAGE}


_INVALID_MESSAGE: Schema = {
    "title": "InvalidMessage",
    "description": "A refused message in the hub's form, which is an Acknowledgement at the same time.",
    "allOf": [{"$ref": "#/components/schemas/Acknowledgement"}],
    "type": "object",
    "properties": {
        "Result": {"const": False},
        "message": {"type": "string"},
        "validationErrors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "fieldReference": {"type": "string", "description": "A JSON pointer (RFC 6901)."},
                    "errorMessage": {"type": "string"},
                },
                "required": ["fieldReference", "errorMessage"],
            },
        },
    },
}
_PROCESS_ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
_COMMON_PARAMETERS: dict[str, Schema] = {
    "ProcessID": {
        "name": "Process-ID",
        "in": "header",
        "description": "Names the request; the answer bears the same one, or a new one where there was none.",
        "schema": _PROCESS_ID,
        "example": "7f3c2f5e-2c1b-4b5e-9d57-0d0d4a2a7f11",
    },
    "page": {
        "name": "page",
        "in": "query",
        "description": "The number of the page, from 0.",
        "schema": {"type": "integer", "minimum": 0, "default": 0},
    },
    "size": {
        "name": "size",
        "in": "query",
        "description": f"The records on a page; above {LARGEST_PAGE_SIZE} is cut.",
        "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_PAGE_SIZE},
    },
}


def _path_parameter(name: str) -> Schema:
    """The caller's own id in a path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": "The caller's own id. `*` may come as it is.",
        "schema": {"type": "string", **keywords(PATH_PARAMETERS[name], "string")},
        "example": "DE*ABC" if name == "operatorID" else "DE-DCB",
    }


def _path_item(path: str, rows: Rows, examples: Mapping[str, object]) -> Schema:
    names = [*re.findall(r"{(\w+)}", path), "ProcessID", *(("page", "size") if any(row.paged for row in rows) else ())]
    return {"parameters": [_ref("parameters", name) for name in names], "post": _post(path, rows, examples)}


def _post(path: str, rows: Rows, examples: Mapping[str, object]) -> Schema:
    name = commonprefix([row.name for row in rows])  # noqa: RUF071 - of words, not of paths
    first = rows[0]
    deadline, limit = max(row.deadline for row in rows), max(row.body_limit for row in rows)
    treated = f"Answered within {deadline:g} s; the body is at most {limit // MEBIBYTE} MiB."
    answers = {row.answer: _ref("schemas", row.answer.__name__) for row in rows}
    if len(rows) > 1:  # a refusal before the body tells which row is meant
        answers[Acknowledgement] = _ref("schemas", "Acknowledgement")
    return {
        "operationId": name if path == first.path else f"{name}-{first.paths.index(path) + 1}",
        "summary": "; ".join(row.title for row in rows),
        "description": "\n".join((*(f"{row.name}: {row.title}." for row in rows), "", treated)),
        "tags": [f"{first.caller} to {first.callee}"],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _any_of("oneOf", [_request(row, rows) for row in rows]),
                    "examples": _examples(rows, "request", examples),
                }
            },
        },
        "responses": {
            "200": {
                "description": "The answer, or a refusal with its status code.",
                "headers": _HEADERS,
                "content": {
                    "application/json": {
                        "schema": _any_of("anyOf", [*answers.values()]),
                        "examples": _examples(rows, "answer", examples),
                    }
                },
            },
            **{str(status.value): _ref("responses", _name_of(status)) for status in REFUSALS},
        },
    }


def _request(row: AnyOperation, rows: Rows) -> Schema:
    """The request of one row; where others share the path, with what tells it from theirs."""
    request = _ref("schemas", row.request.__name__)
    if row.selects is None or len(rows) == 1:
        return request
    return {"title": row.name, "allOf": [request, row.selects.json_schema()]}


def _examples(rows: Rows, half: str, examples: Mapping[str, object]) -> dict[str, object]:
    named = {row.name: examples.get(f"{row.name}.{half}") for row in rows}
    return {name: {"value": value} for name, value in named.items() if value is not None}


def _refused(status: HTTPStatus) -> Schema:
    invalid = status is HTTPStatus.BAD_REQUEST
    return {
        "description": REFUSALS[status],
        "headers": _HEADERS,
        "content": {
            "application/json": {
                "schema": _ref("schemas", "InvalidMessage" if invalid else "Acknowledgement"),
                "example": _refusal(status),
            }
        },
    }


def _refusal(status: HTTPStatus) -> object:
    """An example, as the node itself makes it."""
    if status is HTTPStatus.BAD_REQUEST:
        told = "EvseID is not a valid EvseIDType."
        error: ProtocolError = InvalidMessage(f"/EvseID: {told}", (Violation("/EvseID", "grammar", told),))
    else:
        code = Code.UNAUTHORIZED_ACCESS if status is HTTPStatus.UNAUTHORIZED else Code.DATA_ERROR
        error = ProtocolError(code, REFUSALS[status], http=status)
    return refusal(None, error)[1].wire()


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


_HEADERS: Schema = {"Process-ID": _ref("headers", "ProcessID")}


def _any_of(how: str, schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {how: schemas}


def _name_of(status: HTTPStatus) -> str:
    return status.phrase.replace(" ", "")

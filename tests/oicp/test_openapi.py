"""The OpenAPI description of a node against the table, the messages and the meta schema."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31

from p2pnode.oicp.constraints import Constraint, Severity, keywords, sentence
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.openapi import REFUSALS, openapi
from p2pnode.oicp.operations import OPERATIONS, AnyOperation
from p2pnode.oicp.paths import by_path, select
from p2pnode.oicp.rules_compile import Shape, shape_of
from tests import samples
from tests.samples import sample_members

SAMPLES = {name: sample_members(name) for name in samples.SAMPLES}
DOCUMENT = openapi("1.2.3", title="a node", examples=SAMPLES)
SCHEMAS: Mapping[str, Mapping[str, Any]] = DOCUMENT["components"]["schemas"]


def post(path: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = DOCUMENT["paths"][path]["post"]
    return found


def body_of(row: AnyOperation, half: str) -> Mapping[str, Any]:
    described = post(row.path)
    content = described["requestBody"] if half == "request" else described["responses"]["200"]
    found: Mapping[str, Any] = content["content"]["application/json"]
    return found


def problems(schema: Mapping[str, Any], value: Any) -> list[str]:  # noqa: ANN401 - any JSON may be checked
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]  # pyright: ignore[reportUnknownMemberType] - untyped overload


def inside(shape: Shape) -> type[OicpModel] | None:
    return shape.model or (shape.element.model if shape.element else None)


def models(found: dict[type[OicpModel], None], *roots: type[OicpModel]) -> dict[type[OicpModel], None]:
    for root in roots:
        if root not in found:
            found[root] = None
            parts = [inside(shape_of(field.annotation, field.metadata)) for field in root.model_fields.values()]
            models(found, *(part for part in parts if part))
    return found


MODELS = models({}, *(message for row in OPERATIONS for message in (row.request, row.answer)))


def constrained(model: type[OicpModel]) -> Iterator[tuple[Mapping[str, Any], Constraint]]:
    """Every constraint on a member or its elements, with the schema it should stand in."""
    for name, field in model.model_fields.items():
        shape = shape_of(field.annotation, field.metadata)
        described = SCHEMAS[model.__name__]["properties"][field.serialization_alias or name]
        listed = next((option for option in described.get("anyOf", ()) if option.get("type") == "array"), described)
        yield from ((listed, constraint) for constraint in shape.constraints)
        if shape.element:
            yield from ((listed["items"], constraint) for constraint in shape.element.constraints)


def test_the_document_is_valid_by_the_meta_schema_of_openapi_3_1() -> None:
    errors = Draft202012Validator(OPENAPI_31).iter_errors(DOCUMENT)  # pyright: ignore[reportUnknownMemberType] - untyped overload
    assert [f"{error.json_path}: {error.message}" for error in errors] == []
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_the_document_is_json_and_says_whose_it_is() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["info"]["title"] == "a node"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["servers"] == [{"url": "/api/oicp"}]


def test_the_document_has_every_path_of_the_table_and_no_other() -> None:
    assert DOCUMENT["paths"].keys() == by_path().keys()


def test_an_operation_is_named_once() -> None:
    names = [item["post"]["operationId"] for item in DOCUMENT["paths"].values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_every_row_stands_at_each_of_its_paths_with_its_messages(row: AnyOperation) -> None:
    for path in row.paths:
        text = json.dumps(post(path))
        assert f'"#/components/schemas/{row.request.__name__}"' in text
        assert f'"#/components/schemas/{row.answer.__name__}"' in text
        assert row.title in post(path)["summary"]


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
@pytest.mark.parametrize("half", ["request", "answer"])
def test_a_sample_is_shown_and_valid_by_its_schema(row: AnyOperation, half: str) -> None:
    described = body_of(row, half)
    sample = described["examples"][row.name]["value"]
    assert sample == SAMPLES[f"{row.name}.{half}"]
    assert problems(described["schema"], sample) == []


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: row.name)
def test_a_sample_without_one_of_its_required_members_is_not_valid(row: AnyOperation) -> None:
    sample = SAMPLES[f"{row.name}.request"]
    schema = SCHEMAS[row.request.__name__]
    assert schema["required"]
    for name in schema["required"]:
        assert problems(schema, {key: sample[key] for key in sample if key != name})


def test_a_path_of_several_rows_takes_exactly_the_one_the_body_belongs_to() -> None:
    for path, rows in by_path().items():
        if len(rows) == 1:
            continue
        options = post(path)["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
        assert len(options) == len(rows)
        for row in rows:
            sample = SAMPLES[f"{row.name}.request"]
            fitting = [each for each, option in zip(rows, options, strict=True) if not problems(option, sample)]
            assert fitting == [row]
            assert select(rows, sample) is row


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_constraint_of_a_message_is_in_its_schema(model: type[OicpModel]) -> None:
    for schema, constraint in constrained(model):
        demanded = keywords(constraint, schema["type"])
        if constraint.severity is Severity.ERROR:
            assert demanded.items() <= schema.items()
        else:
            assert sentence(constraint) in schema["description"]
            assert not demanded.keys() & schema.keys()


def test_the_messages_show_every_kind_of_constraint() -> None:
    kinds = {type(constraint) for model in MODELS for _, constraint in constrained(model)}
    assert kinds == set(get_args(Constraint))


def test_numbers_are_numbers_and_nothing_may_be_null() -> None:
    text = json.dumps(SCHEMAS)
    assert '"null"' not in text
    assert SCHEMAS["ChargeDetailRecord"]["properties"]["ConsumedEnergy"]["type"] == "number"


def test_a_member_that_is_always_written_is_required() -> None:
    assert set(SCHEMAS["Acknowledgement"]["required"]) == {"Result", "StatusCode"}


def test_the_operator_of_a_cdr_pull_is_one_value_or_a_list() -> None:
    schema = SCHEMAS["GetChargeDetailRecords"]["properties"]["OperatorID"]
    assert problems(schema, "DE*ABC") == []
    assert problems(schema, ["DE*ABC", "DE*XYZ"]) == []
    assert problems(schema, ["nobody"]) != []


@pytest.mark.parametrize("path", by_path())
def test_every_path_documents_each_of_its_answers(path: str) -> None:
    responses = post(path)["responses"]
    assert responses.keys() == {"200", *(str(status.value) for status in REFUSALS)}
    named = [
        DOCUMENT["components"]["responses"][part["$ref"].rpartition("/")[2]] for part in list(responses.values())[1:]
    ]
    for response in (responses["200"], *named):
        assert response["headers"] == {"Process-ID": {"$ref": "#/components/headers/ProcessID"}}
        assert response["content"]["application/json"]["schema"]


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_shown_as_the_node_makes_it(status: int) -> None:
    name = next(
        response["$ref"]
        for code, response in post("/notificationmgmt/v11/charging-notifications")["responses"].items()
        if code == str(int(status))
    )
    content = DOCUMENT["components"]["responses"][name.rpartition("/")[2]]["content"]["application/json"]
    assert content["example"]["Result"] is False
    assert problems(content["schema"], content["example"]) == []


@pytest.mark.parametrize("path", by_path())
def test_parameters_are_the_callers_id_the_process_id_and_the_page_of_paged_rows(path: str) -> None:
    named = [parameter["$ref"].rpartition("/")[2] for parameter in DOCUMENT["paths"][path]["parameters"]]
    paged = any(row.paged for row in by_path()[path])
    ids = [name for name in ("operatorID", "providerID") if f"{{{name}}}" in path]
    assert named == [*ids, "ProcessID", *(["page", "size"] if paged else [])]

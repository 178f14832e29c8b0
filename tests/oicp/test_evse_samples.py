"""The samples of the EVSE operations against the models and Hubject's schemas."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from jsonschema import Draft4Validator
from pydantic import AliasChoices, AliasPath, BaseModel

from p2pnode.oicp.evse_data import EvseData, PullEvseData, PushEvseData
from p2pnode.oicp.evse_status import (
    EvseStatus,
    EvseStatusById,
    EvseStatusByOperatorId,
    PullEvseStatus,
    PullEvseStatusById,
    PullEvseStatusByOperatorId,
    PushEvseStatus,
)
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.pricing import (
    EvsePricing,
    PricingProductData,
    PullEvsePricing,
    PullPricingProductData,
    PushEvsePricing,
    PushPricingProductData,
)
from p2pnode.oicp.status import StatusCode
from tests.samples import SAMPLES

SPEC = Path(__file__).parents[3] / "shared" / "spec"
CPO = "oicp-2.3-cpo.openapi.json"
EMP = "oicp-2.3-emp.openapi.json"

MODELS: dict[str, tuple[type[OicpModel], str, str]] = {
    "PushEvseData.request": (PushEvseData, CPO, "eRoamingPushEvseData"),
    "PushEvseStatus.request": (PushEvseStatus, CPO, "eRoamingPushEvseStatus"),
    "PushPricingProductData.request": (PushPricingProductData, CPO, "eRoamingPushPricingProductData"),
    "PushEvsePricing.request": (PushEvsePricing, CPO, "eRoamingPushEVSEPricing"),
    "PullEvseData.request": (PullEvseData, EMP, "eRoamingPullEVSEData"),
    "PullEvseData.answer": (EvseData, EMP, "eRoamingEVSEData"),
    "PullEvseStatus.request": (PullEvseStatus, EMP, "eRoamingPullEVSEStatus"),
    "PullEvseStatus.answer": (EvseStatus, EMP, "eRoamingEVSEStatus"),
    "PullEvseStatusById.request": (PullEvseStatusById, EMP, "eRoamingPullEVSEStatusByID"),
    "PullEvseStatusById.answer": (EvseStatusById, EMP, "eRoamingEVSEStatusByID"),
    "PullEvseStatusByOperatorId.request": (PullEvseStatusByOperatorId, EMP, "eRoamingPullEVSEStatusByOperatorID"),
    "PullEvseStatusByOperatorId.answer": (EvseStatusByOperatorId, EMP, "eRoamingEVSEStatus"),
    "PullPricingProductData.request": (PullPricingProductData, EMP, "eRoamingPullPricingProductData"),
    "PullPricingProductData.answer": (PricingProductData, EMP, "eRoamingPricingProductData"),
    "PullEvsePricing.request": (PullEvsePricing, EMP, "eRoamingPullEVSEPricing"),
    "PullEvsePricing.answer": (EvsePricing, EMP, "eRoamingEVSEPricing"),
}
PUSHES = ("PushEvseData", "PushEvseStatus", "PushPricingProductData", "PushEvsePricing")

# Members that contradict another member of the same sample, or that only some partners send.
NOT_SHOWN = {
    "PullEvseData.last_call",
    "EvseDataRecord.delta_type",
    "EvseDataRecord.last_update",
    "EvseDataRecord.operator_id",
    "EvseDataRecord.operator_name",
    "GeoCoordinates.decimal_degree",
    "GeoCoordinates.degree_minute_seconds",
    "PullPricingProductData.provider_id",
}


def sample(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(SAMPLES[name], parse_float=Decimal)
    return body


def schema(file: str, name: str) -> dict[str, Any]:
    path = SPEC / file
    if not path.exists():
        pytest.skip(f"Hubject's OpenAPI description {file} is not here")
    document = json.loads(path.read_text(encoding="utf-8"))
    return {"$ref": f"#/components/schemas/{name}", "components": document["components"]}


def problems(document: dict[str, Any], body: dict[str, Any]) -> list[str]:
    plain: dict[str, Any] = json.loads(json.dumps(body, default=float))
    errors = Draft4Validator(document).iter_errors(plain)  # pyright: ignore[reportUnknownMemberType] - untyped overload
    return [error.message for error in errors]


def as_text(value: object) -> object:
    """The same members with points in time as the samples write them."""
    match value:
        case dict():
            members = cast("dict[str, object]", value)
            return {name: as_text(member) for name, member in members.items()}
        case list():
            return [as_text(element) for element in cast("list[object]", value)]
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case _:
            return value


def models_in(value: object) -> Iterator[OicpModel]:
    if isinstance(value, OicpModel):
        yield value
        for name in type(value).model_fields:
            yield from models_in(getattr(value, name))
    elif isinstance(value, list):
        for element in cast("list[object]", value):
            yield from models_in(element)


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_is_read_and_written_without_a_change(name: str) -> None:
    model, _, _ = MODELS[name]
    assert as_text(model.model_validate(sample(name)).wire()) == sample(name)


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_has_no_member_that_its_message_does_not_know(name: str) -> None:
    model, _, _ = MODELS[name]
    for part in models_in(model.model_validate(sample(name))):
        unknown = set(part.model_extra or {})
        assert unknown <= {"EVSEPricing"}, type(part).__name__


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_is_valid_against_the_schema_of_hubject(name: str) -> None:
    _, file, schema_name = MODELS[name]
    assert problems(schema(file, schema_name), sample(name)) == []


@pytest.mark.parametrize("name", PUSHES)
def test_the_answer_to_a_push_is_a_positive_acknowledgement(name: str) -> None:
    body = sample(f"{name}.answer")
    assert body["Result"] is True
    assert StatusCode.model_validate(body["StatusCode"]).code == "000"
    assert problems(schema(CPO, "eRoamingAcknowledgment"), body) == []


def test_the_samples_together_show_every_member_of_every_type() -> None:
    shown: dict[str, set[str]] = {}
    fields: dict[str, set[str]] = {}
    for name, (model, _, _) in MODELS.items():
        for part in models_in(model.model_validate(sample(name))):
            title = type(part).__name__
            fields[title] = set(type(part).model_fields)
            filled = {field for field in type(part).model_fields if getattr(part, field) is not None}
            shown[title] = shown.get(title, set()) | filled
    missing = {f"{title}.{field}" for title in fields for field in fields[title] - shown[title]}
    assert missing <= NOT_SHOWN


def properties(node: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in node:
        return properties(components["schemas"][node["$ref"].rsplit("/", 1)[1]], components)
    return properties(node["items"], components) if node.get("type") == "array" else node.get("properties", {})


def model_inside(annotation: object) -> type[OicpModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, OicpModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := model_inside(part))), None)


def unknown_members(
    model: type[BaseModel], node: Mapping[str, Any], components: Mapping[str, Any], place: str
) -> Iterator[str]:
    known = {alias: field for field in model.model_fields.values() for alias in aliases(field.validation_alias)}
    for member, definition in properties(node, components).items():
        if member not in known:
            yield f"{place}/{member}"
        elif (inner := model_inside(known[member].annotation)) is not None:
            yield from unknown_members(inner, definition, components, f"{place}/{member}")


def aliases(alias: str | AliasPath | AliasChoices | None) -> list[str]:
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]


@pytest.mark.parametrize("name", MODELS)
def test_the_message_knows_every_member_of_the_schema_of_hubject(name: str) -> None:
    model, file, schema_name = MODELS[name]
    document = schema(file, schema_name)
    assert list(unknown_members(model, document, document["components"], "")) == []

"""The samples of authorization, reservation, notifications, CDRs and authentication data."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft4Validator

from p2pnode.oicp.codec import decode, encode, read
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import BY_NAME, OPERATIONS
from p2pnode.oicp.rules import check
from tests.samples import SAMPLES, sample

SPEC = Path(__file__).parents[3] / "shared" / "spec"
DESCRIPTIONS = {"CPO": "oicp-2.3-cpo.openapi.json", "EMP": "oicp-2.3-emp.openapi.json"}
SESSION_OPERATIONS = (
    "AuthorizeStart",
    "AuthorizeStop",
    "AuthorizeRemoteStart",
    "AuthorizeRemoteStop",
    "AuthorizeRemoteReservationStart",
    "AuthorizeRemoteReservationStop",
    "ChargingNotificationStart",
    "ChargingNotificationProgress",
    "ChargingNotificationEnd",
    "ChargingNotificationError",
    "ChargeDetailRecord",
    "GetChargeDetailRecords",
    "PushAuthenticationData",
    "PullAuthenticationData",
)
ALL = [f"{name}.{half}" for name in SESSION_OPERATIONS for half in ("request", "answer")]
ANSWER_SCHEMAS = {
    "AuthorizeStart": "eRoamingAuthorizationStart",
    "AuthorizeStop": "eRoamingAuthorizationStop",
    "GetChargeDetailRecords": "eRoamingChargeDetailRecords",
    "PullAuthenticationData": None,
}


def model_of(name: str) -> type[OicpModel]:
    operation, half = name.split(".")
    row = BY_NAME[operation]
    model: type[OicpModel] = row.request if half == "request" else row.answer
    return model


def schema_of(name: str) -> str | None:
    operation, half = name.split(".")
    if half == "answer":
        return ANSWER_SCHEMAS.get(operation, "eRoamingAcknowledgment")
    return None if operation == "PullAuthenticationData" else f"eRoaming{operation}"


def models_in(value: object) -> Iterator[OicpModel]:
    if isinstance(value, OicpModel):
        yield value
        for _, member in value:
            yield from models_in(member)
    elif isinstance(value, list):
        for element in cast("list[object]", value):
            yield from models_in(element)


def test_every_operation_has_a_sample_of_its_request_and_of_its_answer() -> None:
    assert SAMPLES.keys() == {f"{row.name}.{half}" for row in OPERATIONS for half in ("request", "answer")}


@pytest.mark.parametrize("name", ALL)
def test_a_sample_is_written_as_it_was_read(name: str) -> None:
    assert decode(encode(read(model_of(name), sample(name)))) == decode(sample(name))


@pytest.mark.parametrize("name", ALL)
def test_a_sample_breaks_no_rule_and_has_no_unknown_member(name: str) -> None:
    message = read(model_of(name), sample(name))
    assert check(message) == ()
    assert [part.model_extra for part in models_in(message) if part.model_extra] == []


@pytest.mark.parametrize("role", DESCRIPTIONS)
@pytest.mark.parametrize("name", ALL)
def test_a_sample_is_valid_against_both_descriptions_of_hubject(name: str, role: str) -> None:
    path = SPEC / DESCRIPTIONS[role]
    if not path.exists():
        pytest.skip(f"Hubject's OpenAPI description {path.name} is not here")
    components: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["components"]
    schema = schema_of(name)
    if schema not in components["schemas"]:
        pytest.skip(f"the {role} description has no schema for {name}")
    document = {"$ref": f"#/components/schemas/{schema}", "components": components}
    errors = Draft4Validator(document).iter_errors(json.loads(sample(name)))  # pyright: ignore[reportUnknownMemberType] - untyped overload
    assert [error.message for error in errors] == []


def test_the_samples_together_show_every_member_of_every_type() -> None:
    shown: dict[type[OicpModel], set[str]] = {}
    for name in ALL:
        for part in models_in(read(model_of(name), sample(name))):
            filled = {attribute for attribute, value in part if value is not None}
            shown[type(part)] = shown.get(type(part), set()) | filled
    missing = {f"{model.__name__}.{field}" for model, seen in shown.items() for field in set(model.model_fields) - seen}
    assert missing == set()

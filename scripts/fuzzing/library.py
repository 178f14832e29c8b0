"""What is used of schemathesis and hypothesis. Their types leave parameters open, so they end here."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Protocol, cast

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.errors import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

TIMEOUT = 30.0
"""Seconds after which an answer is given up."""
SLOW_OR_LARGE = (
    HealthCheck.too_slow,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.large_base_example,
)
"""What generated messages may be: a push of EVSE data is large."""


class Request(Protocol):
    """A request that schemathesis made."""

    path: str
    path_parameters: dict[str, Any]
    headers: MutableMapping[str, str]
    query: dict[str, Any]
    body: Any
    media_type: str | None


class Endpoint:
    """A path of the description: `operation` judges the answers to requests that are made from `maker`."""

    def __init__(self, operation: Any, maker: Any) -> None:  # noqa: ANN401 - see above
        self._operation = operation
        self._maker = maker
        self.path: str = operation.path

    def requests(self, count: int, number: int, use: Callable[[Request], None], *, right: bool) -> None:
        """Let `use` have about `count` generated requests, right or wrong ones; `number` is the seed."""
        mode = GenerationMode.POSITIVE if right else GenerationMode.NEGATIVE

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=SLOW_OR_LARGE,
        )
        @given(case=self._maker.as_strategy(generation_mode=mode))
        def generated(case: Request) -> None:
            use(self.request(case, case.body))

        generated()

    def request(self, like: Request, body: Any) -> Request:  # noqa: ANN401 - any JSON
        """The same request with another body."""
        made: Request = self._operation.Case(
            path_parameters=like.path_parameters,
            headers=like.headers,
            query=like.query,
            body=body,
            media_type=like.media_type,
        )
        return made


def endpoints(document: Mapping[str, Any]) -> Iterator[Endpoint]:
    """Every path of a description."""
    makers = _operations(_with_few_unknown_members(document))
    for operation, maker in zip(_operations(document), makers, strict=True):
        yield Endpoint(operation, maker)


def _operations(document: Mapping[str, Any]) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document)))
    for found in schema.get_all_operations():
        yield cast("Any", found).ok()


def _with_few_unknown_members(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The description with unknown members in the messages only, not in everything inside them.

    Most of a generated message would be unknown members otherwise, and most of the time gone into making them.
    """
    requests_of = json.dumps([item["post"]["requestBody"] for item in document["paths"].values()])
    schemas = {
        name: schema if f'schemas/{name}"' in requests_of else {**schema, "additionalProperties": False}
        for name, schema in document["components"]["schemas"].items()
    }
    return {**document, "components": {**document["components"], "schemas": schemas}}


def send(request: Request, base: str, session: requests.Session) -> Response:
    """The answer to a request. Raises `requests.RequestException` where there is none."""
    answer: Response = cast("Any", request).call(base_url=base, session=session, timeout=TIMEOUT)
    return answer


def faults(request: Request, response: Response) -> Iterator[tuple[str, str]]:
    """What the description has against an answer: in short, and in detail."""
    checks = [
        not_a_server_error,
        status_code_conformance,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
    ]
    try:
        cast("Any", request).validate_response(response, checks=checks)
    except FailureGroup as group:
        for failure in group.exceptions:
            yield failure.title, failure.message

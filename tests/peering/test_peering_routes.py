"""Finding the rows of a path without a router."""

import pytest

from p2pnode.oicp.operations import (
    AUTHORIZE_START,
    BASE_PATH,
    MEBIBYTE,
    OPERATIONS,
    PULL_EVSE_STATUS,
    PUSH_EVSE_DATA,
    PUSH_LIMIT,
    AnyOperation,
)
from p2pnode.oicp.paths import by_path
from p2pnode.peering.routes import Routes
from tests.peering.peering_kit import path_of

ROUTES = Routes(PUSH_LIMIT)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_every_path_leads_to_its_rows(operation: AnyOperation) -> None:
    for path in operation.paths:
        found = ROUTES.find(path_of(operation, "DE*ABC", path))
        assert found is not None
        route, identifier = found
        assert route.rows == by_path()[path]
        assert route.caller is operation.caller
        assert route.paged is operation.paged
        assert identifier == ("DE*ABC" if "{" in path else None)


def test_a_route_takes_the_largest_body_of_its_rows_but_no_more_than_the_node_does() -> None:
    small, large = path_of(AUTHORIZE_START), path_of(PUSH_EVSE_DATA)
    for limit, expected in ((PUSH_LIMIT, (MEBIBYTE, PUSH_LIMIT)), (5 * MEBIBYTE, (MEBIBYTE, 5 * MEBIBYTE))):
        routes = Routes(limit)
        found = [routes.find(path) for path in (small, large)]
        assert tuple(match[0].body_limit for match in found if match) == expected


@pytest.mark.parametrize("identifier", ["DE%2AABC", "DE%2aABC", "%44E*ABC"])
def test_a_quoted_id_is_unquoted(identifier: str) -> None:
    found = ROUTES.find(path_of(PULL_EVSE_STATUS, identifier))
    assert found is not None
    assert found[1] == "DE*ABC"


def test_a_plus_in_an_id_stays() -> None:
    found = ROUTES.find(path_of(AUTHORIZE_START, "+49*810"))
    assert found is not None
    assert found[1] == "+49*810"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        BASE_PATH,
        path_of(AUTHORIZE_START) + "/",
        path_of(AUTHORIZE_START).upper(),
        path_of(AUTHORIZE_START, "DE/ABC"),
        path_of(AUTHORIZE_START).removeprefix(BASE_PATH),
        BASE_PATH + AUTHORIZE_START.path.replace("{operatorID}", ""),
    ],
)
def test_no_other_path_leads_anywhere(path: str) -> None:
    assert ROUTES.find(path) is None

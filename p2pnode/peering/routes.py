"""From a request's path to the rows of the operation table that are served there."""

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

from p2pnode.oicp.errors import ProtocolError
from p2pnode.oicp.operations import BASE_PATH, AnyOperation, Role
from p2pnode.oicp.paths import by_path
from p2pnode.oicp.status import Code
from p2pnode.roaming.records import PageRequest

PLACEHOLDERS = ("{operatorID}", "{providerID}")
LARGEST_PAGE = 2000
REMEMBERED = 1024
"""How many paths are kept with their route: each peer asks the same few again and again."""

LONGEST_PAGE_NUMBER = 9


@dataclass(frozen=True, slots=True)
class Route:
    """One path: the rows served there, whose caller they share, and the largest body any of them takes, in bytes."""

    path: str
    rows: tuple[AnyOperation, ...]
    caller: Role
    body_limit: int
    paged: bool


class Routes:
    """All paths of the wire."""

    def __init__(self, body_limit: int) -> None:
        self._fixed: dict[str, Route] = {}
        self._with_id: dict[str, Route] = {}
        positions: set[int] = set()
        for path, rows in by_path().items():
            route = Route(
                BASE_PATH + path,
                rows,
                rows[0].caller,
                min(body_limit, max(row.body_limit for row in rows)),
                paged=any(row.paged for row in rows),
            )
            parts = route.path.split("/")
            at = next((number for number, part in enumerate(parts) if part in PLACEHOLDERS), None)
            if at is None:
                self._fixed[route.path] = route
            else:
                positions.add(at)
                parts[at] = ""
                self._with_id["/".join(parts)] = route
        (self._position,) = positions  # the table has the id at one place only, or this has to become a search

        self.find = lru_cache(REMEMBERED)(self._find)
        """The route of a path, as it stands in the request, and the caller's id in it; None for an unknown path."""

    def _find(self, path: str) -> tuple[Route, str | None] | None:
        if (fixed := self._fixed.get(path)) is not None:
            return fixed, None
        parts = path.split("/")
        if len(parts) <= self._position:
            return None
        identifier, parts[self._position] = parts[self._position], ""
        route = self._with_id.get("/".join(parts))
        if route is None or not identifier:
            return None
        return route, unquote(identifier) if "%" in identifier else identifier


def page_request(query: str) -> PageRequest:
    """`?page=&size=`, by default 0 and 20; a size above 2000 is cut. Raises ProtocolError (400, 022) for the rest."""
    if not query:
        return PageRequest()
    given = parse_qs(query, keep_blank_values=True)
    return PageRequest(_number(given, "page", 0, 0), min(_number(given, "size", 20, 1), LARGEST_PAGE))


def _number(given: dict[str, list[str]], name: str, default: int, least: int) -> int:
    values = given.get(name)
    if values is None:
        return default
    text = values[0]
    if len(values) == 1 and text.isascii() and text.isdigit() and len(text) <= LONGEST_PAGE_NUMBER:
        number = int(text)
        if number >= least:
            return number
    raise ProtocolError(
        Code.DATA_ERROR,
        f"{name} has to be a whole number from {least}.",
        http=HTTPStatus.BAD_REQUEST,
    )

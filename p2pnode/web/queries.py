"""What the routes of the admin face share: reading their parameters, and answering with JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from p2pnode.oicp.codec import encode
from p2pnode.oicp.evse_data import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from p2pnode.roaming.records import PageRequest
from p2pnode.web.guard import JSON, Refusal

DIGITS = 18
"""The longest number of what is stored."""


def page_in(request: web.Request) -> PageRequest:
    """`?page=&size=`, the size at most 2000. Raises Refusal."""
    size = min(number_in(request, "size", DEFAULT_PAGE_SIZE, least=1), LARGEST_PAGE_SIZE)
    return PageRequest(number_in(request, "page", 0, least=0), size)


def number_in(request: web.Request, name: str, otherwise: int, *, least: int) -> int:
    """A whole number of the query. Raises Refusal."""
    text = request.query.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):  # noqa: PLR2004 - digits that fit
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} is not a number from {least} on")
    return int(text)


def id_in(request: web.Request, missing: Refusal) -> int:
    """The `number` in the path. Raises `missing` where it cannot be one that was given."""
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise missing
    return int(text)


def moment_of(name: str, text: object, otherwise: datetime) -> datetime:
    """A moment (UTC) from ISO 8601, a date among them; without a zone it is UTC. Raises Refusal."""
    if text is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(str(text))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        hint = "write 2026-11-21 or 2026-11-21T08:00:00Z"
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} is no date and no moment", hint) from None


def json_answer(value: Mapping[str, Any]) -> web.Response:
    """An answer that went well."""
    return web.Response(body=encode(value), content_type=JSON)

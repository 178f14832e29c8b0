"""Who may use the admin face: whoever shows the token, the client certificate, or both, as the face is configured.

Where it asks for neither, programs on this machine may.

A browser on this machine is led here by any web site it shows. So where neither is asked for the Host has to be this
machine's (a name that resolves to it is refused: DNS rebinding), a page of another origin may send nothing, and a POST
has to be JSON, which no form can send without being asked first.
"""

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

from p2pnode.config.node import AdminFaceSection
from p2pnode.config.settings import is_loopback
from p2pnode.peering.identity import shows_certificate

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JSON = "application/json"


class Refusal(Exception):
    """A request that is not served: the HTTP status, a sentence, and what to do about it."""

    def __init__(self, status: HTTPStatus, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint


def require_allowed(request: web.Request, settings: AdminFaceSection) -> None:
    """Raises Refusal where the request is not to be served."""
    if settings.client_ca is not None and not shows_certificate(request):
        raise Refusal(
            HTTPStatus.UNAUTHORIZED, "no client certificate was shown", "show one that admin_face.client_ca vouches for"
        )
    if settings.token is not None:
        _require_token(request, settings.token)
    elif settings.client_ca is None and not is_loopback(_host(request.host)):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            f"this face answers to this machine's own names, not to {request.host!r}",
            "use http://127.0.0.1, or set admin_face.token",
        )
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise Refusal(HTTPStatus.FORBIDDEN, "a page of another origin may not use this face")
    if request.method == "POST" and request.content_type != JSON:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a POST has to be JSON", f"send Content-Type: {JSON}")


def _require_token(request: web.Request, token: str) -> None:
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not same:
        raise Refusal(
            HTTPStatus.UNAUTHORIZED, "the token is missing or wrong", "send Authorization: Bearer and admin_face.token"
        )


def _host(header: str) -> str:
    """The host of a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""

"""Inbound connections, and the low-level server that makes them: no router, no middlewares, no access log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web import BaseRequest, StreamResponse

from p2pnode.config.node import LimitsSection

if TYPE_CHECKING:
    from p2pnode.config.peers import PeerEntry
    from p2pnode.peering.trust import PeerTrust

Handler = Callable[[BaseRequest], Awaitable[StreamResponse]]
Failure = Callable[[int], StreamResponse]

LINGERING_SECONDS = 2.0
"""How long a body that is not wanted is read on and thrown away, so that the caller gets to read the answer."""


class Connection(web.RequestHandler):
    """A connection that remembers which peer it is, and under which trust that was found out."""

    __slots__ = ("_is_held", "_server", "known_under", "peer")

    def __init__(self, server: "ConnectionServer") -> None:
        super().__init__(
            server,
            loop=server.loop,
            keepalive_timeout=server.limits.keep_alive_seconds,
            access_log=None,  # type: ignore[arg-type]  # aiohttp means: none
            logger=server.logger,
            lingering_time=LINGERING_SECONDS,
        )
        self._server = server
        self._is_held = False
        self.peer: PeerEntry | None = None
        self.known_under: PeerTrust | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection, or end it where there are too many."""
        super().connection_made(transport)
        if len(self._server.connections) > self._server.limits.connections:
            self._server.logger.warning("too many connections: one is closed unserved")
            self.force_close()

    def pause_reading(self) -> None:
        """Let the peer wait: more of a body has come than was taken."""
        self._is_held = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Let it go on. Asked for after every body; where nothing was held up there is nothing to parse again."""
        if self._is_held:
            self._is_held = False
            super().resume_reading(resume_parser)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """The answer to what is not HTTP, or to a failure of our own, as the face words it."""
        del message
        if status >= web.HTTPInternalServerError.status_code:
            self._server.logger.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun and cannot be replaced")
        answer = self._server.failure(status)
        answer.force_close()
        return answer


class ConnectionServer(web.Server):
    """The connections of one face. `failure` makes the answer to a request that did not get as far as the handler."""

    def __init__(self, handler: Handler, failure: Failure, limits: LimitsSection, logger: logging.Logger) -> None:
        super().__init__(handler)
        self.loop = asyncio.get_running_loop()
        self.failure = failure
        self.limits = limits
        self.logger = logger

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        return Connection(self)

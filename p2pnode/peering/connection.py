"""Inbound connections, and the low-level server that makes them: no router, no middlewares, no access log."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, RequestPayloadError, StreamResponse

from p2pnode.config.node import LimitsSection

if TYPE_CHECKING:
    from p2pnode.config.peers import PeerEntry
    from p2pnode.peering.trust import PeerTrust

Handler = Callable[[BaseRequest], Awaitable[StreamResponse]]
Failure = Callable[[int], StreamResponse]
PeerAt = Callable[[asyncio.BaseTransport], "PeerEntry | None"]
"""Who is at the other end of a new connection. None for a face whose connections do not tell."""


STRANGERS = "strangers, all together,"
"""Whom those are counted for that have shown no peer's certificate; no peer has such a name."""

TOLD_AGAIN = 10.0
"""Seconds until the same reason of a refused connection is logged again: whoever is refused may come back at once."""

LINGERING_SECONDS = 2.0
"""How long a body that is not wanted is read on and thrown away, so that the caller gets to read the answer."""


class Connection(web.RequestHandler):
    """A connection that remembers which peer it is, and under which trust that was found out.

    `known_until` is when the peer's certificate ends, in seconds since 1970.
    """

    __slots__ = ("_head_limit", "_heads", "_is_held", "_server", "counted_for", "known_under", "known_until", "peer")

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
        self._head_limit: asyncio.TimerHandle | None = None
        self._heads = 0
        self.peer: PeerEntry | None = None
        self.known_under: PeerTrust | None = None
        self.known_until = 0.0
        self.counted_for = ""

    @property
    def is_stranger(self) -> bool:
        """Whether it has shown no peer's certificate where it should, or is not served."""
        return self._server.tells_peers and self.counted_for in {"", STRANGERS}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection, or end it where there are too many."""
        super().connection_made(transport)
        refusal = self._server.take_in(self, transport)
        if refusal:
            self._server.tell(refusal)
            self.force_close()
        elif self.counted_for == STRANGERS:
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that it is gone."""
        self._server.let_go(self)
        if self._head_limit is not None:
            self._head_limit.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come. Where that is the beginning of a request, the rest of its head has to come in time."""
        super().data_received(data)
        if self._waiter is not None and not self._waiter.done():
            self._await_head()

    def _await_head(self) -> None:
        """Hang up unless the next head is whole in time."""
        if self._head_limit is not None:
            if self._heads == self._request_count:
                return
            self._head_limit.cancel()
        self._heads = self._request_count
        self._head_limit = self._server.loop.call_later(self._server.limits.head_seconds, self._require_head)

    def _require_head(self) -> None:
        self._head_limit = None
        if self._heads == self._request_count:
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

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        """Log a failure of our own. A body that cannot be decoded is none: it fails again when it is thrown away."""
        if not isinstance(kw.get("exc_info"), RequestPayloadError | HttpProcessingError):
            super().log_exception(*args, **kw)

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

    def __init__(
        self,
        handler: Handler,
        failure: Failure,
        limits: LimitsSection,
        logger: logging.Logger,
        peer_at: PeerAt | None,
    ) -> None:
        super().__init__(handler)
        self.loop = asyncio.get_running_loop()
        self.failure = failure
        self.limits = limits
        self.logger = logger
        self._peer_at = peer_at
        self.tells_peers = peer_at is not None
        self._held_by: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}

    def take_in(self, connection: Connection, transport: asyncio.BaseTransport) -> str:
        """Count a new connection; why it cannot be served, if it cannot."""
        if len(self.connections) > self.limits.connections:
            return f"there are {self.limits.connections} in all"
        if self._peer_at is None:
            return ""
        peer = self._peer_at(transport)
        name, most = (
            (peer.name, self.limits.connections_of_one_peer) if peer else (STRANGERS, self.limits.stranger_connections)
        )
        if self._held_by[name] >= most:
            return f"{name} holds {most} open" if peer else f"{name} hold {most} open"
        self._held_by[name] += 1
        connection.counted_for = name
        return ""

    def tell(self, refusal: str) -> None:
        """Log why a connection is closed unserved, each reason once in a while."""
        now = self.loop.time()
        if now - self._told_at.get(refusal, -TOLD_AGAIN) >= TOLD_AGAIN:
            self._told_at[refusal] = now
            self.logger.warning("a connection is closed unserved: %s", refusal)

    def let_go(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        name, connection.counted_for = connection.counted_for, ""
        if name:
            self._held_by[name] -= 1
            if not self._held_by[name]:
                del self._held_by[name]

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        return Connection(self)

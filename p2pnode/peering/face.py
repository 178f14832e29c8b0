"""A face: the whole operation table served over HTTP, each message bound to the party that sent it.

Who the caller is and what becomes of a message is decided by what a face is made with, so that the peer face and the
backend face are the same server.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, Self

from aiohttp import hdrs
from aiohttp.web import BaseRequest, StreamResponse
from msgspec import Struct
from msgspec.structs import replace

from p2pnode.config.node import LimitsSection
from p2pnode.config.peers import PeerEntry
from p2pnode.oicp import rules
from p2pnode.oicp.answers import code_of, refusal
from p2pnode.oicp.codec import encode, reason
from p2pnode.oicp.dialects import http_of
from p2pnode.oicp.errors import InvalidMessage, NotAllowed, ProtocolError
from p2pnode.oicp.model import OicpModel
from p2pnode.oicp.operations import BASE_PATH, MEBIBYTE, AnyOperation
from p2pnode.oicp.status import Code
from p2pnode.peering.bodies import PROBE, check_content_type, check_length, read_body
from p2pnode.peering.card import CARD_PATH, PAIRING_PATH
from p2pnode.peering.claims import CLAIMS
from p2pnode.peering.connection import ConnectionServer, PeerAt
from p2pnode.peering.description import description
from p2pnode.peering.identity import CallerPolicy
from p2pnode.peering.limiter import LargeBodies, PeerLimiter
from p2pnode.peering.listener import Listener
from p2pnode.peering.messages import in_dialect, read_message
from p2pnode.peering.pairing import REQUEST_LIMIT
from p2pnode.peering.reply import PROBE_HEADER, PROCESS_ID_HEADER, REACHED_HEADER, Reply
from p2pnode.peering.routes import Route, Routes, page_request
from p2pnode.peering.signing import Exchange, Signatures
from p2pnode.roaming.deadline import Deadlines
from p2pnode.roaming.ports import Received, StoreFault
from p2pnode.roaming.records import FIRST_PAGE, CallOutcome, Verb
from p2pnode.roaming.turns import short_turns

if TYPE_CHECKING:
    from p2pnode.peering.tls import ServerTls

Receive = Callable[[Received[Any]], Awaitable[OicpModel | bytes]]

OPENAPI_PATH = f"{BASE_PATH}/openapi.json"
PROCESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
OK, SUCCESS = HTTPStatus.OK, Code.SUCCESS.value  # to ask an enumeration is a call
CLOSING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
"""The answers after which nothing more is read from the connection."""

process_in_hand: ContextVar[str] = ContextVar("process_in_hand", default="")
"""The Process-ID of the request that the running task answers, for what it calls meanwhile."""

LOGGER = logging.getLogger("p2pnode.peering")


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    """A random UUID that is no secret, made for every request: without a system call, and without the class UUID."""
    digits = f"{getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


PAIRING_SECONDS = 5.0
"""How long the body of a stranger's request may take."""


class Pairing(Protocol):
    """Takes requests to be paired."""

    def admit(self, address: str) -> None:
        """Count a request from an address. Raises ProtocolError where there are too many."""
        ...

    async def take(self, body: bytes, address: str) -> Mapping[str, str]:
        """The answer to a request. Raises ProtocolError."""
        ...


class _Call(Struct, eq=False):
    """One request on its way: what is known of it so far."""

    process_id: str
    peer: PeerEntry | None = None
    operation: AnyOperation | None = None
    message: OicpModel | None = None
    is_passed_on: bool = False
    entered: PeerEntry | None = None
    """The peer, once the request counts among those it has at once."""
    exchange: Exchange | None = None
    """The request as its signature was checked; None for a peer that signs nothing."""


@dataclass(frozen=True, slots=True)
class FaceParts:
    """What a face is made with.

    `receive` answers a message or raises ProtocolError, `offered` are the operations it is asked for (others are
    refused with 320), `on_call` hears of every request. `grace` is how long an answer may take beyond the operation's
    own limit, in seconds: where `receive` keeps that limit itself and has more to tell than that it has passed.
    `limiter` counts what peers ask at once, `on_stranger` hears why a handshake has failed, `on_probe` which peer has
    probed an operation, from which address: that is no message, and `on_call` does not hear of it.
    """

    receive: Receive
    offered: Collection[AnyOperation]
    on_call: Callable[[CallOutcome], None]
    limits: LimitsSection = field(default_factory=LimitsSection)
    now: Callable[[], datetime] = _now
    new_id: Callable[[], str] = _new_id
    logger: logging.Logger = LOGGER
    grace: float = 0.0
    signatures: Signatures | None = None
    limiter: PeerLimiter | None = None
    on_stranger: Callable[[str], None] | None = None
    on_probe: Callable[[str, str], None] | None = None


class OicpFace:
    """Serves the operation table at one address, to whom the policy knows.

    `card`, if any, and the OpenAPI description are served to anyone.
    """

    def __init__(self, host: str, port: int, policy: CallerPolicy, parts: FaceParts) -> None:
        self.host = host
        self.port = port
        self.parts = parts
        self.tls: ServerTls | None = None
        self.card: Mapping[str, object] | None = None
        self.pairing: Pairing | None = None
        self.peer_at: PeerAt | None = None
        self._policy = policy
        self._offered = frozenset(parts.offered)
        self._routes = Routes(parts.limits.body_bytes)
        self._description = b""
        self._deadlines = Deadlines()
        self._large = LargeBodies(parts.limits.large_bodies)
        self._connections: ConnectionServer | None = None
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Listen. `port` is the port in use afterwards. Raises OSError where the address cannot be had."""
        limits = self.parts.limits
        self._description = await asyncio.to_thread(description)
        self._connections = ConnectionServer(self._handle, self._failed, limits, self.parts.logger, self.peer_at)
        tls = self.tls.context if self.tls is not None else None
        self._listener = Listener(self._connections, tls, limits, self.parts.logger)
        self.port = await self._listener.start(self.host, self.port)

    async def stop(self) -> None:
        """Stop listening, let requests in flight finish for `stop_seconds`, end all connections."""
        if self._listener is None or self._connections is None:
            return
        await self._listener.aclose()
        self._connections.pre_shutdown()
        await self._connections.shutdown(self.parts.limits.stop_seconds)
        self._listener = self._connections = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        """Answer one request, whatever happens, and tell what became of it."""
        begun = perf_counter()
        given = request.headers.get(PROCESS_ID_HEADER)
        process_id = given if given is not None and PROCESS_ID.fullmatch(given) else self.parts.new_id()
        if request.raw_path == CARD_PATH and self.card is not None:
            return self._show(request, process_id, encode(self.card))
        if request.raw_path == PAIRING_PATH and self.pairing is not None:
            return await self._paired(request, process_id, self.pairing)
        if request.raw_path == OPENAPI_PATH:
            return self._show(request, process_id, self._description)
        process_in_hand.set(process_id)
        call, detail, address = _Call(process_id), "", ""
        try:
            try:
                answer = await self._answer(request, call)
            finally:
                if call.entered is not None and self.parts.limiter is not None:
                    self.parts.limiter.leave(call.entered)
            if isinstance(answer, bytes):
                http, code, body = OK, SUCCESS, answer
            else:
                http, code, body = OK, code_of(answer), encode(answer)
        except ProtocolError as error:
            http, code, body = self._refused(call, error)
            address = request.remote or ""
            is_ours = isinstance(error, NotAllowed) or not call.is_passed_on  # later ones may be a partner's words
            detail = error.reason if is_ours else ""
        except StoreFault as error:
            self.parts.logger.error("process %s: the store failed: %s", process_id, error)  # noqa: TRY400 - no fault of the code
            told = f"The store of this node failed. Process-ID {process_id}"
            http, code, body = self._refused(call, ProtocolError(Code.SYSTEM_ERROR, told))
        except Exception:
            self.parts.logger.exception("process %s failed", process_id)
            http, code, body = self._refused(call, ProtocolError(Code.SYSTEM_ERROR, f"Process-ID {process_id}"))
        body, signature = await in_dialect(call.peer, call.operation, body), ""
        if call.exchange is not None:
            body, signature = await self._sign(call, call.exchange, http, code, body)
        self._note(
            request,
            call,
            CallOutcome(
                call.operation.name if call.operation else "",
                Verb.RECEIVE,
                call.peer.name if call.peer else "",
                int(http),
                code,
                (perf_counter() - begun) * 1000,
                process_id,
                self.parts.now(),
                detail,
                address,
            ),
        )
        return Reply(http, body, process_id, close=http in CLOSING, more=signature)

    async def _answer(self, request: BaseRequest, call: _Call) -> OicpModel | bytes:
        peer = self._policy.by_connection(request)
        if peer is not None:
            self._enter(call, peer)
        path, _, query = request.raw_path.partition("?")
        found = self._routes.find(path if path.startswith("/") else request.rel_url.raw_path)
        if found is None:
            raise ProtocolError(Code.DATA_ERROR, "There is no operation at this path.", http=HTTPStatus.NOT_FOUND)
        route, identifier = found
        _require_post(request)
        if len(route.rows) == 1:
            call.operation = route.rows[0]
        if identifier is not None:
            self._require(call, route, identifier)
        check_content_type(request)
        if not request.content.is_eof():  # otherwise it is there and can be measured
            check_length(request, route.body_limit)
        if route.body_limit <= MEBIBYTE or _is_small(request):
            return await self._take(request, call, route, identifier, query)
        async with self._large.turn(call.peer):  # a large body waits until fewer others are held in memory
            with short_turns:
                return await self._take(request, call, route, identifier, query)

    def _enter(self, call: _Call, peer: PeerEntry) -> None:
        """Note who calls. Raises ProtocolError (429) where this peer asks too much."""
        call.peer = peer
        if self.parts.limiter is not None:
            self.parts.limiter.enter(peer)
            call.entered = peer

    async def _take(
        self, request: BaseRequest, call: _Call, route: Route, identifier: str | None, query: str
    ) -> OicpModel | bytes:
        limits = self.parts.limits
        body = await read_body(request, route.body_limit, limits.body_seconds, limits.body_rate)
        known = call.peer
        if known is not None and known.signs:
            body = await self._check_signature(request, call, known, body)
        received = await self._read(call, route, identifier, body, query)
        if known is None and received.peer.signs:  # only the message told who calls
            await self._check_signature(request, call, received.peer, body)
        if REACHED_HEADER in request.headers:
            received = replace(received, reached=request.headers[REACHED_HEADER].split(","))
        call.is_passed_on = True
        seconds = min(received.operation.deadline, self.parts.limits.answer_seconds) + self.parts.grace
        try:
            return await self._deadlines.within(seconds, self.parts.receive(received))
        except TimeoutError:
            raise ProtocolError(Code.PARTNER_DID_NOT_RESPOND, f"No answer within {seconds:g} seconds.") from None

    async def _read(self, call: _Call, route: Route, identifier: str | None, body: bytes, query: str) -> Received[Any]:
        """The message in a body, once it is certain that its caller may send it and that it is valid."""
        operation, message, records = await read_message(route, body)
        call.operation, call.message = operation, message
        claimed = CLAIMS[operation](message)
        peer = call.peer
        if peer is None or (claimed is not None and claimed != identifier):
            peer = self._require(call, route, claimed)
        if operation not in self._offered:
            raise ProtocolError(Code.SERVICE_NOT_AVAILABLE, f"{operation.name} is not offered here.")
        found = rules.check(message)
        if found and (broken := rules.errors_in(found)):
            raise InvalidMessage(reason(broken), broken)
        page = page_request(query) if route.paged else FIRST_PAGE
        return Received(operation, message, body, peer, call.process_id, identifier or claimed or "", records, page)

    async def _check_signature(self, request: BaseRequest, call: _Call, peer: PeerEntry, body: bytes) -> bytes:
        """The body to be read. Raises ProtocolError (017) for a signature that does not hold, or is missed."""
        if self.parts.signatures is None:
            return body
        call.exchange = await self.parts.signatures.check_request(peer, request, body)
        return call.exchange.body

    async def _sign(self, call: _Call, exchange: Exchange, http: int, code: str, body: bytes) -> tuple[bytes, str]:
        """The body and the header lines of a signed answer. What proves something is kept."""
        signatures = self.parts.signatures
        if signatures is None:
            return body, ""
        signed, body = await signatures.sign_answer(exchange, http, call.process_id, body)
        if signed is None:
            return body, ""
        if call.operation is not None:
            await signatures.keep(call.operation, Verb.RECEIVE, exchange, code=code, answer=signed, body=body)
        return body, signed.header_lines()

    def _require(self, call: _Call, route: Route, identifier: str | None) -> PeerEntry:
        """The peer that calls, if it may give this id as its own. Raises ProtocolError (017)."""
        peer = call.peer or self._policy.by_id(route.caller, identifier)
        if peer is None:
            told = "No id tells who calls." if identifier is None else f"{identifier!r:.100} is no peer's id."
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, told)
        if call.peer is None:
            self._enter(call, peer)
        if identifier is not None and not peer.speaks_for(route.caller, identifier):
            raise ProtocolError(Code.UNAUTHORIZED_ACCESS, f"{identifier!r:.100} is not an id of the caller.")
        return peer

    def _note(self, request: BaseRequest, call: _Call, outcome: CallOutcome) -> None:
        """Tell what became of a request, or that it was but a probe: refused for that alone, it was no message."""
        if (
            outcome.address
            and PROBE_HEADER in request.headers
            and request.content_length == len(PROBE)
            and outcome.http != HTTPStatus.TOO_MANY_REQUESTS
            and call.peer is not None
            and self.parts.on_probe is not None
        ):
            self.parts.on_probe(call.peer.name, outcome.address)
        else:
            self.parts.on_call(outcome)

    def _refused(self, call: _Call, error: ProtocolError) -> tuple[HTTPStatus, str, bytes]:
        own_form = error.http is HTTPStatus.OK or isinstance(error, InvalidMessage)
        http, answer = refusal(call.operation if own_form else None, error, call.message)
        if call.peer is not None:
            http = http_of(call.peer.dialect, error)
        return http, error.code.value, encode(answer)

    async def _paired(self, request: BaseRequest, process_id: str, pairing: Pairing) -> StreamResponse:
        """The answer to a request to be paired, which anyone may send."""
        try:
            _require_post(request)
            pairing.admit(request.remote or "")
            check_content_type(request)
            check_length(request, REQUEST_LIMIT)
            body = await read_body(request, REQUEST_LIMIT, PAIRING_SECONDS, self.parts.limits.body_rate)
            return Reply(HTTPStatus.ACCEPTED, encode(await pairing.take(body, request.remote or "")), process_id)
        except ProtocolError as error:
            http, _, refused = self._refused(_Call(process_id), error)
            return Reply(http, refused, process_id, close=True)

    def _show(self, request: BaseRequest, process_id: str, content: bytes) -> StreamResponse:
        if request.method not in {hdrs.METH_GET, hdrs.METH_HEAD}:
            error = ProtocolError(Code.DATA_ERROR, "This is there to be read.", http=HTTPStatus.METHOD_NOT_ALLOWED)
            http, _, body = self._refused(_Call(process_id), error)
            return Reply(http, body, process_id, allow="GET, HEAD")
        return Reply(HTTPStatus.OK, content, process_id)

    def _failed(self, status: int) -> StreamResponse:
        """The answer to a request that did not get as far as `_handle`: it was not HTTP, or the server failed."""
        ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        code, told = (Code.SYSTEM_ERROR, "") if ours else (Code.DATA_ERROR, "The request is not valid HTTP.")
        process_id = self.parts.new_id()
        error = ProtocolError(code, told or f"Process-ID {process_id}", http=HTTPStatus(status))
        http, _, body = self._refused(_Call(process_id), error)
        return Reply(http, body, process_id)


def _is_small(request: BaseRequest) -> bool:
    """Whether the body is certain to be of at most 1 MiB: what a compressed one unpacks to nobody has said."""
    length = request.content_length
    return length is not None and length <= MEBIBYTE and hdrs.CONTENT_ENCODING not in request.headers


def _require_post(request: BaseRequest) -> None:
    if request.method != hdrs.METH_POST:
        raise ProtocolError(Code.DATA_ERROR, "The method has to be POST.", http=HTTPStatus.METHOD_NOT_ALLOWED)

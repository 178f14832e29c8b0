"""The admin face: a running node's status, sessions and events as JSON, and a door to send messages through it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec
from aiohttp import web

from p2pnode.backends.commands import CommandError, Commands
from p2pnode.config import ConfigError
from p2pnode.node import Node
from p2pnode.observe.events import Event, Subscription
from p2pnode.observe.metrics import CONTENT_TYPE
from p2pnode.oicp.codec import decode, encode
from p2pnode.oicp.errors import InvalidMessage, OicpError, PeerError, ProtocolError
from p2pnode.oicp.identifiers import evse_key, session_key
from p2pnode.oicp.operations import BY_NAME, PUSH_LIMIT, Role
from p2pnode.peering.admission import NotAccepted
from p2pnode.peering.trust import TrustError
from p2pnode.roaming.explain import Question
from p2pnode.roaming.ports import StoreFault
from p2pnode.roaming.published_records import EvseFilter
from p2pnode.roaming.records import OWN
from p2pnode.web.cdrs import CdrRoutes
from p2pnode.web.encryption import FaceTls
from p2pnode.web.guard import JSON, Handler, Refusal, require_allowed
from p2pnode.web.outbox import OutboxRoutes
from p2pnode.web.queries import json_answer as _json
from p2pnode.web.queries import number_in as _number
from p2pnode.web.queries import page_in as _page
from p2pnode.web.shapes import event_shape, evse_shape, import_shape, session_shape

if TYPE_CHECKING:
    from p2pnode.peering.tls import ServerTls

HEARTBEAT_SECONDS: Final = 15.0
SHUTDOWN_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 75.0
"""How long an idle connection is kept, and the head of a request awaited."""

LISTED: Final = 100
LAST: Final = "stopping"
"""The kind of the event that ends a stream of events."""


class AdminFace:
    """Serves the admin API of one running node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._settings = node.config.admin_face
        self._streams: set[Subscription] = set()
        self._runner: web.AppRunner | None = None
        self._encryption = FaceTls(node.config) if self._settings.tls == "on" else None
        self._tls: ServerTls | None = None
        self._stop_listening: Callable[[], None] | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen at the configured address; `url` is then the base of the API. Raises TrustError or OSError."""
        app = web.Application(middlewares=[self._guarded], client_max_size=PUSH_LIMIT)
        app.add_routes(
            [
                web.get("/api/status", self._status),
                web.get("/api/peers", self._peers),
                web.get("/api/operations", self._operations),
                web.get("/api/route/{operation}", self._route),
                web.get("/api/sessions", self._sessions),
                web.get("/api/sessions/{session}", self._session),
                *CdrRoutes(self._node).routes,
                web.get("/api/evses", self._evses),
                web.get("/api/pricing", self._pricing),
                *OutboxRoutes(self._node).routes,
                web.get("/api/events", self._events),
                web.get("/metrics", self._metrics),
                web.post("/api/call/{operation}", self._call),
                web.post("/api/evses/import", self._import),
                web.post("/api/cpo/{command}", self._cpo),
                web.post("/api/emp/{command}", self._emp),
                web.get("/api/pending", self._pending),
                web.post("/api/pending/accept", self._accept),
                web.post("/api/pending/reject", self._reject),
                web.post("/api/reload", self._reload),
                web.post("/api/stop", self._stop),
            ]
        )
        if self._encryption is not None:
            self._tls = await asyncio.to_thread(self._encryption.server)
            self._stop_listening = self._node.peers.listen(self.reload)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=KEPT_SECONDS
        )
        await self._runner.setup()
        context = self._tls.context if self._tls is not None else None
        site = web.TCPSite(self._runner, self._settings.host, self._settings.port, ssl_context=context)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        scheme = "https" if self._tls is not None else "http"
        self.url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def reload(self) -> None:
        """Read the certificates again, for every handshake from now on. Raises TrustError, and then changes nothing."""
        if self._encryption is not None and self._tls is not None:
            await asyncio.to_thread(self._encryption.reload, self._tls)

    async def stop(self) -> None:
        """End the streams of events, finish what is being answered, and close."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        for stream in self._streams:
            stream.put(Event(LAST, datetime.now(UTC)))
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse who may not come in, and tell every failure as JSON."""
        try:
            require_allowed(request, self._settings)
            if request.method == "POST":
                self._node.observer.audit("admin", path=request.path, address=request.remote)
            return await handler(request)
        except Refusal as refusal:
            self._node.observer.audit(
                "admin_refused", path=request.path, address=request.remote, reason=refusal.message
            )
            return _error(refusal.status, refusal.message, refusal.hint)
        except (CommandError, OicpError) as error:
            return _refused(error)
        except StoreFault as error:
            self._node.log.error("admin_store_failed", path=request.path, problem=str(error))  # noqa: TRY400 - no fault of the code
            hint = "`p2pnode store check` tells what is wrong; nothing of this was stored"
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, f"the store failed: {error}", hint)
        except web.HTTPException as error:
            told = f"{request.method} {request.path}: {error.reason}"
            return _error(HTTPStatus(error.status), told, f"this face has {_paths(request.app.router)}")
        except Exception:
            process_id = str(uuid4())
            self._node.log.exception("admin_failed", path=request.path, process_id=process_id)
            return _error(
                HTTPStatus.INTERNAL_SERVER_ERROR, "this failed inside the node", f"its log tells: {process_id}"
            )

    async def _status(self, request: web.Request) -> web.Response:
        del request
        status = await self._node.status()
        status = replace(status, faces={**status.faces, "admin": self.url})
        return web.Response(body=status.to_json(), content_type=JSON)

    async def _peers(self, request: web.Request) -> web.Response:
        del request
        return _json({"peers": [entry.model_dump(mode="json") for entry in self._node.peers.current().peers]})

    async def _operations(self, request: web.Request) -> web.Response:
        del request
        return _json({"cells": self._node.observer.metrics.cells()})

    async def _route(self, request: web.Request) -> web.Response:
        """Where a message would go, by `?evse=`, `evco`, `uid`, `operator`, `provider`, `session` and `from`."""
        operation = BY_NAME.get(request.match_info["operation"])
        if operation is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such operation", "see `p2pnode operations`")
        query = request.query
        question = Question(
            operation,
            query.get("evse"),
            query.get("evco"),
            query.get("uid"),
            tuple(query.getall("operator", [])),
            query.get("provider"),
            query.get("session"),
            query.get("from"),
        )
        if question.lacks():
            raise Refusal(HTTPStatus.BAD_REQUEST, f"the route of {operation.name} depends on {question.lacks()}")
        return _json(asdict(await self._node.own.route(question)))

    async def _sessions(self, request: web.Request) -> web.Response:
        found = await self._node.store.sessions(_number(request, "limit", LISTED, least=1))
        return _json({"sessions": [session_shape(session) for session in found]})

    async def _session(self, request: web.Request) -> web.Response:
        key = session_key(request.match_info["session"])
        session = await self._node.store.session(key)
        if session is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is no such session", "`p2pnode sessions` lists the latest")
        return _json(session_shape(session, await self._node.store.history(key)))

    async def _evses(self, request: web.Request) -> web.Response:
        """What one owner has published: `?owner=` a peer, our own party without; a page of it, or each `?evse_id=`."""
        store, owner = self._node.store, request.query.get("owner", OWN)
        wanted = EvseFilter(owners=(owner,), as_of=self._node.now())
        asked = request.query.getall("evse_id", [])
        if asked:
            looked_up = [await store.evse(evse_key(text), owner) for text in asked]
            found = [record for record in looked_up if record is not None]
        else:
            found = list(await store.evse_page(wanted, _page(request)))
        keys = tuple(record.evse_key for record in found)
        status_of = {status.evse_key: status.status for status in await store.statuses((owner,), evse_keys=keys)}
        evses = [evse_shape(record, status_of.get(record.evse_key)) for record in found]
        return _json({"total": await store.evse_count(wanted), "evses": evses})

    async def _pricing(self, request: web.Request) -> web.Response:
        """The pricing one owner has published: `?owner=` a peer, our own party without."""
        owners = (request.query.get("owner", OWN),)
        products = await self._node.store.products(owners, None)
        pricing = await self._node.store.evse_pricing(owners, None)
        return _json(
            {
                "products": [msgspec.Raw(record.body) for record in products],
                "evse_pricing": [msgspec.Raw(record.body) for record in pricing],
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events from now on, the first of kind `hello`; a comment now and then keeps the line open."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        with self._node.observer.events.subscribe() as stream:
            self._streams.add(stream)
            try:
                await response.prepare(request)
                await response.write(_line({"kind": "hello", "at": datetime.now(UTC)}))
                await _pass_on(stream, response)
                await response.write_eof()
            except ConnectionResetError:
                pass  # the listener has gone
            finally:
                self._streams.discard(stream)
        return response

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        await self._node.measure()
        return web.Response(body=self._node.observer.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def _call(self, request: web.Request) -> web.Response:
        """Send the OICP message in the body as our own party: `?to=` a peer, `?page=&size=` of a paged pull."""
        name = request.match_info["operation"]
        operation = BY_NAME.get(name)
        if operation is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"no operation is called {name!r}", "`p2pnode operations` lists them")
        to = request.query.get("to") or None
        process_id = str(uuid4())
        called = await self._node.own.call(
            operation, await request.read(), to=to, page=_page(request), process_id=process_id
        )
        told = {"http": called.http, "answer": msgspec.Raw(called.answer), "code": called.code, "ms": called.ms}
        return _json({**told, "process_id": process_id})

    async def _import(self, request: web.Request) -> web.Response:
        """Import a file of EVSE data (`?kind=data`) or status (`?kind=status`); it becomes our own and is published."""
        kind = request.query.get("kind", "data")
        if kind not in {"data", "status"}:
            raise Refusal(HTTPStatus.BAD_REQUEST, f"there is no kind {kind!r}", "kind is data or status")
        body = await request.read()
        take = self._node.own.import_evse_data if kind == "data" else self._node.own.import_evse_status
        try:
            return _json(import_shape(await take(body)))
        except InvalidMessage as error:
            hint = f"`p2pnode validate evse-{kind} FILE` tells what is wrong where"
            raise Refusal(HTTPStatus.BAD_REQUEST, error.reason, hint) from None

    async def _cpo(self, request: web.Request) -> web.Response:
        return await _command(request, Role.CPO, self._node.commands[Role.CPO])

    async def _emp(self, request: web.Request) -> web.Response:
        return await _command(request, Role.EMP, self._node.commands[Role.EMP])

    async def _pending(self, request: web.Request) -> web.Response:
        """Who asked to be a peer, or was discovered, and waits for somebody to decide."""
        del request
        return _json({"pending": [one.model_dump(mode="json") for one in self._node.admission.pending.all()]})

    async def _accept(self, request: web.Request) -> web.Response:
        """Make the pending node `key`, shown with `digest`, a peer called `name`, perhaps at another `url`."""
        asked = await _members(request)
        key, name, digest = (str(asked.get(member) or "") for member in ("key", "name", "digest"))
        url = asked.get("url")
        try:
            entry = await self._node.admission.accept(key, name, digest, None if url is None else str(url))
        except (NotAccepted, ConfigError, TrustError) as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error), "see `p2pnode peer pending`") from error
        return _json(entry.model_dump(mode="json"))

    async def _reject(self, request: web.Request) -> web.Response:
        """Forget the pending node `key`."""
        try:
            await self._node.admission.reject(str((await _members(request)).get("key")))
        except NotAccepted as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error), "see `p2pnode peer pending`") from error
        return _json({"rejected": True})

    async def _reload(self, request: web.Request) -> web.Response:
        """Read the peer table and all certificates again."""
        del request
        try:
            table = await self._node.upkeep.reload()
        except (ConfigError, TrustError) as error:
            raise Refusal(HTTPStatus.CONFLICT, str(error), "correct it; the former table stays in force") from error
        return _json({"peers": len(table.peers)})

    async def _stop(self, request: web.Request) -> web.Response:
        del request
        self._node.stop()
        return _json({"stopping": True})


def _paths(router: web.UrlDispatcher) -> str:
    """What a face serves, for who asked for something else."""
    routes = [(route.method, route.resource) for route in router.routes() if route.method != "HEAD"]
    return ", ".join(f"{method} {resource.canonical}" for method, resource in routes if resource is not None)


async def _command(request: web.Request, role: Role, commands: Commands | None) -> web.Response:
    """Let a person act at a virtual party; the arguments are the members of the body."""
    if commands is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"this node has no virtual {role}", "see backend in its configuration")
    arguments = await _members(request, f"commands: {', '.join(commands.names)}")
    return _json(await commands.run(request.match_info["command"], arguments))


async def _members(request: web.Request, hint: str = "") -> Mapping[str, Any]:
    """The members of the JSON object in the body, none where it is empty. Raises Refusal."""
    members = decode(await request.read() or b"{}")
    if not isinstance(members, Mapping):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the arguments are a JSON object", hint)
    return cast("Mapping[str, Any]", members)


async def _pass_on(stream: Subscription, response: web.StreamResponse) -> None:
    """Write events as they come, until the face stops."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                event = await anext(stream)
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        if event.kind == LAST:
            return
        await response.write(_line(event_shape(event)))


def _line(value: Mapping[str, object]) -> bytes:
    return b"data: " + encode(value) + b"\n\n"


def _refused(error: CommandError | OicpError) -> web.Response:
    if isinstance(error, InvalidMessage):
        return _error(HTTPStatus.BAD_REQUEST, error.reason, "send the message as JSON")
    code = error.code.value if isinstance(error, PeerError | ProtocolError) else ""
    return _error(
        HTTPStatus.BAD_GATEWAY if isinstance(error, PeerError) else HTTPStatus.CONFLICT, str(error), code=code
    )


def _error(status: HTTPStatus, message: str, hint: str = "", *, code: str = "") -> web.Response:
    """A failure as `{"error", "hint"}`, with the OICP code where there is one."""
    headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
    body = encode({"error": message, "hint": hint} | ({"code": code} if code else {}))
    return web.Response(status=status, body=body, content_type=JSON, headers=headers)

"""A party's backend as it would be written for Hubject: aiohttp, the paths of OICP 2.3, and bytes.

It knows nothing of what it is connected to: it calls a hub at a base URL, and serves the endpoints that the hub calls.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

SUCCESS = {"Code": "000"}
ACKNOWLEDGEMENT = json.dumps({"Result": True, "StatusCode": SUCCESS}).encode()


@dataclass(frozen=True)
class Got:
    """A message of the hub: the path below the base, and the body as it came."""

    path: str
    body: bytes
    process_id: str

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body."""
        members: dict[str, Any] = json.loads(self.body)
        return members


@dataclass(frozen=True)
class Answer:
    """What the hub answered to a message, or what the backend answers to one of the hub's."""

    status: int
    body: bytes
    process_id: str = ""
    content_type: str = "application/json"

    @property
    def members(self) -> dict[str, Any]:
        """The members of the body."""
        members: dict[str, Any] = json.loads(self.body)
        return members

    @property
    def code(self) -> str:
        """The OICP status code."""
        code: str = self.members["StatusCode"]["Code"]
        return code


def authorized(provider_id: str, **more: object) -> Answer:
    """eRoamingAuthorizationStart or -Stop: yes."""
    members = {"AuthorizationStatus": "Authorized", "ProviderID": provider_id, "StatusCode": SUCCESS, **more}
    return Answer(200, json.dumps(members).encode())


def refused(code: str, **more: object) -> Answer:
    """eRoamingAuthorizationStart or -Stop: no."""
    members = {"AuthorizationStatus": "NotAuthorized", "StatusCode": {"Code": code}, **more}
    return Answer(200, json.dumps(members).encode())


@dataclass
class PlainBackend:
    """Both halves: `call` is its client, `url` its server, `got` what the server was told.

    `answers` are by the last part of a path; everything else is acknowledged. While `held` is not set, the server
    takes messages and answers nothing.
    """

    hub: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    client_tls: ssl.SSLContext | None = None
    server_tls: ssl.SSLContext | None = None
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    got: list[Got] = field(default_factory=list[Got])
    released: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self.released.set()
        connector = aiohttp.TCPConnector(ssl=self.client_tls if self.client_tls is not None else True)
        self._session = aiohttp.ClientSession(connector=connector, headers=self.headers)
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.released.set()
        await self.hang_up()
        await self._session.close()

    async def listen(self) -> None:
        """Serve, at the same port as before."""
        self._runner = web.ServerRunner(web.Server(self._serve), shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.server_tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def hang_up(self) -> None:
        """Serve no more."""
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base of its endpoints, as Hubject would be told."""
        return f"{'http' if self.server_tls is None else 'https'}://127.0.0.1:{self.port}/api/oicp"

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        path = request.raw_path.removeprefix("/api/oicp")
        self.got.append(Got(path, body, request.headers.get("Process-ID", "")))
        self.arrived.set()
        await self.released.wait()
        answer = self.answers.get(path.rsplit("/", 1)[-1], Answer(200, ACKNOWLEDGEMENT))
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    async def call(self, path: str, body: bytes, **headers: str) -> Answer:
        """Send a message to the hub."""
        given = {"Content-Type": "application/json", **headers}
        async with self._session.post(f"{self.hub}{path}", data=body, headers=given) as response:
            return Answer(response.status, await response.read(), response.headers["Process-ID"])

    async def told(self, count: int) -> list[Got]:
        """What the server was told, once it is this much."""
        async with asyncio.timeout(5):
            while len(self.got) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.got

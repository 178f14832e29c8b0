"""What both backends are made of: a client of what they take for the hub, an endpoint the hub calls, and an end."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from p2pnode.lab.ports import LOOPBACK
from p2pnode.oicp.operations import BASE_PATH

PATIENCE = 20.0
"""How long an answer of the hub may take, in seconds."""
JSON = "application/json"
PASSING = frozenset({"021", "310", "320"})
"""The codes after which a careful backend tries again: the hub failed, or could not reach the partner."""
POLL = 0.1
RETRY = 0.2
"""Seconds between two attempts."""


class Settings(msgspec.Struct):
    """What a backend process is told: where its hub is, where it listens, where it writes, and how much it does.

    `pause` is how long it waits at most between two messages of a session, in seconds. An EMP's backend starts one
    session from afar for every `local_per_remote` that drivers have begun at a charging point. Once the file `finish`
    is there, a CPO's comes to an end.
    """

    hub: str
    port: int
    journal: str
    finish: str
    seed: int
    sessions: int
    at_once: int
    pause: float
    local_per_remote: float


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the hub: its members, its OICP code, and whether what was sent needs no repeating."""

    http: int
    members: Mapping[str, Any]
    is_repeat: bool = False
    """Whether the message had been sent before, so that it may have been done then."""

    @property
    def code(self) -> str:
        """The OICP status code."""
        status: Mapping[str, Any] = self.members.get("StatusCode") or {}
        return str(status.get("Code", ""))

    @property
    def is_done(self) -> bool:
        """Whether this is a positive acknowledgement."""
        return self.http == HTTPStatus.OK and self.members.get("Result") is True and self.code == "000"

    @property
    def may_pass(self) -> bool:
        """Whether a repeat may help."""
        return self.http >= HTTPStatus.INTERNAL_SERVER_ERROR or self.code in PASSING

    def __str__(self) -> str:
        return f"HTTP {self.http}: {json.dumps(self.members)[:500]}"


class Hub:
    """Sends messages to the hub, the same bytes until there is an answer that no repeat will better."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def send(self, path: str, body: bytes, *, is_repeat: bool = False) -> Told:
        """The answer. `is_repeat`: a former process of this backend may have sent the message."""
        while (told := await self._send(path, body)) is None or told.may_pass:
            is_repeat = True
            await asyncio.sleep(RETRY)
        return Told(told.http, told.members, is_repeat)

    async def _send(self, path: str, body: bytes) -> Told | None:
        """The answer; None where none came that can be read, so that nobody knows what became of the message."""
        try:
            async with self._session.post(f"{self._base}{path}", data=body, headers={"Content-Type": JSON}) as response:
                return Told(response.status, json.loads(await response.read()))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None


Answer = Callable[[str, bytes], Awaitable[Mapping[str, Any] | None]]
"""What a backend answers to a message at a path below the base; None where it does not know the path."""


@asynccontextmanager
async def connected(settings: Settings, answer: Answer) -> AsyncGenerator[Hub]:
    """A backend that serves its endpoints, and the hub it calls."""

    async def serve(request: web.BaseRequest) -> web.Response:
        told = await answer(request.path.removeprefix(BASE_PATH), await request.read())
        if told is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return web.Response(text=json.dumps(told), content_type=JSON)

    runner = web.ServerRunner(web.Server(serve), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, settings.port).start()
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Hub(session, settings.hub)
    finally:
        await runner.cleanup()


async def until_eof() -> None:
    """Returns when stdin ends: with the process that looks after this one."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def until_finish(settings: Settings) -> None:
    """Returns when the backend is to come to an end."""
    finish = Path(settings.finish)
    while not await asyncio.to_thread(finish.exists):  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(POLL)


def run(backend: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """The command of a backend: its settings are in the file that its one argument names."""
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings)

    async def until_the_end() -> None:
        async with asyncio.TaskGroup() as tasks:
            both = tasks.create_task(backend(settings)), tasks.create_task(until_eof())
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()

    asyncio.run(until_the_end())


def acknowledgement(session_id: str) -> dict[str, Any]:
    """eRoamingAcknowledgement: yes."""
    return {"Result": True, "StatusCode": {"Code": "000"}, "SessionID": session_id}

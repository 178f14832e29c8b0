"""The network between the nodes: a TCP proxy that can cut, slow down, and lose answers after their request passed."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Self

from p2pnode.lab.ports import LOOPBACK

CHUNK = 65536
LONGEST_SILENCE = 0.3
"""How long a connection that has lost an answer stays open at most, in seconds."""


@dataclass(eq=False)
class _Connection:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_answered: bool = False
    """Whether the server has sent anything."""
    is_shaken: bool = False
    """Whether the client has sent anything since: its handshake is over, what follows are requests and answers."""
    ending: list[asyncio.TimerHandle] = field(default_factory=list[asyncio.TimerHandle])

    def end(self) -> None:
        """Break it to the client; the server keeps what has passed."""
        self.client.transport.abort()
        self.server.close()


class Proxy:
    """The way to one node. `cut`, `delay` (seconds for each piece) and `is_losing` take effect at once.

    While it is losing, what the server sends after a handshake is swallowed, and the connection breaks soon after.
    """

    def __init__(self, port: int, target: int, random: Random) -> None:
        self._port = port
        self._target = target
        self._random = random
        self._connections: set[_Connection] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._is_cut = False
        self.delay = 0.0
        self.is_losing = False
        self.lost_answers = 0
        self.broken = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.cut(cut=True)
        await asyncio.gather(*self._serving)

    def cut(self, *, cut: bool) -> None:
        """Break all connections and accept none, or accept them again."""
        self._is_cut = cut
        if cut:
            self.broken += len(self._connections)
            for connection in list(self._connections):
                connection.end()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            upstream, server = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(writer, server)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(connection, reader))
                tasks.create_task(self._answers(connection, upstream))
        except* OSError:
            pass
        finally:
            self._connections.discard(connection)
            for timer in connection.ending:
                timer.cancel()
            for end in (writer, server):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _requests(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(CHUNK):
            await self._wait()
            connection.is_shaken = connection.is_shaken or connection.is_answered
            connection.server.write(piece)
            await connection.server.drain()
        connection.server.close()

    async def _answers(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(CHUNK):
            await self._wait()
            connection.is_answered = True
            if self.is_losing and connection.is_shaken:
                self._lose(connection)
            if not connection.ending:
                connection.client.write(piece)
                await connection.client.drain()
        connection.client.close()

    def _lose(self, connection: _Connection) -> None:
        if not connection.ending:
            self.lost_answers += 1
            silence = self._random.random() * LONGEST_SILENCE
            connection.ending.append(asyncio.get_running_loop().call_later(silence, connection.end))

    async def _wait(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay * self._random.random())

"""Writing down what crosses the wire in the lab: relays between the nodes, which know HTTP and nothing of OICP's rules.

The nodes are not changed for it: each calls the other at the relay in front of it, over plain HTTP. What is written
holds personal data (UIDs, EvcoIDs, PINs), so the file is for its owner alone.
"""

import asyncio
import json
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, cast
from urllib.parse import urlsplit

from p2pnode.lab.ports import LOOPBACK
from p2pnode.oicp.codec import members_in
from p2pnode.oicp.operations import BASE_PATH, AnyOperation
from p2pnode.oicp.paths import by_path, select
from p2pnode.web.problem import Problem

END = b"\r\n\r\n"
LENGTH = b"content-length"
LARGEST_HEAD = 65536


class Recorder:
    """Relays in front of nodes; each body that passes becomes one line of JSON in `file`, which is made anew.

    A line has `kind` (request or answer), `operation`, `receiver` (the node that was called), `path`, `http` (0 for a
    request), and `body`, the text as its sender wrote it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stack = AsyncExitStack()
        self._out: TextIO | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Make the file. Raises Problem."""
        try:
            self._out = await asyncio.to_thread(_private_file, self._file)
        except OSError as error:
            raise Problem(f"{self._file} cannot be written: {error}", "is the place writable?") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._out is not None:
            self._out.close()

    async def relay(self, receiver: str, port: int) -> int:
        """Begin to pass on what comes for the node at `port`; returns the port where it has to be sent to."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = cast("asyncio.Task[None]", asyncio.current_task())
            self._connections.add(task)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await self._pass_on(receiver, port, reader, writer)
            finally:
                self._connections.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, LOOPBACK, 0, limit=LARGEST_HEAD)
        self._stack.callback(server.close)
        there: int = server.sockets[0].getsockname()[1]
        return there

    async def _pass_on(
        self, receiver: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One connection: requests to the node, answers back, until one of the two closes it."""
        node_reader, node_writer = await asyncio.open_connection(LOOPBACK, port, limit=LARGEST_HEAD)
        try:
            while True:
                head, request = await _message(reader)
                node_writer.write(head + request)
                await node_writer.drain()
                answer_head, answer = await _message(node_reader)
                self._note(receiver, head, request, answer_head, answer)
                writer.write(answer_head + answer)
                await writer.drain()
        finally:
            node_writer.close()

    def _note(self, receiver: str, head: bytes, request: bytes, answer_head: bytes, answer: bytes) -> None:
        path = urlsplit(head.split(b" ", 2)[1].decode("latin-1")).path
        operation = operation_at(path, request)
        if operation is None or self._out is None:
            return
        common = {"operation": operation.name, "receiver": receiver, "path": path}
        http = int(answer_head.split(b" ", 2)[1])
        for kind, status, body in (("request", 0, request), ("answer", http, answer)):
            line = {"kind": kind, **common, "http": status, "body": body.decode(errors="replace")}
            self._out.write(json.dumps(line, ensure_ascii=False) + "\n")


def _private_file(file: Path) -> TextIO:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # also where the file was there already
    return os.fdopen(descriptor, "w", encoding="utf-8")


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of the next request or answer; both nodes tell the length of each."""
    head = await reader.readuntil(END)
    fields = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    length = next((int(value) for name, _, value in fields if name == LENGTH), 0)
    return head, await reader.readexactly(length)


def operation_at(path: str, request: bytes) -> AnyOperation | None:
    """The operation of a request, by its path and, where several share one, its body."""
    parts = path.removeprefix(BASE_PATH).split("/")
    for pattern, rows in by_path().items():
        wanted = pattern.split("/")
        if len(wanted) == len(parts) and all(
            one == other or one.startswith("{") for one, other in zip(wanted, parts, strict=True)
        ):
            return rows[0] if len(rows) == 1 else select(rows, members_in(request))
    return None

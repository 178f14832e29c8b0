"""Taking in connections: one at a time, between what others ask, and their TLS handshakes as `Handshakes` lets them.

Whoever connects and says nothing costs a node a socket until its time is over, and nothing else: the buffers of a
handshake are made once there is something to read.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address

from p2pnode.config.node import LimitsSection
from p2pnode.peering.connection import Connection
from p2pnode.peering.handshakes import Handshakes
from p2pnode.roaming.background import Background

BACKLOG = 1024
REST_SECONDS = 0.1
"""How long nobody is taken in where this process, or the machine, has no socket left."""


class Listener:
    """The listening sockets of one face. Each connection, its handshake done, gets a protocol of `new_connection`."""

    def __init__(
        self,
        new_connection: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        limits: LimitsSection,
        logger: logging.Logger,
    ) -> None:
        self._new_connection = new_connection
        self._tls = tls
        self._limits = limits
        self._logger = logger
        self._sockets: list[socket.socket] = []
        self._handshakes: Handshakes[socket.socket] = Handshakes(limits.handshakes, limits.handshakes_per_second)
        self._tasks = Background()

    async def start(self, host: str, port: int) -> int:
        """Listen at every address the host has; the port in use. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((info[0], info[4][:2]) for info in found):
                listening = socket.create_server((str(address[0]), port), family=family, backlog=BACKLOG)
                self._sockets.append(listening)
                listening.setblocking(False)  # noqa: FBT003 - the signature of the standard library
        except OSError:
            await self.aclose()
            raise
        for listening in self._sockets:
            self._tasks.start(self._accept(listening), "taking in connections")
        taken: int = self._sockets[0].getsockname()[1]
        return taken

    async def aclose(self) -> None:
        """Listen no more, and hang up on whoever is in a handshake."""
        unfinished = self._handshakes.unfinished
        for connected in unfinished:
            _hang_up(connected)
        await self._tasks.aclose()
        for connected in unfinished:  # those whose handshake had not begun
            connected.close()
        while self._sockets:
            self._sockets.pop().close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, (address, *_) = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # gone before it was taken in
            except OSError as error:
                self._logger.warning("no connection can be taken in: %s", error.strerror)
                if (ended := self._handshakes.end_one()) is not None:
                    _hang_up(ended)
                await asyncio.sleep(REST_SECONDS)
                continue
            if (ended := self._handshakes.enter(connected, _site(address))) is not None:
                _hang_up(ended)
            self._tasks.start(self._serve(connected), "a new connection")

    async def _serve(self, connected: socket.socket) -> None:
        seconds = self._limits.handshake_seconds if self._tls is not None else None
        is_peer = False
        try:
            if self._tls is not None:
                async with asyncio.timeout(seconds):
                    await _spoken(connected)
                await self._handshakes.turn(connected)
            _, protocol = await asyncio.get_running_loop().connect_accepted_socket(
                self._new_connection, connected, ssl=self._tls, ssl_handshake_timeout=seconds
            )
            is_peer = isinstance(protocol, Connection) and not protocol.is_stranger
        except OSError:  # it has ended, or the handshake failed, for a reason that ServerTls tells
            connected.close()
        finally:
            self._handshakes.leave(connected, is_peer=is_peer)


async def _spoken(connected: socket.socket) -> None:
    """Wait until there is something to read. Raises ConnectionError where the other side has gone instead."""
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    loop.add_reader(connected.fileno(), heard.set)
    try:
        await heard.wait()
    finally:
        loop.remove_reader(connected.fileno())
    if not connected.recv(1, socket.MSG_PEEK):
        raise ConnectionAbortedError


def _site(address: str) -> str:
    """What counts as one address: of IPv6 a network of 64 bits, all of which one host may use."""
    if ":" not in address:
        return address
    return IPv6Address(address.partition("%")[0]).exploded[:19]


def _hang_up(connected: socket.socket) -> None:
    """End a connection that its transport will close."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)

"""Taking in connections: one at a time, between what others ask, and no more TLS handshakes at once than agreed.

Whoever connects and says nothing costs a node a socket, and the buffers of a handshake, until its time is over. Where
there are too many, the address with the most of them is hung up on, the one that has waited longest: whoever connects
from one address, however often, ends its own handshakes and not those of a peer at another.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address

from p2pnode.config.node import LimitsSection
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
        self._shaking: dict[socket.socket, str] = {}
        self._shaking_at: dict[str, dict[socket.socket, None]] = {}
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
        for connected in self._shaking:
            _hang_up(connected)
        await self._tasks.aclose()
        for connected in self._shaking:  # those whose handshake had not begun
            connected.close()
        self._shaking.clear()
        self._shaking_at.clear()
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
                self._end_one()
                await asyncio.sleep(REST_SECONDS)
                continue
            if len(self._shaking) >= self._limits.handshakes:
                self._end_one()
            site = _site(address)
            self._shaking[connected] = site
            self._shaking_at.setdefault(site, {})[connected] = None
            self._tasks.start(self._serve(connected), "a new connection")

    async def _serve(self, connected: socket.socket) -> None:
        seconds = self._limits.handshake_seconds if self._tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._new_connection, connected, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except OSError:  # the handshake failed, for a reason that ServerTls tells
            connected.close()
        finally:
            self._forget(connected)

    def _forget(self, connected: socket.socket) -> None:
        site = self._shaking.pop(connected, None)
        if site is not None:
            del self._shaking_at[site][connected]
            if not self._shaking_at[site]:
                del self._shaking_at[site]

    def _end_one(self) -> None:
        """Hang up on the handshake that has taken longest of those from the address that has most under way."""
        most = max(self._shaking_at.values(), key=len, default=None)
        if most:
            oldest = next(iter(most))
            self._forget(oldest)
            _hang_up(oldest)


def _site(address: str) -> str:
    """What counts as one address: of IPv6 a network of 64 bits, all of which one host may use."""
    if ":" not in address:
        return address
    return IPv6Address(address.partition("%")[0]).exploded[:19]


def _hang_up(connected: socket.socket) -> None:
    """End a connection that its transport will close."""
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)

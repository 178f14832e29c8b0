"""Ports that stay ours until the process they are meant for listens at them."""

import socket
import sys
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"


class ReservedPorts:
    """Free ports of the loopback interface, held by bound sockets that do not listen.

    Nobody who asks the system for a free port is given one of them, while a process that is told the port can listen
    at it: both sides set SO_REUSEADDR, as asyncio's servers do. Where the system does not allow that, the sockets are
    closed at once and the ports are only likely to stay free.
    """

    def __init__(self, count: int) -> None:
        self._sockets = [_bound() for _ in range(count)]
        self.ports: tuple[int, ...] = tuple(opened.getsockname()[1] for opened in self._sockets)
        if not sys.platform.startswith("linux"):
            self.release()

    def release(self) -> None:
        """Let the ports go."""
        for opened in self._sockets:
            opened.close()
        self._sockets.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _bound() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind((LOOPBACK, 0))
    return opened

"""The answer to a request, written in one piece: a general response costs more than reading the message."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from aiohttp import HttpVersion11
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import BaseRequest, StreamResponse

from p2pnode import __version__

PROCESS_ID_HEADER = "Process-ID"
REACHED_HEADER = "Reached-Directly"
"""The parties that a relay need not bring a message to, by their ids with commas: they get it, or have answered it."""
PROBE_HEADER = "Peer-Check"
"""What `p2pnode peer check` puts on its probes. Only with a body that is no message it makes a request a probe."""
SOFTWARE = f"p2pnode/{__version__}"
NOT_ALLOWED = int(HTTPStatus.METHOD_NOT_ALLOWED)  # to ask an enumeration is a call
ONE_PIECE = 65536
"""Up to this many bytes a body is copied behind its head; a larger one is written in pieces."""
PIECE = 2 * ONE_PIECE
"""In bytes: a page of 4 MB in one piece would be encrypted as a whole before the peer has anything of it to read."""


class Reply(StreamResponse):
    """A JSON answer with its Process-ID. `allow` is the Allow header of a 405, `more` are further header lines."""

    def __init__(  # noqa: PLR0913 - the parts of an answer
        self,
        http: HTTPStatus,
        body: bytes,
        process_id: str,
        *,
        close: bool = False,
        allow: str = "POST",
        more: str = "",
    ) -> None:
        super().__init__(status=http)
        self._http = int(http)
        self._content = body
        self._process_id = process_id
        self._allow = allow
        self._more = more
        self._stays = not close

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        return self._stays

    def force_close(self) -> None:
        """End the connection after this answer."""
        self._stays = False

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter:
        """Write the whole answer."""
        writer = request.writer
        content = self._content
        self._stays = self._stays and request.keep_alive and request.version >= HttpVersion11
        end = "" if self._stays else "Connection: close\r\n"
        if self._http == NOT_ALLOWED:
            end += f"Allow: {self._allow}\r\n"
        head = (
            f"{_beginning(self._http)}Date: {_date(int(time()))}\r\nContent-Length: {len(content)}\r\n"
            f"{PROCESS_ID_HEADER}: {self._process_id}\r\n{self._more}{end}\r\n"
        ).encode("ascii")
        if request.method == "HEAD":
            await writer.write(head)
        elif len(content) <= ONE_PIECE:
            await writer.write(head + content)
        else:
            await writer.write(head)
            pieces = memoryview(content)
            for start in range(0, len(content), PIECE):
                await writer.write(pieces[start : start + PIECE])
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to be written."""


@lru_cache
def _beginning(status: int) -> str:
    phrase = HTTPStatus(status).phrase
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\nServer: {SOFTWARE}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)

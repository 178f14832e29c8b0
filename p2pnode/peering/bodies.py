"""Reading the body of a request: no more of it than wanted, for no longer than allowed."""

import asyncio
import io
import mmap
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import StreamReader, hdrs
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, RequestPayloadError

from p2pnode.oicp.errors import InvalidMessage, ProtocolError
from p2pnode.oicp.status import Code

PROBE = b"[]"
"""The body of a probe, to see whether an operation is served. No message is so short, so nothing is ever done."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
PATIENCE = 5.0
"""Seconds before a body has to have come at the least rate."""

BLOCK = 1024 * 1024
"""In bytes."""

WRITTEN_IN_THE_LOOP = 65536
"""A body up to this many bytes is put into another dialect at once, a larger one in a thread."""


def check_content_type(request: BaseRequest) -> None:
    """Raise ProtocolError (HTTP 415) where the body says it is something other than JSON."""
    given = request.headers.get(hdrs.CONTENT_TYPE)
    if given is None or given in JSON_TYPES:
        return
    kind = given.partition(";")[0].strip().lower()
    if kind in {"application/json", "text/json"} or (kind.startswith("application/") and kind.endswith("+json")):
        return
    raise ProtocolError(
        Code.DATA_ERROR,
        "The body has to be JSON, Content-Type: application/json.",
        http=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    )


def check_length(request: BaseRequest, limit: int) -> None:
    """Raise ProtocolError (HTTP 413) where the announced body is longer than `limit` bytes."""
    length = request.content_length
    if length is not None and length > limit:
        raise too_large(limit)


def too_large(limit: int) -> ProtocolError:
    """The refusal of a body of more than `limit` bytes."""
    return ProtocolError(
        Code.DATA_ERROR, f"The body is larger than {limit} bytes.", http=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )


async def read_body(request: BaseRequest, limit: int, seconds: float, rate: float) -> bytes:
    """The body, of at most `limit` bytes, decompressed where it was compressed, within `seconds`.

    From `PATIENCE` on it has to have come at `rate` bytes a second, so that nobody is held up by one that trickles.
    Raises ProtocolError: 413 where it is larger, 408 where it does not arrive, 400 where its compression is broken.
    """
    content = request.content
    try:
        if content.is_eof():  # it came with the head: nothing to wait for
            body = content.read_nowait()
            if len(body) > limit:
                raise too_large(limit)
            return body
        if "Expect" in request.headers and request.headers["Expect"].lower() == "100-continue":
            await request.writer.write(CONTINUE)
        begun = asyncio.get_running_loop().time()
        async with asyncio.timeout_at(begun + min(seconds, PATIENCE)) as deadline:
            return await gathered(
                content,
                limit,
                lambda: too_large(limit),
                lambda held: deadline.reschedule(begun + min(seconds, PATIENCE + held / rate)),
            )
    except TimeoutError:
        reason = f"The body did not arrive within {seconds:g} seconds, or too slowly."
        raise ProtocolError(Code.DATA_ERROR, reason, http=HTTPStatus.REQUEST_TIMEOUT) from None
    except ConnectionError:
        raise InvalidMessage("The connection ended within the body.") from None
    except (RequestPayloadError, HttpProcessingError):
        raise InvalidMessage("The body cannot be decoded.") from None


async def gathered(
    content: StreamReader, limit: int, too_much: Callable[[], Exception], progress: Callable[[int], None] | None = None
) -> bytes:
    """Everything a stream still gives. Raises `too_much()` as soon as it is more than `limit` bytes.

    `progress` is told how many bytes have come.
    """
    held = _Held()
    try:
        while chunk := await content.readany():
            if held.size + len(chunk) > limit:
                raise too_much()
            held.add(chunk)
            if progress is not None:
                progress(held.size)
        return await held.joined()
    finally:
        await held.give_back()


class _Held:
    """What has come of a body: up to `BLOCK` bytes in one piece, more in blocks of memory of their own.

    To give 256 MB back to the system at once takes 25 ms, in which nobody is answered; so it goes block by block,
    whether the body is joined or refused.
    """

    def __init__(self) -> None:
        self.size = 0
        self._begin = io.BytesIO()
        self._blocks: list[mmap.mmap] = []

    def add(self, chunk: bytes) -> None:
        """Append what has come."""
        self.size += len(chunk)
        if self.size <= BLOCK:
            self._begin.write(chunk)
            return
        rest = memoryview(chunk)
        while rest:
            if not self._blocks or self._blocks[-1].tell() == BLOCK:
                self._blocks.append(mmap.mmap(-1, BLOCK))
            block = self._blocks[-1]
            room = BLOCK - block.tell()
            block.write(rest[:room])
            rest = rest[room:]

    async def joined(self) -> bytes:
        """All of it. Others get their turn while much is copied."""
        whole = self._begin
        for block in self._blocks:
            with memoryview(block) as text:
                whole.write(text[: block.tell()])
            block.close()
            await asyncio.sleep(0)
        self._blocks.clear()
        return whole.getvalue()

    async def give_back(self) -> None:
        """Hold nothing any more, also where an exception keeps this frame."""
        self._begin.close()
        while self._blocks:
            self._blocks.pop().close()
            await asyncio.sleep(0)

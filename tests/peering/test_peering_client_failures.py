"""Why a call has no answer, or none that can be used, and what that says of the request."""

import asyncio
import gzip
import json
from collections.abc import Awaitable
from http import HTTPStatus

import pytest

from p2pnode.config.node import LimitsSection
from p2pnode.oicp.errors import BadStatus, NoAnswer, PeerError, Refused, Unreachable, Unreadable
from p2pnode.oicp.operations import (
    PUSH_EVSE_STATUS,
)
from p2pnode.peering.client import PeerClient
from tests.peering.peering_kit import Notes, partner, until
from tests.peering.test_peering_client import (
    GOOD,
    Script,
    Wire,
    ask,
    client,
    failing,
    http,
    peer_at,
    replying,
    wire,
)


async def test_a_peer_without_a_url_is_unreachable(notes: Notes) -> None:
    async with client(notes) as caller:
        with pytest.raises(Unreachable, match="only listened to"):
            await ask(caller, partner())
    assert (notes.outcomes[0].http, notes.outcomes[0].code) == (0, "320")


async def test_a_refused_connection_is_unreachable(notes: Notes) -> None:
    async with wire(replying(b"")) as served:
        port = served.port
    async with client(notes) as caller:
        with pytest.raises(Unreachable, match=f"nobody can be reached at 127.0.0.1:{port}: Connection refused$"):
            await ask(caller, peer_at(port))
    assert (notes.outcomes[0].http, notes.outcomes[0].code) == (0, "320")
    nobody = f"nobody can be reached at 127.0.0.1:{port}: Connection refused"
    assert notes.outcomes[0].reason == f"Service not available. {nobody}"


async def test_a_name_that_does_not_resolve_is_unreachable(notes: Notes) -> None:
    peer = partner(url="http://nowhere.invalid/api/oicp", tls="off", insecure=True)
    async with client(notes) as caller:
        with pytest.raises(Unreachable, match=r"the host name nowhere.invalid is not known"):
            await ask(caller, peer)


async def test_a_full_backlog_is_unreachable_for_nothing_was_sent(notes: Notes) -> None:
    async with wire(replying(http(GOOD), hold_open=True)) as served:
        limits = LimitsSection(connect_seconds=0.1, peer_connections=1)
        async with PeerClient(notes.outcomes.append, limits=limits) as caller, asyncio.TaskGroup() as tasks:
            served.script = replying(b"", hold_open=True)(served)
            first = tasks.create_task(_caught(ask(caller, peer_at(served.port), deadline=0.5)))
            await until(lambda: served.heads)
            second = tasks.create_task(_caught(ask(caller, peer_at(served.port))))
        assert isinstance(second.result(), Unreachable)
        assert isinstance(first.result(), NoAnswer)


async def _caught(call: Awaitable[object]) -> PeerError:
    with pytest.raises(PeerError) as caught:
        await call
    return caught.value


async def test_no_answer_in_time_is_no_answer(notes: Notes) -> None:
    error = await failing(notes, replying(b"", hold_open=True), deadline=0.05)
    assert isinstance(error, NoAnswer)
    assert (notes.outcomes[0].http, notes.outcomes[0].code) == (0, "310")


async def test_an_answer_that_drips_is_no_answer(notes: Notes) -> None:
    def script(served: Wire) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await served.request(reader)
            for byte in http(GOOD):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)

        return run

    assert isinstance(await failing(notes, script, deadline=0.1), NoAnswer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        http(GOOD)[:-10],
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"Res\r\n',
    ],
    ids=["none", "cut head", "cut body", "cut chunks"],
)
async def test_a_connection_lost_after_sending_is_no_answer(answer: bytes, notes: Notes) -> None:
    assert isinstance(await failing(notes, replying(answer)), NoAnswer)


async def test_a_reset_connection_is_no_answer_and_not_tried_again(notes: Notes) -> None:
    def script(served: Wire) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await served.request(reader)
            writer.transport.abort()

        return run

    async with wire(script) as served, client(notes) as caller:
        with pytest.raises(NoAnswer):
            await ask(caller, peer_at(served.port))
        assert len(served.heads) == 1


async def test_a_kept_connection_that_is_lost_after_sending_is_not_tried_again(notes: Notes) -> None:
    def script(served: Wire) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await served.request(reader)
            writer.write(http(GOOD))
            await served.request(reader)
            writer.transport.abort()

        return run

    async with wire(script) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port))
        with pytest.raises(NoAnswer):
            await ask(caller, peer_at(served.port))
        assert len(served.heads) == 2


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (http(b""), Unreadable, 200),
        (http(b"[]"), Unreadable, 200),
        (http(b"<html>hello</html>", kind="text/html"), Unreadable, 200),
        (http(b"", "302 Found", "Location: http://127.0.0.1:1/"), BadStatus, 302),
        (http(b"", "204 No Content"), Unreadable, 204),
        (http("Fehler: ungültig".encode("latin-1"), "500 X", kind="text/plain; charset=ISO-8859-1"), BadStatus, 500),
        (http(b"gone", "404 Not Found", kind="text/plain"), BadStatus, 404),
        (http(b'{"StatusCode": {"Code": "017"}}', "401 Unauthorized"), Refused, 401),
        (http(b'{"StatusCode": {"Code": 17}}', "403 Forbidden"), PeerError, 403),
        (http(b'{"message": "x", "validationErrors": []}', "400 Bad Request"), Refused, 400),
        (http(b"not packed", "200 OK", "Content-Encoding: gzip"), Unreadable, None),
        (b"nonsense\r\n\r\n", Unreadable, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Unreadable, None),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", Unreadable, None),
    ],
)
async def test_an_answer_that_is_none_is_sorted_by_what_can_be_done(
    answer: bytes, kind: type[PeerError], status: int | None, notes: Notes
) -> None:
    error = await failing(notes, replying(answer))
    assert isinstance(error, kind)
    assert error.http == status
    assert notes.outcomes[0].http == (status or 0)


async def test_the_code_of_a_refusal_is_told(notes: Notes) -> None:
    error = await failing(notes, replying(http(b'{"StatusCode": {"Code": "300"}}', "404 Not Found")))
    assert isinstance(error, Refused)
    assert notes.outcomes[0].code == "300"


async def test_a_redirect_is_not_followed(notes: Notes) -> None:
    async with wire(replying(http(GOOD))) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/"
        error = await failing(notes, replying(http(b"", "307 Temporary Redirect", location)))
        assert elsewhere.connections == 0
    assert error.http == HTTPStatus.TEMPORARY_REDIRECT


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\n" + http(GOOD).partition(b"\r\n")[2],
        http(GOOD).partition(b"\r\n\r\n")[0].replace(b"\r\n", b"\n") + b"\n\n" + GOOD,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + GOOD,
        b"HTTP/1.0 200 OK\r\nContent-Length: " + str(len(GOOD)).encode() + b"\r\n\r\n" + GOOD,
        b"HTTP/1.1 100 Continue\r\n\r\n" + http(GOOD),
        http(gzip.compress(GOOD), "200 OK", "Content-Encoding: gzip"),
        http(json.dumps(json.loads(GOOD)).encode("utf-8-sig"), "200", kind="text/plain"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    ],
    ids=["bare LF in the status line", "bare LFs", "until close", "1.0", "continue", "gzip", "BOM", "chunks"],
)
async def test_an_answer_in_any_form_of_http_is_read(answer: bytes, notes: Notes) -> None:
    async with wire(replying(answer)) as served, client(notes) as caller:
        assert (await ask(caller, peer_at(served.port))).http == 200


@pytest.mark.parametrize("framing", ["length", "chunks", "packed"])
async def test_an_answer_that_is_too_large_is_not_held(framing: str, notes: Notes) -> None:
    size = 3_000_000

    def script(served: Wire) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await served.request(reader)
            if framing == "length":
                writer.write(http(b" " * size))
            elif framing == "packed":
                writer.write(http(gzip.compress(b" " * size), "200 OK", "Content-Encoding: gzip"))
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"%x\r\n%s\r\n" % (size, b" " * size))
            await writer.drain()

        return run

    error = await failing(notes, script, PUSH_EVSE_STATUS)
    assert isinstance(error, Unreadable)
    assert "larger than 1048576 bytes" in error.reason

"""Limits on what is slow or idle: heads, bodies, handshakes, strangers; each ends itself and holds up nobody else."""

import asyncio
import gc
import io
import socket
import ssl
from collections import deque
from contextlib import AsyncExitStack, suppress
from time import perf_counter

import pytest

from p2pnode.config.node import LimitsSection
from p2pnode.oicp.operations import AUTHORIZE_START, MEBIBYTE, OPERATIONS, PUSH_EVSE_DATA, AnyOperation
from p2pnode.peering import bodies
from tests.peering.peering_kit import (
    OPERATOR,
    Notes,
    Pki,
    exchange,
    face_over,
    hold,
    partner,
    path_of,
    post,
    read_reply,
    tls_client,
    tls_settings,
    trusted,
)
from tests.samples import sample

PATH = path_of(AUTHORIZE_START)
BODY = sample(AUTHORIZE_START)
SOON = 0.2
LONG = 60.0


def _head(operation: AnyOperation, *lines: str) -> bytes:
    given = (f"POST {path_of(operation)} HTTP/1.1", "Host: x", "Content-Type: application/json", *lines)
    return "\r\n".join((*given, "", "")).encode()


def _request() -> bytes:
    return _head(AUTHORIZE_START, f"Content-Length: {len(BODY)}") + BODY


async def _ended(reader: asyncio.StreamReader) -> bool:
    """Whether the node hangs up, within what it is given."""
    async with asyncio.timeout(LONG / 10):
        return await reader.read() == b""


async def test_a_head_that_does_not_come_in_time_ends_its_connection(notes: Notes) -> None:
    limits = LimitsSection(head_seconds=SOON, keep_alive_seconds=LONG, stop_seconds=SOON)
    async with face_over(await hold(partner()), notes, limits=limits) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(b"POST / HTT")
        assert await _ended(reader)
        writer.close()


async def test_every_further_head_has_the_same_time_and_idle_connections_have_longer(notes: Notes) -> None:
    limits = LimitsSection(head_seconds=SOON, keep_alive_seconds=LONG, stop_seconds=SOON)
    async with face_over(await hold(partner()), notes, limits=limits) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        whole = _request()
        for _ in range(2):
            writer.write(whole[:20])
            await asyncio.sleep(SOON / 2)
            writer.write(whole[20:])
            assert (await read_reply(reader)).status == 200
            await asyncio.sleep(1.5 * SOON)
        writer.write(whole[:20])
        await reader.read()
        writer.close()
    assert len(notes.received) == 2


async def test_a_stranger_may_wait_no_longer_with_a_first_head_and_a_peer_may(pki: Pki, notes: Notes) -> None:
    limits = LimitsSection(head_seconds=SOON, keep_alive_seconds=LONG, stop_seconds=SOON)
    async with face_over(
        await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node), limits=limits
    ) as face:
        known, known_writer = await _opened(face.port, tls_client(pki.node, pki.partner))
        stranger, writer = await _opened(face.port, tls_client(pki.node, None))
        assert await _ended(stranger)
        known_writer.write(_request())
        assert (await known.readline()).split()[1] == b"200"
        writer.close()
        known_writer.close()


async def test_strangers_all_together_hold_only_so_many_connections_and_keep_no_peer_out(
    pki: Pki, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    limits = LimitsSection(connections=4, stranger_connections=2, stop_seconds=SOON)
    async with face_over(
        await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node), limits=limits
    ) as face:
        held = [await _opened(face.port, tls_client(pki.node, None)) for _ in range(2)]
        more = [await _opened(face.port, tls_client(pki.node, None)) for _ in range(3)]
        assert all([await _ended(reader) for reader, _ in more])
        assert (await post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.partner))).status == 200
        for _, writer in held + more:
            writer.close()
    assert caplog.text.count("strangers, all together, hold 2 open") == 1


async def test_of_too_many_handshakes_the_oldest_ends_and_a_peer_gets_in(pki: Pki, notes: Notes) -> None:
    limits = LimitsSection(handshakes=3, handshake_seconds=LONG, stop_seconds=SOON)
    async with face_over(
        await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node), limits=limits
    ) as face:
        silent = [await asyncio.open_connection("127.0.0.1", face.port) for _ in range(6)]
        assert (await post(face.port, PATH, BODY, tls=tls_client(pki.node, pki.partner))).status == 200
        assert [await _ended(reader) for reader, _ in silent[:4]] == [True] * 4
        assert not silent[5][0].at_eof()
        for _, writer in silent:
            writer.close()


async def test_whoever_connects_too_often_ends_its_own_handshakes_and_not_a_slow_peers(pki: Pki, notes: Notes) -> None:
    limits = LimitsSection(handshakes=3, handshake_seconds=LONG, stop_seconds=SOON)
    loop = asyncio.get_running_loop()
    async with face_over(
        await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node), limits=limits
    ) as face:
        peer = socket.socket()
        peer.setblocking(False)  # noqa: FBT003 - the signature of the standard library
        await loop.sock_connect(peer, ("127.0.0.1", face.port))
        silent = [await asyncio.open_connection("127.0.0.1", face.port, local_addr=("127.0.0.2", 0)) for _ in range(9)]
        assert all([await _ended(reader) for reader, _ in silent[:7]])
        tls = tls_client(pki.node, pki.partner)
        reader, writer = await asyncio.open_connection(sock=peer, ssl=tls, server_hostname="localhost")
        writer.write(_request())
        assert (await read_reply(reader)).status == 200
        for _, each in [*silent, (reader, writer)]:
            each.close()


async def test_a_peer_gets_in_and_is_answered_in_time_while_others_begin_handshakes_as_fast_as_they_can(
    pki: Pki, notes: Notes
) -> None:
    limits = LimitsSection(handshakes=32, handshakes_per_second=50, handshake_seconds=LONG, stop_seconds=SOON)
    tls = tls_client(pki.node, pki.partner)
    times: list[float] = []
    async with face_over(
        await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node), limits=limits
    ) as face:
        assert (await post(face.port, PATH, BODY, tls=tls)).status == 200
        flood = [asyncio.create_task(_flooding(face.port, address, tls)) for address in ("127.0.0.2", "127.0.0.3") * 2]
        reader, writer = await _opened(face.port, tls)
        try:
            for _ in range(12):
                begun = perf_counter()
                writer.write(_request())
                assert (await read_reply(reader)).status == 200
                times.append(perf_counter() - begun)
                async with asyncio.timeout(2):
                    assert (await post(face.port, PATH, BODY, tls=tls)).status == 200
        finally:
            for task in flood:
                task.cancel()
            connected = await asyncio.gather(*flood)
            writer.close()
    assert sum(connected) > 2 * limits.handshakes
    assert max(times) < 1


async def _flooding(port: int, address: str, context: ssl.SSLContext) -> int:
    """Begin handshakes from an address and leave them unfinished, as many as can be; how many."""
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    hello, held = outgoing.read(), deque[asyncio.StreamWriter](maxlen=64)
    count = 0
    with suppress(asyncio.CancelledError):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
                writer.write(hello)
                if len(held) == held.maxlen:
                    held.popleft().transport.abort()
                held.append(writer)
                count += 1
    for writer in held:
        writer.transport.abort()
    return count


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_a_stranger_compressed_badly_is_refused_without_a_trace_in_the_log(
    coding: str, pki: Pki, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    async with face_over(await hold(trusted(pki.partner)), notes, settings=tls_settings(pki.node)) as face:
        reader, writer = await _opened(face.port, tls_client(pki.node, None))
        writer.write(_head(AUTHORIZE_START, f"Content-Encoding: {coding}", "Content-Length: 8") + b"not that")
        assert (await read_reply(reader)).status in {400, 401}
        assert await _ended(reader)
        writer.close()
    assert "Traceback" not in caplog.text
    assert "Unhandled" not in caplog.text


async def test_a_body_that_trickles_is_given_up_long_before_its_time_is_over(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", SOON)
    limits = LimitsSection(body_seconds=LONG, body_rate=1000, stop_seconds=SOON)
    async with face_over(await hold(partner()), notes, limits=limits) as face:
        head = _head(AUTHORIZE_START, f"Content-Length: {len(BODY)}")
        async with asyncio.timeout(LONG / 10):
            reply = await exchange(face.port, [head, BODY[:10]])
    assert (reply.status, reply.code) == (408, "022")
    assert notes.received == []


async def test_a_peers_slow_large_bodies_do_not_hold_up_anothers(
    pki: Pki, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", LONG)
    slow = trusted(pki.stranger, name="slow", operators=("DE*SLO",), providers=())
    limits = LimitsSection(large_bodies=2, stop_seconds=SOON)
    async with (
        face_over(
            await hold(trusted(pki.partner), slow), notes, settings=tls_settings(pki.node), limits=limits
        ) as face,
        AsyncExitStack() as held,
    ):
        lines = ("Content-Length: 100000000", "Expect: 100-continue")
        head = _head(PUSH_EVSE_DATA, *lines).replace(OPERATOR.encode(), b"DE*SLO")
        slow_ones: list[asyncio.StreamReader] = []
        for _ in range(3):
            reader, writer = await _opened(face.port, tls_client(pki.node, pki.stranger))
            held.callback(writer.close)
            writer.write(head)
            slow_ones.append(reader)
        assert (await slow_ones[0].readline()).split()[1] == b"100"
        await asyncio.sleep(SOON / 2)  # for the others to be read too, if they were
        large = sample(PUSH_EVSE_DATA).replace(b"{", b"{" + b" " * MEBIBYTE, 1)
        async with asyncio.timeout(LONG / 10):
            reply = await post(face.port, path_of(PUSH_EVSE_DATA), large, tls=tls_client(pki.node, pki.partner))
        assert b"besides its records" in reply.body  # read whole, and then refused for so many blanks


@pytest.mark.parametrize("operation", [pytest.param(operation, id=operation.name) for operation in OPERATIONS])
async def test_a_body_above_the_limit_of_its_operation_is_refused_however_it_comes(
    operation: AnyOperation, notes: Notes
) -> None:
    most = min(operation.body_limit, MEBIBYTE)
    limits = LimitsSection(body_bytes=MEBIBYTE, stop_seconds=SOON)
    async with face_over(await hold(partner()), notes, limits=limits) as face:
        announced = await exchange(face.port, [_head(operation, f"Content-Length: {most + 1}")])
        chunk = bytes(65536)
        chunks = [b"10000\r\n" + chunk + b"\r\n"] * (most // len(chunk)) + [b"1\r\nx\r\n0\r\n\r\n"]
        counted = await exchange(face.port, [_head(operation, "Transfer-Encoding: chunked"), *chunks])
    assert [reply.status for reply in (announced, counted)] == [413, 413]
    assert notes.received == []


async def test_nothing_of_a_refused_body_stays_in_memory(notes: Notes) -> None:
    chunks = [b"10000\r\n" + bytes(65536) + b"\r\n"] * 17
    async with face_over(await hold(partner()), notes, limits=LimitsSection(stop_seconds=SOON)) as face:
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                reply = await exchange(face.port, [_head(AUTHORIZE_START, "Transfer-Encoding: chunked"), *chunks])
                assert reply.status == 413
            buffers = [one for one in gc.get_objects() if isinstance(one, io.BytesIO) and not one.closed]
            assert [buffer for buffer in buffers if buffer.getbuffer().nbytes > MEBIBYTE // 2] == []
        finally:
            gc.enable()


async def _opened(port: int, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=tls)

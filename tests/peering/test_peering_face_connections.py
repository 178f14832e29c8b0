"""The connections of a face over plain HTTP: many requests on one, how they end, how a face stops."""

import asyncio
from typing import Any

import pytest

from p2pnode.config.node import LimitsSection
from p2pnode.oicp.operations import (
    AUTHORIZE_START,
)
from p2pnode.roaming.ports import Received
from tests.peering.peering_kit import (
    JSON,
    Notes,
    face_over,
    hold,
    partner,
    path_of,
    post,
    read_reply,
)
from tests.samples import sample


async def test_a_connection_carries_many_requests_also_refused_ones(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        statuses: list[int] = []
        for path in (path_of(AUTHORIZE_START), "/nowhere", path_of(AUTHORIZE_START, "DE*QQQ")) * 2:
            body = sample(AUTHORIZE_START)
            writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            statuses.append((await read_reply(reader)).status)
        writer.close()
    assert statuses == [200, 404, 200] * 2
    assert len(notes.outcomes) == 6


async def test_requests_written_at_once_are_answered_in_order(notes: Notes) -> None:
    body = sample(AUTHORIZE_START)
    one = (
        f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nProcess-ID: n%d\r\n\r\n"
    )
    async with face_over(await hold(partner()), notes) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(b"".join((one % number).encode() + body for number in range(20)))
        ids = [(await read_reply(reader)).headers["Process-ID"] for _ in range(20)]
        writer.close()
    assert ids == [f"n{number}" for number in range(20)]


async def test_an_old_client_gets_its_answer_and_the_end_of_the_connection(notes: Notes) -> None:
    body = sample(AUTHORIZE_START)
    head = f"POST {path_of(AUTHORIZE_START)} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with face_over(await hold(partner()), notes) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(head + body)
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["Connection"]) == (200, "close")
        assert await reader.read() == b""
        writer.close()


async def test_connections_beyond_the_limit_are_closed(notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    limits = LimitsSection(connections=2, stop_seconds=1)
    async with face_over(await hold(partner()), notes, limits=limits) as face:
        held = [await asyncio.open_connection("127.0.0.1", face.port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        assert await reader.read() == b""
        for _, other in (*held, (reader, writer)):
            other.close()
    assert "closed unserved: there are 2 in all" in caplog.text


async def test_a_page_in_a_browser_is_no_peer(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes) as face:
        headers = {**JSON, "Origin": "https://a-web-site.example"}
        reply = await post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START), headers=headers)
    assert (reply.status, reply.code) == (401, "017")
    assert notes.received == []


async def test_an_idle_connection_is_closed_after_a_while(notes: Notes) -> None:
    async with face_over(await hold(partner()), notes, limits=LimitsSection(keep_alive_seconds=0.05)) as face:
        reader, writer = await asyncio.open_connection("127.0.0.1", face.port)
        writer.write(b"POST / HT")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_stop_lets_requests_in_flight_finish(notes: Notes) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(received: Received[Any]) -> bytes:
        begun.set()
        await finish.wait()
        return sample(received.operation, "answer")

    face = face_over(await hold(partner()), notes, receive=slow)
    await face.start()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(post(face.port, path_of(AUTHORIZE_START), sample(AUTHORIZE_START)))
        await begun.wait()
        stopping = tasks.create_task(face.stop())
        await asyncio.sleep(0.02)
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", face.port)
        finish.set()
    assert asking.result().status == 200
    assert stopping.done()


async def test_a_stop_does_not_wait_forever(notes: Notes) -> None:
    async def hang(received: Received[Any]) -> bytes:
        await asyncio.Event().wait()
        return received.body

    face = face_over(await hold(partner()), notes, receive=hang, limits=LimitsSection(stop_seconds=0.05))
    await face.start()
    _, writer = await asyncio.open_connection("127.0.0.1", face.port)
    body = sample(AUTHORIZE_START)
    writer.write(
        f"POST {path_of(AUTHORIZE_START)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    await asyncio.sleep(0.02)
    await asyncio.wait_for(face.stop(), 5)
    await face.stop()
    writer.close()

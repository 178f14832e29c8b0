"""Calling peers over plain HTTP: what is sent, and what every way of not answering means."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from p2pnode import __version__
from p2pnode.config import PeerEntry
from p2pnode.config.node import LimitsSection
from p2pnode.oicp.dialects import Dialect, write_request
from p2pnode.oicp.errors import PeerError, Refused
from p2pnode.oicp.operations import (
    AUTHORIZE_REMOTE_RESERVATION_START,
    AUTHORIZE_START,
    OPERATIONS,
    PULL_EVSE_DATA,
    PULL_EVSE_STATUS_BY_ID,
    PUSH_EVSE_DATA,
    AnyOperation,
)
from p2pnode.peering.client import PeerClient
from p2pnode.roaming.ports import PeerAnswer, PeerCaller
from p2pnode.roaming.records import PageRequest, Verb
from tests.peering.peering_kit import PROVIDER, Notes, face_over, hold, own_id, partner, until
from tests.samples import sample, sample_members

ROWS = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Wire:
    """A server that does on each connection what a script says, and keeps the heads of the requests."""

    script: Script
    heads: list[str] = field(default_factory=list[str])
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    port: int = 0

    async def request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request and note its head."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:"))
        return await reader.readexactly(length)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.script(reader, writer)
        finally:
            self.tasks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def end(self) -> None:
        """End all connections."""
        for task in tuple(self.tasks):
            task.cancel()
        await until(lambda: not self.tasks)
        await asyncio.sleep(0.001)


@asynccontextmanager
async def wire(script: Callable[[Wire], Script]) -> AsyncGenerator[Wire]:
    served = Wire(lambda _reader, _writer: asyncio.sleep(0))
    served.script = script(served)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await served.end()


def replying(answer: bytes, *, times: int = 1, hold_open: bool = False) -> Callable[[Wire], Script]:
    """Read a request and write these bytes, so often; then close."""

    def script(served: Wire) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(times):
                await served.request(reader)
                writer.write(answer)
                await writer.drain()
            if hold_open:
                await reader.read()

        return run

    return script


def http(body: bytes, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GOOD = sample(AUTHORIZE_START, "answer")


def peer_at(port: int, **settings: object) -> PeerEntry:
    return partner(url=f"http://127.0.0.1:{port}/api/oicp", tls="off", **settings)


@asynccontextmanager
async def client(notes: Notes) -> AsyncGenerator[PeerClient]:
    async with PeerClient(notes.outcomes.append, limits=LimitsSection(connect_seconds=2)) as made:
        yield made


async def ask(  # noqa: PLR0913 - each is what one test or another varies
    caller: PeerCaller,
    peer: PeerEntry,
    operation: AnyOperation = AUTHORIZE_START,
    *,
    body: bytes | None = None,
    page: PageRequest | None = None,
    deadline: float = 5.0,
) -> PeerAnswer[Any]:
    return await caller.call(
        peer,
        operation,
        sample(operation) if body is None else body,
        caller_id=own_id(operation),
        process_id="process-1",
        page=page,
        deadline=deadline,
    )


async def failing(
    notes: Notes, script: Callable[[Wire], Script], operation: AnyOperation = AUTHORIZE_START, deadline: float = 5.0
) -> PeerError:
    """The error of a call to a server with this script."""
    async with wire(script) as served, client(notes) as caller:
        with pytest.raises(PeerError) as caught:
            await ask(caller, peer_at(served.port), operation, deadline=deadline)
    assert caught.value.peer == "partner"
    return caught.value


@pytest.mark.parametrize("operation", ROWS)
@pytest.mark.parametrize("dialect", ["oicp", "hubject", "wwcp"])
async def test_every_row_is_sent_and_its_answer_read(operation: AnyOperation, dialect: Dialect, notes: Notes) -> None:
    sent = Notes()
    async with face_over(await hold(partner()), notes) as face, client(sent) as caller:
        answer = await ask(caller, peer_at(face.port, dialect=dialect), operation)
    assert isinstance(answer.answer, operation.answer)
    assert (answer.http, answer.body) == (200, sample(operation, "answer"))
    assert bool(answer.records) is bool(operation.answer_records)
    (received,) = notes.received
    written = write_request(dialect, operation, sample(operation), provider_id=PROVIDER)
    assert (received.operation, received.body, received.process_id) == (operation, written, "process-1")
    (outcome,) = sent.outcomes
    assert (outcome.operation, outcome.verb, outcome.peer) == (operation.name, Verb.SEND, "partner")
    assert (outcome.http, outcome.code, outcome.process_id) == (200, "000", "process-1")
    assert 0 < outcome.ms < 5000


async def test_a_request_names_us_and_keeps_its_star(notes: Notes) -> None:
    async with wire(replying(http(GOOD))) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port))
    head = served.heads[0]
    assert head.startswith("POST /api/oicp/charging/v21/operators/DE*ABC/authorize/start HTTP/1.1\r\n")
    for line in ("Process-ID: process-1", f"User-Agent: p2pnode/{__version__}", "Content-Type: application/json"):
        assert f"\r\n{line}\r\n" in head


async def test_a_page_is_asked_for_where_the_operation_has_pages(notes: Notes) -> None:
    page = PageRequest(3, 500)
    async with wire(replying(http(sample(PULL_EVSE_DATA, "answer")))) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port), PULL_EVSE_DATA, page=page)
    assert "/data-records?page=3&size=500 HTTP" in served.heads[0]
    async with wire(replying(http(GOOD))) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port), page=page)
    assert "?" not in served.heads[0].splitlines()[0]


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (AUTHORIZE_REMOTE_RESERVATION_START, "/charging/v21/providers/DE-DCB/authorize-remote-reservation/start "),
        (PULL_EVSE_STATUS_BY_ID, "/evsepull/v21/providers/DE-DCB/status-records-by-id "),
        (AUTHORIZE_START, "/charging/v21/operators/DE*ABC/authorize/start "),
    ],
)
async def test_the_dialect_wwcp_has_paths_of_its_own(operation: AnyOperation, path: str, notes: Notes) -> None:
    async with wire(replying(http(sample(operation, "answer")))) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port, dialect="wwcp"), operation)
    assert path in served.heads[0]


async def test_an_id_that_is_no_id_cannot_change_the_path(notes: Notes) -> None:
    async with wire(replying(http(GOOD))) as served, client(notes) as caller:
        await caller.call(peer_at(served.port), AUTHORIZE_START, b"{}", caller_id="../x?y#z\r\nA: b", process_id="p")
    assert "/operators/..%2Fx%3Fy%23z%0D%0AA%3A%20b/authorize/start HTTP" in served.heads[0]


async def test_connections_are_kept_and_closed_ones_replaced(notes: Notes) -> None:
    async with wire(replying(http(GOOD), times=2)) as served, client(notes) as caller:
        for _ in range(4):
            await ask(caller, peer_at(served.port))
            await asyncio.sleep(0.02)
        assert served.connections == 2


async def test_a_large_push_goes_out_whole(notes: Notes) -> None:
    members = sample_members(PUSH_EVSE_DATA)
    records = members["OperatorEvseData"]["EvseDataRecord"]
    records.extend(records[:1] * (3_000_000 // len(json.dumps(records[0]))))
    body = json.dumps(members).encode()
    async with face_over(await hold(partner()), notes) as face, client(Notes()) as caller:
        await ask(caller, peer_at(face.port), PUSH_EVSE_DATA, body=body)
    assert notes.received[0].body == body


async def test_a_changed_entry_is_taken_up_by_the_next_call(notes: Notes) -> None:
    async with wire(replying(http(GOOD))) as first, wire(replying(http(GOOD))) as second, client(notes) as caller:
        await ask(caller, peer_at(first.port))
        await ask(caller, peer_at(second.port))
        await caller.reload()
        await ask(caller, peer_at(second.port))
    assert (first.connections, second.connections) == (1, 2)


async def test_a_call_under_way_survives_a_changed_entry(notes: Notes) -> None:
    release = asyncio.Event()

    def script(served: Wire) -> Script:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await served.request(reader)
            await release.wait()
            writer.write(http(GOOD))

        return run

    async with wire(script) as slow, wire(replying(http(GOOD))) as quick, client(notes) as caller:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(ask(caller, peer_at(slow.port)))
            await until(lambda: slow.heads)
            await ask(caller, peer_at(quick.port))
            release.set()
        assert waiting.result().http == 200


async def test_a_page_may_be_larger_than_other_answers(notes: Notes) -> None:
    answer = json.loads(sample(PULL_EVSE_DATA, "answer"))
    answer["content"] *= 3_000_000 // len(json.dumps(answer["content"]))
    async with wire(replying(http(json.dumps(answer).encode()))) as served, client(notes) as caller:
        page = await ask(caller, peer_at(served.port), PULL_EVSE_DATA)
    assert len(page.records) == len(answer["content"])
    assert json.loads(page.records[-1]) == answer["content"][-1]


async def test_a_negative_answer_is_an_answer(notes: Notes) -> None:
    body = b'{"AuthorizationStatus": "NotAuthorized", "StatusCode": {"Code": "102"}}'
    async with wire(replying(http(body))) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port))
    assert notes.outcomes[0].code == "102"


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized"])
async def test_the_reason_of_a_refusal_is_that_of_its_code_and_not_what_the_peer_wrote(
    status: str, notes: Notes
) -> None:
    told = {"Code": "102", "Description": "Ada Lovelace", "AdditionalInfo": "04A2B3C4 of Ada Lovelace is lost"}
    body = json.dumps({"AuthorizationStatus": "NotAuthorized", "StatusCode": told}).encode()
    async with wire(replying(http(body, status))) as served, client(notes) as caller:
        with suppress(Refused):
            await ask(caller, peer_at(served.port))
    assert notes.outcomes[0].reason == "RFID Authentication failed - invalid UID."


async def test_a_call_that_is_given_up_tells_nothing(notes: Notes) -> None:
    async with wire(replying(b"", hold_open=True)) as served, client(notes) as caller:
        asking = asyncio.ensure_future(ask(caller, peer_at(served.port)))
        await until(lambda: served.heads)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert notes.outcomes == []


async def test_cookies_are_not_kept(notes: Notes) -> None:
    async with wire(replying(http(GOOD, "200 OK", "Set-Cookie: a=b"), times=2)) as served, client(notes) as caller:
        await ask(caller, peer_at(served.port))
        await ask(caller, peer_at(served.port))
    assert "Cookie" not in served.heads[1]

"""A card nobody has seen before, asked of fifty peers at once: the dead and the slow cost the winner nothing."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from p2pnode.backends.own_messages import CallResult
from p2pnode.config import NodeConfig, PeerEntry, PeerTable
from p2pnode.node import Node
from p2pnode.oicp.operations import AUTHORIZE_START, BASE_PATH
from tests.plain_backend import authorized, refused

HOST = "127.0.0.1"
DEADLINE = 1.0
APPROVAL = 0.05
LATE = 5.0
BEYOND = 0.1
"""Seconds an approval may take beyond the approver's own time."""
ATTEMPTS = 5
"""The quickest of so many counts, because others may want the machine's cores at the same moment."""

Say = Callable[[], Awaitable[bytes]]


def says(body: bytes, after: float = 0.0) -> Say:
    async def answer() -> bytes:
        await asyncio.sleep(after)
        return body

    return answer


YES = authorized("DE-Y00").body
NO, UNKNOWN_CARD = refused("106").body, refused("102").body


@dataclass
class Peers:
    """Servers of EMPs, each at a port of its own."""

    stack: AsyncExitStack
    entries: list[PeerEntry] = field(default_factory=list[PeerEntry])

    def add(self, port: int) -> None:
        number = len(self.entries)
        url = f"http://{HOST}:{port}{BASE_PATH}"
        provider = f"DE-Y{number:02d}"
        self.entries.append(PeerEntry(name=f"emp-{number}", url=url, tls="off", providers=(provider,)))

    async def saying(self, say: Say) -> None:
        """One that answers."""

        async def handle(request: web.BaseRequest) -> web.Response:
            await request.read()
            return web.Response(body=await say(), content_type="application/json")

        runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.01)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, 0).start()
        self.add(runner.addresses[0][1])

    async def silent(self) -> None:
        """One that takes connections and answers nothing."""
        ended = asyncio.Event()

        async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await ended.wait()
            writer.close()

        server = await asyncio.start_server(take, HOST, 0)
        self.stack.callback(server.close)
        self.stack.callback(ended.set)
        self.add(server.sockets[0].getsockname()[1])

    def absent(self) -> None:
        """One whose machine refuses the connection: its port is taken, and nobody listens."""
        taken = self.stack.enter_context(closing(socket.socket()))
        taken.bind((HOST, 0))
        self.add(taken.getsockname()[1])


@asynccontextmanager
async def peers() -> AsyncGenerator[Peers]:
    """The approver first, then forty-nine others: dead, silent, late, and such that refuse."""
    async with AsyncExitStack() as stack:
        made = Peers(stack)
        await made.saying(says(YES, APPROVAL))
        for _ in range(5):
            made.absent()
            await made.silent()
        for _ in range(10):
            await made.saying(says(YES, LATE))
        for number in range(29):
            await made.saying(says(UNKNOWN_CARD if number == 17 else NO))
        yield made


cards = count(0xA0000000)


async def authorize(node: Node) -> tuple[CallResult, float]:
    """The answer to a card that was never shown before, and how many seconds it took."""
    medium = {"RFIDMifareFamilyIdentification": {"UID": f"{next(cards):08X}"}}
    body = json.dumps({"OperatorID": "DE*ABC", "Identification": medium}).encode()
    loop = asyncio.get_running_loop()
    begun = loop.time()
    answer = await node.own.call(AUTHORIZE_START, body)
    return answer, loop.time() - begun


async def quickest(node: Node, entries: Sequence[PeerEntry]) -> float:
    await node.peers.replace(PeerTable(entries))
    took: list[float] = []
    for _ in range(ATTEMPTS):
        answer, seconds = await authorize(node)
        assert json.loads(answer.answer)["ProviderID"] == "DE-Y00", answer.answer
        took.append(seconds)
    return min(took)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncGenerator[Node]:
    settings = {
        "node": {"name": "cpo", "operators": ["DE*ABC"]},
        "peer_face": {"port": 0, "tls": "off"},
        "backend_face": {"enabled": False},
        "store": {"path": str(tmp_path / "cpo.db")},
        "roaming": {"authorize_seconds": DEADLINE},
        "log": {"level": "error"},
    }
    async with Node(NodeConfig.model_validate(settings), PeerTable()) as running:
        yield running


async def test_the_one_yes_of_fifty_peers_is_told_as_soon_as_if_nobody_else_had_been_asked(node: Node) -> None:
    async with peers() as asked:
        assert len(asked.entries) == 50
        alone = await quickest(node, asked.entries[:1])
        among_all = await quickest(node, asked.entries)
    assert APPROVAL <= among_all < alone + BEYOND


async def test_where_nobody_says_yes_the_best_refusal_is_told_at_the_deadline(node: Node) -> None:
    async with peers() as asked:
        await node.peers.replace(PeerTable(asked.entries[1:]))
        answers = [await authorize(node) for _ in range(2)]
    assert [answer.code for answer, _ in answers] == ["102", "102"]
    assert all(seconds > DEADLINE * 0.98 for _, seconds in answers)
    assert min(seconds for _, seconds in answers) < DEADLINE + BEYOND


async def test_where_everybody_has_refused_nobody_waits_for_the_deadline(node: Node) -> None:
    async with peers() as asked:
        await node.peers.replace(PeerTable(asked.entries[-29:]))
        answer, seconds = await authorize(node)
    assert answer.code == "102"
    assert seconds < DEADLINE

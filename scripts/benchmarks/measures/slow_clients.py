"""What one peer notices of another that is slow on purpose, or of strangers who only connect: its p99, and the memory.

Loads in turns, quiet and under attack, so that what slows the machine down slows both down. The attackers run in a
thread of this process, what they do to the node in a process of its own, as is the load they may not disturb.
"""

import asyncio
import resource
import ssl
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from benchmarks.figures import Benchmark, Failure, Figure, Goal, Plan
from benchmarks.processes import Generator as Load
from benchmarks.processes import Server
from benchmarks.scene import HOST, Scene, scene
from p2pnode.config import PeerEntry, save_peer
from p2pnode.config.files import read_toml, write_toml
from p2pnode.config.load import NODE_FILE
from p2pnode.oicp.operations import AUTHORIZE_START, BASE_PATH, PUSH_EVSE_DATA, AnyOperation, Role
from p2pnode.pki import Leaf, create_identity

CONNECTIONS, PAUSE = 8, 0.02
"""The load: up to 400 requests/s, far less than the node could answer."""

SLOW = 40
"""Connections of the slow peer."""
IDLE_PEER, IDLE_STRANGERS = 300, 5_000
TRICKLE_SECONDS = 0.05
ENOUGH = 10_000_000_000
"""Bytes of the upload."""
LINE = 125_000_000.0
"""Bytes a second of the attacker's line, 1 Gbit/s. On loopback it would be the attacker that takes the cores away."""

REST_SECONDS = 0.1
OPENING_SECONDS = 0.3
"""Until connections are open: it is what they do then that is measured, not their handshakes."""

CLOSING_SECONDS = 0.05
"""For the transports of the attacker to close their sockets."""

CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"
OPERATOR = "DE*SLO"
PATIENCE = 60.0
P99_GOAL = Goal(2.0, "lower", "ratio")
MEMORY_GOAL = Goal(400.0, "lower")
"""MB: one body of the largest size an operation takes is read, 256 MiB, and what the rest of it all costs."""


@dataclass
class Attacker:
    """A peer of the node that means no good. `refused` counts what was answered, by HTTP status.

    `idle_peer` and `idle_strangers` are how many connections say nothing.
    """

    port: int
    tls: ssl.SSLContext
    idle_peer: int = IDLE_PEER
    idle_strangers: int = IDLE_STRANGERS
    refused: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def slow_heads(self, ready: Callable[[], None]) -> None:
        """Requests whose heads come byte by byte and never end."""
        await self._many(SLOW, self._slow_head, ready)

    async def slow_bodies(self, ready: Callable[[], None]) -> None:
        """Requests that promise large bodies, of which one byte after the other comes."""
        await self._many(SLOW, self._slow_body, ready)

    async def idle(self, ready: Callable[[], None]) -> None:
        """Connections that say nothing: of strangers who do not even begin a handshake, and of the peer."""
        await self._many(self.idle_strangers, self._stranger, lambda: None, then=self._idle_peer(ready))

    async def upload(self, ready: Callable[[], None]) -> None:
        """Bodies of 10 GB without an announced length, at the speed of the line, one after the other is refused."""
        ready()
        while True:
            for operation in (AUTHORIZE_START, PUSH_EVSE_DATA):
                with suppress(OSError, asyncio.IncompleteReadError):
                    await self._upload(operation)
                await asyncio.sleep(REST_SECONDS)

    async def _many(
        self,
        count: int,
        one: Callable[[], Awaitable[None]],
        ready: Callable[[], None],
        then: Awaitable[None] | None = None,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(_whatever_becomes_of(one()))
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(OPENING_SECONDS)
            ready()
            if then is not None:
                await then

    async def _idle_peer(self, ready: Callable[[], None]) -> None:
        await self._many(self.idle_peer, self._idle_one, ready)

    async def _idle_one(self) -> None:
        async with self._connected() as (reader, _):
            await reader.read()

    async def _stranger(self) -> None:
        async with self._connected(is_stranger=True) as (reader, _):
            await reader.read()

    async def _slow_head(self) -> None:
        while True:
            async with self._connected() as (_, writer):
                writer.write(f"POST {_path(AUTHORIZE_START)} HTTP/1.1\r\nX-Slow: ".encode())
                await _trickle(writer)

    async def _slow_body(self) -> None:
        while True:
            async with self._connected() as (_, writer):
                writer.write(_head(PUSH_EVSE_DATA, "Content-Length: 100000000"))
                await _trickle(writer)

    async def _upload(self, operation: AnyOperation) -> None:
        loop = asyncio.get_running_loop()
        async with self._connected() as (reader, writer):
            answered = asyncio.ensure_future(reader.readline())
            try:
                writer.write(_head(operation, "Transfer-Encoding: chunked"))
                begun = loop.time()
                for number in range(ENOUGH // len(CHUNK)):
                    writer.write(CHUNK)
                    await writer.drain()
                    if answered.done():
                        break
                    await asyncio.sleep(begun + number * len(CHUNK) / LINE - loop.time())
                self.refused[int((await answered).split()[1])] += 1
            finally:
                answered.cancel()

    @asynccontextmanager
    async def _connected(
        self, *, is_stranger: bool = False
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(HOST, self.port, ssl=None if is_stranger else self.tls)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    """One byte after the other, until the node has had enough."""
    with suppress(OSError):
        while not writer.transport.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(TRICKLE_SECONDS)


async def _whatever_becomes_of(work: Awaitable[None]) -> None:
    with suppress(OSError):
        await work


def _path(operation: AnyOperation) -> str:
    return BASE_PATH + operation.url_path(OPERATOR)


def _head(operation: AnyOperation, length: str) -> bytes:
    return (
        f"POST {_path(operation)} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    ).encode()


ATTACKS: Mapping[str, Callable[[Attacker, Callable[[], None]], Awaitable[None]]] = {
    "slow-heads": Attacker.slow_heads,
    "slow-bodies": Attacker.slow_bodies,
    "idle": Attacker.idle,
    "upload": Attacker.upload,
}


@contextmanager
def attack(attacker: Attacker, name: str) -> Generator[None]:
    """The attack under way while the context lasts, in a thread of its own."""
    begun, loop = threading.Event(), asyncio.new_event_loop()
    task = loop.create_task(_whatever_becomes_of(ATTACKS[name](attacker, begun.set)))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(asyncio.sleep(CLOSING_SECONDS))
        loop.close()

    thread = threading.Thread(target=run, name=name)
    thread.start()
    try:
        if not begun.wait(PATIENCE):
            raise Failure(f"the attack {name} did not get under way")
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


@contextmanager
def under_attack(**limits: int) -> Generator[tuple[Scene, Server, Attacker]]:
    """A running node with two peers: the one that is measured, and the one that means no good.

    `limits` are set in its configuration.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with scene(Role.EMP) as made:
        slow = create_identity(made.directory / "slow", Leaf("slow"), datetime.now(UTC))
        document, _ = read_toml(made.directory / "node" / NODE_FILE)
        write_toml(made.directory / "node" / NODE_FILE, {**document, "limits": limits})
        save_peer(made.directory / "node", PeerEntry(name="slow", operators=(OPERATOR,), certificate=slow.trust))
        tls = ssl.create_default_context(cafile=str(made.node_identity.trust))
        tls.load_cert_chain(slow.certificate_file, slow.key_file)
        with made.node() as node:
            yield made, node, Attacker(made.peer_port, tls)


def p99_of(made: Scene, node: Server, seconds: float) -> float:
    """The p99 of the other peer's AuthorizeStarts, in ms. Raises Failure where one of them fails."""
    with Load(made.job(node, CONNECTIONS, seconds, PAUSE)) as load:
        return load.load().p99


def measure(plan: Plan) -> Iterator[Figure]:
    """Each run is a new node, and for each attack a quiet time and one under attack."""
    quiet: dict[str, list[float]] = {name: [] for name in ATTACKS}
    attacked: dict[str, list[float]] = {name: [] for name in ATTACKS}
    grown: list[float] = []
    for run in range(plan.runs):
        with under_attack() as (made, node, attacker):
            p99_of(made, node, plan.seconds / 2)
            before = node.memory()
            node.forget_peak()
            for name in ATTACKS:
                plan.say(f"run {run + 1} of {plan.runs}, {name}")
                quiet[name].append(p99_of(made, node, plan.seconds))
                with attack(attacker, name):
                    attacked[name].append(p99_of(made, node, plan.seconds))
            grown.append(node.peak_memory() - before)
            if set(attacker.refused) != {413}:
                raise Failure(f"the uploads were answered {dict(attacker.refused)}, not 413")
    for name in ATTACKS:
        yield Figure(f"slow-clients.{name}.quiet-p99", "ms", quiet[name])
        yield Figure(
            f"slow-clients.{name}.p99", "ms", attacked[name], f"slow-clients.{name}.quiet-p99", quiet[name], P99_GOAL
        )
    yield Figure("slow-clients.memory", "MB", grown, goal=MEMORY_GOAL)


BENCHMARK = Benchmark("slow-clients", "a peer's p99 while others are slow, idle or endless", measure)

"""The load generator, a process of its own: so many connections, on each one request at a time, every answer checked.

It reads a `Job` as JSON from its input and prints a `Load` as JSON. On SIGTERM it ends early, with what it has.
"""

import asyncio
import json
import os
import re
import signal
import ssl
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.requests import SessionIds, Template, http_post
from p2pnode.peering.http_signatures import SigningKey, content_digest
from p2pnode.peering.signed_exchange import sign_request
from p2pnode.peering.signing import read_key

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
OK = b"HTTP/1.1 200 "
SIGNATURE = b"\r\nsignature: oicp=:"
CONNECT_TIMEOUT = 15.0
DRAIN_TIMEOUT = 15.0
AHEAD = 12_000
"""How many requests are signed ahead for each second; where more are sent, they are signed as they go."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where, and for how long; without `trust` over plain HTTP.

    `body` may hold slots for session ids. Every answer must have status 200, hold `expected` and, with
    `echoes_session`, the SessionID of its request. Times are in seconds; with `pause` each connection rests so long
    after an answer. What is answered during `warmup` does not count. `watched` are the processes whose time is told.
    With `signing_key`, the file of a private key, every request is signed, and every answer has to be.
    """

    host: str
    port: int
    certificate: str
    key: str
    trust: str
    path: str
    body: str
    expected: str
    echoes_session: bool
    connections: int
    seconds: float
    warmup: float = 0.5
    pause: float = 0.0
    watched: Sequence[int] = ()
    signing_key: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it: answers and seconds counted, percentiles of the time to an answer in ms.

    `cpu` is the share of one core the generator itself used: near 1 it was the generator that was measured. `used` are
    the seconds of a core that each watched process took meanwhile.
    """

    answers: int
    seconds: float
    p50: float
    p99: float
    cpu: float
    used: Sequence[float] = ()

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds


class BadAnswer(Exception):
    """An answer that is not what every answer must be, or none at all."""


class Generator:
    """All connections of a job, and what they count."""

    def __init__(self, job: Job) -> None:
        self.job = job
        whole = http_post(f"{job.host}:{job.port}", job.path, job.body.encode())
        self.template = Template.of(job.body.encode() if job.signing_key else whole)
        self.key = read_key(Path(job.signing_key)) if job.signing_key else None
        self.expected = job.expected.encode()
        self.ids = SessionIds()
        self.partner_ids = SessionIds()
        self.ahead: deque[tuple[bytes, bytes]] = deque()
        self.latencies: list[float] = []
        self.counting = False
        self.stopping = False
        self.open = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, reason: str) -> None:
        """End the job as failed."""
        if not self.done.done():
            self.done.set_exception(BadAnswer(reason))

    def request(self) -> tuple[bytes, bytes]:
        """A request that is like no other, and its SessionID."""
        session_id, partner_id = self.ids.next(), self.partner_ids.next()
        request = self.template.filled(session_id, partner_id)
        return session_id, request if self.key is None else self.signed(self.key, request, partner_id.decode())

    def sign_ahead(self) -> None:
        """Make the signed requests before they are sent: whoever calls a node does not sign on the node's machine."""
        if self.key is not None:
            self.ahead.extend(self.request() for _ in range(int(AHEAD * (self.job.warmup + self.job.seconds))))

    def signed(self, key: SigningKey, body: bytes, process_id: str) -> bytes:
        """A request with this body, signed."""
        job = self.job
        signed = sign_request(key, job.path, process_id, content_digest(body), int(time.time()))
        return http_post(f"{job.host}:{job.port}", job.path, body, signed.message.fields)

    def closed(self) -> None:
        """Note that one connection is at its end."""
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)

    async def run(self) -> Load:
        """Connect, warm up, count. Raises BadAnswer."""
        job, stopped = self.job, asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        self.sign_ahead()
        await self._connect()
        await self._wait(stopped, job.warmup)
        begun, cpu, used = time.perf_counter(), time.process_time(), [cpu_seconds(pid) for pid in job.watched]
        self.counting = True
        await self._wait(stopped, job.seconds)
        self.counting, self.stopping = False, True
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        used = [cpu_seconds(pid) - before for pid, before in zip(job.watched, used, strict=True)]
        async with asyncio.timeout(DRAIN_TIMEOUT):
            await self.done
        if not self.latencies:
            raise BadAnswer("no answer came in time")
        ordered = sorted(self.latencies)
        p50, p99 = percentile(ordered, 0.5), percentile(ordered, 0.99)
        return Load(len(ordered), seconds, p50, p99, cpu / seconds, used)

    async def _connect(self) -> None:
        job, loop = self.job, asyncio.get_running_loop()
        context = None
        if job.trust:
            context = ssl.create_default_context(cafile=job.trust)
            context.load_cert_chain(job.certificate, job.key)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            for _ in range(job.connections):
                self.open += 1
                await loop.create_connection(lambda: Connection(self), job.host, job.port, ssl=context)

    async def _wait(self, stopped: asyncio.Event, seconds: float) -> None:
        """Until the time is over, or the job is to end, or has failed."""
        stop = asyncio.ensure_future(stopped.wait())
        await asyncio.wait((stop, self.done), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self.done.done():
            self.done.result()


class Connection(asyncio.Protocol):
    """One connection: it sends the next request when the last is answered."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self.received = bytearray()
        self.session_id = b""
        self.sent_at = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        """Write the next request, or close where there is to be none."""
        if self.transport is None or self.transport.is_closing():
            return
        generator = self.generator
        if generator.stopping:
            self.transport.close()
            return
        self.session_id, request = generator.ahead.popleft() if generator.ahead else generator.request()
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take an answer once it is whole."""
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = CONTENT_LENGTH.search(self.received, 0, end)
        if length is None:
            self.generator.fail(f"an answer without Content-Length: {bytes(self.received)!r}")
        elif len(self.received) >= end + 4 + int(length[1]):
            answer = bytes(self.received)
            self.received.clear()
            self.answered(answer)

    def answered(self, answer: bytes) -> None:
        """Check the answer, count it, go on."""
        generator = self.generator
        known = not generator.job.echoes_session or self.session_id in answer
        signed = generator.key is None or SIGNATURE in answer
        if not (answer.startswith(OK) and generator.expected in answer and known and signed):
            generator.fail(f"an answer is not as it must be: {answer[:1500].decode(errors='replace')}")
            return
        if generator.counting:
            generator.latencies.append(time.perf_counter() - self.sent_at)
        if generator.job.pause:
            asyncio.get_running_loop().call_later(generator.job.pause, self.send)
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail, unless the job is over."""
        if not self.generator.stopping:
            self.generator.fail(f"a connection was lost: {exc or 'closed by the server'}")
        self.generator.closed()


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the ordered times lies; from seconds to ms."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def cpu_seconds(pid: int) -> float:
    """The time a process has spent on a core since it began, its own and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def generate(job: Job) -> Load:
    """Run the job. Raises BadAnswer, OSError or TimeoutError."""
    return await Generator(job).run()


def main() -> int:
    """Run the job on the input; the exit code is 1, with a sentence, where an answer is not as it must be."""
    try:
        load = uvloop.run(generate(Job(**json.load(sys.stdin))))
    except (BadAnswer, OSError) as error:  # TimeoutError is an OSError
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(load)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The EMPs a node asks at once, all in one process: each at a port of its own, with an identity of its own."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiohttp import web

from benchmarks.echo import server_context


@dataclass(frozen=True, slots=True)
class Emp:
    """One EMP: what it answers, as JSON, after so many seconds. Without an answer it is silent."""

    port: int
    certificate: str
    key: str
    answer: str
    after: float


def handler(emp: Emp) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    """What an EMP does with a request."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        if not emp.answer:
            await asyncio.Event().wait()
        await asyncio.sleep(emp.after)
        return web.Response(text=emp.answer, content_type="application/json")

    return handle


async def serve(emps: Sequence[Emp], trust: Path) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    runners: list[web.ServerRunner] = []
    for emp in emps:
        runner = web.ServerRunner(web.Server(handler(emp)), shutdown_timeout=0.01)
        await runner.setup()
        context = server_context(Path(emp.certificate), Path(emp.key), trust)
        await web.TCPSite(runner, "127.0.0.1", emp.port, ssl_context=context).start()
        runners.append(runner)
    await stopped.wait()
    for runner in runners:
        await runner.cleanup()


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emps", type=Path, required=True, help="the file that lists them, as JSON")
    parser.add_argument("--trust", type=Path, required=True)
    options = parser.parse_args()
    emps = [Emp(**members) for members in json.loads(options.emps.read_text(encoding="utf-8"))]
    uvloop.run(serve(emps, options.trust))
    return 0


if __name__ == "__main__":
    sys.exit(main())

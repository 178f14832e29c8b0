"""The bare aiohttp server a node is compared with: mutual TLS, uvloop, one route, a fixed answer to every body.

Without a certificate it serves plain HTTP, as the backend behind a node.
"""

import argparse
import asyncio
import signal
import ssl
import sys
from pathlib import Path

import uvloop
from aiohttp import web


async def start(port: int, context: ssl.SSLContext | None, answer: bytes) -> web.AppRunner:
    """Serve on the loopback address: every request is read whole, and gets the answer."""

    async def echo(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=answer, content_type="application/json")

    application = web.Application(client_max_size=0)
    application.router.add_post("/{path:.*}", echo)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    return runner


async def serve(port: int, context: ssl.SSLContext | None, answer: bytes) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    runner = await start(port, context, answer)
    await stopped.wait()
    await runner.cleanup()


def server_context(certificate: Path, key: Path, trust: Path) -> ssl.SSLContext:
    """Mutual TLS with the settings of a node's peer face."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(trust))
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    parser.add_argument("--trust", type=Path)
    parser.add_argument("--answer", type=Path, required=True, help="the file that holds the body of every answer")
    options = parser.parse_args()
    context = server_context(options.certificate, options.key, options.trust) if options.certificate else None
    uvloop.run(serve(options.port, context, options.answer.read_bytes()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

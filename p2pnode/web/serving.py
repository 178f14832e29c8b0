"""A node in a process of its own: node, admin face and run file, until it is told to stop."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from p2pnode.config import ConfigError
from p2pnode.node import Node
from p2pnode.web.admin import AdminFace
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import RunFile, running


async def serve(directory: Path, ready: Callable[[RunFile], None], *, until_eof: bool = False) -> None:
    """Run the node of the directory until SIGINT, SIGTERM or `/api/stop`; with `until_eof` also until stdin ends.

    `ready` is told where it listens. Raises Problem where it cannot start.
    """
    other = running(directory)
    if other is not None:
        raise Problem(f"the node in {directory} is running already, process {other.pid}", "stop that one first")
    try:
        node = Node.from_directory(directory)
    except ConfigError as error:
        raise Problem(str(error), "correct the configuration file") from error
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, node.stop)
    if until_eof:
        loop.add_reader(sys.stdin, _at_eof, node)
    async with node:
        face = AdminFace(node)
        await face.start()
        run = RunFile(os.getpid(), face.url, node.peer_url)
        try:
            run.write(directory)
            ready(run)
            await node.stopped()
        finally:
            await face.stop()
            run.remove(directory)


def _at_eof(node: Node) -> None:
    """Stop when nothing more comes from stdin; what comes is not read by anybody."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        node.stop()

"""A node in a process of its own: node, admin face and run file, until it is told to stop."""

import asyncio
import errno
import fcntl
import os
import resource
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from shlex import quote

from p2pnode.config import ConfigError
from p2pnode.config.load import NODE_FILE
from p2pnode.node import Node
from p2pnode.peering.trust import TrustError
from p2pnode.pki import PkiError
from p2pnode.store.errors import StoreError
from p2pnode.web.admin import AdminFace
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import RunFile

LOCK = ".run.lock"
"""Locked by the process that runs the node of a directory; the lock ends with the process, however it ends."""


async def serve(directory: Path, ready: Callable[[RunFile], None], *, until_eof: bool = False) -> None:
    """Run the node of the directory until SIGINT, SIGTERM or `/api/stop`; with `until_eof` also until stdin ends.

    SIGHUP lets it read its peer table and certificates again. `ready` is told where it listens. Raises Problem where it
    cannot start.
    """
    _allow_sockets()
    async with AsyncExitStack() as stack:
        stack.enter_context(_alone(directory))
        node, face = await _started(directory, stack)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, node.stop)
        loop.add_signal_handler(signal.SIGHUP, node.reload)
        if until_eof:
            loop.add_reader(sys.stdin, _at_eof, node)
        run = RunFile(os.getpid(), face.url, node.peer_url)
        run.write(directory)
        stack.callback(run.remove, directory)
        ready(run)
        await node.stopped()


def _allow_sockets() -> None:
    """Let this process open as many files as its user may: a shell's usual 1024 are fewer than idle strangers bring."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in {soft, resource.RLIM_INFINITY}:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _started(directory: Path, stack: AsyncExitStack) -> tuple[Node, AdminFace]:
    """The node and its admin face, both listening. Raises Problem."""
    try:
        node = await stack.enter_async_context(Node.from_directory(directory))
        face = AdminFace(node)
        stack.push_async_callback(face.stop)
        await face.start()
    except (ConfigError, TrustError, PkiError) as error:
        raise Problem(str(error), "correct the file it names") from error
    except StoreError as error:
        raise Problem(f"the store cannot be used: {error}", "see store.path in the configuration") from error
    except OSError as error:
        raise Problem(f"the node cannot start: {error.strerror or error}", _remedy(error)) from error
    return node, face


def _remedy(error: OSError) -> str:
    """What to do about an address that cannot be listened at."""
    if error.errno == errno.EADDRINUSE:
        return "another process has this port: give the faces other ones in p2pnode.toml, or end that process"
    if error.errno == errno.EACCES:
        return "ports below 1024 need a privilege: give the faces higher ones in p2pnode.toml"
    return "see the hosts and ports of the faces in p2pnode.toml"


@contextmanager
def _alone(directory: Path) -> Generator[None]:
    """Hold a node's directory while the context lasts. Raises Problem where another process does, or there is none."""
    try:
        found = (directory / NODE_FILE).exists()
    except OSError as error:
        raise Problem(f"{directory} cannot be used: {error.strerror}", "is it writable for this user?") from error
    if not found:
        name = "my-node" if directory == Path() else quote(str(directory))
        raise Problem(f"there is no node in {directory}", f"make one: p2pnode init {name} --operator DE*ABC")
    with held(directory):
        yield


@contextmanager
def held(directory: Path) -> Generator[None]:
    """Keep every node from running in the directory while the context lasts. Raises Problem where one does."""
    try:
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Problem(f"{directory} cannot be used: {error.strerror}", "is it writable for this user?") from error
    try:
        _require_free(lock, directory)
        yield
    finally:
        os.close(lock)


def _require_free(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Problem(f"the node in {directory} is running already", "stop that one first") from None


def _at_eof(node: Node) -> None:
    """Stop when nothing more comes from stdin; what comes is not read by anybody."""
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        node.stop()

"""What commands find in a node's directory: its configuration, its peers, and the node itself where it runs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from p2pnode.config import ConfigError, NodeConfig, PeerTable, load_node, load_peers
from p2pnode.config.load import NODE_FILE
from p2pnode.web.client import AdminClient
from p2pnode.web.problem import Problem
from p2pnode.web.runfile import no_node


def config_of(directory: Path) -> NodeConfig:
    """The configuration of the node in a directory. Raises Problem."""
    try:
        return load_node(directory)
    except ConfigError as error:
        raise (_mistake(error) if (directory / NODE_FILE).exists() else no_node(directory)) from error


def peers_of(directory: Path) -> PeerTable:
    """The peer table of the node in a directory. Raises Problem."""
    config_of(directory)  # a directory without a node has no peers, not none yet
    try:
        return load_peers(directory)
    except ConfigError as error:
        raise _mistake(error) from error


def _mistake(error: ConfigError) -> Problem:
    return Problem(str(error), "name the node's directory with --dir, or correct the file")


def got(directory: Path, path: str, **query: str | Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    """The JSON answer of the running node to a GET of `/api/…`. Raises Problem."""
    return _asked(directory, lambda client: client.get(path, **query))


def posted(directory: Path, path: str, body: Mapping[str, Any] | bytes = b"{}", **query: str) -> Any:  # noqa: ANN401 - JSON
    """The JSON answer of the running node to a POST to `/api/…`. Raises Problem."""
    return _asked(directory, lambda client: client.post(path, body, **query))


def _asked(directory: Path, ask: Callable[[AdminClient], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON
    async def answer() -> Any:  # noqa: ANN401 - as above
        async with AdminClient.of(directory) as client:
            return await ask(client)

    return asyncio.run(answer())

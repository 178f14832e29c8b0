"""Two running nodes for the commands that talk to one."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from p2pnode.lab.network import Network, reserve_ports
from p2pnode.lab.parties import PARTIES


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The directories of two running nodes that are peers of each other, by name."""
    root = tmp_path_factory.mktemp("nodes")
    network = Network(root, plain=True)
    with asyncio.Runner() as runner, reserve_ports() as reserved:
        network.make(datetime.now(UTC), reserved.ports)
        try:
            runner.run(network.start())
            for party in PARTIES:
                runner.run(network.nodes[party.name].ready())
            yield {party.name: root / party.name for party in PARTIES}
        finally:
            runner.run(network.stop())

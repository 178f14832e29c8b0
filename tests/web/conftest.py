"""A real node with its admin face, in this process."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from p2pnode.lab.directory import make_directory
from p2pnode.node import Node
from p2pnode.web.admin import AdminFace

TOKEN = "a-token-of-some-length"


def settings(**sections: dict[str, Any]) -> dict[str, Any]:
    """The settings of a node on free ports without TLS."""
    point = {"evse_id": "DE*ABC*E1*1", "connected": False}
    return {
        "node": {"name": "abc", "operators": ["DE*ABC"], "providers": ["DE-ABC"]},
        "peer_face": {"port": 0, "tls": "off"},
        "backend_face": {"port": 0},
        "admin_face": {"port": 0},
        "cpo": {"virtual": {"charge_points": [point], "publish_at_start": False}},
        "emp": {"virtual": {"drivers": [{"name": "Ada", "uid": "04A1B2C3"}]}},
        "log": {"level": "error"},
        **sections,
    }


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A running node without peers."""
    make_directory(tmp_path / "abc", settings(), datetime.now(UTC))
    async with Node.from_directory(tmp_path / "abc") as running:
        yield running


@pytest.fixture
async def face(node: Node) -> AsyncIterator[AdminFace]:
    """Its admin face, without a token."""
    served = AdminFace(node)
    await served.start()
    yield served
    await served.stop()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[AdminFace]:
    """The admin face of a node with a token."""
    make_directory(tmp_path / "abc", settings(admin_face={"port": 0, "token": TOKEN}), datetime.now(UTC))
    async with Node.from_directory(tmp_path / "abc") as running:
        served = AdminFace(running)
        await served.start()
        yield served
        await served.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session

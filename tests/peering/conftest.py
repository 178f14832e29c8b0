"""Identities for all tests of this directory, and a loop that may not block."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

import pytest
import uvloop
from blockbuster import blockbuster_ctx

from p2pnode.pki import Leaf, create_ca, create_identity, issue
from tests.peering.peering_kit import NOW, Notes, Pki


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """TLS is tested under both event loops, since each brings its own implementation of it."""
    del config
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.stem.endswith("_tls"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    root = tmp_path_factory.mktemp("pki")
    ca = create_ca(root / "ca", "lab CA", NOW)
    return Pki(
        node=create_identity(root / "node", Leaf("node", ("DE*OWN",)), NOW),
        partner=create_identity(root / "partner", Leaf("partner", ("DE*ABC",)), NOW),
        stranger=create_identity(root / "stranger", Leaf("stranger", ("DE*ABC",)), NOW),
        expired=create_identity(root / "expired", Leaf("expired", ("DE*ABC",)), NOW - timedelta(days=500)),
        ca=ca,
        issued=issue(ca, root / "issued", Leaf("issued.example", ("DE*ABC",), ("issued.example", "127.0.0.1")), NOW),
    )


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(autouse=True)
def no_blocking() -> Iterator[None]:
    with blockbuster_ctx("p2pnode"):
        yield

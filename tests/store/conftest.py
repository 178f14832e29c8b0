"""A store on a file of its own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from p2pnode.store.store import SqlStore
from tests.blank_store import put_store
from tests.clock import Clock
from tests.store.store_kit import START, OpenStore


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return put_store(tmp_path / "p2pnode.db")


@pytest.fixture
def open_store(path: Path, clock: Clock) -> OpenStore:
    """Opens the store, again and again if need be."""
    return lambda: SqlStore.open(path, now=clock, lock_timeout=0.05)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncGenerator[SqlStore]:
    async with open_store() as store:
        yield store

"""The world of the roaming tests."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.roaming.roaming_world import Party, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        yield World(tmp_path, stack.enter_async_context)


@pytest.fixture
async def pair(world: World) -> tuple[Party, Party]:
    return await world.pair()

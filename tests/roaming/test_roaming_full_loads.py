"""The daily and weekly full loads."""

import json
from dataclasses import dataclass, replace

import pytest

from p2pnode.config.outbox import OutboxSection
from p2pnode.oicp.operations import PUSH_EVSE_DATA, PUSH_EVSE_STATUS
from tests.roaming.roaming_world import LIMITS, Party, World
from tests.roaming.test_roaming_evse_data import IDS, push
from tests.roaming.test_roaming_publishing import push as status_push


@dataclass(frozen=True)
class Random:
    """What always falls on the same number."""

    number: float

    def random(self) -> float:
        return self.number


async def published(pair: tuple[Party, Party]) -> None:
    """Everything is with the EMP, and the first look has been taken."""
    cpo, _ = pair
    await cpo.send(PUSH_EVSE_DATA, push("fullLoad", *IDS))
    await cpo.send(PUSH_EVSE_STATUS, status_push("fullLoad", E1="Available"))
    await cpo.roaming.full_loads.run()
    cpo.wire.calls.clear()


async def loaded(world: World, cpo: Party, **later: float) -> list[tuple[str, str]]:
    """What goes to the EMP so much later."""
    world.wire.calls.clear()
    world.clock.advance(**later)
    await cpo.roaming.full_loads.run()
    return [(call.operation.name, json.loads(call.body)["ActionType"]) for call in world.wire.to("emp")]


STATUS = (PUSH_EVSE_STATUS.name, "fullLoad")
DATA = (PUSH_EVSE_DATA.name, "fullLoad")


@pytest.fixture(autouse=True)
def _no_spread(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction] - pytest uses it
    monkeypatch.setattr("p2pnode.roaming.full_loads.SystemRandom", lambda: Random(0.0))


async def test_status_goes_out_daily_and_data_weekly_though_nothing_has_changed(
    world: World, pair: tuple[Party, Party]
) -> None:
    cpo, _ = pair
    await published(pair)
    assert await loaded(world, cpo, hours=23) == []
    assert await loaded(world, cpo, hours=1) == [STATUS]
    assert await loaded(world, cpo, hours=1) == []
    assert await loaded(world, cpo, days=5, hours=22) == [STATUS]
    assert await loaded(world, cpo, hours=1) == [DATA]


async def test_a_restart_does_not_begin_the_interval_anew(world: World, pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    await published(pair)
    for _ in range(6):
        cpo.restart()
        assert await loaded(world, cpo, days=1) == [STATUS]
    cpo.restart()
    assert await loaded(world, cpo, days=1) == [DATA, STATUS]


async def test_a_peer_that_is_away_or_may_not_get_it_is_not_sent_any(world: World, pair: tuple[Party, Party]) -> None:
    cpo, emp = pair
    await published(pair)
    cpo.clock.advance(days=1)
    for _ in range(3):
        cpo.roaming.breakers.failed("emp", "connection refused")
    assert await loaded(world, cpo) == []
    cpo.roaming.breakers.answered("emp")
    await cpo.roaming.settle()
    cpo.knows(emp, send=(PUSH_EVSE_DATA.name,))
    assert await loaded(world, cpo) == []
    cpo.knows(emp)
    assert await loaded(world, cpo) == [STATUS]


async def test_each_can_be_switched_off(world: World, pair: tuple[Party, Party]) -> None:
    cpo, _ = pair
    cpo.limits = replace(LIMITS, outbox=OutboxSection(status_full_load_hours=0, data_full_load_days=1))
    cpo.restart()
    await published(pair)
    assert await loaded(world, cpo, days=30) == [DATA]


async def test_peers_are_spread_over_the_interval(
    world: World, pair: tuple[Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, _ = pair
    monkeypatch.setattr("p2pnode.roaming.full_loads.SystemRandom", lambda: Random(0.5))
    cpo.restart()
    await published(pair)
    assert await loaded(world, cpo, hours=9) == []
    assert await loaded(world, cpo, hours=1) == [STATUS]
    assert await loaded(world, cpo, hours=21) == []
    assert await loaded(world, cpo, hours=1) == [STATUS]

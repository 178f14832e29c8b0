"""Whatever a CPO has published in between, pulls with LastCall leave an EMP's node with what a pull of all gives."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pnode.config import NodeConfig, PeerEntry, PeerTable
from p2pnode.node import Node
from p2pnode.oicp.evse_data import PullEvseData
from p2pnode.oicp.operations import PULL_EVSE_DATA, PUSH_EVSE_DATA
from p2pnode.roaming.published_records import EvseFilter
from p2pnode.roaming.records import OWN, PageRequest
from tests.clock import Clock
from tests.peering.peering_kit import OPERATOR, PROVIDER
from tests.samples import sample_members

ONCE = PageRequest(0, 2000)
(RECORD,) = sample_members(PUSH_EVSE_DATA)["OperatorEvseData"]["EvseDataRecord"][:1]
Step = tuple[str, Sequence[int], int]
"""A push of these EVSEs, or a `pull`, and the minutes since the step before."""
actions = st.sampled_from(["insert", "update", "delete", "fullLoad", "pull", "pull"])
steps = st.tuples(actions, st.lists(st.integers(1, 5), max_size=4, unique=True), st.sampled_from([0, 3, 9, 11, 25]))


def _config(root: Path, name: str, **ids: list[str]) -> NodeConfig:
    return NodeConfig.model_validate(
        {
            "node": {"name": name, **ids},
            "peer_face": {"port": 0, "tls": "off"},
            "backend_face": {"enabled": False},
            "store": {"path": str(root / f"{name}.db")},
            "log": {"level": "error"},
        }
    )


@dataclass
class Two:
    """A CPO that tells nobody by itself, and an EMP that pulls."""

    cpo: Node
    emp: Node
    clock: Clock
    pushes: int = 0

    async def take(self, step: Step) -> None:
        action, numbers, minutes = step
        self.clock.advance(minutes=minutes)
        if action == "pull":
            await self.pull()
            return
        self.pushes += 1
        records = [
            {**RECORD, "EvseID": f"{OPERATOR}*E{number}", "HotlinePhoneNumber": f"+49{self.pushes:09}"}
            for number in numbers
        ]
        data = {"OperatorID": OPERATOR, "OperatorName": "The CPO", "EvseDataRecord": records}
        body = json.dumps({"ActionType": action, "OperatorEvseData": data}).encode()
        answer = await self.cpo.own.call(PUSH_EVSE_DATA, body)
        assert answer.code in {"000", "022"}  # what is to be inserted may exist, what is to be deleted may not

    async def pull(self) -> None:
        self.emp.roaming.catch_up.ask("cpo")
        await self.emp.roaming.settle()

    async def held(self, node: Node, owner: str) -> list[dict[str, Any]]:
        records = await node.store.evse_page(EvseFilter((owner,), node.store.clock()), ONCE)
        found: list[dict[str, Any]] = [json.loads(bytes(record.body)) for record in records]
        told_by_pulls = {"lastUpdate", "deltaType"}
        return [{name: value for name, value in each.items() if name not in told_by_pulls} for each in found]

    async def check(self, sequence: Sequence[Step]) -> None:
        for step in sequence:
            await self.take(step)
        await self.pull()
        by_deltas = await self.held(self.emp, "cpo")
        await self.emp.roaming.pull_evse_data(
            PullEvseData(provider_id=PROVIDER, geo_coordinates_response_format="Google"), "cpo"
        )
        assert by_deltas == await self.held(self.emp, "cpo")
        assert by_deltas == await self.held(self.cpo, OWN)


@asynccontextmanager
async def _two(root: Path) -> AsyncGenerator[Two]:
    clock = Clock(datetime.now(UTC))
    emp_entry = PeerEntry(name="emp", providers=(PROVIDER,), tls="off")
    async with Node(_config(root, "cpo", operators=[OPERATOR]), PeerTable([emp_entry]), now=clock) as cpo:
        cpo_entry = PeerEntry(
            name="cpo", url=cpo.peer_url, operators=(OPERATOR,), tls="off", send=(PULL_EVSE_DATA.name,)
        )
        async with Node(_config(root, "emp", providers=[PROVIDER]), PeerTable([cpo_entry]), now=clock) as emp:
            yield Two(cpo, emp, clock)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Two]]:
    nodes = _two(tmp_path_factory.mktemp("two"))
    with asyncio.Runner() as runner:
        two = runner.run(nodes.__aenter__())
        yield runner, two
        runner.run(nodes.__aexit__(None, None, None))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=st.lists(steps, min_size=1, max_size=8))
def test_deltas_pulled_at_any_points_leave_what_a_full_pull_gives(
    running: tuple[asyncio.Runner, Two], *, sequence: list[Step]
) -> None:
    runner, two = running
    runner.run(two.check(sequence))

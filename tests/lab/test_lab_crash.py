"""A node that is killed in the middle of everything has kept what it acknowledged."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from p2pnode.lab.messages import push_evse_data, push_evse_status
from p2pnode.lab.network import Network, reserve_ports
from p2pnode.lab.parties import ALPINE, PARTIES, RHINE
from p2pnode.lab.stage import Actor
from p2pnode.oicp.evse_status import EvseStatusType
from p2pnode.oicp.operations import PUSH_EVSE_DATA, PUSH_EVSE_STATUS
from p2pnode.oicp.scalars import ActionType
from p2pnode.roaming.records import SessionState

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def network(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Network]:
    """Two running nodes, for all tests: each has charge points of its own, the last ends a node."""
    with reserve_ports() as reserved:
        made = Network(tmp_path_factory.mktemp("network"), plain=True)
        made.make(datetime.now(UTC), reserved.ports)
        async with made:
            await made.start()
            for party in PARTIES:
                await made.nodes[party.name].ready()
            reserved.release()
            yield made


async def test_what_a_killed_node_acknowledged_is_there_after_its_restart(network: Network) -> None:
    point, other = ALPINE.points[0], ALPINE.points[1]
    async with await network.nodes["alpine"].ready() as first, await network.nodes["rhine"].ready() as second:
        alpine, rhine = Actor(ALPINE, first), Actor(RHINE, second)
        listed = push_evse_data(ALPINE, ActionType.FULL_LOAD, ALPINE.points)
        assert (await alpine.send(PUSH_EVSE_DATA, listed, rhine)).code == "000"
        status = push_evse_status(ALPINE, ActionType.FULL_LOAD, {point.evse_id: EvseStatusType.AVAILABLE})
        assert (await alpine.send(PUSH_EVSE_STATUS, status, rhine)).code == "000"
        settled = await _session(alpine, rhine, point.evse_id)
        await alpine.at_point("swipe", point, uid=RHINE.drivers.card.uid)
        running = await _session(alpine, rhine, other.evse_id)
        record = await rhine.cdr(settled)

    await network.nodes["rhine"].kill()
    await network.nodes["rhine"].start()

    async with await network.nodes["rhine"].ready() as again, await network.nodes["alpine"].ready() as first:
        alpine, rhine = Actor(ALPINE, first), Actor(RHINE, again)
        assert set(await rhine.published_by(alpine)) == {point.evse_id for point in ALPINE.points}
        assert (await rhine.published_by(alpine))[point.evse_id]["status"] is not None
        assert (await rhine.session(settled))["state"] == SessionState.SETTLED
        assert await rhine.cdr(settled) == record
        assert (await rhine.session(running))["state"] in {SessionState.AUTHORIZED, SessionState.CHARGING}
        stopped = await alpine.at_point("swipe", other, uid=RHINE.drivers.card.uid)
        assert stopped["code"] == "000"
        assert (await rhine.session(running, SessionState.SETTLED))["state"] == SessionState.SETTLED
        assert await rhine.cdr(running) == await alpine.cdr(running)


async def test_every_charge_point_acknowledged_before_the_kill_is_there_after_it(network: Network) -> None:
    acknowledged: set[str] = set()
    enough = asyncio.Event()

    async def push(alpine: Actor, rhine: Actor) -> None:
        for number in itertools.count():
            point = ALPINE.points[0].model_copy(update={"evse_id": f"CH*ALP*E7{number:05}*1"})
            body = push_evse_data(ALPINE, ActionType.INSERT, [point])
            answer = (await alpine.send(PUSH_EVSE_DATA, body, rhine)).answer
            if "AdditionalInfo" in answer["StatusCode"]:
                return  # alpine keeps it for later: rhine could not be told
            acknowledged.add(point.evse_id)
            if number == 20:
                enough.set()

    async with (
        asyncio.timeout(60),
        await network.nodes["alpine"].ready() as first,
        await network.nodes["rhine"].ready() as second,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(push(Actor(ALPINE, first), Actor(RHINE, second)))
        await enough.wait()
        await network.nodes["rhine"].kill()
    await network.nodes["rhine"].start()

    async with await network.nodes["rhine"].ready() as again:
        found = await again.get("/api/evses", owner="alpine", size="2000")
    assert acknowledged <= {record["evse_id"] for record in found["evses"]}
    assert len(acknowledged) > 20


async def test_a_charge_point_goes_on_after_its_node_was_killed(network: Network) -> None:
    point = ALPINE.points[2]
    async with await network.nodes["alpine"].ready() as first, await network.nodes["rhine"].ready() as second:
        alpine, rhine = Actor(ALPINE, first), Actor(RHINE, second)
        session = await _session(alpine, rhine, point.evse_id)
        assert (await rhine.session(session, SessionState.CHARGING))["state"] == SessionState.CHARGING

    await network.nodes["alpine"].kill()
    await network.nodes["alpine"].start()

    async with await network.nodes["alpine"].ready() as again, await network.nodes["rhine"].ready() as second:
        alpine, rhine = Actor(ALPINE, again), Actor(RHINE, second)
        stopped = await alpine.at_point("swipe", point, uid=RHINE.drivers.card.uid)
        assert stopped["code"] == "000"
        assert stopped["session_id"] == session
        assert (await rhine.session(session, SessionState.SETTLED))["state"] == SessionState.SETTLED
        assert await rhine.cdr(session) == await alpine.cdr(session)


async def test_a_node_of_the_lab_ends_when_its_starter_is_gone(network: Network) -> None:
    node = network.nodes["alpine"]
    found = await node.ready()

    node.let_go()

    async with asyncio.timeout(10):
        await node.ended()
    assert not (node.directory / "run.json").exists()
    assert found.url


async def _session(alpine: Actor, rhine: Actor, evse_id: str) -> str:
    """A session of rhine's driver with a card at a charge point of alpine."""
    point = next(point for point in ALPINE.points if point.evse_id == evse_id)
    await alpine.at_point("plug_in", point)
    started = await alpine.at_point("swipe", point, uid=RHINE.drivers.card.uid)
    assert started["authorized"], started
    session_id: str = started["session_id"]
    await rhine.session(session_id, SessionState.CHARGING)
    return session_id

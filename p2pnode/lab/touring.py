"""A network of the lab from its beginning to its end: everybody is started, and every CPO and EMP roam that can."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from p2pnode.lab.network import Network, reserve_ports
from p2pnode.lab.parties import Party
from p2pnode.lab.plain_party import Hub, PlainParty
from p2pnode.lab.ports import LOOPBACK
from p2pnode.lab.report import Report
from p2pnode.lab.scenario_roaming import NodePlayer, Player, publish, roam
from p2pnode.lab.stage import Actor, Stage, StepFailed
from p2pnode.lab.timeline import Timeline
from p2pnode.lab.topology import Topology
from p2pnode.lab.wire import Wire
from p2pnode.oicp.operations import BASE_PATH
from p2pnode.pki import Leaf, issue
from p2pnode.web.problem import Problem


async def tour(
    root: Path, topology: Topology, timeline: Timeline, *, plain: bool = False, keep: bool = False
) -> Report:
    """Play the network below `root`, whose nodes end with it unless kept. One that breaks is told in `failure`."""
    stage = Stage(Wire(), timeline, time.monotonic())
    network = Network(root, plain=plain, keep=keep, topology=topology)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(network)
            players = await _begin(network, topology, stage.wire, timeline, stack)
            await _roam(network, stage, [[players[name] for name in way] for way in ways(topology)])
            cells = {
                name: (await player.actor.client.get("/api/operations"))["cells"]
                for name, player in players.items()
                if isinstance(player, NodePlayer)
            }
            network.keep()
        except Problem as problem:
            return Report(stage.steps, {}, problem.message, is_whole_table=False)
    return Report(stage.steps, cells, is_whole_table=False)


async def _roam(network: Network, stage: Stage, ways: Sequence[Sequence[Player]]) -> None:
    """Every CPO publishes, then drivers charge on every way. Raises Problem where a node has ended."""
    cpos = {way[0].name: way[0] for way in ways}.values()
    scenarios: list[Callable[[], Awaitable[None]]] = [
        *(partial(publish, stage, cpo, [way for way in ways if way[0] is cpo]) for cpo in cpos),
        *(partial(roam, stage, way) for way in ways),
    ]
    for scenario in scenarios:
        try:
            await scenario()
        except StepFailed:
            ended = [name for name, node in network.nodes.items() if node.has_ended]
            if ended:
                raise Problem(f"{' and '.join(ended)} ended in the middle of the lab") from None


def ways(topology: Topology) -> Sequence[tuple[str, ...]]:
    """The way of every CPO to every EMP of another party, where there is one."""
    cpos = [party.name for party in topology.parties if party.operator_id]
    emps = [party.name for party in topology.parties if party.provider_id]
    found = [topology.way(cpo, emp) for cpo in cpos for emp in emps if cpo != emp]
    return [way for way in found if way]


async def _begin(
    network: Network, topology: Topology, wire: Wire, timeline: Timeline, stack: AsyncExitStack
) -> Mapping[str, Player]:
    """Start everybody, and listen to all nodes. Raises Problem."""
    players: dict[str, Player] = {}
    with reserve_ports(topology) as reserved:
        at = dict(zip((party.name for party in topology.parties), reserved.ports, strict=True))
        await asyncio.to_thread(network.make, datetime.now(UTC), reserved.ports)
        await network.start()
        clients = await asyncio.gather(*(network.nodes[party.name].ready() for party in topology.nodes))
        for party in topology.parties:
            if party.name in topology.plain:
                players[party.name] = await stack.enter_async_context(_plain(network, topology, party, at, wire))
                timeline.say(f"{party.name}: {_roles(party)}, without a node")
    for party, client in zip(topology.nodes, clients, strict=True):
        await stack.enter_async_context(client)
        await stack.enter_async_context(wire.listening(party.name, client))
        players[party.name] = NodePlayer(Actor(party, client))
        process = network.nodes[party.name].pid
        timeline.say(f"{party.name}: {_roles(party)}, process {process}, administrators at {client.url}")
    return players


def _plain(network: Network, topology: Topology, party: Party, at: Mapping[str, int], wire: Wire) -> PlainParty:
    (hub,) = topology.known[party.name]
    scheme, identity = "http", None
    if network.authority is not None:
        scheme = "https"
        leaf = Leaf(party.name, (party.operator_id, party.provider_id), ("localhost", LOOPBACK))
        identity = issue(network.authority, network.root / party.name, leaf, datetime.now(UTC))
    return PlainParty(party, at[party.name], Hub(hub, f"{scheme}://{LOOPBACK}:{at[hub]}{BASE_PATH}"), wire, identity)


def _roles(party: Party) -> str:
    return " and ".join(text for text in (party.operator_id, party.provider_id) if text) or "relay"

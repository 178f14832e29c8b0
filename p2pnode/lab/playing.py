"""The lab from its beginning to its end: network, scenarios in both directions, report."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from p2pnode.lab.capture import Recorder
from p2pnode.lab.network import Network, reserve_ports
from p2pnode.lab.parties import ALPINE, PARTIES
from p2pnode.lab.report import Report
from p2pnode.lab.scenario_charging import (
    charge_by_app,
    charge_by_car,
    charge_with_card,
    charge_with_code,
    refuse_strangers,
    reserve,
)
from p2pnode.lab.scenario_import import DataFile, import_data, import_status
from p2pnode.lab.scenario_publishing import Published, publish_charge_points, publish_contracts
from p2pnode.lab.scenario_pulls import (
    PAGE_SIZE,
    fetch_cdrs,
    pull_charge_points,
    pull_contracts,
    pull_prices,
    pull_status,
)
from p2pnode.lab.stage import Actor, Stage, StepFailed
from p2pnode.lab.timeline import Cells, Timeline
from p2pnode.lab.wire import Wire
from p2pnode.oicp.dialects import Dialect
from p2pnode.web.problem import Problem

Result = TypeVar("Result")

LARGE_PAGE = 2000
"""Records a page where a file has been imported."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the lab is to be played. Files are imported by the first node.

    What crosses the wire is written to `capture`, for which it has to be plain.
    """

    plain: bool = False
    keep: bool = False
    files: tuple[DataFile, ...] = ()
    dialect: Dialect = "oicp"
    capture: Path | None = None


async def play(root: Path, options: Options, timeline: Timeline) -> Report:
    """Play all scenarios in both directions, on a network of nodes below `root`, which ends with it unless kept.

    A network that does not come up, or breaks, is told in the report's `failure`.
    """
    begun = time.monotonic()
    wire = Wire()
    stage = Stage(wire, timeline, begun)
    operators = sorted({operator for file in options.files for operator in file.operators})
    network = Network(
        root,
        plain=options.plain or options.capture is not None,
        keep=options.keep,
        sub_operators={ALPINE.name: operators},
        dialect=options.dialect,
    )
    async with AsyncExitStack() as stack:
        try:
            recorder = await stack.enter_async_context(Recorder(options.capture)) if options.capture else None
            await stack.enter_async_context(network)
            actors = await _begin(network, timeline, recorder)
            cells = await _on_stage(Play(network, stage, *actors, options))
            network.keep()
        except Problem as problem:
            return Report(stage.steps, {}, problem.message)
    return Report(stage.steps, cells)


async def _begin(network: Network, timeline: Timeline, recorder: Recorder | None) -> tuple[Actor, Actor]:
    """Start both nodes. Raises Problem."""
    with reserve_ports() as reserved:
        if recorder is not None:
            named = zip(PARTIES, reserved.ports, strict=True)
            network.relays = {party.name: await recorder.relay(party.name, port) for party, port in named}
        await asyncio.to_thread(network.make, datetime.now(UTC), reserved.ports)
        await network.start()
        clients = await asyncio.gather(*(network.nodes[party.name].ready() for party in PARTIES))
    for party, client in zip(PARTIES, clients, strict=True):
        timeline.say(
            f"{party.name}: {party.operator_id} and {party.provider_id}, process "
            f"{network.nodes[party.name].pid}, administrators at {client.url}"
        )
    first, second = (Actor(party, client) for party, client in zip(PARTIES, clients, strict=True))
    return first, second


@dataclass(frozen=True, slots=True)
class Play:
    """Everything the scenarios are played with."""

    network: Network
    stage: Stage
    first: Actor
    second: Actor
    options: Options

    @property
    def directions(self) -> tuple[tuple[Actor, Actor], ...]:
        """CPO and EMP, both ways round."""
        return ((self.first, self.second), (self.second, self.first))

    async def scenario(self, scenario: Awaitable[Result]) -> Result | None:
        """What the scenario returns; None where a step of it failed. Raises Problem where a node has ended."""
        try:
            return await scenario
        except StepFailed:
            ended = [name for name, node in self.network.nodes.items() if node.has_ended]
            if ended:
                raise Problem(f"{' and '.join(ended)} ended in the middle of the lab") from None
            return None


async def _on_stage(play: Play) -> dict[str, Cells]:
    """Play with both nodes' reports coming in; what each has counted in the end."""
    actors = (play.first, play.second)
    async with AsyncExitStack() as stack:
        for actor in actors:
            await stack.enter_async_context(actor.client)
            await stack.enter_async_context(play.stage.wire.listening(actor.name, actor.client))
        published = await _publishing(play)
        for file in play.options.files:
            take = import_data if file.kind == "data" else import_status
            await play.scenario(take(play.stage, play.first, play.second, file))
        await _charging(play)
        await _pulling(play, published)
        return {actor.name: (await actor.client.get("/api/operations"))["cells"] for actor in actors}


async def _publishing(play: Play) -> dict[str, Published]:
    """What each CPO has published, by its name."""
    published: dict[str, Published] = {}
    for cpo, emp in play.directions:
        found = await play.scenario(publish_charge_points(play.stage, cpo, emp))
        if found is not None:
            published[cpo.name] = found
        await play.scenario(publish_contracts(play.stage, emp, cpo))
    return published


async def _charging(play: Play) -> None:
    for cpo, emp in play.directions:
        for charge in (charge_with_card, refuse_strangers, charge_with_code, charge_by_car):
            await play.scenario(charge(play.stage, cpo, emp))
        for remote in (charge_by_app, reserve):
            await play.scenario(remote(play.stage, emp, cpo))


async def _pulling(play: Play, published: dict[str, Published]) -> None:
    stage = play.stage
    for cpo, emp in play.directions:
        known = published.get(cpo.name)
        if known is not None:
            size = LARGE_PAGE if play.options.files and cpo is play.first else PAGE_SIZE
            await play.scenario(pull_charge_points(stage, emp, cpo, known, size))
            await play.scenario(pull_status(stage, emp, cpo, known))
            await play.scenario(pull_prices(stage, emp, cpo, known))
        await play.scenario(pull_contracts(stage, cpo, emp))
        await play.scenario(fetch_cdrs(stage, emp, cpo))

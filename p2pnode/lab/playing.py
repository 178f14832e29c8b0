"""The lab from its beginning to its end: network, scenarios in both directions, report."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

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
from p2pnode.web.problem import Problem

Result = TypeVar("Result")

LARGE_PAGE = 500
"""Records a page where a file has been imported."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the lab is to be played. Files are imported by the first node."""

    plain: bool = False
    keep: bool = False
    files: tuple[DataFile, ...] = ()


async def play(root: Path, options: Options, timeline: Timeline) -> Report:
    """Play all scenarios in both directions, on a network of nodes below `root`, which ends with it unless kept.

    A network that does not come up, or breaks, is told in the report's `failure`.
    """
    begun = time.monotonic()
    wire = Wire()
    stage = Stage(wire, timeline, begun)
    operators = sorted({operator for file in options.files for operator in file.operators})
    network = Network(root, plain=options.plain, keep=options.keep, sub_operators={ALPINE.name: operators})
    async with network:
        try:
            actors = await _begin(network, timeline)
            cells = await _on_stage(stage, actors, options)
            network.keep()
        except Problem as problem:
            tails = "\n".join(f"{name}:\n{node.tail()}" for name, node in network.nodes.items())
            return Report(stage.steps, {}, f"{problem.message}\n{problem.hint}\n{tails}")
    return Report(stage.steps, cells)


async def _begin(network: Network, timeline: Timeline) -> tuple[Actor, Actor]:
    """Start both nodes. Raises Problem."""
    with reserve_ports() as reserved:
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


async def _on_stage(stage: Stage, actors: tuple[Actor, Actor], options: Options) -> dict[str, Cells]:
    """Play with both nodes' reports coming in; what each has counted in the end."""
    async with AsyncExitStack() as stack:
        for actor in actors:
            await stack.enter_async_context(actor.client)
            await stack.enter_async_context(stage.wire.listening(actor.name, actor.client))
        await _scenarios(stage, *actors, options)
        return {actor.name: (await actor.client.get("/api/operations"))["cells"] for actor in actors}


async def _scenarios(stage: Stage, first: Actor, second: Actor, options: Options) -> None:
    """Every scenario in both directions. One that fails does not keep the next from being played."""
    published: dict[str, Published] = {}
    for cpo, emp in ((first, second), (second, first)):
        found = await _played(publish_charge_points(stage, cpo, emp))
        if found is not None:
            published[cpo.name] = found
        await _played(publish_contracts(stage, emp, cpo))
    for file in options.files:
        take = import_data if file.kind == "data" else import_status
        await _played(take(stage, first, second, file))
    for cpo, emp in ((first, second), (second, first)):
        for charge in (charge_with_card, refuse_strangers, charge_with_code, charge_by_car):
            await _played(charge(stage, cpo, emp))
        for remote in (charge_by_app, reserve):
            await _played(remote(stage, emp, cpo))
    for cpo, emp in ((first, second), (second, first)):
        known = published.get(cpo.name)
        if known is not None:
            size = LARGE_PAGE if options.files and cpo is first else PAGE_SIZE
            await _played(pull_charge_points(stage, emp, cpo, known, size))
            await _played(pull_status(stage, emp, cpo, known))
            await _played(pull_prices(stage, emp, cpo, known))
        await _played(pull_contracts(stage, cpo, emp))
        await _played(fetch_cdrs(stage, emp, cpo))


async def _played(scenario: Awaitable[Result]) -> Result | None:
    """What the scenario returns; None where one of its steps failed."""
    try:
        return await scenario
    except StepFailed:
        return None
